# imgmgrd, which keeps the container images of a switch right when Kubernetes upgrades them.

ifeq ($(INCLUDE_IMGMGRD),y)

SONIC_IMGMGRD_NAME = sonic-imgmgrd
SONIC_IMGMGRD_SRC_PATH = $(SRC_PATH)/sonic-imgmgrd

# The package takes its version from Cargo.toml, and the recipe looks for a file of exactly this name when everything is
# built. A number written down here would be a second one, and every update of the submodule that raises the version
# would fail until somebody remembers it.
SONIC_IMGMGRD_VERSION := $(shell sed -n '/^\[workspace\.package\]/,/^$$/s/^version = "\(.*\)"$$/\1/p' $(SONIC_IMGMGRD_SRC_PATH)/Cargo.toml)
ifeq ($(SONIC_IMGMGRD_VERSION),)
$(error $(SONIC_IMGMGRD_SRC_PATH)/Cargo.toml tells no version: is the submodule checked out (make init)?)
endif

SONIC_IMGMGRD = $(SONIC_IMGMGRD_NAME)_$(SONIC_IMGMGRD_VERSION)_$(CONFIGURED_ARCH).deb
$(SONIC_IMGMGRD)_SRC_PATH = $(SONIC_IMGMGRD_SRC_PATH)
$(SONIC_IMGMGRD)_VERSION = $(SONIC_IMGMGRD_VERSION)
$(SONIC_IMGMGRD)_NAME = $(SONIC_IMGMGRD_NAME)

SONIC_DPKG_DEBS += $(SONIC_IMGMGRD)

SONIC_IMGMGRD_DBG = $(SONIC_IMGMGRD_NAME)-dbgsym_$(SONIC_IMGMGRD_VERSION)_$(CONFIGURED_ARCH).deb
$(eval $(call add_derived_package,$(SONIC_IMGMGRD),$(SONIC_IMGMGRD_DBG)))

# The image waits for the package. Where slave.mk has no such hook, it names SONIC_IMGMGRD itself.
SONIC_INSTALLER_EXTRA_DEBS += $(SONIC_IMGMGRD)

endif

# Told in either case: j2 refuses a template with a variable that is not there.
SONIC_INSTALLER_EXTRA_EXPORTS += include_imgmgrd="$(INCLUDE_IMGMGRD)"
