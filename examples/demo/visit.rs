//! `--stay`: the switch stays up for a person to try the commands on it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::{fs, io};

use imgmgrd_test_support::Switch;
use imgmgrd_test_support::rows::Namespace;

use crate::stage::Stage;
use crate::stop::Stop;

/// SONiC's `show` and `config`, as the plugins' tests have them: its own packages cannot be had everywhere.
const SONIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/sonic.py");

/// Says how to come in, and waits for Ctrl-C.
pub(crate) fn host(stage: &mut Stage<'_>, binary: &Path) -> Result<(), Stop> {
    let door = prepare(stage.switch, binary);
    let door = door.map_err(|error| Stop::wrong(format!("cannot make the commands of the switch: {error}")))?;
    stage.scene("7. The switch is yours until you press Ctrl-C here. In another terminal:");
    for line in [
        &format!("  . {door}"),
        "gives that shell the switch's imgmgrd, \"show feature image\", \"config feature image\", docker and redis-cli:",
        "  imgmgrd history telemetry; show feature image; docker images; redis-cli -n 6 hgetall 'FEATURE|telemetry'",
    ] {
        stage.narrator.aside(line);
    }
    stage.stay()
}

/// The commands of this switch, in a folder of its own; the file to read in a shell to have them.
fn prepare(switch: &Switch, binary: &Path) -> io::Result<String> {
    let folder = switch.path().join("commands");
    fs::create_dir(&folder)?;
    symlink(binary, folder.join("imgmgrd"))?;
    let socket = switch.redis(Namespace::Host).socket().display();
    for (name, command) in [
        ("show", format!("/usr/bin/python3 -B '{SONIC}' '{socket}' show")),
        ("config", format!("/usr/bin/python3 -B '{SONIC}' '{socket}' config")),
        ("redis-cli", format!("/usr/bin/redis-cli -s '{socket}'")),
    ] {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\nexec {command} \"$@\"\n"))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    let mut variables = switch.environment();
    variables.push(("DOCKER_HOST".to_owned(), switch.engine().host()));
    let exports = variables.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect::<String>();
    let door = folder.join("activate");
    fs::write(&door, format!("{exports}export PATH='{}':\"$PATH\"\n", folder.display()))?;
    Ok(door.display().to_string())
}
