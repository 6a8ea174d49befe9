# Read by the commands beside this file, which a shell on the demo's switch has (make demo ARGS=--stay). They use that
# switch's servers or fail: never the machine's own.
# shellcheck shell=sh

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Another program of that name, for what comes after the commands in PATH.
real() {
    here=$(dirname "$0")
    ifs=$IFS
    IFS=:
    for folder in $PATH; do
        if [ "$folder" != "$here" ] && [ -x "$folder/$1" ]; then
            IFS=$ifs
            echo "$folder/$1"
            return
        fi
    done
    IFS=$ifs
    return 1
}

# Fails unless the switch is up, and the socket there that a command needs.
need() {
    if [ -z "${DEMO_PID:-}" ] || ! kill -0 "$DEMO_PID" 2>/dev/null; then
        fail "the demo's switch is gone, and in this shell the machine's own servers are not used. Leave it; 'make demo ARGS=--stay' starts another switch"
    fi
    [ -S "$1" ] || fail "the switch's server is gone: there is no $1 any more. 'make demo ARGS=--stay' starts another switch"
}
