//! What the demo needs, checked before anything is started.

use std::path::PathBuf;

use crate::stop::Stop;

/// The programs that the switch is made of.
const PROGRAMS: [&str; 6] = ["redis-server", "dockerd", "docker-registry", "busybox", "setpriv", "sha256sum"];

/// Checks for root, for the programs and for the agent, whose path is given back.
pub(crate) fn check() -> Result<PathBuf, Stop> {
    if !rustix::process::geteuid().is_root() {
        return Err(Stop::wrong("it starts a private dockerd, which takes root: run `make demo` as root"));
    }
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|program| !is_in_path(program)).collect();
    if !missing.is_empty() {
        return Err(Stop::wrong(format!(
            "not found: {}; `scripts/setup.sh demo` installs what is missing",
            missing.join(", ")
        )));
    }
    binary().ok_or_else(|| Stop::wrong("imgmgrd is not built beside the demo; `make demo` builds both"))
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The agent, built together with the demo.
fn binary() -> Option<PathBuf> {
    let demo = std::env::current_exe().ok()?;
    Some(demo.with_file_name("imgmgrd")).filter(|path| path.is_file())
}
