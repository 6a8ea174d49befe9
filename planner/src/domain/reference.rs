//! Image references in the grammar of the distribution project, which Docker and Kubernetes share.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::by_text::by_text;
use super::names::{Base, Version, is_lower_hex, is_path_component};
use super::value::printable;

/// A text that is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a valid image reference: {problem}")]
pub struct InvalidReference {
    /// The offending text, printable and short.
    text: String,
    /// What is wrong with it.
    problem: &'static str,
}

/// A repository: everything before the tag or digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// The registry with its port, and the path before the last component (`sonick8scue.azurecr.io`,
    /// `10.1.0.1:5000/sonic`); none for a local repository.
    prefix: Option<Arc<str>>,
    /// The last path component, which decides whose repository it is.
    base: Base,
}

impl Repository {
    /// The local repository of `base`, from which systemd starts the feature.
    #[must_use]
    pub fn local(base: Base) -> Self {
        Self { prefix: None, base }
    }

    /// The last path component.
    #[must_use]
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Whether this is `BASE` itself, with no registry and no path.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.prefix.is_none()
    }

    /// The reference to `tag` in this repository.
    #[must_use]
    pub fn tagged(&self, tag: Version) -> Reference {
        Reference { repository: self.clone(), pointer: Pointer::Tag(tag) }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.prefix {
            Some(prefix) => write!(f, "{prefix}/{}", self.base),
            None => self.base.fmt(f),
        }
    }
}

/// What a reference points with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pointer {
    /// A tag, which can be moved.
    Tag(Version),
    /// A digest of the manifest, which cannot.
    Digest(Arc<str>),
}

/// A reference to an image: a repository, and a tag or a digest in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    /// Where the image is: the registry, the path, and the image name.
    pub repository: Repository,
    /// The tag or digest.
    pub pointer: Pointer,
}

impl Reference {
    /// `BASE:latest`, from which systemd starts the feature.
    #[must_use]
    pub fn latest(base: &Base) -> Option<Self> {
        Version::LATEST.parse().ok().map(|latest| Repository::local(base.clone()).tagged(latest))
    }

    /// The tag, if the reference is one.
    #[must_use]
    pub fn tag(&self) -> Option<&Version> {
        match &self.pointer {
            Pointer::Tag(tag) => Some(tag),
            Pointer::Digest(_) => None,
        }
    }

    /// Whether this is the local `BASE:latest`.
    #[must_use]
    pub fn is_local_latest(&self) -> bool {
        self.repository.is_local() && self.tag().is_some_and(Version::is_latest)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pointer {
            Pointer::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Pointer::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    /// Parses a reference as Docker does: a name without tag or digest means `latest`, a digest outweighs a tag, and
    /// `docker.io/library/` is what a name without a registry stands for.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |problem| InvalidReference { text: printable(text), problem };
        // The distribution project allows 255 characters of name and 128 of tag; a digest is at most an algorithm's.
        if text.len() > 600 {
            return Err(invalid("it is too long"));
        }
        // Docker takes it for the id of an image wherever it could be either.
        if text.len() == 64 && text.bytes().all(is_lower_hex) {
            return Err(invalid("it is the id of an image"));
        }
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(invalid("its digest is malformed"));
        }
        // A ':' after the last '/' begins a tag; one before it belongs to the registry's port.
        let path_start = named.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match named.get(path_start..).and_then(|last| last.split_once(':')) {
            Some((last, tag)) => (named.get(..path_start + last.len()).unwrap_or(named), Some(tag)),
            None => (named, None),
        };
        let tag = tag.unwrap_or(Version::LATEST).parse::<Version>().map_err(|_| invalid("its tag is malformed"))?;
        let repository = parse_repository(name).map_err(invalid)?;
        let pointer = digest.map_or(Pointer::Tag(tag), |digest| Pointer::Digest(digest.into()));
        Ok(Self { repository, pointer })
    }
}

by_text!(Reference, InvalidReference);

/// The repositories seen so far, for references that share them: a switch has few repositories with many tags each.
#[derive(Debug, Default)]
pub struct Repositories(BTreeSet<Repository>);

impl Repositories {
    /// Parses a reference, which shares its repository with others.
    ///
    /// # Errors
    /// As parsing does.
    pub fn reference(&mut self, text: &str) -> Result<Reference, InvalidReference> {
        let mut reference: Reference = text.parse()?;
        match self.0.get(&reference.repository) {
            Some(known) => reference.repository = known.clone(),
            None => {
                self.0.insert(reference.repository.clone());
            }
        }
        Ok(reference)
    }
}

/// The registry of a name that names none, and that name's older form.
const DEFAULT_REGISTRIES: [&str; 2] = ["docker.io", "index.docker.io"];

/// Parses a repository's name: what comes before the first `/` is a registry if it looks like a host, else the whole name
/// is a path on the default registry (distribution/reference, normalize.go).
fn parse_repository(name: &str) -> Result<Repository, &'static str> {
    if name.len() > 255 {
        return Err("its repository name is longer than 255 characters");
    }
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if is_registry(first) => (Some(first), path),
        _ => (None, name),
    };
    let registry = registry.filter(|registry| !DEFAULT_REGISTRIES.contains(registry));
    if !registry.is_none_or(is_host) || !path.split('/').all(is_path_component) {
        return Err("its repository name is malformed");
    }
    let official = path.strip_prefix("library/").filter(|rest| registry.is_none() && !rest.contains('/'));
    let (folders, last) = match official.unwrap_or(path).rsplit_once('/') {
        Some((folders, last)) => (Some(folders), last),
        None => (None, official.unwrap_or(path)),
    };
    let base = last.parse().map_err(|_| "its image name is longer than 128 characters")?;
    let prefix = match (registry, folders) {
        (None, None) => None,
        (Some(registry), None) => Some(registry.into()),
        (Some(registry), Some(folders)) => Some(format!("{registry}/{folders}").into()),
        // `docker.io/r.example/a` is no `r.example/a`: only its full name means it.
        (None, Some(folders)) if folders.split('/').next().is_some_and(is_registry) => {
            Some(format!("docker.io/{folders}").into())
        }
        (None, Some(folders)) => Some(folders.into()),
    };
    Ok(Repository { prefix, base })
}

/// Whether Docker takes the first component of a name for a registry.
fn is_registry(component: &str) -> bool {
    component == "localhost"
        || component.contains(['.', ':'])
        || component.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// `host[:port]`, the host a name or an address, an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else { return false };
        if address.is_empty() || !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
            return false;
        }
        match rest.strip_prefix(':') {
            Some(port) => (None, Some(port)),
            None if rest.is_empty() => (None, None),
            None => return false,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        }
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.is_none_or(|host| host.split('.').all(is_label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `algorithm:hex`, the algorithm made of lower-case words (go-digest, algorithm.go), and at least 32 hex digits.
pub(super) fn is_digest(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.split(['+', '.', '_', '-']).all(is_word)
            && (32..=256).contains(&hex.len())
            && hex.bytes().all(is_lower_hex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn parse(text: &str) -> Reference {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_base_is_the_last_path_component_and_a_port_is_no_tag() {
        for (text, base, local, tag) in [
            ("docker-sonic-gnmi", "docker-sonic-gnmi", true, Some("latest")),
            ("docker-sonic-gnmi:20240510.RC1", "docker-sonic-gnmi", true, Some("20240510.RC1")),
            (
                "sonick8scue.azurecr.io/docker-sonic-telemetry:20201231.84",
                "docker-sonic-telemetry",
                false,
                Some("20201231.84"),
            ),
            ("10.1.0.1:5000/sonic/docker-fpm-frr:1", "docker-fpm-frr", false, Some("1")),
            ("localhost:5000/docker-fpm-frr", "docker-fpm-frr", false, Some("latest")),
            ("[fd00::1]:5000/docker-fpm-frr:1", "docker-fpm-frr", false, Some("1")),
            ("docker.io/library/docker-fpm-frr:1", "docker-fpm-frr", true, Some("1")),
            ("someone/docker-fpm-frr:1", "docker-fpm-frr", false, Some("1")),
        ] {
            let reference = parse(text);
            assert_eq!(reference.repository.base().as_str(), base, "{text}");
            assert_eq!(reference.repository.is_local(), local, "{text}");
            assert_eq!(reference.tag().map(Version::as_str), tag, "{text}");
        }
    }

    #[test]
    fn a_digest_outweighs_a_tag() {
        let reference = parse(&format!("r.example/docker-snmp:1@{DIGEST}"));
        assert_eq!(reference.to_string(), format!("r.example/docker-snmp@{DIGEST}"));
        assert_eq!(reference.tag(), None);
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            ":",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a:",
            "a:b c",
            "a:-x",
            "a@sha256:12",
            "r.example/",
            "a..b",
            "a_-b",
            "a___b",
            "r.example:x/a",
            "-r.example/a",
            "<none>:<none>",
            "a b:1",
            "$(x)/a",
            "[::1/a",
            "Up/er/case@x",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }
}
