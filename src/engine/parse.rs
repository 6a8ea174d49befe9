//! The edge: the engine's answers become words of the domain, or are left out.

use crate::decide::{Container, ContainerStatus, Image, ImageVersion, KubeletLabels};
use crate::domain::{ContainerId, ImageId, Reference, References, Repositories, StartedAt, Value, Version, printable};
use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as Inspected, ContainerSummary,
    ContainerSummaryStateEnum as Listed, HealthStatusEnum, ImageInspect, ImageSummary,
};

/// The label by which the kubelet names a container (kubernetes, pkg/kubelet/types/labels.go).
const CONTAINER_NAME: &str = "io.kubernetes.container.name";

/// The label by which dockershim and cri-dockerd tell containers from the sandboxes of pods.
const DOCKER_TYPE: &str = "io.kubernetes.docker.type";

/// The longest name of a container that is taken as it is; the kubelet's are the longest, of two or three hundred.
const LONGEST_NAME: usize = 1024;

/// What an inspection of a container tells, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InspectedContainer {
    pub(super) name: String,
    pub(super) image: Option<ImageId>,
    pub(super) created_from: Option<Reference>,
    pub(super) status: ContainerStatus,
    pub(super) started_at: Option<StartedAt>,
    pub(super) unhealthy: bool,
    pub(super) oom_killed: bool,
    /// `IMAGE_VERSION` of its own environment.
    pub(super) version: Value<Version>,
}

/// An image of the list. One whose id is no id cannot be spoken of and is left out.
pub(super) fn image(summary: &ImageSummary, repositories: &mut Repositories) -> Option<(ImageId, Image)> {
    let id = summary.id.parse().ok()?;
    let (references, unreadable_references) = references(&summary.repo_tags, &summary.repo_digests, repositories);
    let size = u64::try_from(summary.size).unwrap_or_default();
    Some((id, Image { references, unreadable_references, version: ImageVersion::NotRead, size }))
}

/// Tags and digest references, and how many of them are not understood.
pub(super) fn references(tags: &[String], digests: &[String], repositories: &mut Repositories) -> (References, u16) {
    let mut understood = References::default();
    let mut not_understood = 0_u16;
    for text in tags.iter().chain(digests).filter(|text| !stands_for_none(text)) {
        match repositories.reference(text) {
            Ok(reference) => {
                understood.insert(reference);
            }
            Err(_) => not_understood = not_understood.saturating_add(1),
        }
    }
    (understood, not_understood)
}

/// Whether this is what the engine writes where there is no reference: `<none>:<none>` and `<none>@<none>` up to API
/// 1.42 (API history, v1.43); `REPO:<none>` beside a digest. The containerd image store calls an image without name
/// `moby-dangling@sha256:...` (moby, daemon/containerd/image.go).
fn stands_for_none(text: &str) -> bool {
    text.ends_with(":<none>")
        || text.ends_with("@<none>")
        || text.starts_with("<none>")
        || text.starts_with("moby-dangling@")
}

/// A container of the list.
pub(super) fn container(summary: &ContainerSummary) -> Option<(ContainerId, Container)> {
    let id = summary.id.as_deref()?.parse().ok()?;
    let image: ImageId = summary.image_id.as_deref()?.parse().ok()?;
    // A container with links has further names, `/other/alias`.
    let names = summary.names.iter().flatten().map(|name| name.strip_prefix('/').unwrap_or(name));
    let name = names.clone().find(|name| !name.contains('/')).or_else(|| names.clone().next()).unwrap_or_default();
    let label = |name: &str| summary.labels.as_ref().and_then(|labels| labels.get(name));
    let kubelet = label(CONTAINER_NAME).map(|container_name| KubeletLabels {
        container_name: container_name.as_str().into(),
        is_container: label(DOCKER_TYPE).is_some_and(|kind| kind == "container"),
    });
    let status = match summary.state {
        Some(Listed::RUNNING | Listed::STOPPING) => ContainerStatus::Running,
        Some(Listed::PAUSED) => ContainerStatus::Paused,
        Some(Listed::CREATED | Listed::EXITED | Listed::REMOVING | Listed::DEAD) => ContainerStatus::Stopped,
        // Not known to run, and not known not to: neither proof of anything nor to be touched.
        Some(Listed::RESTARTING | Listed::EMPTY) | None => ContainerStatus::Restarting,
    };
    let created_from = summary.image.as_deref().and_then(|text| created_from(text, &image));
    let name = container_name(name).into();
    Some((id, Container { name, image, created_from, kubelet, status, details: None }))
}

/// A container's name as it may be shown to people. The engine lets none have other characters than these (moby,
/// daemon/names/names.go); of what is no name the printable beginning remains, which is nobody's name.
fn container_name(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
    if name.len() <= LONGEST_NAME && name.bytes().all(is_plain) { name.to_owned() } else { printable(name) }
}

/// The reference that a container was created from, unless that was the image's id.
///
/// The list shows the id, too, once the tag names another image (moby, daemon/list.go). Neither `sha256:...` nor hex
/// digits must be taken for the name of a repository, which by the grammar they could be.
fn created_from(text: &str, image: &ImageId) -> Option<Reference> {
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_id = text.strip_prefix("sha256:").is_some_and(is_hex)
        || (is_hex(text) && (text.len() == 64 || image.starts_with(&text.to_ascii_lowercase())));
    if is_id { None } else { text.parse().ok() }
}

/// An inspection of a container.
pub(super) fn inspected(response: &ContainerInspectResponse) -> InspectedContainer {
    let image = response.image.as_deref().and_then(|id| id.parse().ok());
    let config_image = response.config.as_ref().and_then(|config| config.image.as_deref());
    let created_from = image.as_ref().and_then(|image| created_from(config_image?, image));
    let state = response.state.as_ref();
    let health = state.and_then(|state| state.health.as_ref()).and_then(|health| health.status);
    InspectedContainer {
        name: container_name(response.name.as_deref().unwrap_or_default().trim_start_matches('/')),
        image,
        created_from,
        status: state.map_or(ContainerStatus::Restarting, status),
        started_at: state.and_then(|state| state.started_at.as_deref()).and_then(|text| text.parse().ok()),
        unhealthy: health == Some(HealthStatusEnum::UNHEALTHY),
        oom_killed: state.and_then(|state| state.oom_killed).unwrap_or_default(),
        version: version_in(response.config.as_ref().and_then(|config| config.env.as_deref())),
    }
}

/// What a container does. While it restarts or is paused, `Running` is true as well (API reference, "ContainerState").
fn status(state: &ContainerState) -> ContainerStatus {
    match state.status {
        _ if state.paused == Some(true) => ContainerStatus::Paused,
        _ if state.restarting == Some(true) => ContainerStatus::Restarting,
        Some(Inspected::RUNNING | Inspected::STOPPING) => ContainerStatus::Running,
        Some(Inspected::PAUSED) => ContainerStatus::Paused,
        Some(Inspected::CREATED | Inspected::EXITED | Inspected::REMOVING | Inspected::DEAD) => {
            ContainerStatus::Stopped
        }
        Some(Inspected::RESTARTING | Inspected::EMPTY) | None => ContainerStatus::Restarting,
    }
}

/// `IMAGE_VERSION` of an image's environment.
pub(super) fn image_version(response: &ImageInspect) -> Value<Version> {
    version_in(response.config.as_ref().and_then(|config| config.env.as_deref()))
}

/// `IMAGE_VERSION` of an environment, the last one as for a process.
fn version_in(environment: Option<&[String]>) -> Value<Version> {
    let entries = environment.into_iter().flatten().rev();
    let mut values = entries.filter_map(|entry| entry.strip_prefix("IMAGE_VERSION="));
    Value::read(values.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn ids_are_not_taken_for_references() {
        let image: ImageId = format!("sha256:{DIGITS}").parse().unwrap();
        for text in [
            format!("sha256:{DIGITS}"),
            DIGITS.to_owned(),
            "0123456789ab".into(),
            "f".repeat(64),
            "sha256:0123".into(),
            "".into(),
        ] {
            assert_eq!(created_from(&text, &image), None, "{text}");
        }
        for text in [
            format!("docker-snmp:{}", "a".repeat(40)),
            "cafe:1".into(),
            "cafe:latest".into(),
            format!("r.example:5000/docker-snmp@sha256:{DIGITS}"),
        ] {
            assert_eq!(created_from(&text, &image).unwrap().to_string(), text);
        }
        assert_eq!(created_from("cafe", &image).unwrap().to_string(), "cafe:latest");
    }

    #[test]
    fn names_of_containers_are_plain() {
        let kubelets = format!("k8s_{}_pod_default_0", "x".repeat(200));
        for (name, expected) in
            [("bgp0", "bgp0"), (&*kubelets, &*kubelets), ("a\x1b[2Jb\n", "a\\u{1b}[2Jb\\n"), ("é", "é"), ("", "")]
        {
            assert_eq!(container_name(name), expected);
        }
        assert!(container_name(&"x".repeat(1 << 20)).len() < 100);
    }

    #[test]
    fn no_reference_is_not_an_unreadable_one() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let none = references(&texts(&["<none>:<none>"]), &texts(&["<none>@<none>"]), &mut Repositories::default());
        assert_eq!(none, (References::default(), 0));
        let (understood, not_understood) =
            references(&texts(&["docker-snmp:1", "B/AD:x", "docker-snmp:<none>"]), &[], &mut Repositories::default());
        assert_eq!((understood.len(), not_understood), (1, 1));
    }
}
