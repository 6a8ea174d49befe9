#!/usr/bin/env bash
# Builds the Debian package and tests it: what is in it, in a clean Debian system as an image build has it, and on one
# that systemd has booted, with a real Redis and a real Docker engine. Ends with one line of counts. Takes root.
#   SUITE   the Debian release to install it in (this machine's own: its glibc must not be newer there)
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/package

fail() {
    printf 'package: %s\n\nTests (package): 0 passed, 1 failed\n' "$*"
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "this mounts and boots a system, which takes root"
export PATH=$PATH:$HOME/.cargo/bin:/usr/sbin:/sbin
for program in dpkg-buildpackage dh lintian debootstrap systemd-nspawn nsenter unshare setpriv curl ip jq readelf \
    redis-server redis-cli dockerd busybox python3 cargo; do
    command -v "$program" >/dev/null || fail "$program is missing: run scripts/setup.sh"
done
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || fail "the kernel has no overlay file system"

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
name=imgmgrd-package
work=${TMPDIR:-/tmp}/$name-$$
child=

# The folder and the control groups of a run. What ran in them may take a moment to be gone.
clear_away() {
    rm -rf "$1"
    local cgroup=${1##*/}
    for _ in 1 2 3 4 5; do
        find /sys/fs/cgroup -depth -type d \( -path "*/$cgroup" -o -path "*/$cgroup/*" \) -exec rmdir {} + 2>/dev/null || true
        [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name "$cgroup" 2>/dev/null)" ] || break
        sleep 0.2
    done
}

# Nothing is left: all mounts and processes are in namespaces that end with their first process, which ends with this one.
finish() {
    trap '' INT TERM HUP
    if [ -n "$child" ]; then
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    clear_away "$work"
}

# Of runs that were killed, whose processes and mounts are gone, too.
for other in "${TMPDIR:-/tmp}/$name"-*; do
    if [ -d "$other" ] && ! kill -0 "${other##*-}" 2>/dev/null; then
        clear_away "$other"
    fi
done

mkdir -m 700 "$work" || fail "$work cannot be made"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# In the background, so that a signal is seen while it runs.
guarded() {
    setpriv --pdeathsig KILL "$@" </dev/null &
    child=$!
    local code=0
    wait "$child" || code=$?
    child=
    return "$code"
}

echo "package: building"
guarded "$here/../../scripts/deb.sh" "$target/package" || fail "it cannot be built"
echo "package: a clean $suite"
# Besides what every system has: what SONiC's images have, too, and the package or its tests need.
guarded "$here/../../scripts/debian-root.sh" "$suite" systemd,systemd-sysv,procps,python3-minimal >"$work/root" || fail "no clean $suite to test in"

# The tests have no network: what says of which crates the binary consists comes before.
targets=(--target x86_64-unknown-linux-gnu --target aarch64-unknown-linux-gnu --target armv7-unknown-linux-gnueabihf)
guarded cargo fetch --quiet --locked "${targets[@]}" || fail "the crates cannot be fetched"

code=0
guarded unshare --mount --pid --net --fork --kill-child --mount-proc \
    bash "$here/all.sh" "$target/package" "$(cat "$work/root")" "$work" || code=1
[ -s "$work/counts" ] || fail "the tests were cut short"
read -r passed failed <"$work/counts"
printf '\nTests (package): %d passed, %d failed\n' "$passed" "$failed"
[ "$code" -eq 0 ] && [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
