//! Where `doctor` looks besides what the settings name.

use std::path::{Path, PathBuf};

use clap::Args;

/// The root of the file system in which `doctor` finds `/proc` and the kubelet's configuration.
///
/// What the settings name is not below it, nor are sockets and the engine's data: the hidden option is there for tests,
/// and for looking from a container in which the switch's own root is mounted elsewhere.
#[derive(Clone, Debug, Args)]
pub(super) struct Places {
    /// Where the root of the switch's file system is
    #[arg(long, hide = true, value_name = "DIRECTORY", default_value = "/")]
    root: PathBuf,
}

impl Places {
    /// Below this directory.
    #[cfg(test)]
    pub(super) fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where an absolute path of the switch is.
    pub(super) fn at(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A file or directory in `/proc`.
    pub(super) fn proc(&self, name: &str) -> PathBuf {
        self.at(Path::new("/proc")).join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_moves_with_the_root() {
        let places = Places::below(Path::new("/mnt"));
        assert_eq!(places.at(Path::new("/var/lib/kubelet")), Path::new("/mnt/var/lib/kubelet"));
        assert_eq!(places.proc("cmdline"), Path::new("/mnt/proc/cmdline"));
        assert_eq!(Places::below(Path::new("/")).proc("1/comm"), Path::new("/proc/1/comm"));
    }
}
