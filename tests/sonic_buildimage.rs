//! What sonic-buildimage gets from us, run as it runs it: the rules by GNU make, with what slave.mk has defined before
//! it reads them, and the commands of docs/sonic-build.md.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Our part of slave.mk: the variables and the macro that the rules use, then the rules in its order, then answers.
const SLAVE: &str = r#"
SRC_PATH = src
SONIC_COMMON_FILES_LIST := .platform rules/functions
SONIC_COMMON_BASE_FILES_LIST := sonic-slave-trixie/Dockerfile.j2
SONIC_COMMON_FLAGS_LIST := $(CONFIGURED_ARCH)
define add_derived_package
$(1)_DERIVED_DEBS += $(2)
$(2)_MAIN_DEB = $(1)
SONIC_DERIVED_DEBS += $(2)
endef
SONIC_DPKG_DEBS =
SONIC_DERIVED_DEBS =
SONIC_HOST_SERVICES_RS = sonic-host-services-rs_1.0.0_$(CONFIGURED_ARCH).deb

include rules/*.mk
include rules/*.dep

fields = NAME VERSION SRC_PATH DERIVED_DEBS CACHE_MODE DEP_FLAGS DEP_FILES SMDEP_FILES SMDEP_PATHS
$(info built=$(SONIC_DPKG_DEBS))
$(info derived=$(SONIC_DERIVED_DEBS))
$(info image=$(addprefix debs/,$(SONIC_HOST_SERVICES_RS) $(SONIC_IMGMGRD)))
$(info extra=$(SONIC_INSTALLER_EXTRA_DEBS))
$(foreach deb,$(SONIC_DPKG_DEBS),$(foreach field,$(fields),$(info $(field)=$($(deb)_$(field)))))

.ONESHELL:
SHELL = /bin/bash
.PHONY: exported
exported:
	@$(foreach kv,$(SONIC_INSTALLER_EXTRA_EXPORTS),export $(kv);)
	echo "include_imgmgrd=$$include_imgmgrd"
"#;

/// A sonic-buildimage that has the rules, and the submodule at a version.
fn tree(version: &str) -> TempDir {
    let tree = tempfile::tempdir().expect("a folder");
    let root = tree.path();
    symlink(ours("packaging/sonic-buildimage/rules"), root.join("rules")).expect("a link");
    fs::write(root.join("slave.mk"), SLAVE).expect("a file");
    let submodule = root.join("src/sonic-imgmgrd");
    fs::create_dir_all(&submodule).expect("a folder");
    let manifest = fs::read_to_string(ours("Cargo.toml")).expect("Cargo.toml");
    let line = |version: &str| format!("\nversion = \"{version}\"\n");
    assert_eq!(manifest.matches(&line(env!("CARGO_PKG_VERSION"))).count(), 1, "the version is in one place");
    let manifest = manifest.replace(&line(env!("CARGO_PKG_VERSION")), &line(version));
    fs::write(submodule.join("Cargo.toml"), manifest).expect("a file");
    fs::write(submodule.join("not-tracked"), "").expect("a file");
    for args in [&["init", "--quiet"][..], &["add", "Cargo.toml"]] {
        let status = Command::new("git").args(args).current_dir(&submodule).status().expect("git runs");
        assert!(status.success(), "git {args:?}");
    }
    tree
}

fn ours(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn make(tree: &Path, variables: &[&str]) -> Output {
    let mut command = Command::new("make");
    // Nothing of a make that runs these tests.
    for variable in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "INCLUDE_IMGMGRD"] {
        command.env_remove(variable);
    }
    command.args(["-f", "slave.mk", "--no-print-directory", "exported"]).args(variables).current_dir(tree);
    command.output().expect("make runs")
}

/// What the rules make of these variables.
#[track_caller]
fn made(tree: &Path, variables: &[&str]) -> BTreeMap<String, String> {
    let output = make(tree, variables);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{variables:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

#[test]
fn the_targets_are_the_packages_of_the_version_in_cargo_toml() {
    for version in [env!("CARGO_PKG_VERSION"), "12.3.40"] {
        let tree = tree(version);
        for arch in ["amd64", "arm64", "armhf"] {
            let made = made(tree.path(), &["INCLUDE_IMGMGRD=y", &format!("CONFIGURED_ARCH={arch}")]);
            let package = format!("sonic-imgmgrd_{version}_{arch}.deb");
            let symbols = format!("sonic-imgmgrd-dbgsym_{version}_{arch}.deb");
            let rules = "rules/sonic-imgmgrd.mk rules/sonic-imgmgrd.dep";
            for (name, value) in [
                ("built", package.as_str()),
                ("derived", &symbols),
                ("image", &format!("debs/sonic-host-services-rs_1.0.0_{arch}.deb debs/{package}")),
                ("extra", &package),
                ("NAME", "sonic-imgmgrd"),
                ("VERSION", version),
                ("SRC_PATH", "src/sonic-imgmgrd"),
                ("DERIVED_DEBS", &symbols),
                ("CACHE_MODE", "GIT_CONTENT_SHA"),
                ("DEP_FLAGS", arch),
                ("DEP_FILES", &format!("{rules} .platform rules/functions sonic-slave-trixie/Dockerfile.j2")),
                ("SMDEP_FILES", "src/sonic-imgmgrd/Cargo.toml"),
                ("SMDEP_PATHS", "src/sonic-imgmgrd"),
                ("include_imgmgrd", "y"),
            ] {
                assert_eq!(made.get(name).map(String::as_str), Some(value), "{name} for {arch}");
            }
        }
    }
}

#[test]
fn without_the_flag_nothing_is_built_and_the_submodule_not_looked_at() {
    let tree = tree(env!("CARGO_PKG_VERSION"));
    fs::remove_dir_all(tree.path().join("src")).expect("a folder can be removed");
    for (flag, told) in [(&["INCLUDE_IMGMGRD=n"][..], "n"), (&[], "")] {
        let made = made(tree.path(), &[flag, &["CONFIGURED_ARCH=amd64"]].concat());
        let expected = [
            ("built", ""),
            ("derived", ""),
            ("extra", ""),
            ("image", "debs/sonic-host-services-rs_1.0.0_amd64.deb"),
            ("include_imgmgrd", told),
        ];
        let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(made, expected, "{flag:?}");
    }
}

#[test]
fn a_submodule_that_is_not_checked_out_is_told_at_once() {
    let tree = tree(env!("CARGO_PKG_VERSION"));
    fs::remove_file(tree.path().join("src/sonic-imgmgrd/Cargo.toml")).expect("a file can be removed");
    let output = make(tree.path(), &["INCLUDE_IMGMGRD=y", "CONFIGURED_ARCH=amd64"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("src/sonic-imgmgrd/Cargo.toml tells no version"), "{stderr}");
}

#[test]
fn no_name_that_make_would_take_for_two() {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(ours("")).output().expect("git runs");
    // The tests may run from an archive, which has no index.
    let names = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!names.contains([' ', '\n', '\t', '#', '$', ':', '%']), "{names}");
}

/// The settings that sonic-buildimage ships (src/sonic-ctrmgrd/ctrmgr/remote_ctr.config.json).
const SHIPPED: &str = r#"{
    "join_latency_on_boot_seconds": 300,
    "retry_join_interval_seconds": 30,
    "retry_labels_update_seconds": 5,
    "revert_to_local_on_wait_seconds": 360,
    "tag_latest_image_on_wait_seconds": 600,
    "retry_tag_latest_seconds": 30,
    "retry_clean_image_seconds": 30,
    "use_k8s_as_http_proxy": "n"
}
"#;

#[test]
fn the_documented_command_parks_the_daemon_and_changes_nothing_else() {
    let document = fs::read_to_string(ours("docs/sonic-build.md")).expect("the document");
    let commands: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("sudo "))
        .filter(|line| line.contains("tag_latest_image_on_wait_seconds"))
        .collect();
    let [command] = commands[..] else { panic!("one command: {commands:?}") };
    let etc = tempfile::tempdir().expect("a folder");
    let file = etc.path().join("remote_ctr.config.json");
    fs::write(&file, SHIPPED).expect("a file");
    let status = Command::new("bash")
        .args(["-euc", command])
        .env("FILESYSTEM_ROOT_ETC_SONIC", etc.path())
        .status()
        .expect("bash runs");
    assert!(status.success(), "{command}");
    let mut parked: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).expect("the file")).expect("JSON");
    let mut shipped: serde_json::Value = serde_json::from_str(SHIPPED).expect("JSON");
    let wait = parked["tag_latest_image_on_wait_seconds"].take();
    assert!(wait.as_u64().is_some_and(|wait| wait > 86400), "{wait}: beyond what imgmgrd would wait");
    shipped["tag_latest_image_on_wait_seconds"].take();
    assert_eq!(parked, shipped);
}
