#!/usr/bin/env bash
# Lets libFuzzer look for bytes from outside that break something, for as long as it is told.
#   scripts/fuzz.sh [TARGET|all [SECONDS]]     all targets, a minute each, unless told otherwise
# It needs no nightly toolchain: coverage comes from LLVM's own pass, and there is no unsafe code of ours for a
# sanitizer to watch. What was found to reach new code stays in target/fuzz, for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-all}
seconds=${2:-60}
work=$(realpath -m "${CARGO_TARGET_DIR:-target}")/fuzz
tools=$work/tools
export PATH=$PATH:$tools/bin

cargo fuzz --version >/dev/null 2>&1 || {
    echo "fuzz: installing cargo-fuzz in $tools"
    cargo install --quiet --locked --root "$tools" --target-dir "$work/build" cargo-fuzz
}
mapfile -t known < <(cargo fuzz list)
if [ "$target" = all ]; then
    targets=("${known[@]}")
elif [[ " ${known[*]} " == *" $target "* ]]; then
    targets=("$target")
else
    echo "fuzz: no target \"$target\"; there are: ${known[*]}" >&2
    exit 2
fi

# The release profile is made for size, which is not what matters here.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=2 CARGO_PROFILE_RELEASE_STRIP=none
export CARGO_TARGET_DIR=$work/build
options=(--sanitizer none --codegen-units 16)
if [ "$target" = all ]; then cargo fuzz build "${options[@]}"; else cargo fuzz build "${options[@]}" "$target"; fi

code=0
for name in "${targets[@]}"; do
    mkdir -p "$work/corpus/$name" "$work/found/$name"
    # Bounds on one input: ten seconds, and half a GiB for all that a process keeps (its corpus, the coverage).
    if cargo fuzz run "${options[@]}" "$name" "$work/corpus/$name" "fuzz/seeds/$name" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -malloc_limit_mb=256 -max_len=65536 -print_final_stats=1 \
        -artifact_prefix="$work/found/$name/" >"$work/$name.log" 2>&1; then
        awk -v name="$name" '
            /^stat::number_of_executed_units/ { runs = $2 } /^stat::peak_rss_mb/ { peak = $2 } /DONE/ { cov = $4 }
            END { printf "%-18s %9d inputs, %5d edges, %3d MiB at most: nothing found\n", name, runs, cov, peak }' "$work/$name.log"
    else
        code=1
        echo "$name: found something; the input is in $work/found/$name, the end of the log:"
        tail -n 30 "$work/$name.log"
    fi
done
exit "$code"
