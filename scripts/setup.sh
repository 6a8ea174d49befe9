#!/usr/bin/env bash
# Installs what this machine lacks for one thing to do: Debian packages by apt-get, as root or with sudo. No service is
# started or enabled. Says nothing when there is nothing to do.
#   scripts/setup.sh [root] [demo|stay|deb|bench|soak|test]...    test, which is everything, unless named
# "root" says that what comes next runs as root on servers of its own: it fails at once where that cannot be.
set -euo pipefail

# The toolchain that Cargo.toml asks for.
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml" | head -n 1)
# For how many seconds another program may hold apt's or dpkg's locks.
patience=300

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# A program anywhere that the tests look for it.
have() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1
}

# What each thing to do takes, as PACKAGE:PROGRAM or PACKAGE:/FILE.
build=(gcc:cc libc6-dev:/usr/include/stdio.h make:make ca-certificates:/etc/ssl/certs/ca-certificates.crt)
switch=(redis-server:redis-server docker.io:dockerd docker-registry:docker-registry busybox-static:busybox
    util-linux:setpriv)
# SONiC's show and config, which the shell of the demo and the tests have.
sonic=(python3-minimal:python3 python3-click:/usr/lib/python3/dist-packages/click
    python3-natsort:/usr/lib/python3/dist-packages/natsort python3-redis:/usr/lib/python3/dist-packages/redis
    python3-tabulate:/usr/share/doc/python3-tabulate)
package=(debhelper:dh dpkg-dev:dpkg-buildpackage debootstrap:debootstrap)
faults=(libfaketime:/usr/share/doc/libfaketime)
tests=(jq:jq curl:curl git:git pkg-config:pkg-config libyang2-tools:yanglint man-db:man lintian:lintian
    python3-pytest:/usr/lib/python3/dist-packages/pytest systemd-container:systemd-nspawn iproute2:ip binutils:readelf)

needed=()
as_root=false
[ $# -gt 0 ] || set -- test
if [ "$*" = root ]; then set -- root test; fi
for word in "$@"; do
    case "$word" in
        root) as_root=true ;;
        demo | bench) needed+=("${build[@]}" "${switch[@]}") ;;
        stay) needed+=("${build[@]}" "${switch[@]}" "${sonic[@]}") ;;
        soak) needed+=("${build[@]}" "${switch[@]}" "${faults[@]}") ;;
        deb) needed+=("${build[@]}" "${package[@]}") ;;
        test) needed+=("${build[@]}" "${switch[@]}" "${sonic[@]}" "${package[@]}" "${faults[@]}" "${tests[@]}") ;;
        *)
            echo "usage: ${0##*/} [root] [demo|stay|deb|bench|soak|test]..." >&2
            exit 2
            ;;
    esac
done

missing() {
    local pair program
    for pair in "${needed[@]}"; do
        program=${pair#*:}
        case "$program" in
            /*) [ -e "$program" ] || echo "${pair%%:*}" ;;
            # The static one: the images of the private switch hold nothing else.
            busybox) is_static busybox || echo "${pair%%:*}" ;;
            *) have "$program" || echo "${pair%%:*}" ;;
        esac
    done
    # On a kernel with AppArmor, dockerd runs no container without its parser.
    if [[ " ${needed[*]} " == *:dockerd\ * ]] && grep -qs Y /sys/module/apparmor/parameters/enabled &&
        ! have apparmor_parser; then
        echo apparmor
    fi
}

is_static() {
    have "$1" && ! ldd "$(PATH="$PATH:/usr/sbin:/sbin" command -v "$1")" >/dev/null 2>&1
}

check_platform() {
    [ "$(uname -s)" = Linux ] ||
        fail "this is $(uname -s), and the agent, its demo and its tests take Linux: run this in a virtual machine with Debian 12 or newer, or in a privileged container of it"
}

# As the private dockerd, and the private Debian system of the package's tests, do.
check_root() {
    [ "$(id -u)" -eq 0 ] ||
        fail "this starts a private dockerd or enters a private Debian system, which takes root. Run as root: sudo -E env PATH=\"\$PATH\" make ..."
    unshare --mount sh -c 'mount -t tmpfs none /tmp' 2>/dev/null ||
        fail "root may not mount here, as in a container without privileges, and no dockerd can run where it cannot. Start this container with 'docker run --privileged' (Kubernetes: securityContext.privileged), or use a virtual machine"
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

apt() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -qq -o "DPkg::Lock::Timeout=$patience" "$@"
}

# The lists of a fresh machine are empty, and those of an old one may be stale. apt-get itself waits for dpkg's locks only,
# and not for that of its lists, which a machine that has just booted often holds (apt-daily, unattended-upgrades).
update_lists() {
    local answer said=false end=$((SECONDS + patience))
    until answer=$(apt update 2>&1); do
        printf '%s\n' "$answer"
        if ! grep -q 'Could not get lock' <<<"$answer" || [ "$SECONDS" -ge "$end" ]; then
            return 1
        fi
        if ! "$said"; then
            echo "setup: another program uses apt, waiting for at most $patience s: $(sed -n 's/.*\(Could not get lock.*\)/\1/p' <<<"$answer" | head -n 1)" >&3
            said=true
        fi
        sleep 3
    done
}

install_packages() {
    have apt-get || fail "missing: $*. This machine has no apt-get: install them by its own means"
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail "missing: $*. Run as root (or install sudo): apt-get install $*"
        root=(sudo)
    fi
    echo "setup: installing $# Debian packages and what they depend on, which takes a minute or two: $*"
    forbid_services
    local log before new
    log=$(mktemp)
    before=$(installed)
    if ! { update_lists && apt install -y --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
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
    have cargo || fail "no Rust toolchain. Install $wanted or newer, by https://rustup.rs (curl -sSf https://sh.rustup.rs | sh), or on Debian 13 by 'apt-get install cargo', and run this again"
    found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) ||
        fail "cargo is there, but no toolchain behind it: 'rustup default stable'"
    if [ "$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        fail "Rust $found is too old, $wanted or newer is needed: 'rustup update stable'"
    fi
}

exec 3>&2
check_platform
if "$as_root"; then check_root; fi
# Before minutes are spent on packages.
check_rust
mapfile -t packages < <(missing | sort -u)
if [ "${#packages[@]}" -gt 0 ]; then
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing | sort -u)
    [ "${#packages[@]}" -eq 0 ] || fail "still missing after the installation: ${packages[*]}"
fi
