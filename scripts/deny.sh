#!/usr/bin/env bash
# Holds every dependency to deny.toml: licences, duplicates, where it comes from, and with the network known
# vulnerabilities. Arguments are what cargo-deny is to check instead of all that; cargo-deny is built if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(realpath -m "${CARGO_TARGET_DIR:-target}")/deny
export PATH=$PATH:$work/bin
cargo deny --version >/dev/null 2>&1 || {
    echo "deny: building cargo-deny in $work, which takes some minutes"
    cargo install --quiet --locked --root "$work" --target-dir "$work/build" cargo-deny
    rm -rf "$work/build"
}
if [ $# -gt 0 ]; then
    exec cargo deny --offline check "$@"
fi
cargo deny --offline check licenses bans sources
cargo deny check advisories || {
    echo "deny: the advisories come from https://github.com/rustsec/advisory-db: is it reachable?" >&2
    exit 1
}
