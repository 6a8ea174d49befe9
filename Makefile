# What can be done here. `make` alone lists it.

CARGO ?= cargo
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build deb test model demo soak bench fuzz generate fmt clippy msrv deny root clean

help: ## this list
	@awk -F ':[^#]*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building and testing take (Debian packages; no service is started)
	@./scripts/setup.sh

build: ## the release binary, target/release/imgmgrd
	@$(CARGO) build --release --locked

deb: root setup ## the Debian package, target/package/sonic-imgmgrd_*.deb; ARGS are dpkg-buildpackage's (root)
	@./scripts/msrv.sh build
	@./scripts/deb.sh $(if $(ARGS),'' $(ARGS))

test: root setup msrv ## everything: dependencies, formatting, lints, all tests on real servers (root)
	@$(CARGO) fmt --all -- --check
	@$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings
	@./scripts/test.sh

model: ## explore every order of what may happen on a switch, in larger bounds than the tests; ARGS are scenarios, --small
	@$(CARGO) run --profile model --locked --quiet -p imgmgrd-model -- $(ARGS)

demo: root setup ## watch it work on a private switch (root, about a minute); ARGS=--stay keeps it up to try commands
	@$(CARGO) build --release --locked
	@$(CARGO) run --locked --quiet --example demo -- $(ARGS)

soak: root setup ## ten minutes under random faults on a private switch, the promises checked all along; ARGS="--minutes 10 --seed 42" (root)
	@$(CARGO) build --release --locked
	@$(CARGO) run --locked --quiet --example soak -- $(ARGS)

bench: root setup ## measure time and memory on a private switch; ARGS=--quick is shorter (root)
	@$(CARGO) build --release --locked
	@$(CARGO) run --release --locked --quiet --example bench -- $(ARGS)

fuzz: ## look for bytes that break something, by libFuzzer; ARGS="TARGET SECONDS", else all of them, a minute each
	@./scripts/fuzz.sh $(ARGS)

generate: ## write schema/, man/, completions/, debian/changelog and debian/copyright anew, after a change to what they are made of
	@$(CARGO) run --locked --quiet --features generate --example generate
	@./scripts/debian-files.py

fmt: ## format the code
	@$(CARGO) fmt --all

clippy: ## lints; warnings are errors
	@$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings

msrv: root setup ## compile the product with the oldest Rust that Cargo.toml promises, Debian trixie's, in a root of trixie (root)
	@./scripts/msrv.sh check

deny: ## licences, duplicates, sources and known vulnerabilities of the dependencies; ARGS="licenses bans sources" needs no network
	@./scripts/deny.sh $(ARGS)

clean: ## remove what was built
	@$(CARGO) clean

root:
	@[ "$$(id -u)" -eq 0 ] || { echo "This starts a private dockerd or enters a private Debian system, which takes root. Run as root: sudo -E env PATH=\"\$$PATH\" make $(MAKECMDGOALS)" >&2; exit 1; }
