//! Runs yanglint (Debian's libyang2-tools) on the model and the stand-ins for what it imports.

use std::io::Write;
use std::process::{Command, Output};

use serde_json::Value;

/// The model.
pub(crate) const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/yang/sonic-container-image.yang");
/// The stand-in for what it refers to.
pub(crate) const FEATURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/yang/standins/sonic-feature.yang");

/// Whether YANG's JSON is valid configuration.
pub(crate) fn judge(data: &Value) -> Result<(), String> {
    let output = run(&["-t", "config", FEATURE, MODEL], Some(data));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(complaint) }
}

/// YANG's JSON with the defaults that the model adds.
pub(crate) fn with_defaults(data: &Value) -> Value {
    let output = run(&["-t", "config", "-f", "json", "-d", "all", FEATURE, MODEL], Some(data));
    serde_json::from_str(&answer(&output)).expect("JSON")
}

/// The tree of a model.
pub(crate) fn tree(path: &str) -> String {
    answer(&run(&["-f", "tree", path], None))
}

fn answer(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "yanglint: {stderr}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn run(args: &[&str], data: Option<&Value>) -> Output {
    let mut command = Command::new("yanglint");
    // The locale would change its words.
    command.env("LC_ALL", "C").args(["-p", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/yang/standins")]).args(args);
    let mut file = tempfile::Builder::new().suffix(".json").tempfile().expect("a file");
    if let Some(data) = data {
        file.write_all(data.to_string().as_bytes()).expect("it is written");
        command.arg(file.path());
    }
    command.output().unwrap_or_else(|error| panic!("yanglint: {error}; install Debian's libyang2-tools"))
}
