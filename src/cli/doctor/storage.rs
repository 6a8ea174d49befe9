//! Whether what a directory holds outlives a reboot.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

use super::places::Places;
use crate::config::files;

/// statfs(2), `f_type` of a tmpfs.
const TMPFS: u32 = 0x0102_1994;
/// statfs(2), `f_type` of a ramfs, which an initramfs is.
const RAMFS: u32 = 0x8584_58f6;

/// `/proc/self/mountinfo` of a switch with hundreds of containers has some 100 KiB.
const MOUNTINFO_LIMIT: u64 = 16 << 20;

/// Where the initramfs of Debian has mounted what becomes `/`: SONiC's overlay names its directories as seen from there
/// (sonic-buildimage, files/initramfs-tools/union-mount.j2).
const ROOTMNT: &str = "/root";

/// What a directory is kept on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// A disk, as far as can be seen.
    Disk,
    /// Memory, of this kind.
    Memory(&'static str),
}

/// Examines what keeps `path`, or its nearest directory above that exists.
///
/// # Errors
/// If the file system does not tell.
pub(super) fn examine(path: &Path, places: &Places) -> io::Result<Storage> {
    let existing = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if let Some(kind) = memory(type_of(existing)?) {
        return Ok(Storage::Memory(kind));
    }
    let mounts = files::read(&places.proc("self/mountinfo"), MOUNTINFO_LIMIT).ok().flatten().unwrap_or_default();
    let Some(mount) = mount_of(&existing.canonicalize()?, &String::from_utf8_lossy(&mounts)) else {
        return Ok(Storage::Disk);
    };
    let upper_type = |upper: &PathBuf| {
        let inside = upper.strip_prefix(ROOTMNT).map(|rest| Path::new("/").join(rest));
        [Some(upper.clone()), inside.ok()].into_iter().flatten().find_map(|path| type_of(&places.at(&path)).ok())
    };
    Ok(judge(&mount, mount.upper.as_ref().and_then(upper_type)))
}

fn type_of(path: &Path) -> io::Result<u32> {
    let kind = statfs(path)?.f_type;
    // The type is 64 bits wide on some architectures; the constants are 32 bits wide on all.
    u32::try_from(i128::from(kind) & 0xffff_ffff).map_err(io::Error::other)
}

fn memory(kind: u32) -> Option<&'static str> {
    match kind {
        TMPFS => Some("a tmpfs"),
        RAMFS => Some("a ramfs"),
        _ => None,
    }
}

/// A line of `/proc/self/mountinfo` (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// What is mounted: a device, or a word for none.
    source: String,
    /// The directory that takes the writes to an overlay.
    upper: Option<PathBuf>,
}

/// The mount on which `path` is: the last of those at the longest mount point above it.
fn mount_of(path: &Path, mountinfo: &str) -> Option<Mount> {
    let mut best: Option<(usize, Mount)> = None;
    for line in mountinfo.lines() {
        let Some((place, device)) = line.split_once(" - ") else { continue };
        let Some(point) = place.split(' ').nth(4).map(unescaped) else { continue };
        let mut device = device.split(' ');
        let (Some(kind), Some(source), Some(options)) = (device.next(), device.next(), device.next()) else { continue };
        let depth = Path::new(&point).components().count();
        if path.starts_with(&point) && best.as_ref().is_none_or(|(deepest, _)| depth >= *deepest) {
            let upper = options.split(',').find_map(|option| option.strip_prefix("upperdir="));
            let upper = upper.filter(|_| kind == "overlay").map(|upper| unescaped(upper).into());
            best = Some((depth, Mount { source: source.to_owned(), upper }));
        }
    }
    best.map(|(_, mount)| mount)
}

/// A path as the kernel writes it there: blanks in octal.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// Judges the mount of a directory whose own file system is none in memory.
fn judge(mount: &Mount, upper_type: Option<u32>) -> Storage {
    if mount.source.starts_with("/dev/zram") {
        // `docker_inram_algo` of SONiC's kernel command line: ext4 on compressed memory.
        return Storage::Memory("a zram device");
    }
    match upper_type.and_then(memory) {
        Some(_) => Storage::Memory("an overlay whose upper directory is in memory"),
        None => Storage::Disk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 0:20 / / rw,relatime - overlay root-overlay rw,lowerdir=/root/fsroot,upperdir=/root/host/image-x/rw,workdir=/w
23 22 8:1 / /host rw,relatime shared:1 - ext4 /dev/sda3 rw
24 22 253:0 / /var/lib/docker rw,nodev - ext4 /dev/zram0 rw
25 22 0:21 / /with\\040blank rw - tmpfs tmpfs rw,upperdir=/no
garbage
26 22 8:2 / /host rw - ext4 /dev/sdb1 rw";

    #[test]
    fn the_mount_of_a_path() {
        for (path, source, upper) in [
            ("/var/lib/imgmgrd", "root-overlay", Some("/root/host/image-x/rw")),
            ("/var/lib/docker/overlay2", "/dev/zram0", None),
            ("/var/lib/dockers", "root-overlay", Some("/root/host/image-x/rw")),
            ("/host/a", "/dev/sdb1", None),
            ("/with blank/a", "tmpfs", None),
        ] {
            let mount = mount_of(Path::new(path), MOUNTS).unwrap();
            assert_eq!((mount.source.as_str(), mount.upper), (source, upper.map(PathBuf::from)), "{path}");
        }
        assert_eq!(mount_of(Path::new("/x"), ""), None);
    }

    #[test]
    fn memory_is_told_from_disks() {
        let mount = |source: &str| Mount { source: source.to_owned(), upper: None };
        for (source, upper, expected) in [
            ("/dev/sda3", None, Storage::Disk),
            ("overlay", Some(0xef53), Storage::Disk),
            ("overlay", Some(TMPFS), Storage::Memory("an overlay whose upper directory is in memory")),
            ("overlay", Some(RAMFS), Storage::Memory("an overlay whose upper directory is in memory")),
            ("/dev/zram0", None, Storage::Memory("a zram device")),
        ] {
            assert_eq!(judge(&mount(source), upper), expected, "{source} {upper:?}");
        }
    }

    #[test]
    fn a_real_tmpfs_is_memory_and_what_is_missing_is_judged_by_what_is_above() {
        let places = Places::below(Path::new("/"));
        for path in ["/dev/shm", "/dev/shm/none/at/all"] {
            assert_eq!(examine(Path::new(path), &places).unwrap(), Storage::Memory("a tmpfs"), "{path}");
        }
    }
}
