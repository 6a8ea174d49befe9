# The package in a system as an image build has it: nothing runs there, no systemd, no Redis and no Docker engine.
# shellcheck shell=bash disable=SC2154,SC2016,SC2164 # Sourced by all.sh, each test under set -e.

enter() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$root" "$@"
}

# Every file with its kind, mode, owner, and content, but for what dpkg itself writes, and the accounts.
listing() {
    (
        set +x
        cd "$root"
        find . -xdev \( -path ./proc -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache -o -path './*.deb' \
            -o -path ./run -o -path ./tmp -o -regex './etc/g?\(passwd\|group\|shadow\).*' \) -prune -o \
            -printf '%y %m %U:%G %p %l\n' -type f -fprint0 "$work/plain"
        # Content only where it is not that of the clean system; what never was written is not even looked at.
        while IFS= read -r -d '' file; do
            if [ -e "$root/../upper/$file" ] && ! cmp --quiet "$file" "$clean/$file"; then
                sha256sum "$file" | sed 's/\(.*\)  \(.*\)/f 0 0:0 \2 \1/'
            fi
        done <"$work/plain"
    ) | sort
}

# What differs from the system as it was before the installation, by path.
differs() {
    listing >"$work/now"
    { diff "$work/before" "$work/now" || true; } | sed -n 's/^[<>] . [0-7]* [0-9]*:[0-9]* \.\(\/[^ ]*\).*/\1/p' | sort -u
}

# The maintainer scripts, as dpkg calls them.
script() {
    local name=$1
    shift
    enter env DPKG_MAINTSCRIPT_PACKAGE=sonic-imgmgrd DPKG_MAINTSCRIPT_NAME="$name" "/var/lib/dpkg/info/sonic-imgmgrd.$name" "$@"
}

packages() {
    local python=$root/usr/local/lib/python$1/dist-packages name
    shift
    for name in "$@"; do
        mkdir -p "$python/$name"
        touch "$python/$name/__init__.py"
    done
}

links() {
    (cd "$root/usr/local" && find . -type l -lname '*imgmgrd*' -printf '%P -> %l\n' | sort)
}

share=/usr/share/sonic-imgmgrd
all_links() {
    local python
    for python in "$@"; do
        # shellcheck disable=SC2059 # The pattern names the Python.
        printf "lib/python$python/dist-packages/%s/container_image.py -> $share/cli/%s/container_image.py\n" \
            config/plugins config/plugins dump/plugins dump/plugins show/plugins show/plugins utilities_common utilities_common
    done
    echo "yang-models/sonic-container-image.yang -> $share/yang/sonic-container-image.yang"
}

it_installs_where_nothing_runs() {
    listing >"$work/before"
    enter dpkg --install /package.deb
    [ "$(enter dpkg-query --show --showformat='${Status}' sonic-imgmgrd)" = "install ok installed" ]
    [ "$(links)" = "" ]
}

the_user_is_there_with_its_groups() {
    [ "$(enter id --name --groups imgmgrd | tr ' ' '\n' | sort | xargs)" = "docker imgmgrd redis" ]
    [ "$(enter getent passwd imgmgrd | cut -d : -f 6,7)" = /var/lib/imgmgrd:/usr/sbin/nologin ]
    [ "$(stat --format='%a %u:%g' "$root/var/lib/imgmgrd")" = "755 $(enter id -u imgmgrd):$(enter id -g imgmgrd)" ]
}

the_state_directory_is_given_to_the_user() {
    touch "$root/var/lib/imgmgrd/some.json"
    chown -R 0:0 "$root/var/lib/imgmgrd"
    [ "$(enter systemd-tmpfiles --create sonic-imgmgrd.conf 2>&1)" = "" ]
    [ "$(enter stat --format=%U:%G /var/lib/imgmgrd /var/lib/imgmgrd/some.json | sort -u)" = imgmgrd:imgmgrd ]
    rm "$root/var/lib/imgmgrd/some.json"
}

the_service_is_enabled() {
    [ "$(enter systemctl is-enabled imgmgrd)" = enabled ]
    [ -L "$root/etc/systemd/system/sonic.target.wants/imgmgrd.service" ]
}

the_unit_is_good_and_tight() {
    # What only SONiC has.
    printf '[Unit]\n' >"$root/etc/systemd/system/sonic.target"
    enter systemd-analyze verify --man=no imgmgrd.service >"$work/said" 2>&1 || true
    rm "$root/etc/systemd/system/sonic.target"
    cat "$work/said"
    if grep imgmgrd "$work/said"; then return 1; fi
    enter systemd-analyze security --no-pager --offline=true --threshold=20 imgmgrd.service
}

the_agent_runs_there() {
    enter imgmgrd --help
    # It says what it lacks, not that a library is missing.
    { enter imgmgrd status 2>&1 || true; } | grep /var/run/redis
}

scripts_may_be_run_again() {
    listing >"$work/once"
    local version
    version=$(enter dpkg-query --show --showformat='${Version}' sonic-imgmgrd)
    for _ in 1 2; do
        script postinst configure "$version"
        script postinst abort-upgrade "$version"
    done
    for _ in 1 2; do script prerm upgrade "$version"; done
    for _ in 1 2; do script postrm upgrade "$version"; done
    listing | diff "$work/once" -
    for _ in 1 2; do script prerm remove; done
    for _ in 1 2; do script postinst abort-remove; done
    listing | diff "$work/once" -
}

plugins_are_linked_once_sonic_has_them() {
    # Without what the plugins import, they would break SONiC's commands.
    packages 3.3 show show/plugins config config/plugins
    packages 3.1 show show/plugins config config/plugins dump dump/plugins utilities_common
    packages 3.2 other
    enter /usr/lib/sonic-imgmgrd/link-plugins
    diff <(links) <(all_links 3.1 | grep -v yang)
    mkdir "$root/usr/local/yang-models"
    packages 3.3 dump dump/plugins utilities_common
    for _ in 1 2; do enter /usr/lib/sonic-imgmgrd/link-plugins; done
    diff <(links) <(all_links 3.1 3.3)
}

support_data_has_a_plugin_of_its_own() {
    local plugin=$root/usr/local/bin/debug-dump/imgmgrd
    # generate_dump looks for executable files, and passes over links.
    [ "$(find "$root/usr/local/bin/debug-dump" -type f -executable)" = "$plugin" ]
    enter /usr/local/bin/debug-dump/imgmgrd 1 >"$work/said"
    grep -q '===== imgmgrd --version' "$work/said"
    enter /usr/lib/sonic-imgmgrd/link-plugins --remove
    [ ! -e "$root/usr/local/bin/debug-dump" ]
    mkdir -p "${plugin%/*}"
    echo mine >"$plugin"
    enter /usr/lib/sonic-imgmgrd/link-plugins 2>&1 | grep 'not ours'
    enter /usr/lib/sonic-imgmgrd/link-plugins --remove
    [ "$(cat "$plugin")" = mine ]
    rm -r "${plugin%/*}"
    enter /usr/lib/sonic-imgmgrd/link-plugins
}

what_is_linked_can_be_read() {
    local found
    for found in $(cd "$root" && find usr/local -type l -lname "*imgmgrd*"); do
        enter test -f "/$found"
    done
    enter python3 -c 'import py_compile, sys
for path in sys.argv[1:]: py_compile.compile(path, doraise=True)' \
        /usr/local/lib/python3.1/dist-packages/{show/plugins,utilities_common}/container_image.py
    ls "$root"/usr/local/lib/python3.1/dist-packages/show/plugins/__pycache__/container_image.*.pyc
}

what_is_not_ours_is_left() {
    local place=$root/usr/local/lib/python3.3/dist-packages/show/plugins/container_image.py
    rm "$place"
    echo mine >"$place"
    enter /usr/lib/sonic-imgmgrd/link-plugins 2>&1 | grep 'not ours'
    enter /usr/lib/sonic-imgmgrd/link-plugins --remove
    [ "$(cat "$place")" = mine ]
    [ "$(links)" = "" ]
    # Nothing of what Python compiled of them either.
    if find "$root/usr/local" -name __pycache__ | grep .; then return 1; fi
    rm "$place"
    ln -s /elsewhere "$place"
    enter /usr/lib/sonic-imgmgrd/link-plugins 2>&1 | grep 'not ours'
    [ "$(readlink "$place")" = /elsewhere ]
    rm "$place"
    if enter /usr/lib/sonic-imgmgrd/link-plugins --wrong; then return 1; fi
}

an_upgrade_keeps_settings_and_state() {
    enter /usr/lib/sonic-imgmgrd/link-plugins
    echo '# mine' >>"$root/etc/sonic/imgmgrd.toml"
    echo '{}' >"$root/var/lib/imgmgrd/some.json"
    enter systemctl --quiet disable imgmgrd
    enter dpkg --install /next.deb
    grep -q '# mine' "$root/etc/sonic/imgmgrd.toml"
    [ -e "$root/var/lib/imgmgrd/some.json" ]
    # An administrator's choice.
    [ "$(enter systemctl is-enabled imgmgrd || true)" = disabled ]
    # The plugin that is gone is linked no more, the new one is.
    diff <(links) <(all_links 3.1 3.3 | sed '/show/s/container_image/container_image_next/g' | sort)
    enter dpkg --install /package.deb
    diff <(links) <(all_links 3.1 3.3)
    enter systemctl enable imgmgrd
}

removal_leaves_what_debian_leaves() {
    enter dpkg --remove sonic-imgmgrd
    rm -r "$root"/usr/local/lib/python3.{1,2,3} "$root/usr/local/yang-models"
    local left
    left=$(differs | sed 's|^/var/lib/systemd/deb-systemd-helper-[^ ]*|/var/lib/systemd/deb-systemd-helper|' | sort -u | xargs)
    [ "$left" = "/etc/sonic /etc/sonic/imgmgrd.toml /etc/systemd/system/sonic.target.wants /etc/systemd/system/sonic.target.wants/imgmgrd.service /var/lib/imgmgrd /var/lib/imgmgrd/some.json /var/lib/systemd/deb-systemd-helper" ]
    grep -q '# mine' "$root/etc/sonic/imgmgrd.toml"
}

purging_leaves_the_user_only() {
    script postrm purge
    enter dpkg --purge sonic-imgmgrd
    [ "$(differs)" = "" ]
    enter id imgmgrd
}

it_comes_back_after_that() {
    enter dpkg --install /package.deb
    [ "$(enter stat --format=%U /var/lib/imgmgrd)" = imgmgrd ]
    [ "$(enter systemctl is-enabled imgmgrd)" = enabled ]
    enter dpkg --purge sonic-imgmgrd
    [ "$(differs)" = "" ]
}

fresh_root chroot
mount -t proc proc "$root/proc"
for test in it_installs_where_nothing_runs the_user_is_there_with_its_groups \
    the_state_directory_is_given_to_the_user the_service_is_enabled \
    the_unit_is_good_and_tight the_agent_runs_there scripts_may_be_run_again plugins_are_linked_once_sonic_has_them \
    support_data_has_a_plugin_of_its_own \
    what_is_linked_can_be_read what_is_not_ours_is_left an_upgrade_keeps_settings_and_state \
    removal_leaves_what_debian_leaves purging_leaves_the_user_only it_comes_back_after_that; do
    check "$test"
done
