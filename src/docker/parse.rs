//! The edge: the engine's answers become words of the domain, or are left out.
//!
//! Only what is used is read, field by field. A field of a container that is not what it should be, or holds a word that
//! this agent does not know, makes that container unknown; one of an image's names, and the image is nobody's.

use serde::Deserialize;

use super::error::Failure;
use super::fields::{Field, Fields};
use super::splitter::Entry;
use crate::domain::{ContainerId, ImageId, Reference, References, Repositories, StartedAt, Value, Version, printable};
use crate::planner::{Container, ContainerStatus, Image, ImageVersion, KubeletLabels};

/// The longest name of a container that is taken as it is; the kubelet's are the longest, of two or three hundred.
const LONGEST_NAME: usize = 1024;

/// An image of the list. One whose id is no id cannot be spoken of and is left out.
pub(super) fn listed_image(entry: Entry<'_>, repositories: &mut Repositories) -> Option<(ImageId, Image)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed<'a> {
        #[serde(borrow)]
        id: Field<'a>,
        #[serde(borrow)]
        repo_tags: Field<'a>,
        #[serde(borrow)]
        repo_digests: Field<'a>,
        #[serde(borrow)]
        size: Field<'a>,
    }
    let listed: Listed<'_> = serde_json::from_slice(entry.json).ok()?;
    let mut fields = Fields::new();
    let id = fields.word(listed.id, |text| text.parse().ok())?;
    let size = fields.read(listed.size).and_then(|size: i64| u64::try_from(size).ok()).unwrap_or_default();
    let mut names = Fields::of(entry);
    let tags: Vec<String> = names.read(listed.repo_tags).unwrap_or_default();
    let digests: Vec<String> = names.read(listed.repo_digests).unwrap_or_default();
    let (references, unreadable) = references(&tags, &digests, repositories);
    let unreadable_references = unreadable.saturating_add(u16::from(!names.are_known()));
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

/// A container of the list. One whose id or image is no id cannot be spoken of and is left out.
pub(super) fn listed_container(entry: Entry<'_>) -> Option<(ContainerId, Container)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed<'a> {
        #[serde(borrow)]
        id: Field<'a>,
        #[serde(borrow)]
        names: Field<'a>,
        #[serde(borrow, rename = "ImageID")]
        image_id: Field<'a>,
        #[serde(borrow)]
        image: Field<'a>,
        #[serde(borrow)]
        labels: Field<'a>,
        #[serde(borrow)]
        state: Field<'a>,
    }
    let listed: Listed<'_> = serde_json::from_slice(entry.json).ok()?;
    let mut fields = Fields::of(entry);
    let id = fields.word(listed.id, |text| text.parse().ok())?;
    let image: ImageId = fields.word(listed.image_id, |text| text.parse().ok())?;
    // A container with links has further names, `/other/alias`.
    let names: Vec<String> = fields.read(listed.names).unwrap_or_default();
    let names = names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
    let name = names.clone().find(|name| !name.contains('/')).or_else(|| names.clone().next()).unwrap_or_default();
    let kubelet = kubelet(&mut fields, listed.labels);
    let status = fields.word(listed.state, status);
    let created_from: Option<String> = fields.read(listed.image);
    let container = Container {
        name: container_name(name).into(),
        image,
        created_from: created_from.and_then(|text| self::created_from(&text, &image)),
        kubelet,
        status: status.filter(|_| fields.are_known()).unwrap_or(ContainerStatus::Unknown),
        details: None,
        exit_code: None,
    };
    Some((id, container))
}

/// What the labels say by which the kubelet names a container (kubernetes, pkg/kubelet/types/labels.go), and by which
/// dockershim and cri-dockerd tell containers from the sandboxes of pods.
fn kubelet(fields: &mut Fields, labels: Field<'_>) -> Option<KubeletLabels> {
    #[derive(Deserialize)]
    struct Labels<'a> {
        #[serde(borrow, rename = "io.kubernetes.container.name")]
        container_name: Field<'a>,
        #[serde(borrow, rename = "io.kubernetes.docker.type")]
        docker_type: Field<'a>,
    }
    let labels: Labels<'_> = fields.read(labels)?;
    let container_name: String = fields.read(labels.container_name)?;
    let docker_type: Option<String> = fields.read(labels.docker_type);
    Some(KubeletLabels {
        container_name: container_name_label(&container_name).into(),
        is_container: docker_type.is_some_and(|kind| kind == "container"),
    })
}

/// What a container does, in one of the engine's words.
fn status(word: &str) -> Option<ContainerStatus> {
    match word {
        "running" | "stopping" => Some(ContainerStatus::Running),
        "paused" => Some(ContainerStatus::Paused),
        "restarting" => Some(ContainerStatus::Restarting),
        "created" | "exited" | "removing" | "dead" => Some(ContainerStatus::Stopped),
        _ => None,
    }
}

/// The label as it is, unless it is too long to be any container's name.
fn container_name_label(label: &str) -> String {
    if label.len() <= LONGEST_NAME { label.to_owned() } else { printable(label) }
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

/// What an inspection of a container tells, as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InspectedContainer {
    pub(super) id: ContainerId,
    pub(super) name: String,
    pub(super) image: ImageId,
    pub(super) created_from: Option<Reference>,
    pub(super) kubelet: Option<KubeletLabels>,
    /// Unknown as well if another word of it is not known.
    pub(super) status: ContainerStatus,
    pub(super) started_at: Option<StartedAt>,
    pub(super) unhealthy: bool,
    pub(super) oom_killed: bool,
    /// With what exit code it ended, if it has.
    pub(super) exit_code: Option<i64>,
    /// `IMAGE_VERSION` of its own environment.
    pub(super) version: Value<Version>,
}

/// `Config` of an inspection, be it of a container or of an image.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config<'a> {
    #[serde(borrow)]
    image: Field<'a>,
    #[serde(borrow)]
    labels: Field<'a>,
    #[serde(borrow)]
    env: Field<'a>,
}

/// An inspection of a container.
pub(super) fn inspected_container(json: &[u8]) -> Result<InspectedContainer, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Inspected<'a> {
        id: ContainerId,
        image: ImageId,
        #[serde(borrow)]
        name: Field<'a>,
        #[serde(borrow)]
        config: Field<'a>,
        #[serde(borrow)]
        state: Field<'a>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct State<'a> {
        #[serde(borrow)]
        status: Field<'a>,
        #[serde(borrow)]
        paused: Field<'a>,
        #[serde(borrow)]
        restarting: Field<'a>,
        #[serde(borrow, rename = "OOMKilled")]
        oom_killed: Field<'a>,
        #[serde(borrow)]
        started_at: Field<'a>,
        #[serde(borrow)]
        exit_code: Field<'a>,
        #[serde(borrow)]
        health: Field<'a>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Health<'a> {
        #[serde(borrow)]
        status: Field<'a>,
    }
    let inspected: Inspected<'_> = serde_json::from_slice(json)?;
    let mut fields = Fields::new();
    let name: String = fields.read(inspected.name).unwrap_or_default();
    let config: Config<'_> = fields.read(inspected.config).unwrap_or_default();
    let state: State<'_> = fields.read(inspected.state).unwrap_or_default();
    let health: Health<'_> = fields.read(state.health).unwrap_or_default();
    let created_from: Option<String> = fields.read(config.image);
    let kubelet = kubelet(&mut fields, config.labels);
    let version = image_version(&mut fields, config.env);
    let started_at = fields.word(state.started_at, |text| text.parse().ok());
    let oom_killed = fields.read(state.oom_killed).unwrap_or_default();
    let unhealthy = fields.word(health.status, |word| match word {
        "unhealthy" => Some(true),
        "none" | "starting" | "healthy" => Some(false),
        _ => None,
    });
    // While it restarts or is paused, `Running` is true as well (API reference, "ContainerState").
    let is_paused = fields.read(state.paused) == Some(true);
    let is_restarting = fields.read(state.restarting) == Some(true);
    let word: Option<String> = fields.read(state.status);
    // One that was never started has a code, too.
    let has_exited = matches!(word.as_deref(), Some("exited" | "dead"));
    let exit_code = fields.read(state.exit_code).filter(|_| has_exited);
    let status = match word.as_deref().and_then(status) {
        Some(_) if is_paused => Some(ContainerStatus::Paused),
        Some(_) if is_restarting => Some(ContainerStatus::Restarting),
        status => status,
    };
    Ok(InspectedContainer {
        id: inspected.id,
        name: container_name(name.trim_start_matches('/')),
        image: inspected.image,
        created_from: created_from.and_then(|text| self::created_from(&text, &inspected.image)),
        kubelet,
        status: status.filter(|_| fields.are_known()).unwrap_or(ContainerStatus::Unknown),
        started_at,
        unhealthy: unhealthy.unwrap_or_default(),
        oom_killed,
        exit_code,
        version,
    })
}

/// What an inspection of an image tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InspectedImage {
    pub(super) id: ImageId,
    /// `IMAGE_VERSION`; none if the environment is not understood.
    pub(super) version: Option<Value<Version>>,
    /// It has a name, or something that may be one.
    pub(super) is_named: bool,
    /// In bytes.
    pub(super) size: u64,
}

/// An inspection of an image.
pub(super) fn inspected_image(json: &[u8]) -> Result<InspectedImage, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Inspected<'a> {
        id: ImageId,
        #[serde(borrow)]
        repo_tags: Field<'a>,
        #[serde(borrow)]
        repo_digests: Field<'a>,
        #[serde(borrow)]
        size: Field<'a>,
        #[serde(borrow)]
        config: Field<'a>,
    }
    let inspected: Inspected<'_> = serde_json::from_slice(json)?;
    let mut names = Fields::new();
    let tags: Vec<String> = names.read(inspected.repo_tags).unwrap_or_default();
    let digests: Vec<String> = names.read(inspected.repo_digests).unwrap_or_default();
    let (references, unreadable) = references(&tags, &digests, &mut Repositories::default());
    let mut fields = Fields::new();
    let config: Config<'_> = fields.read(inspected.config).unwrap_or_default();
    let version = image_version(&mut fields, config.env);
    Ok(InspectedImage {
        id: inspected.id,
        version: fields.are_known().then_some(version),
        is_named: !references.is_empty() || unreadable > 0 || !names.are_known(),
        size: names.read(inspected.size).and_then(|size: i64| u64::try_from(size).ok()).unwrap_or_default(),
    })
}

/// `IMAGE_VERSION` of an environment, the last one as for a process.
fn image_version(fields: &mut Fields, environment: Field<'_>) -> Value<Version> {
    let entries: Vec<String> = fields.read(environment).unwrap_or_default();
    Value::read(entries.iter().rev().find_map(|entry| entry.strip_prefix("IMAGE_VERSION=")))
}

/// The images that the answer to a removal says are gone. One that is not understood was a success as well.
pub(super) fn removed(json: &[u8]) -> Result<Vec<ImageId>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Removed {
        deleted: Option<String>,
    }
    let removed: Vec<Removed> = serde_json::from_slice(json).unwrap_or_default();
    Ok(removed.into_iter().filter_map(|removed| removed.deleted?.parse().ok()).collect())
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
