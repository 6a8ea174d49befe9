//! The socket through which commands reach the agent.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::nobodys_copy;
use crate::scene::binary;
use crate::story::{NEW, Story};

#[test]
fn only_its_owner_may_use_it() {
    let story = Story::telemetry();
    // Nobody can get at the folder, as on a switch.
    nobodys_copy(&story.switch);
    let state = story.switch.file("state").display().to_string();
    for program in [
        "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1] + '/control.sock')",
        "import sys; open(sys.argv[1] + '/memory.json.tmp', 'w')",
        "import sys; open(sys.argv[1] + '/lock', 'a')",
        "import os, sys; os.symlink('/etc/passwd', sys.argv[1] + '/history.json.tmp')",
    ] {
        let mut nobody = Command::new("setpriv");
        nobody.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--",
            "/usr/bin/python3",
            "-c",
            program,
            &state,
        ]);
        let output = nobody.output().expect("setpriv runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains("PermissionError"), "{program}: {error}");
    }
    let socket = std::fs::metadata(story.switch.file("state/control.sock")).expect("the socket");
    assert_eq!((socket.permissions().mode() & 0o777, socket.uid()), (0o600, 0));
}

#[test]
fn clients_that_say_nothing_or_too_much_or_do_not_listen_are_in_nobodys_way() {
    let mut story = Story::telemetry();
    story.policy("stable_time", "600");
    story.deploy(NEW);
    story.becomes("observing");
    let socket = story.switch.file("state/control.sock");
    let connect = || UnixStream::connect(&socket).expect("the agent listens");
    let before = story.agent.pss_kib();

    let silent: Vec<UnixStream> = (0..50).map(|_| connect()).collect();
    let mut endless = connect();
    let megabytes = vec![b'x'; 64 << 20];
    // It hangs up once it has heard enough; how much was written until then does not matter.
    endless.set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    assert!(endless.write_all(&megabytes).is_err());
    for garbage in
        [&b"\xff\xfe\n"[..], b"{}\n", b"[[[[", b"{\"command\":\"promote\",\"feature\":\"$(reboot)\"}\n", b"\n\n\n"]
    {
        let mut client = connect();
        client.write_all(garbage).expect("it is heard");
        client.shutdown(std::net::Shutdown::Write).expect("it is all");
        let mut reply = String::new();
        client.read_to_string(&mut reply).expect("a reply");
        assert!(reply.starts_with("{\"refused\":\"the request is not understood: ") && reply.len() < 400, "{reply}");
    }
    let mut deaf = connect();
    deaf.write_all(b"{\"command\":\"promote\",\"feature\":\"none\"}\n").expect("it is heard");

    let begun = Instant::now();
    let output = story.switch.command(binary(), &["promote", "telemetry"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    story.is_promoted(NEW);
    for mut client in silent {
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        assert_eq!(client.read(&mut [0]).expect("it hangs up"), 0);
    }
    drop(deaf);
    assert!(story.agent.pss_kib() < before + 16 * 1024, "{} KiB before, {} KiB after", before, story.agent.pss_kib());
}
