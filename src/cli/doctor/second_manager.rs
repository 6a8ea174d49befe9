//! Other programs that manage images: two that do not know of each other remove what the other keeps.

use std::collections::BTreeSet;

use super::finding::{Check, Finding};
use super::processes::Process;
use crate::config::files::{Absence, Loaded, RemoteCtrConfig};
use crate::planner::{Container, Image};

/// The Python daemon of sonic-buildimage's `src/sonic-ctrmgrd`.
const DAEMON: &str = "ctrmgrd.py";

/// Programs known to remove images, by the name of their process and of their own image.
const COLLECTORS: [&str; 5] = ["docuum", "watchtower", "ouroboros", "docker-gc", "docker_gc"];

/// Judges the Python daemon's own timer for tagging `latest` and cleaning up.
pub(super) fn judge_daemon(config: &Loaded<RemoteCtrConfig>, processes: Option<&[Process]>) -> Vec<Finding> {
    let check = Check::Ctrmgrd;
    let remedy = "park the Python daemon's timer: set \"tag_latest_image_on_wait_seconds\" to a value beyond 86400 (31536000, \
                say) in /etc/sonic/remote_ctr.config.json, then systemctl restart ctrmgrd; stable_time is then set in \
                CONTAINER_IMAGE|GLOBAL";
    let is_running = processes.map(|processes| processes.iter().any(|process| process.runs(DAEMON)));
    let mut findings = Vec::new();
    if let Some(Absence::Unreadable(why)) = &config.absence {
        findings.push(Finding::warning(check, why, "restore the file, as written by the ctrmgr package"));
    }
    findings.extend(config.refused.iter().map(|refused| Finding::warning(check, refused, "correct the value")));
    let manages = "tags latest and removes images by its own timer";
    findings.push(match (config.value.is_daemon_parked, is_running) {
        (true, _) => Finding::ok(check, "the Python daemon's timer for images is parked"),
        (false, Some(true)) => {
            Finding::warning(check, format!("{DAEMON} runs, and {manages}, besides this agent"), remedy)
        }
        (false, Some(false)) => Finding::note(
            check,
            format!("{DAEMON} does not run; once it does, it {manages}, besides this agent"),
            remedy,
        ),
        (false, None) => Finding::note(check, format!("where {DAEMON} runs, it {manages}, besides this agent"), remedy),
    });
    findings
}

/// Judges programs that remove images, whether they run as a process or in a container.
pub(super) fn judge_collectors<'a>(
    processes: Option<&[Process]>,
    containers: impl Iterator<Item = (&'a Container, Option<&'a Image>)>,
) -> Vec<Finding> {
    let running = processes.into_iter().flatten();
    let mut found: BTreeSet<String> = COLLECTORS
        .iter()
        .filter(|name| running.clone().any(|process| process.runs(name)))
        .map(|name| format!("{name} runs as a process"))
        .collect();
    for (container, image) in containers.filter(|(container, _)| container.status.is_alive()) {
        let references = image.into_iter().flat_map(|image| image.references.iter()).chain(&container.created_from);
        let mut bases = references.map(|reference| reference.repository.base().as_str());
        if let Some(name) = bases.find_map(|base| COLLECTORS.iter().find(|name| **name == base)) {
            found.insert(format!("{name} runs in container {}", crate::domain::printable(&container.name)));
        }
    }
    let check = Check::Collectors;
    if found.is_empty() {
        return vec![match processes {
            Some(_) => Finding::ok(check, "no program known to remove images runs"),
            None => {
                Finding::note(check, "the processes cannot be seen: there is no /proc", "run this on the switch itself")
            }
        }];
    }
    let judge = |what| {
        let remedy = "stop and disable it: it removes images that fallback and rollback need, and imgmgrd cleans up";
        Finding::warning(check, what, remedy)
    };
    found.into_iter().map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::planner::ContainerStatus;

    fn process(name: &str, line: &str) -> Process {
        Process { name: name.to_owned(), arguments: line.split(' ').map(str::to_owned).collect() }
    }

    fn levels(findings: &[Finding]) -> Vec<Level> {
        findings.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn the_python_daemon() {
        let daemon = [process("python3", "/usr/bin/python3 /usr/bin/ctrmgrd.py")];
        let config = |is_daemon_parked| Loaded {
            value: RemoteCtrConfig { is_daemon_parked, ..RemoteCtrConfig::default() },
            ..Loaded::default()
        };
        let broken = Loaded { absence: Some(Absence::Unreadable("/r is bad".to_owned())), ..config(false) };
        for (config, processes, expected) in [
            (config(true), Some(&daemon[..]), vec![Level::Ok]),
            (config(false), Some(&daemon[..]), vec![Level::Warning]),
            (config(false), Some(&[]), vec![Level::Note]),
            (config(false), None, vec![Level::Note]),
            (broken, Some(&daemon[..]), vec![Level::Warning, Level::Warning]),
            (Loaded { refused: vec!["x".to_owned()], ..config(true) }, None, vec![Level::Warning, Level::Ok]),
        ] {
            let findings = judge_daemon(&config, processes);
            assert_eq!(levels(&findings), expected, "{findings:?}");
        }
    }

    #[test]
    fn collectors() {
        let container = |from: &str, status| Container {
            name: "c".into(),
            image: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
            created_from: from.parse().ok(),
            kubelet: None,
            status,
            details: None,
            exit_code: None,
        };
        let watchtower = container("containrrr/watchtower:latest", ContainerStatus::Running);
        let stopped = container("containrrr/watchtower:latest", ContainerStatus::Stopped);
        let other = container("docker-snmp:latest", ContainerStatus::Running);
        let tagged =
            Image { references: ["stephanmisc/docuum:1".parse().unwrap()].into_iter().collect(), ..Image::default() };
        let docuum = [process("docuum", "docuum --threshold 5GB")];
        for (processes, container, image, expected, said) in [
            (Some(&[][..]), &other, None, vec![Level::Ok], ""),
            (Some(&[]), &stopped, None, vec![Level::Ok], ""),
            (None, &other, None, vec![Level::Note], "/proc"),
            (Some(&docuum[..]), &other, None, vec![Level::Warning], "docuum runs as a process"),
            (None, &watchtower, None, vec![Level::Warning], "watchtower runs in container c"),
            (Some(&docuum[..]), &watchtower, None, vec![Level::Warning; 2], "watchtower"),
            (Some(&[]), &other, Some(&tagged), vec![Level::Warning], "docuum runs in container c"),
        ] {
            let findings = judge_collectors(processes, [(container, image)].into_iter());
            assert_eq!(levels(&findings), expected, "{findings:?}");
            assert!(format!("{findings:?}").contains(said), "{said}: {findings:?}");
        }
    }
}
