#!/usr/bin/env bash
# Makes a clean Debian system of a suite below a folder, unless it is there, and prints where it is. It comes from where
# this machine has its own packages from.
#   root.sh SUITE FOLDER
set -euo pipefail
suite=$1 folder=$2

# Besides what every system has: what SONiC's images have, too, and the package or its tests need.
packages=systemd,systemd-sysv,procps,python3-minimal

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
    uri=$(mirror "$suite")
    if [ -z "$uri" ]; then
        # The lists of a fresh machine are empty.
        apt-get -qq update >&2
        uri=$(mirror "$suite")
    fi
    [ -n "$uri" ] || { echo "no mirror of $suite in apt's sources" >&2; exit 1; }
    http_proxy=${http_proxy:-$(proxy)}
    export http_proxy
    rm -rf "$root.new"
    mkdir -p "$root.new"
    # Its mounts and processes end with it, also when it is killed.
    unshare --mount --pid --fork --kill-child --mount-proc \
        debootstrap --variant=minbase --include="$packages" "$suite" "$root.new" "$uri" >"$folder/$suite.log" 2>&1 </dev/null ||
        { tail -n 20 "$folder/$suite.log" >&2; echo "debootstrap of $suite failed" >&2; exit 1; }
    rm -rf "$root.new"/var/cache/apt/archives/*.deb "$root.new"/var/lib/apt/lists/*
    mv "$root.new" "$root"
fi
echo "$root"
