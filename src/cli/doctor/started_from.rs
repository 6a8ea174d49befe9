//! Local containers that were not started from `BASE:latest`: a promotion would not reach them.

use super::finding::{Check, Finding};
use crate::domain::{Base, printable};
use crate::planner::Container;

/// The local container of an instance, and what it should be started from.
#[derive(Clone, Debug)]
pub(super) struct Expected<'a> {
    /// The name of the instance, and of its local container.
    pub(super) name: String,
    /// The name of its image.
    pub(super) base: &'a Base,
}

/// Judges the containers of these instances.
pub(super) fn judge<'a>(
    expected: &[Expected<'_>],
    containers: impl Iterator<Item = &'a Container> + Clone,
) -> Vec<Finding> {
    let check = Check::StartedFrom;
    let mut findings = Vec::new();
    for Expected { name, base } in expected {
        let is_local = |container: &&Container| *container.name == **name && container.kubelet.is_none();
        let Some(other) = containers.clone().find(is_local).and_then(|container| other_source(container, base)) else {
            continue;
        };
        findings.push(Finding::warning(
            check,
            format!("local container {name} was started from {}, not from {base}:latest: a promotion would not reach it", printable(&other)),
            format!(
                "have /usr/bin/{name}.sh create it from {base}:latest, and remove the container while the service is stopped: \
                 systemctl stop {name}; docker rm {name}; systemctl start {name}"
            ),
        ));
    }
    if findings.is_empty() {
        findings
            .push(Finding::ok(check, "no local container is known to start from anything but its image's latest tag"));
    }
    findings
}

/// What a container was created from, if that is known and not `base:latest`.
fn other_source(container: &Container, base: &Base) -> Option<String> {
    match &container.created_from {
        Some(reference) if reference.is_local_latest() && reference.repository.base() == base => None,
        Some(reference) => Some(reference.to_string()),
        // Of a container that was not inspected the engine shows the id, too, when `latest` has moved on.
        None => container.details.as_ref().map(|_| format!("image {}", container.image.short())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::planner::{ContainerDetails, ContainerStatus, KubeletLabels};

    fn container(name: &str, from: Option<&str>, is_inspected: bool) -> Container {
        let details = ContainerDetails {
            started_at: "2026-11-21T22:00:00Z".parse().unwrap(),
            version: crate::domain::Value::Absent,
            unhealthy: false,
            oom_kills: 0,
        };
        Container {
            name: name.into(),
            image: format!("sha256:{}", "1a".repeat(32)).parse().unwrap(),
            created_from: from.map(|from| from.parse().unwrap()),
            kubelet: None,
            status: ContainerStatus::Running,
            details: is_inspected.then_some(details),
            exit_code: None,
        }
    }

    #[test]
    fn sources() {
        let base = "docker-snmp".parse().unwrap();
        let expected = [Expected { name: "snmp".to_owned(), base: &base }];
        let of_kubelet = Container {
            kubelet: Some(KubeletLabels { container_name: "snmp".into(), is_container: true }),
            ..container("snmp", Some("docker-snmp:1"), true)
        };
        for (container, level, said) in [
            (container("snmp", Some("docker-snmp:latest"), true), Level::Ok, ""),
            (container("snmp", None, false), Level::Ok, ""),
            (container("lldp", Some("docker-snmp:1"), true), Level::Ok, ""),
            (of_kubelet, Level::Ok, ""),
            (container("snmp", None, true), Level::Warning, "image 1a1a1a1a1a1a"),
            (container("snmp", Some("docker-snmp:1"), false), Level::Warning, "from docker-snmp:1,"),
            (container("snmp", Some("docker-lldp:latest"), true), Level::Warning, "from docker-lldp:latest"),
            (container("snmp", Some("r.example/docker-snmp:latest"), true), Level::Warning, "from r.example/"),
        ] {
            let findings = judge(&expected, [&container].into_iter());
            assert_eq!(findings.iter().map(|finding| finding.level).collect::<Vec<_>>(), [level], "{findings:?}");
            assert!(findings[0].found.contains(said), "{findings:?}");
        }
    }
}
