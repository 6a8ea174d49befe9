#!/usr/bin/env bash
# Builds the Debian package and prints where it is and how large. dpkg-buildpackage writes beside the sources, and its
# leftovers among them: so it gets a copy of them. FOLDER is target/package if it is empty or not named.
#   scripts/deb.sh [FOLDER [OPTION OF dpkg-buildpackage]...]
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
folder=$(realpath -m "${1:-$target/package}")
[ $# -eq 0 ] || shift

command -v dpkg-buildpackage >/dev/null || { echo "deb: dpkg-buildpackage is missing: run scripts/setup.sh" >&2; exit 1; }
# Always the same place, as cargo builds anew what comes from another. Times are kept for the same reason.
build=$target/package-build
rm -rf "$build"
mkdir -p "$build/source"
tar --create --exclude-vcs --exclude=__pycache__ --exclude=./target --exclude="./${target#"$PWD"/}" . |
    tar --extract --directory="$build/source"

# The build is shown as it goes, on stderr: what this prints is the package.
(cd "$build/source" && CARGO_TARGET_DIR=$target dpkg-buildpackage -us -uc -b "$@") 2>&1 </dev/null | tee "$build/log" >&2
rm -rf "$folder" "$build/source"
mv "$build" "$folder"
find "$folder" -name 'sonic-imgmgrd_*.deb' -printf '%p %s bytes\n'
