//! The engine: whether it can be used, how it is spoken to, and how it stores images.

use super::finding::{Check, Finding};
use crate::docker::{EngineError, EngineVersion};

/// The oldest API version that the agent speaks, that of engine 20.10.
const OLDEST_API: (u16, u16) = (1, 41);

/// Judges what the engine says about itself.
pub(super) fn judge(answer: &Result<EngineVersion, EngineError>) -> Vec<Finding> {
    match answer {
        Ok(version) => vec![spoken(version), store(version)],
        Err(error) => vec![unreachable(error)],
    }
}

fn spoken(engine: &EngineVersion) -> Finding {
    let found = format!("version {}, spoken to in API {}", engine.version, engine.negotiated);
    let spoken = engine.negotiated.split_once('.');
    let spoken = spoken.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    if spoken.is_some_and(|spoken: (u16, u16)| spoken >= OLDEST_API) {
        Finding::ok(Check::Engine, found)
    } else {
        let (major, minor) = OLDEST_API;
        Finding::error(
            Check::Engine,
            format!("{found}, which is older than {major}.{minor}"),
            "run an engine of version 20.10 or newer: upgrade SONiC",
        )
    }
}

fn store(engine: &EngineVersion) -> Finding {
    let store = if engine.containerd_image_store { "the containerd image store" } else { "the classic image store" };
    Finding::ok(
        Check::ImageStore,
        format!("{store}, storage driver {}, in {}", engine.storage_driver, engine.data_root),
    )
}

/// Judges a call to the engine that failed.
pub(super) fn unreachable(error: &EngineError) -> Finding {
    let (found, remedy) = match error {
        EngineError::PermissionDenied { host, .. } => (
            format!("no permission to use the engine at {host}"),
            "run this as root, or as a member of the group docker (usermod -aG docker USER, then log in again)",
        ),
        EngineError::Unreachable { host, cause, .. } => (
            format!("no engine at {host}: {cause}"),
            "see whether the engine runs: systemctl status docker (another place is set by engine.host)",
        ),
        EngineError::TimedOut { host, after, .. } => (
            format!("the engine at {host} did not answer within {} s: it hangs", after.as_secs()),
            "see systemctl status docker and journalctl -u docker; restart it if it stays so",
        ),
        _ => (error.to_string(), "see what the engine says: journalctl -u docker"),
    };
    Finding::error(Check::Engine, found, remedy)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::finding::Level;
    use super::*;

    fn version(negotiated: &str, containerd: bool) -> EngineVersion {
        EngineVersion {
            version: "20.10.24".to_owned(),
            api_version: negotiated.to_owned(),
            negotiated: negotiated.to_owned(),
            storage_driver: "overlay2".to_owned(),
            containerd_image_store: containerd,
            data_root: "/var/lib/docker".to_owned(),
        }
    }

    #[test]
    fn versions_and_stores() {
        for (negotiated, level) in [
            ("1.41", Level::Ok),
            ("1.53", Level::Ok),
            ("2.0", Level::Ok),
            ("1.40", Level::Error),
            ("1.9", Level::Error),
            ("", Level::Error),
        ] {
            assert_eq!(judge(&Ok(version(negotiated, false)))[0].level, level, "{negotiated}");
        }
        assert!(judge(&Ok(version("1.41", false)))[1].found.contains("classic image store, storage driver overlay2"));
        assert!(judge(&Ok(version("1.41", true)))[1].found.contains("containerd image store"));
    }

    #[test]
    fn an_engine_that_cannot_be_used() {
        let (what, host) = (String::new(), "/d.sock".to_owned());
        for (error, found, remedy) in [
            (EngineError::PermissionDenied { what: what.clone(), host: host.clone() }, "no permission", "group docker"),
            (
                EngineError::Unreachable { what: what.clone(), host: host.clone(), cause: "gone".to_owned() },
                "no engine at /d.sock: gone",
                "systemctl status docker",
            ),
            (
                EngineError::TimedOut { what: what.clone(), host, after: Duration::from_secs(10) },
                "within 10 s",
                "restart it",
            ),
            (EngineError::Refused { what, status: 500, message: "oops".to_owned() }, "oops", "journalctl -u docker"),
        ] {
            let findings = judge(&Err(error));
            assert!(findings.len() == 1 && findings[0].level == Level::Error, "{findings:?}");
            assert!(findings[0].found.contains(found), "{findings:?}");
            assert!(findings[0].remedy.as_deref().is_some_and(|text| text.contains(remedy)), "{findings:?}");
        }
    }
}
