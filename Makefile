# What can be done here. `make` alone lists it.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# How long a first build takes on 2 cores, to be told before it.
DEMO_MINUTES := 4
BENCH_MINUTES := 6
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build deb test model demo soak bench fuzz generate fmt clippy msrv deny root clean

help: ## this list
	@awk -F ':[^#]*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building and testing take (Debian packages; no service is started); ARGS=demo what the demo takes
	@./scripts/setup.sh $(ARGS)

build: ## the release binary, target/release/imgmgrd
	@$(CARGO) build --release --locked

deb: ## the Debian package, target/package/sonic-imgmgrd_*.deb; ARGS are dpkg-buildpackage's (root)
	@./scripts/setup.sh root deb
	@./scripts/msrv.sh build
	@./scripts/deb.sh $(if $(ARGS),'' $(ARGS))

test: ## everything: dependencies, formatting, lints, all tests on real servers (root)
	@./scripts/setup.sh root test
	@./scripts/msrv.sh check
	@$(CARGO) fmt --all -- --check
	@$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings
	@./scripts/test.sh

model: ## explore every order of what may happen on a switch, in larger bounds than the tests; ARGS are scenarios, --small
	@$(CARGO) run --profile model --locked --quiet -p imgmgrd-model -- $(ARGS)

demo: ## watch it work on a private switch (root, half a minute once it is built); ARGS=--stay opens a shell on it afterwards
	@./scripts/setup.sh root $(if $(findstring --stay,$(ARGS)),stay,demo)
	@[ -x $(TARGET)/release/imgmgrd-demo ] || echo "demo: building the agent and the demo first: about $(DEMO_MINUTES) minutes on 2 cores, only this time"
	@$(CARGO) build --release --locked --package imgmgrd --package imgmgrd-demo --bins
	@$(TARGET)/release/imgmgrd-demo $(ARGS)

soak: ## ten minutes under random faults on a private switch, the invariants checked all along; ARGS="--minutes 10 --seed 42" (root)
	@./scripts/setup.sh root soak
	@$(CARGO) build --release --locked
	@$(CARGO) run --locked --example soak -- $(ARGS)

bench: ## measure time and memory on a private switch; ARGS=--quick is shorter (root)
	@./scripts/setup.sh root bench
	@[ -x $(TARGET)/release/examples/bench ] || echo "bench: building the agent and the benchmark first: about $(BENCH_MINUTES) minutes on 2 cores, only this time"
	@$(CARGO) build --release --locked
	@$(CARGO) run --release --locked --example bench -- $(ARGS)

fuzz: ## look for bytes that break something, by libFuzzer; ARGS="TARGET SECONDS", else all of them, a minute each
	@./scripts/fuzz.sh $(ARGS)

generate: ## write schema/, man/, completions/, debian/changelog and debian/copyright anew, after a change to what they are made of
	@$(CARGO) run --locked --quiet --features generate --example generate
	@./scripts/debian-files.py

fmt: ## format the code
	@$(CARGO) fmt --all

clippy: ## lints; warnings are errors
	@$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings

msrv: ## compile the product with the oldest Rust that Cargo.toml promises, Debian trixie's, in a root of trixie (root)
	@./scripts/setup.sh root deb
	@./scripts/msrv.sh check

deny: ## licences, duplicates, sources and known vulnerabilities of the dependencies; ARGS="licenses bans sources" needs no network
	@./scripts/deny.sh $(ARGS)

clean: ## remove what was built
	@$(CARGO) clean
