#!/usr/bin/env bash
# Installs what building and testing take and this machine lacks: Debian packages by apt-get, as root or with sudo.
# No service is started or enabled. Says nothing when there is nothing to do.
set -euo pipefail

# The toolchain that Cargo.toml asks for.
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml" | head -n 1)

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# A program anywhere that the tests look for it.
have() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1
}

# package:program; busybox must be the static one: the test images hold nothing else.
missing() {
    local pair
    for pair in redis-server:redis-server docker.io:dockerd docker-registry:docker-registry jq:jq curl:curl \
        gcc:cc libc6-dev:/usr/include/stdio.h make:make git:git pkg-config:pkg-config util-linux:setpriv \
        ca-certificates:/etc/ssl/certs/ca-certificates.crt libyang2-tools:yanglint man-db:man \
        python3-pytest:/usr/lib/python3/dist-packages/pytest python3-click:/usr/lib/python3/dist-packages/click \
        python3-natsort:/usr/lib/python3/dist-packages/natsort python3-redis:/usr/lib/python3/dist-packages/redis \
        python3-tabulate:/usr/share/doc/python3-tabulate libfaketime:/usr/share/doc/libfaketime \
        debhelper:dh dpkg-dev:dpkg-buildpackage lintian:lintian debootstrap:debootstrap \
        systemd-container:systemd-nspawn iproute2:ip binutils:readelf python3-minimal:python3; do
        case "${pair#*:}" in
            /*) [ -e "${pair#*:}" ] || echo "${pair%%:*}" ;;
            *) have "${pair#*:}" || echo "${pair%%:*}" ;;
        esac
    done
    if ! { have busybox && ! ldd "$(PATH="$PATH:/usr/sbin:/sbin" command -v busybox)" >/dev/null 2>&1; }; then
        echo busybox-static
    fi
    # On a kernel with AppArmor, dockerd runs no container without its parser.
    if grep -qs Y /sys/module/apparmor/parameters/enabled && ! have apparmor_parser; then
        echo apparmor
    fi
}

# While this file exists and answers 101, Debian's maintainer scripts start no service. What was there comes back,
# even after a run that was killed.
policy=/usr/sbin/policy-rc.d
kept=$policy.before-imgmgrd-setup

restore() {
    if [ -e "$kept" ]; then
        "${root[@]}" mv -f "$kept" "$policy"
    elif grep -qs imgmgrd "$policy"; then
        "${root[@]}" rm -f "$policy"
    fi
}

forbid_services() {
    trap restore EXIT
    trap 'exit 130' INT TERM
    restore
    if [ -e "$policy" ]; then
        "${root[@]}" cp -p "$policy" "$kept"
    fi
    printf '#!/bin/sh\n# Made by imgmgrd'"'"'s scripts/setup.sh, for as long as it runs.\nexit 101\n' |
        "${root[@]}" tee "$policy" >/dev/null
    "${root[@]}" chmod 755 "$policy"
}

installed() {
    dpkg-query -W -f '${Package} ${Status}\n' | sed -n 's/ install ok installed$//p' | sort -u
}

# The services of packages that came now must not come up with the next boot either.
disable_services_of() {
    have systemctl || return 0
    local package unit
    for package in "$@"; do
        for unit in $(dpkg -L "$package" | sed -n 's|.*/systemd/system/\([^/@]*\.\(service\|socket\)\)$|\1|p'); do
            "${root[@]}" systemctl disable --quiet "$unit" >/dev/null 2>&1 || true
        done
    done
}

install_packages() {
    have apt-get || fail "missing: $*. This machine has no apt-get: install them by its own means"
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "missing: $*. Run as root (or install sudo): apt-get install $*"
        root=(sudo)
    fi
    echo "setup: installing $*"
    forbid_services
    local log before new
    log=$(mktemp)
    before=$(installed)
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
    # The lists of a fresh machine are empty, and those of an old one may be stale.
    if ! { "${root[@]}" "${apt[@]}" update \
        && "${root[@]}" "${apt[@]}" install -y --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        fail "apt-get could not install: $*"
    fi
    rm -f "$log"
    mapfile -t new < <(comm -13 <(echo "$before") <(installed))
    disable_services_of "${new[@]}"
    restore
}

check_rust() {
    local found
    # rustup's own folder is often in the PATH of login shells only.
    if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    have cargo || fail "no Rust toolchain. Install $wanted or newer: https://rustup.rs, then 'rustup toolchain install stable'"
    found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) ||
        fail "cargo is there, but no toolchain behind it: 'rustup default stable'"
    if [ "$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        fail "Rust $found is too old, $wanted or newer is needed: 'rustup update stable'"
    fi
}

mapfile -t packages < <(missing)
if [ "${#packages[@]}" -gt 0 ]; then
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing)
    [ "${#packages[@]}" -eq 0 ] || fail "still missing after the installation: ${packages[*]}"
fi
check_rust
