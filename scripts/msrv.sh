#!/usr/bin/env bash
# Compiles the product's crates with the oldest Rust that Cargo.toml promises: Debian trixie's own rustc and cargo, in a
# root of trixie that is kept between runs, without a network, of the crates that this machine's cargo has. What
# dependencies declare is not asked: some need a newer Rust and do not say so. Takes root.
#   scripts/msrv.sh check    (make msrv, make test)
#   scripts/msrv.sh build    the release binary in full (make deb)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:$HOME/.cargo/bin:/usr/sbin:/sbin

# Not the crates of tests and tools: these may need a newer Rust.
product=(--locked --offline --package imgmgrd --lib --bins)
case "${1:-check}" in
    check) command=(cargo check "${product[@]}") ;;
    build) command=(cargo build --release "${product[@]}") ;;
    *) echo "usage: ${0##*/} [check|build]" >&2; exit 2 ;;
esac

root=$(scripts/debian-root.sh trixie rustc,cargo,gcc,libc6-dev) || {
    echo "msrv: without it nobody knows whether this builds with the Rust that Cargo.toml promises" >&2
    exit 1
}
host=$(rustc -vV | sed -n 's/^host: //p')
cargo fetch --quiet --locked --target "$host" || { echo "msrv: the crates cannot be fetched" >&2; exit 1; }
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/msrv
mkdir -p "$target" "$root"/{source,target,cargo/registry}

# All mounts are in a namespace that ends with the command. What is read from this machine cannot be written.
# shellcheck disable=SC2016 # The arguments are put in by the inner shell.
exec unshare --mount --pid --net --fork --kill-child --mount-proc bash -c '
    set -euo pipefail
    root=$1 target=$2 registry=$3
    shift 3
    mount --bind -o ro . "$root/source"
    mount --bind -o ro "$registry" "$root/cargo/registry"
    mount --bind "$target" "$root/target"
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root CARGO_HOME=/cargo CARGO_TARGET_DIR=/target CARGO_TERM_COLOR=never \
        chroot "$root" sh -c "cd /source && cargo --version && exec \"\$@\"" sh "$@"
' bash "$root" "$target" "${CARGO_HOME:-$HOME/.cargo}/registry" "${command[@]}"
