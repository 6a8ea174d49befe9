//! Redis: where it is, whether it answers, and whether it notifies.

use std::collections::BTreeSet;
use std::io;

use super::finding::{Check, Finding};
use crate::domain::{Namespace, printable};
use crate::sonic_db::{ConfigError, DatabaseError, Reached, ServerAnswer, ServerSurvey};

const STATUS: &str = "see whether the database service runs: systemctl status database";

/// Judges a configuration of the databases that cannot be used.
pub(super) fn judge_config(error: &ConfigError) -> Finding {
    match error {
        ConfigError::Unreadable { file, source } => {
            let remedy = match source.kind() {
                io::ErrorKind::PermissionDenied => "run this as root".to_owned(),
                _ => format!("{STATUS}; it writes this file (another place is set by redis.database_config)"),
            };
            Finding::error(Check::Redis, format!("cannot read {}: {source}", file.display()), remedy)
        }
        ConfigError::Malformed { file, problem } => Finding::error(
            Check::Redis,
            format!("{} is no database configuration: {problem}", file.display()),
            "restart the database service, which writes it anew",
        ),
    }
}

/// Judges a server.
pub(super) fn judge(survey: &ServerSurvey) -> Vec<Finding> {
    let of = owners(&survey.namespaces);
    match &survey.answer {
        Ok(answer) => vec![reached(survey, answer, &of), loaded(answer), notifications(answer, &of)],
        Err(error) => vec![unreachable(error, &of)],
    }
}

fn reached(survey: &ServerSurvey, answer: &ServerAnswer, of: &str) -> Finding {
    let tcp = || survey.server.tcp.as_ref().map(|(host, port)| format!("{host}:{port}")).unwrap_or_default();
    match &answer.reached {
        Reached::Socket => Finding::ok(Check::Redis, format!("{of}: answers at {} (unix socket)", survey.server)),
        Reached::Tcp(None) => Finding::ok(Check::Redis, format!("{of}: answers at {} (TCP)", tcp())),
        Reached::Tcp(Some((path, error))) => Finding::note(
            Check::Redis,
            format!("{of}: answers at {} (TCP), but not at the unix socket {}: {error}", tcp(), path.display()),
            "run this as root, or make the socket usable; the agent prefers it and works by TCP",
        ),
    }
}

fn unreachable(error: &DatabaseError, of: &str) -> Finding {
    let (found, remedy) = match error {
        DatabaseError::Unreachable { server, source } => {
            let remedy = match source.kind() {
                io::ErrorKind::PermissionDenied => "run this as root, or as a member of the socket's group (redis)",
                _ => STATUS,
            };
            (format!("cannot connect to {server}: {source}"), remedy)
        }
        DatabaseError::Deadline { server } => {
            (format!("{server} takes connections and does not answer in time: it hangs or is overloaded"), STATUS)
        }
        DatabaseError::Failed { server, source } => {
            (format!("{server} refuses: {}", printable(&source.to_string())), STATUS)
        }
        DatabaseError::TooLarge { server } => (
            format!("{server} answers more than any switch has to say, so that the agent reads none of it"),
            "find the key (redis-cli --bigkeys) and remove it",
        ),
        DatabaseError::Reconnecting(_) | DatabaseError::Busy { .. } | DatabaseError::NoSuchNamespace(_) => {
            (error.to_string(), STATUS)
        }
    };
    Finding::error(Check::Redis, format!("{of}: {found}"), remedy)
}

fn loaded(answer: &ServerAnswer) -> Finding {
    if answer.loading.is_empty() {
        return Finding::ok(Check::ConfigDb, "loaded (CONFIG_DB_INITIALIZED is 1)");
    }
    Finding::warning(
        Check::ConfigDb,
        format!(
            "{}: CONFIG_DB is being loaded (CONFIG_DB_INITIALIZED is not 1): no image is touched",
            owners(&answer.loading)
        ),
        "wait for the end of \"config reload\" or of the boot; if it stays so: systemctl status config-setup, then config \
         reload",
    )
}

fn notifications(answer: &ServerAnswer, of: &str) -> Finding {
    let remedy = "redis-cli config set notify-keyspace-events AKE, and the same in the database container's redis.conf";
    match (&answer.notifications, &answer.lacks) {
        (Some(setting), None) => {
            Finding::ok(Check::Notifications, format!("{of}: notify-keyspace-events is \"{setting}\""))
        }
        (Some(setting), Some(lacks)) => Finding::warning(
            Check::Notifications,
            format!(
                "{of}: notify-keyspace-events is \"{}\", lacking {lacks}: the agent reads everything every 10 s instead",
                printable(setting)
            ),
            remedy,
        ),
        (None, _) => Finding::warning(
            Check::Notifications,
            format!("{of}: Redis does not tell notify-keyspace-events: the agent reads everything every 10 s"),
            format!("permit CONFIG GET; or {remedy}"),
        ),
    }
}

/// Whose databases a server has.
fn owners(namespaces: &BTreeSet<Namespace>) -> String {
    let name = |namespace: &Namespace| match namespace {
        Namespace::Host => "host".to_owned(),
        Namespace::Asic(_) => namespace.to_string(),
    };
    namespaces.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::sonic_db::Server;

    fn answer(
        reached: Reached,
        loading: &[Namespace],
        notifications: Option<&str>,
        lacks: Option<&str>,
    ) -> ServerAnswer {
        ServerAnswer {
            reached,
            loading: loading.iter().copied().collect(),
            notifications: notifications.map(str::to_owned),
            lacks: lacks.map(str::to_owned),
        }
    }

    fn survey(answer: Result<ServerAnswer, DatabaseError>) -> ServerSurvey {
        let server = Server { socket: Some("/r.sock".into()), tcp: Some(("127.0.0.1".to_owned(), 6379)) };
        ServerSurvey { server, namespaces: [Namespace::Host, Namespace::Asic(1)].into(), answer }
    }

    fn refused(kind: io::ErrorKind) -> DatabaseError {
        DatabaseError::Unreachable { server: "/r.sock".to_owned(), source: kind.into() }
    }

    #[test]
    fn servers() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        for (given, levels, said) in [
            (
                Ok(answer(Reached::Socket, &[], Some("AKE"), None)),
                vec![Level::Ok; 3],
                "host, asic1: answers at /r.sock (unix",
            ),
            (Ok(answer(Reached::Tcp(None), &[], Some("AKE"), None)), vec![Level::Ok; 3], "at 127.0.0.1:6379 (TCP)"),
            (
                Ok(answer(Reached::Tcp(Some(("/r.sock".into(), denied()))), &[], Some("AKE"), None)),
                vec![Level::Note, Level::Ok, Level::Ok],
                "not at the unix socket /r.sock",
            ),
            (
                Ok(answer(Reached::Socket, &[Namespace::Asic(1)], Some("AKE"), None)),
                vec![Level::Ok, Level::Warning, Level::Ok],
                "asic1: CONFIG_DB is being loaded",
            ),
            (
                Ok(answer(Reached::Socket, &[], Some("KE"), Some("hg$"))),
                vec![Level::Ok, Level::Ok, Level::Warning],
                "lacking hg$",
            ),
            (
                Ok(answer(Reached::Socket, &[], None, None)),
                vec![Level::Ok, Level::Ok, Level::Warning],
                "permit CONFIG GET",
            ),
            (Err(refused(io::ErrorKind::NotFound)), vec![Level::Error], "systemctl status database"),
            (Err(refused(io::ErrorKind::PermissionDenied)), vec![Level::Error], "run this as root"),
            (Err(DatabaseError::Deadline { server: "/r.sock".to_owned() }), vec![Level::Error], "hangs"),
            (Err(DatabaseError::TooLarge { server: "/r.sock".to_owned() }), vec![Level::Error], "--bigkeys"),
        ] {
            let findings = judge(&survey(given));
            assert_eq!(findings.iter().map(|finding| finding.level).collect::<Vec<_>>(), levels, "{findings:?}");
            assert!(format!("{findings:?}").contains(said), "{said}: {findings:?}");
        }
    }

    #[test]
    fn configurations() {
        let unreadable = |kind: io::ErrorKind| ConfigError::Unreadable { file: "/c.json".into(), source: kind.into() };
        for (error, said) in [
            (unreadable(io::ErrorKind::NotFound), "systemctl status database"),
            (unreadable(io::ErrorKind::PermissionDenied), "run this as root"),
            (ConfigError::Malformed { file: "/c.json".into(), problem: "no".to_owned() }, "writes it anew"),
        ] {
            let finding = judge_config(&error);
            assert!(finding.level == Level::Error && finding.found.contains("/c.json"), "{finding:?}");
            assert!(finding.remedy.as_deref().is_some_and(|remedy| remedy.contains(said)), "{finding:?}");
        }
    }
}
