#!/usr/bin/env bash
# Makes a clean Debian system of a suite with some packages, unless it is there from an earlier run, and prints where it
# is. It comes from where this machine has its own packages from. `make clean` removes what is kept. Takes root.
#   scripts/debian-root.sh SUITE PACKAGE,...
set -euo pipefail
cd "$(dirname "$0")/.."
suite=$1 packages=$2
folder=$(realpath -m "${CARGO_TARGET_DIR:-target}")/package-roots
export PATH=$PATH:/usr/sbin:/sbin

fail() {
    printf 'no Debian %s: %s\n' "$suite" "$*" >&2
    exit 1
}

# By apt's own configuration: the mirror of the suite, else that of any Debian suite.
mirror() {
    # shellcheck disable=SC2016 # apt-get puts the values in.
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
        awk -v suite="$1" '
            $4 == "main" && ($2 == suite || $3 == suite) { print $1; found = 1; exit }
            $4 == "main" && $5 == "Debian" && $2 !~ /-/ { other = other ? other : $1 }
            END { if (!found && other) print other }'
}

proxy() {
    apt-config shell proxy Acquire::http::Proxy | sed -n "s/^proxy='\(.*\)'/\1/p"
}

root=$folder/$suite-$(cksum <<<"$packages" | cut -d ' ' -f 1)
if [ ! -d "$root" ]; then
    [ "$(id -u)" -eq 0 ] || fail "to make its root takes root"
    command -v debootstrap >/dev/null || fail "debootstrap is missing: run scripts/setup.sh"
    [ -e "/usr/share/debootstrap/scripts/$suite" ] || fail "this machine's debootstrap does not know it: install a newer one, as of its backports"
    uri=$(mirror "$suite")
    if [ -z "$uri" ]; then
        # The lists of a fresh machine are empty.
        apt-get -qq update >&2
        uri=$(mirror "$suite")
    fi
    [ -n "$uri" ] || fail "apt has no mirror of Debian among its sources: add one, such as 'deb http://deb.debian.org/debian $suite main'"
    http_proxy=${http_proxy:-$(proxy)}
    export http_proxy
    rm -rf "$root.new"
    mkdir -p "$root.new"
    # Its mounts and processes end with it, also when it is killed.
    unshare --mount --pid --fork --kill-child --mount-proc \
        debootstrap --variant=minbase --include="$packages" "$suite" "$root.new" "$uri" >"$root.log" 2>&1 </dev/null ||
        {
            tail -n 20 "$root.log" >&2
            rm -rf "$root.new"
            fail "debootstrap failed, see above and $root.log. Does $uri have $suite, and can it be reached from here?"
        }
    rm -rf "$root.new"/var/cache/apt/archives/*.deb "$root.new"/var/lib/apt/lists/*
    mv "$root.new" "$root"
fi
echo "$root"
