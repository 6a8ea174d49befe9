#!/usr/bin/env bash
# Holds every dependency to the Rust version that Cargo.toml declares: fails when a package in the resolved graph
# asks for a newer one, and lists those that do not say what they ask for. Packages for other systems than Linux are
# in Cargo.lock too but never built: they do not count.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf)
filters=()
for target in "${targets[@]}"; do
    filters+=(--filter-platform "$target")
done

cargo metadata --format-version 1 --locked --all-features "${filters[@]}" | jq -r --arg targets "${targets[*]}" '
    def version: split(".") | map(tonumber) | . + [0, 0, 0] | .[:3];
    . as $graph
    | ($graph.packages | map({ key: .id, value: . }) | from_entries) as $by_id
    | ($graph.packages[] | select(.name == "imgmgrd") | .rust_version) as $ours
    | [$graph.resolve.nodes[].id | $by_id[.]] as $used
    | [$used[] | select(.rust_version != null and ((.rust_version | version) > ($ours | version)))] as $newer
    | [$used[] | select(.rust_version == null)] as $silent
    | "msrv: \($used | length) packages for \($targets), held to Rust \($ours)",
      "msrv: \($silent | length) do not say which Rust they need: \([$silent[] | "\(.name) \(.version)"] | sort | join(", "))",
      ($newer[] | "msrv: \(.name) \(.version) needs Rust \(.rust_version)"),
      if $newer == [] then "msrv: none needs a newer one" else error("\($newer | length) packages need a newer Rust than \($ours)") end
'
