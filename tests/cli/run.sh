#!/usr/bin/env bash
# Tests the plugins for SONiC's commands, on a real redis-server, and ends with one line of counts. The agent is a stub
# here; tests/integration/commands/plugins.rs has them with the real one.
# Needs Debian's python3-pytest, python3-click, python3-tabulate, python3-natsort and python3-redis, and redis-server;
# PYTHON names another interpreter that has them.
set -euo pipefail
cd "$(dirname "$0")/../.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
# Nothing of the tests stays behind, and no pytest plugin of the machine's takes part.
PYTHONDONTWRITEBYTECODE=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 "${PYTHON:-/usr/bin/python3}" -m pytest \
    -p no:cacheprovider --color=no tests/cli "$@" 2>&1 | tee "$log" || code=1

# pytest's own summary: "===== 2 failed, 60 passed, 1 error in 4.48s =====".
summary=$(grep -E '[0-9]+ (passed|failed|error).* in [0-9.]+s' "$log" | tail -n 1 || true)
count() {
    grep -oE "[0-9]+ $1" <<<"$summary" | head -n 1 | cut -d ' ' -f 1 || true
}
passed=$(count passed)
failed=$(count failed)
errors=$(count error)
[ "${passed:-0}" -gt 0 ] || code=1
printf '\nTests (cli): %d passed, %d failed\n' "${passed:-0}" "$((${failed:-0} + ${errors:-0}))"
exit "$code"
