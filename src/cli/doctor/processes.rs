//! The processes of the switch, by `/proc`.

use super::places::Places;
use crate::config::files::{self, FileError};

/// A kubelet's command line has some hundred bytes; what is longer is cut off, not read.
const LIMIT: u64 = 256 << 10;

/// Programs that run scripts, besides the Pythons.
const INTERPRETERS: [&str; 4] = ["sh", "bash", "dash", "busybox"];

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// Its name, of which the kernel keeps 15 bytes.
    pub(super) name: String,
    /// Its arguments, the program first; empty for a kernel thread.
    pub(super) arguments: Vec<String>,
}

impl Process {
    /// Whether it runs this program, by itself or as an interpreter's script. That a program is told of it
    /// (`journalctl -u kubelet`) means nothing.
    pub(super) fn runs(&self, program: &str) -> bool {
        let mut arguments = self.arguments.iter().map(|argument| argument.rsplit('/').next().unwrap_or_default());
        let started = arguments.next().unwrap_or_default();
        let is_interpreter = started.starts_with("python") || INTERPRETERS.contains(&started);
        let script = arguments.find(|argument| !argument.starts_with('-')).filter(|_| is_interpreter);
        self.name == program || started == program || script == Some(program)
    }

    /// The value of an option, as `--name=value` or `--name value`; the last one counts.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        let mut value = None;
        let mut arguments = self.arguments.iter().peekable();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix(name) {
                Some("") => value = arguments.peek().map(|next| next.as_str()).or(value),
                Some(rest) => value = rest.strip_prefix('=').or(value),
                None => {}
            }
        }
        value
    }
}

/// Every process that this user can see; what ends meanwhile is left out.
///
/// # Errors
/// If there is no `/proc`.
pub(super) fn examine(places: &Places) -> std::io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(places.proc(""))? {
        let Ok(entry) = entry else { continue };
        if entry.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            let read = |name: &str| -> Result<String, FileError> {
                let bytes = files::read(&entry.path().join(name), LIMIT)?.unwrap_or_default();
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            };
            let (Ok(name), Ok(line)) = (read("comm"), read("cmdline")) else { continue };
            let arguments = line.split_terminator('\0').map(str::to_owned).collect();
            found.push(Process { name: name.trim_end().to_owned(), arguments });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, line: &str) -> Process {
        Process { name: name.to_owned(), arguments: line.split(' ').map(str::to_owned).collect() }
    }

    #[test]
    fn scripts_are_found_behind_their_interpreter() {
        assert!(process("python3", "/usr/bin/python3 -u /usr/bin/ctrmgrd.py").runs("ctrmgrd.py"));
        assert!(process("kubelet", "").runs("kubelet"));
        assert!(!process("vi", "vi a b /usr/bin/ctrmgrd.py").runs("ctrmgrd.py"));
        assert!(!process("vi", "my-ctrmgrd.py").runs("ctrmgrd.py"));
        assert!(process("sh", "/bin/sh /usr/bin/docker-gc").runs("docker-gc"));
        for line in ["journalctl -u kubelet", "systemctl status kubelet", "vi /etc/default/kubelet", "", "python3 -u"] {
            let name = line.split(' ').next().unwrap();
            assert!(!process(name, line).runs("kubelet"), "{line}");
        }
    }

    #[test]
    fn options() {
        let kubelet = process("kubelet", "kubelet --a=1 --b 2 --bc=3 --a=4 --d");
        for (name, value) in [("--a", Some("4")), ("--b", Some("2")), ("--d", None), ("--e", None)] {
            assert_eq!(kubelet.option(name), value, "{name}");
        }
    }

    #[test]
    fn processes_are_read_from_the_root_given() {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in
            [("7/comm", "kubelet\n"), ("7/cmdline", "/k\0--x\0"), ("8/other", ""), ("self/comm", "no")]
        {
            let path = root.path().join("proc").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let places = Places::below(root.path());
        let mut found = examine(&places).unwrap();
        found.retain(|process| !process.name.is_empty());
        assert_eq!(found, [process("kubelet", "/k --x")]);
        assert!(examine(&Places::below(&root.path().join("none"))).is_err());
    }
}
