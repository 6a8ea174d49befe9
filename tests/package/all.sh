#!/usr/bin/env bash
# All tests of the package, in namespaces of their own: run.sh starts it.
#   all.sh FOLDER_OF_THE_PACKAGE ROOT WORK_FOLDER
# shellcheck disable=SC2034 # What is set here is for the parts.
set -euo pipefail
package=$(find "$1" -name 'sonic-imgmgrd_*.deb')
symbols=$(find "$1" -name 'sonic-imgmgrd-dbgsym_*.deb')
changes=$(find "$1" -name '*.changes')
clean=$2 counts=$3/counts cgroup=${3##*/}
here=$(realpath "$(dirname "$0")")
repository=$(realpath "$here/../..")
# Once for the first process of the namespace: without a handler it gets no signal.
trap 'exit 130' INT TERM HUP

# Everything that is written goes there, and is gone with the namespace.
work=$3/memory
mkdir "$work"
mount -t tmpfs -o mode=755 tmpfs "$work"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir "$work/temporary"
export TMPDIR=$work/temporary
ip link set lo up

passed=0 failed=0

# Runs a test, a function; what it says is shown if it fails.
check() {
    local begun=$EPOCHREALTIME code
    set +e
    # Steps are traced to the log, whatever becomes of the output of one.
    (exec 9>&2; BASH_XTRACEFD=9; set -euxo pipefail; "$1") >"$work/log" 2>&1
    code=$?
    set -e
    local took=$(((${EPOCHREALTIME/[.,]/} - ${begun/[.,]/}) / 1000))
    if [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
        printf '        PASS [%7d ms] package %s\n' "$took" "$1"
    else
        failed=$((failed + 1))
        printf '        FAIL [%7d ms] package %s\n' "$took" "$1"
        sed 's/^/            /' "$work/log"
    fi
    echo "$passed $failed" >"$counts"
}

# wait_until SECONDS COMMAND...
wait_until() {
    local seconds=$1 deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "not within $seconds s: $*" >&2; return 1; }
        sleep 0.1
    done
}

# A fresh copy of the clean system: nothing is copied, and nothing written to the clean one.
fresh_root() {
    root=$work/$1/root
    mkdir -p "$work/$1"/{upper,work,root}
    mount -t overlay -o "lowerdir=$clean,upperdir=$work/$1/upper,workdir=$work/$1/work" overlay "$root"
    cp "$work"/*.deb "$root/"
}

cp "$package" "$work/package.deb"
dpkg-deb --extract "$package" "$work/content"

# The same with a higher version, without one of the plugins and with one more, as a later release may be.
next_release() {
    dpkg-deb --raw-extract "$package" "$work/next"
    sed -i "s/^Version: .*/&+next/" "$work/next/DEBIAN/control"
    local plugins=$work/next/usr/share/sonic-imgmgrd/cli/show/plugins
    mv "$plugins/container_image.py" "$plugins/container_image_next.py"
    (cd "$work/next" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
    dpkg-deb --root-owner-group --build "$work/next" "$work/next.deb" >/dev/null
}
next_release

for part in content chroot service; do
    # shellcheck source=/dev/null
    . "$here/$part.sh"
done
[ "$failed" -eq 0 ]
