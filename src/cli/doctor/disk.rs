//! The disk of the images: how full it is, how much of it they take, and whether they outlive a reboot.

use std::io;
use std::path::Path;

use rustix::fs::statvfs;

use super::finding::{Check, Finding};
use super::places::Places;
use super::storage::{self, Storage};
use crate::cli::table;
use crate::config::files;

/// How full a disk may be: above it, the kubelet begins to collect images by default (kubernetes,
/// pkg/kubelet/apis/config/v1beta1/defaults.go, `imageGCHighThresholdPercent`).
const FULL_PERCENT: u64 = 85;

/// A command line has at most a page.
const CMDLINE_LIMIT: u64 = 64 << 10;

/// What was seen of the engine's data.
#[derive(Debug)]
pub(super) struct DiskFacts {
    /// Where it is.
    data_root: String,
    space: io::Result<Space>,
    storage: io::Result<Storage>,
    /// The kernel's command line.
    cmdline: String,
}

/// What a file system holds, in bytes.
#[derive(Clone, Copy, Debug)]
struct Space {
    capacity: u64,
    /// What is left to processes that are not root's.
    available: u64,
}

impl Space {
    /// How full it is, as the kubelet counts it (kubernetes, pkg/kubelet/images/image_gc_manager.go, `GarbageCollect`).
    fn used_percent(self) -> u64 {
        let free = u128::from(self.available) * 100 / u128::from(self.capacity.max(1));
        100_u64.saturating_sub(u64::try_from(free).unwrap_or(100))
    }
}

/// The images of features: how many, and how large.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Images {
    /// How many there are.
    pub(super) count: usize,
    /// The sum of their sizes, which counts a layer once for each image that has it.
    pub(super) size: u64,
}

/// Examines the engine's data, without asking the engine: it would walk over the disk for minutes.
pub(super) fn examine(data_root: &str, places: &Places) -> DiskFacts {
    let path = Path::new(data_root);
    let cmdline = files::read(&places.proc("cmdline"), CMDLINE_LIMIT).ok().flatten().unwrap_or_default();
    DiskFacts {
        data_root: data_root.to_owned(),
        space: space(path),
        storage: storage::examine(path, places),
        cmdline: String::from_utf8_lossy(&cmdline).into_owned(),
    }
}

fn space(path: &Path) -> io::Result<Space> {
    let of = statvfs(path)?;
    Ok(Space { capacity: of.f_blocks.saturating_mul(of.f_frsize), available: of.f_bavail.saturating_mul(of.f_frsize) })
}

/// What the facts mean for running the agent, as findings with remedies.
pub(super) fn judge(facts: &DiskFacts, images: Option<Images>) -> Vec<Finding> {
    vec![fullness(facts, images), permanence(facts)]
}

fn fullness(facts: &DiskFacts, images: Option<Images>) -> Finding {
    let space = match &facts.space {
        Ok(space) => space,
        Err(error) => {
            return Finding::note(
                Check::Disk,
                format!("how full {} is cannot be seen: {error}", facts.data_root),
                "run this as root, on the switch itself",
            );
        }
    };
    let images = images.map_or_else(String::new, |images| {
        format!("; the {} images of features take at most {}", images.count, table::size(images.size))
    });
    let used = space.used_percent();
    let found = format!(
        "{} is {used}% full, {} of {} left{images}",
        facts.data_root,
        table::size(space.available),
        table::size(space.capacity)
    );
    if used <= FULL_PERCENT {
        return Finding::ok(Check::Disk, found);
    }
    Finding::warning(
        Check::Disk,
        found,
        "see what could go with \"imgmgrd images\" (keep_versions, pins, cleanup), and remove old SONiC images with \
         \"sonic-installer cleanup\"",
    )
}

/// Judges whether the images outlive a reboot.
///
/// With `docker_inram=on`, or secure boot, SONiC's initramfs puts `/var/lib/docker` into memory and fills it from the SONiC
/// image at each boot (sonic-buildimage, files/initramfs-tools/union-mount.j2).
fn permanence(facts: &DiskFacts) -> Finding {
    let is_asked_for = |word: &str| matches!(word, "docker_inram=on" | "secure_boot_enable=y" | "secure_boot_enable=1");
    let asked_for = facts.cmdline.split_whitespace().find(|word| is_asked_for(word));
    let why = match (&facts.storage, asked_for) {
        (Ok(Storage::Memory(kind)), Some(word)) => format!("is on {kind}, by {word} of the kernel's command line"),
        (Ok(Storage::Memory(kind)), None) => format!("is on {kind}"),
        (_, Some(word)) => format!("is in memory, by {word} of the kernel's command line"),
        (Ok(Storage::Disk), None) => return Finding::ok(Check::RamDisk, format!("{} is on a disk", facts.data_root)),
        (Err(error), None) => {
            return Finding::note(
                Check::RamDisk,
                format!("whether {} outlives a reboot cannot be seen: {error}", facts.data_root),
                "run this as root, on the switch itself",
            );
        }
    };
    Finding::warning(
        Check::RamDisk,
        format!("{} {why}: a reboot resets every image to that of the SONiC image, promoted ones too", facts.data_root),
        "boot without docker_inram=on where the disk and the boot's security allow it; else expect the installed versions \
         after each reboot, until Kubernetes deploys again",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn facts(available: u64, storage: io::Result<Storage>, cmdline: &str) -> DiskFacts {
        DiskFacts {
            data_root: "/d".to_owned(),
            space: Ok(Space { capacity: 1000, available }),
            storage,
            cmdline: cmdline.to_owned(),
        }
    }

    #[test]
    fn a_disk_is_full_above_the_kubelet_s_threshold() {
        for (available, level, said) in [
            (1000, Level::Ok, "0% full"),
            (150, Level::Ok, "85% full"),
            (149, Level::Warning, "86% full"),
            (0, Level::Warning, "100% full"),
        ] {
            let finding = fullness(&facts(available, Ok(Storage::Disk), ""), None);
            assert!(finding.level == level && finding.found.contains(said), "{finding:?}");
        }
        let images = Some(Images { count: 3, size: 2_150_000 });
        let finding = fullness(&facts(500, Ok(Storage::Disk), ""), images);
        assert!(finding.found.ends_with("the 3 images of features take at most 2.15MB"), "{finding:?}");
        let unseen =
            DiskFacts { space: Err(io::ErrorKind::PermissionDenied.into()), ..facts(0, Ok(Storage::Disk), "") };
        assert_eq!(fullness(&unseen, images).level, Level::Note);
        assert_eq!(Space { capacity: 0, available: 0 }.used_percent(), 100);
    }

    #[test]
    fn images_in_memory() {
        let unseen = || Err(io::ErrorKind::PermissionDenied.into());
        for (storage, cmdline, level, said) in [
            (Ok(Storage::Disk), "quiet docker_inram=off", Level::Ok, "on a disk"),
            (Ok(Storage::Disk), "quiet docker_inram=on", Level::Warning, "by docker_inram=on"),
            (Ok(Storage::Disk), "secure_boot_enable=y", Level::Warning, "by secure_boot_enable=y"),
            (Ok(Storage::Memory("a tmpfs")), "", Level::Warning, "/d is on a tmpfs:"),
            (Ok(Storage::Memory("a zram device")), "docker_inram=on\n", Level::Warning, "is on a zram device, by"),
            (unseen(), "", Level::Note, "cannot be seen"),
            (unseen(), "docker_inram=on", Level::Warning, "in memory"),
        ] {
            let finding = permanence(&facts(500, storage, cmdline));
            assert!(finding.level == level && finding.found.contains(said), "{finding:?}");
        }
    }
}
