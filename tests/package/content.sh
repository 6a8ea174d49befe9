# What is in the package, as it was built.
# shellcheck shell=bash disable=SC2154,SC2016,SC2164 # Sourced by all.sh, each test under set -e.

version() {
    sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml"
}

name_and_version_are_cargo_s() {
    [ "$(basename "$package")" = "sonic-imgmgrd_$(version)_$(dpkg --print-architecture).deb" ]
    [ "$(dpkg-deb --field "$package" Version)" = "$(version)" ]
    [ "$("$work/content/usr/bin/imgmgrd" --version)" = "imgmgrd $(version)" ]
}

generated_files_are_up_to_date() {
    cd "$repository"
    PYTHONDONTWRITEBYTECODE=1 CARGO_NET_OFFLINE=true python3 scripts/debian-files.py --check
}

every_crate_of_the_binary_has_its_licence() {
    # A second way to find some of them: the paths of the sources that panics name.
    local crate
    grep -aoE 'index\.crates\.io-[0-9a-f]+/[A-Za-z0-9_.+-]+/src/' "$work/content/usr/bin/imgmgrd" | cut -d / -f 2 | sort -u >"$work/crates"
    [ -s "$work/crates" ]
    while read -r crate; do
        grep -qxF "Files: crates/$crate/*" "$work/content/usr/share/doc/sonic-imgmgrd/copyright"
    done <"$work/crates"
}

it_is_small() {
    [ "$(stat --format=%s "$package")" -le $((3 * 1024 * 1024)) ]
    [ "$(stat --format=%s "$work/content/usr/bin/imgmgrd")" -le $((4 * 1024 * 1024)) ]
}

symbols_are_in_a_package_of_their_own() {
    dpkg-deb --extract "$symbols" "$work/symbols"
    local id
    id=$(readelf --notes "$work/content/usr/bin/imgmgrd" | sed -n 's/.*Build ID: //p')
    readelf --sections --wide "$work/symbols/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug" | grep -q debug_line
    if readelf --sections --wide "$work/content/usr/bin/imgmgrd" | grep -E 'symtab|debug_(info|line)'; then return 1; fi
}

no_folder_of_this_machine_is_named() {
    local folder
    for folder in "$repository" "$(dirname "$(dirname "$package")")" "${CARGO_HOME:-$HOME/.cargo}" "$(rustc --print sysroot)"; do
        if grep -rlF "$folder/" "$work/content" "$work/symbols"; then return 1; fi
    done
}

packed_twice_it_is_the_same() {
    cd "$repository"
    scripts/deb.sh "$work/again"
    cmp "$package" "$work/again/$(basename "$package")"
    cmp "$symbols" "$work/again/$(basename "$symbols")"
    rm -r "$work/again"
}

lintian_finds_nothing() {
    lintian --allow-root --info --fail-on error,warning --suppress-tags bad-distribution-in-changes-file "$changes"
}

the_same_files_are_in_it_as_are_said() {
    (cd "$work/content" && find . -not -type d -printf '%P\n' | LC_ALL=C sort) >"$work/there"
    diff "$here/files" "$work/there"
}

for test in name_and_version_are_cargo_s generated_files_are_up_to_date every_crate_of_the_binary_has_its_licence \
    it_is_small symbols_are_in_a_package_of_their_own no_folder_of_this_machine_is_named packed_twice_it_is_the_same \
    lintian_finds_nothing the_same_files_are_in_it_as_are_said; do
    check "$test"
done
