#!/usr/bin/env bash
# Runs all tests, failpoints and what is generated included, and ends with one line of counts. Uses cargo-nextest where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
features=(--workspace --locked --features imgmgrd/failpoints,imgmgrd/generate)
code=0

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run "${features[@]}" --no-fail-fast "$@" 2>&1 | tee "$log" || code=1
    # nextest leaves the examples in the documentation to cargo.
    cargo test "${features[@]}" --doc 2>&1 | tee -a "$log" || code=1
else
    cargo test "${features[@]}" --no-fail-fast -- "$@" 2>&1 | tee "$log" || code=1
fi

# The plugins for SONiC's commands and the Debian package, unless some of the other tests are asked for.
if [ $# -eq 0 ]; then
    bash tests/cli/run.sh 2>&1 | tee -a "$log" || code=1
    bash tests/package/run.sh 2>&1 | tee -a "$log" || code=1
fi

# All kinds of summary: "test result: ok. 5 passed; 0 failed; 1 ignored; ..." and
# "Summary [ 7.5s] 5 tests run: 5 passed (1 slow), 0 failed, 1 skipped", "Tests (cli): 5 passed, 0 failed" (and the same of the package).
sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
    function count(word,   n) {
        return match($0, "[0-9]+ " word) ? substr($0, RSTART, RLENGTH) + 0 : 0
    }
    /^test result:/ || /^ *Summary \[/ || /^Tests \((cli|package)\):/ {
        passed += count("passed"); failed += count("failed"); skipped += count("ignored") + count("skipped"); seen = 1
    }
    END {
        printf "\nTests: %d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit !(seen && failed == 0)
    }' || code=1
exit "$code"
