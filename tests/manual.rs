//! The man pages and completions: up to date, and of use.

// Helpers of tests are test code as well, which clippy tells by `#[test]` only: they may panic and start processes.
#![allow(clippy::expect_used, clippy::disallowed_methods)]

use std::path::Path;
use std::process::{Command, Output};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

fn imgmgrd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_imgmgrd")).args(arguments).output().expect("imgmgrd")
}

/// What bash offers for the last of these words.
fn completed(words: &[&str]) -> Vec<String> {
    let script = r#"
        compopt() { :; } # works only where a person types
        eval "$("$0" completion bash)"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _imgmgrd imgmgrd "${!#}" "${@: -2:1}" && printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_imgmgrd")])
        .args(words)
        .current_dir(REPOSITORY)
        .output()
        .expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Only where they are compiled in: `scripts/test.sh` sees to that.
#[cfg(feature = "generate")]
#[test]
fn they_are_up_to_date() {
    let documents = imgmgrd::manual::documents().expect("documents");
    for (path, text) in &documents {
        let file = std::fs::read_to_string(Path::new(REPOSITORY).join(path)).unwrap_or_default();
        assert!(file == *text, "out of date: {path}: run `make generate`");
    }
    for folder in ["man", "completions"] {
        for file in std::fs::read_dir(Path::new(REPOSITORY).join(folder)).expect("a folder") {
            let path = format!("{folder}/{}", file.expect("a file").file_name().to_string_lossy());
            assert!(documents.contains_key(&path), "{path} is made of nothing any more: remove it");
        }
    }
}

#[test]
fn man_shows_every_page_without_a_warning() {
    for page in std::fs::read_dir(Path::new(REPOSITORY).join("man")).expect("a folder") {
        let page = page.expect("a page").path();
        let output = Command::new("man")
            .args(["--warnings", "--encoding=utf8", "--local-file"])
            .arg(&page)
            .env("MANWIDTH", "80")
            .output()
            .expect("man");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", page.display());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT CODES", "SEE ALSO"] {
            assert!(text.lines().any(|line| line == heading), "{}: {heading}\n{text}", page.display());
        }
    }
}

#[test]
fn each_shell_gets_its_own() {
    for (shell, file) in [("bash", "imgmgrd.bash"), ("zsh", "_imgmgrd"), ("fish", "imgmgrd.fish")] {
        let output = imgmgrd(&["completion", shell]);
        assert!(output.status.success());
        let file = std::fs::read(Path::new(REPOSITORY).join("completions").join(file)).expect("the file");
        assert!(output.stdout == file, "{shell}");
    }
    let unknown = imgmgrd(&["completion", "csh"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("[possible values: bash, zsh, fish]"));
}

#[test]
fn completions_are_printed_whatever_the_settings_are() {
    let output = imgmgrd(&["--config", "/nowhere/imgmgrd.toml", "completion", "bash"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn bash_completes_commands_options_and_files() {
    assert_eq!(completed(&["imgmgrd", "pro"]), ["promote"]);
    assert_eq!(completed(&["imgmgrd", "promote", "--a"]), ["--all"]);
    assert_eq!(completed(&["imgmgrd", "completion", ""]), ["-h", "--help", "bash", "zsh", "fish"]);
    assert_eq!(completed(&["imgmgrd", "--config", "Cargo.to"]), ["Cargo.toml"]);
}
