//! The grammar of image references a second time: the regular expressions of the distribution project
//! (github.com/distribution/reference, `regexp.go`), put together as its `ParseDockerRef` and `FamiliarString` do
//! (`normalize.go`), which the Docker engine calls. Nothing of imgmgrd is used here.

use std::sync::LazyLock;

use regex::Regex;

const HOST: &str = r"(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?";
const PATH: &str = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*)*";
const TAG: &str = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
/// In lower case only: the engine refuses algorithms that it does not know, and all that there are look like this.
const DIGEST: &str = r"[a-z][a-z0-9]*(?:[-_+.][a-z][a-z0-9]*)*:[a-f0-9]{32,}";

const DEFAULT_DOMAIN: &str = "docker.io";

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!("^({HOST})/({PATH})(?::({TAG}))?(?:@({DIGEST}))?$");
    Regex::new(&pattern).expect("the pattern is right")
});

/// What the engine calls the reference that `text` means, with the tag `latest` where it has neither tag nor digest;
/// none if it is no reference.
///
/// Where that would mean another reference if it were read again (`docker.io/docker.io/a` is shown as `docker.io/a`),
/// the full name.
pub(crate) fn familiar(text: &str) -> Option<String> {
    let full = full(text)?;
    let short = full.strip_prefix("docker.io/").unwrap_or(&full);
    let official = short.strip_prefix("library/").filter(|rest| !name_of(rest).contains('/'));
    let short = official.unwrap_or(short);
    Some(if self::full(short).as_ref() == Some(&full) { short.to_owned() } else { full })
}

/// What comes before a tag or digest.
fn name_of(text: &str) -> &str {
    let text = text.split('@').next().unwrap_or_default();
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    text.find('@')
        .map_or(text, |at| &text[..at])
        .get(..last + text[last..].find(':').unwrap_or(text.len() - last))
        .unwrap_or(text)
}

/// The whole reference that `text` is short for.
fn full(text: &str) -> Option<String> {
    let is_identifier = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let (domain, remainder) = split_domain(text);
    let remote = remainder.split(':').next().unwrap_or_default();
    if is_identifier || remote.to_lowercase() != remote {
        return None;
    }
    let named = format!("{domain}/{remainder}");
    let parts = REFERENCE.captures(&named)?;
    let part = |number| parts.get(number).map(|part| part.as_str());
    let (domain, path) = (part(1)?, part(2)?);
    if path.len() > 255 {
        return None;
    }
    let pointer = match (part(3), part(4)) {
        (_, Some(digest)) => format!("@{digest}"),
        (tag, None) => format!(":{}", tag.unwrap_or("latest")),
    };
    Some(format!("{domain}/{path}{pointer}"))
}

/// `splitDockerDomain`.
fn split_domain(name: &str) -> (&str, String) {
    let (domain, remote) = match name.split_once('/') {
        None => (DEFAULT_DOMAIN, name),
        Some(("index.docker.io", remote)) => (DEFAULT_DOMAIN, remote),
        Some((domain, remote)) if domain == "localhost" || domain.contains(['.', ':']) => (domain, remote),
        Some((domain, remote)) if domain.to_lowercase() != domain => (domain, remote),
        Some(_) => (DEFAULT_DOMAIN, name),
    };
    let is_official = domain == DEFAULT_DOMAIN && !remote.contains('/');
    (domain, if is_official { format!("library/{remote}") } else { remote.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of the distribution project (`reference_test.go`, `normalize_test.go`).
    #[test]
    fn what_its_own_tests_say() {
        let digest = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
        for (text, expected) in [
            ("test_com", "test_com:latest"),
            ("test.com:tag", "test.com:tag"),
            ("test.com:5000", "test.com:5000"),
            ("test.com/repo:tag", "test.com/repo:tag"),
            ("test:5000/repo:tag", "test:5000/repo:tag"),
            (&format!("test:5000/repo:tag@{digest}"), &format!("test:5000/repo@{digest}")),
            ("docker.io/library/redis", "redis:latest"),
            ("index.docker.io/library/redis:1", "redis:1"),
            ("library/redis", "redis:latest"),
            ("docker/migrator", "docker/migrator:latest"),
            ("foo/foo_bar.com:8080", "foo/foo_bar.com:8080"),
            ("b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io/test.example.com/my-app:test.example.com"),
            ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"),
            ("[2001:db8::1]:5000/repo", "[2001:db8::1]:5000/repo:latest"),
            ("[2001:db8::1]/repo:tag", "[2001:db8::1]/repo:tag"),
            ("Uppercase/lowercase:tag", "Uppercase/lowercase:tag"),
            ("docker.io/library/distros/ubuntu", "library/distros/ubuntu:latest"),
        ] {
            assert_eq!(familiar(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            ":justtag",
            "@sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "repo@sha256:ffffffffffffffff",
            "Uppercase:tag",
            "test:5000/Uppercase/lowercase:tag",
            "aa/asdf$$^/aa",
            "-foo/bar",
            "foo/bar-",
            "[fe80::1%eth0]:5000/repo",
            "[fd00]/repo",
            "[2001:db8:3:4::192.0.2.33]:5000/debian",
            "docker/Docker",
            "docker.io/Up/repo",
            "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9d1c3b5a7f9d1c3b5d7f9e1c3b5a7f9d1c3b",
        ] {
            assert_eq!(familiar(text), None, "{text}");
        }
    }
}
