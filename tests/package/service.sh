# The service on a system that systemd has booted, with a real Redis and a real Docker engine of this machine's beside it.
# shellcheck shell=bash disable=SC2154,SC2016,SC2164 # Sourced by all.sh, each test under set -e.

docker_group=901 redis_group=902
registry=registry.example:5000

# Runs something on the booted system, as root.
on() {
    nsenter --target "$leader" --all -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
}

# What SONiC has before the package comes: groups, a target, where Redis is, which image a feature is made of.
play_sonic() {
    chroot "$root" groupadd --gid "$docker_group" docker
    chroot "$root" groupadd --gid "$redis_group" redis
    local units=$root/etc/systemd/system
    printf '[Unit]\nDescription=SONiC\n' >"$units/sonic.target"
    mkdir -p "$units/multi-user.target.wants" "$root/etc/tmpfiles.d" "$root/usr/share/sonic/templates" "$work/run/redis/sonic-db" "$work/run/docker"
    ln -s ../sonic.target "$units/multi-user.target.wants/sonic.target"
    echo 'L /run/docker.sock - - - - /run/docker-engine/docker.sock' >"$root/etc/tmpfiles.d/docker.conf"
    echo '{"snmp": "docker-snmp"}' >"$root/usr/share/sonic/templates/ctr_image_names.json"
    database_config unix_socket_path /var/run/redis/redis.sock
}

database_config() {
    jq -n --arg key "$1" --arg value "$2" '{
        INSTANCES: { redis: { hostname: "127.0.0.1", port: 6379, ($key): $value } },
        DATABASES: { CONFIG_DB: { id: 4, separator: "|", instance: "redis" }, STATE_DB: { id: 6, separator: "|", instance: "redis" } },
        VERSION: "1.0" }' >"$work/run/redis/sonic-db/database_config.json"
}

start_redis() {
    redis-server --port 6379 --bind 127.0.0.1 --unixsocket "$work/run/redis/redis.sock" --unixsocketperm 770 \
        --save '' --dir "$work" --notify-keyspace-events AKE >"$work/redis.log" 2>&1 &
    redis=$!
    wait_until 10 redis-cli -s "$work/run/redis/redis.sock" ping >/dev/null 2>&1
    chgrp "$redis_group" "$work/run/redis/redis.sock"
}

start_engine() {
    echo '{}' >"$work/daemon.json"
    dockerd --host="unix://$work/run/docker/docker.sock" --group="$docker_group" --data-root="$work/docker" \
        --exec-root="$work/docker-exec" --pidfile="$work/docker.pid" --config-file="$work/daemon.json" --bridge=none \
        --iptables=false --storage-driver=vfs --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent="/$cgroup" \
        >"$work/dockerd.log" 2>&1 &
    wait_until 30 engine GET /_ping >/dev/null 2>&1
}

engine() {
    local method=$1 path=$2
    shift 2
    curl --silent --show-error --fail --unix-socket "$work/run/docker/docker.sock" --request "$method" "http://docker$path" "$@"
}

image() {
    local folder=$work/image
    rm -rf "$folder"
    mkdir -p "$folder/bin"
    cp "$(command -v busybox)" "$folder/bin/busybox"
    echo "$2" >"$folder/version"
    tar --create --directory="$folder" . | engine POST "/images/create?fromSrc=-&repo=$1&tag=$2" --data-binary @- \
        --header 'Content-Type: application/x-tar' >/dev/null
}

row() {
    redis-cli -s "$work/run/redis/redis.sock" -n "$1" HSET "${@:2}" >/dev/null
}

# Kubernetes deploys a version of snmp, and it takes over.
deploy() {
    local version=$1 id
    if [ -e "$work/container" ]; then
        engine DELETE "/containers/$(cat "$work/container")?force=true"
    fi
    id=$(jq -n --arg image "$registry/docker-snmp:$version" '{ Image: $image, Cmd: ["/bin/busybox", "sleep", "86400"],
        HostConfig: { NetworkMode: "none" }, Labels: { "io.kubernetes.pod.namespace": "default",
        "io.kubernetes.pod.name": "snmp-pod", "io.kubernetes.container.name": "snmp", "io.kubernetes.docker.type": "container" } }' |
        engine POST "/containers/create?name=k8s_snmp_snmp-pod_default_${version//./-}_0" --data @- --header 'Content-Type: application/json' | jq -r .Id)
    engine POST "/containers/$id/start"
    echo "$id" >"$work/container"
    takeover "$version"
}

takeover() {
    local id
    id=$(cat "$work/container")
    row 6 'FEATURE|snmp' current_owner kube remote_state running system_state up container_id "${id:0:12}" container_version "$1"
}

configure() {
    redis-cli -s "$work/run/redis/redis.sock" -n 4 SET CONFIG_DB_INITIALIZED 1 >/dev/null
    row 4 'FEATURE|snmp' state enabled set_owner kube
}

start_switch() {
    start_redis
    start_engine
    configure
    image docker-snmp 20201231.64
    engine POST "/images/docker-snmp:20201231.64/tag?repo=docker-snmp&tag=latest"
    image "$registry/docker-snmp" 20201231.84
    image "$registry/docker-snmp" 20201231.91
    deploy 20201231.84
}

# A control group of its own, where there is no systemd to give one.
boot() {
    local hierarchy
    for hierarchy in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do
        if [ -e "$hierarchy/cgroup.procs" ]; then
            mkdir -p "$hierarchy/$cgroup"
        fi
    done
    (
        for hierarchy in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do
            if [ -e "$hierarchy/cgroup.procs" ]; then
                echo 0 >"$hierarchy/$cgroup/cgroup.procs"
            fi
        done
        exec systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$root" --machine="$cgroup" \
            --bind="$work/run/redis:/run/redis" --bind="$work/run/docker:/run/docker-engine" systemd.unit=multi-user.target
    ) </dev/null >"$work/console" 2>&1 &
    machine=$!
    wait_until 20 booted
}

booted() {
    leader=$(cat "/proc/$machine/task/$machine/children" 2>/dev/null)
    leader=${leader%% *}
    [ -n "$leader" ] && on systemctl is-active --quiet sonic.target 2>/dev/null
}

active() {
    on systemctl is-active --quiet imgmgrd
}

property() {
    on systemctl show --value --property="$1" imgmgrd
}

field() {
    on sed -n "s/^$1:\s*//p" "/proc/$(property MainPID)/status"
}

stability() {
    redis-cli -s "$work/run/redis/redis.sock" -n 6 HGET 'CONTAINER_IMAGE|snmp' stability
}

is() {
    local wanted=$1
    shift
    [ "$("$@")" = "$wanted" ]
}

state_is_the_user_s() {
    [ "$(on find /var/lib/imgmgrd -not -user imgmgrd -o -not -group imgmgrd)" = "" ]
    on test -s /var/lib/imgmgrd/memory.json
}

latest() {
    engine GET /images/docker-snmp:latest/json | jq -r .Id
}

id_of() {
    engine GET "/images/$registry/docker-snmp:$1/json" | jq -r .Id
}

the_system_is_up_with_a_redis_and_an_engine() {
    on systemctl --version
    on cat /run/redis/sonic-db/database_config.json
    [ "$(stability)" = "" ]
}

it_starts_when_it_is_installed() {
    on dpkg --install /package.deb
    [ "$(on systemctl is-enabled imgmgrd)" = enabled ]
    active
    property StatusText | grep '1 feature: 1 observing'
    [ "$(stability)" = observing ]
}

it_runs_as_its_user_with_next_to_no_rights() {
    [ "$(field Uid | cut -f 1)" = "$(on id -u imgmgrd)" ]
    [ "$(field Groups | tr ' ' '\n' | sort -n | xargs)" = "$(on id -G imgmgrd | tr ' ' '\n' | sort -n | xargs)" ]
    [ "$(field CapEff)$(field CapBnd)" = "$(printf '0%.0s' {1..32})" ]
    [ "$(field NoNewPrivs) $(field Seccomp)" = "1 2" ]
    # systemd 252 says 1.0.
    on systemd-analyze security --no-pager --threshold=20 imgmgrd
}

it_logs_to_the_journal() {
    on journalctl --unit=imgmgrd --output=json --no-pager >"$work/journal"
    jq -se 'any(.[]; .SYSLOG_IDENTIFIER == "imgmgrd" and .PRIORITY == "5" and ._UID == $uid
        and (.MESSAGE | startswith("observing feature=snmp version=20201231.84 ")))' --arg uid "$(on id -u imgmgrd)" "$work/journal"
    # Nothing was refused by what the unit forbids.
    jq -r .MESSAGE "$work/journal"
    [ "$(jq -r 'select((.PRIORITY | tonumber) <= 4) | .MESSAGE' "$work/journal")" = "" ]
}

it_reloads() {
    local pid
    pid=$(property MainPID)
    on systemctl reload imgmgrd
    active
    [ "$(property MainPID)" = "$pid" ]
    [ "$(property Result)" = success ]
}

root_s_commands_reach_it() {
    local command
    for command in status images plan history; do on imgmgrd "$command"; done
    on imgmgrd status --json | jq -e '.[0].stability == "observing"'
    on imgmgrd doctor --json >"$work/doctor" || true
    cat "$work/doctor"
    jq -e '[.. | strings | select(test("the agent runs as process"))] | length == 1' "$work/doctor"
    [ "$(on imgmgrd promote snmp)" = "snmp: latest is 20201231.84" ]
    [ "$(latest)" = "$(id_of 20201231.84)" ]
    [ "$(stability)" = stable ]
    on imgmgrd history | grep 'promoted *20201231.84'
    state_is_the_user_s
}

what_root_does_while_it_is_stopped_is_the_user_s() {
    on systemctl stop imgmgrd
    deploy 20201231.91
    [ "$(on sh -c 'umask 077; imgmgrd promote snmp')" = "snmp: latest is 20201231.91" ]
    state_is_the_user_s
    on systemctl start imgmgrd
    active
    [ "$(stability)" = stable ]
    [ "$(on imgmgrd rollback snmp)" = "snmp: latest is 20201231.84" ]
    wait_until 5 is held stability
    on systemctl restart imgmgrd
    [ "$(stability)" = held ]
    state_is_the_user_s
}

what_an_agent_of_root_left_becomes_the_user_s() {
    on systemctl stop imgmgrd
    on chown --recursive root:root /var/lib/imgmgrd
    on sh -c 'umask 077; imgmgrd run --once'
    [ "$(on stat --format=%U /var/lib/imgmgrd/memory.json)" = root ]
    on systemctl start imgmgrd
    [ "$(stability)" = held ]
    state_is_the_user_s
}

it_lives_through_a_restart_of_redis() {
    local pid
    pid=$(property MainPID)
    kill "$redis"
    while kill -0 "$redis" 2>/dev/null; do sleep 0.1; done
    start_redis
    configure
    takeover 20201231.91
    wait_until 20 is held stability
    [ "$(property MainPID)" = "$pid" ]
}

it_reaches_a_redis_on_tcp() {
    database_config none ""
    redis-cli -s "$work/run/redis/redis.sock" -n 6 DEL 'CONTAINER_IMAGE|snmp'
    on systemctl restart imgmgrd
    active
    [ "$(stability)" != "" ]
    database_config unix_socket_path /var/run/redis/redis.sock
    on systemctl restart imgmgrd
}

restarts_are() {
    [ "$(property NRestarts)" = "$1" ] && active
}

it_is_started_again_when_it_is_killed_or_hangs() {
    on mkdir -p /run/systemd/system/imgmgrd.service.d
    on sh -c 'printf "[Service]\nRestartSec=100ms\nWatchdogSec=1\nTimeoutStopSec=1\n" >/run/systemd/system/imgmgrd.service.d/test.conf'
    [ "$(property WatchdogUSec)" = 3min ]
    on systemctl daemon-reload
    on systemctl restart imgmgrd
    # It lives on while it gives signs of life.
    sleep 2.5
    restarts_are 0
    on systemctl kill --signal=KILL imgmgrd
    wait_until 10 restarts_are 1
    on systemctl kill --signal=STOP imgmgrd
    wait_until 10 restarts_are 2
    on journalctl --unit=imgmgrd --no-pager | grep -i 'watchdog timeout'
    on rm -r /run/systemd/system/imgmgrd.service.d
    on systemctl daemon-reload
    on systemctl reset-failed imgmgrd
    on systemctl restart imgmgrd
}

it_stops_and_starts_with_sonic() {
    local begun=$SECONDS
    on systemctl stop sonic.target
    wait_until 5 is inactive property ActiveState
    [ $((SECONDS - begun)) -lt 4 ]
    [ "$(property Result)" = success ]
    on systemctl start sonic.target
    wait_until 5 active
}

an_upgrade_restarts_it_on_its_state() {
    local pid
    pid=$(property MainPID)
    on sh -c 'printf "#mine\n" >>/etc/sonic/imgmgrd.toml'
    on dpkg --install /next.deb
    active
    [ "$(property MainPID)" != "$pid" ]
    on grep -q '#mine' /etc/sonic/imgmgrd.toml
    on imgmgrd history | grep 'promoted *20201231.91'
    state_is_the_user_s
}

it_uses_little_memory() {
    local peak
    peak=$(field VmHWM)
    echo "peak: $peak"
    [ "${peak% kB}" -lt $((16 * 1024)) ]
}

removing_it_stops_it() {
    on dpkg --remove sonic-imgmgrd
    [ "$(property ActiveState)" = inactive ]
    [ "$(on sh -c 'ls /proc/*/exe | xargs -n 1 readlink 2>/dev/null | grep imgmgrd' || true)" = "" ]
    on test -s /var/lib/imgmgrd/memory.json
    on dpkg --purge sonic-imgmgrd
    if on test -e /var/lib/imgmgrd; then return 1; fi
    [ "$(property LoadState)" = not-found ]
    on systemctl list-units --all --failed --no-pager | cat
}

# The clean end leaves no container behind whose control group nobody removes.
stop_switch() {
    if [ -e "$work/container" ]; then
        engine DELETE "/containers/$(cat "$work/container")?force=true" || true
    fi
    on systemctl poweroff --no-wall || true
    wait "$machine" || true
    kill "$(cat "$work/docker.pid")" || true
}

fresh_root service
play_sonic
start_switch
boot || { cat "$work/console"; false; }
for test in the_system_is_up_with_a_redis_and_an_engine it_starts_when_it_is_installed \
    it_runs_as_its_user_with_next_to_no_rights it_logs_to_the_journal it_reloads root_s_commands_reach_it \
    what_root_does_while_it_is_stopped_is_the_user_s what_an_agent_of_root_left_becomes_the_user_s \
    it_lives_through_a_restart_of_redis it_reaches_a_redis_on_tcp it_is_started_again_when_it_is_killed_or_hangs \
    it_stops_and_starts_with_sonic an_upgrade_restarts_it_on_its_state it_uses_little_memory removing_it_stops_it; do
    check "$test"
done
stop_switch >/dev/null 2>&1
