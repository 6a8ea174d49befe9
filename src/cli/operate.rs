//! `imgmgrd promote` and `imgmgrd rollback`.

use std::fmt::Write as _;

use tokio::runtime::Runtime;

use super::CommandError;
use crate::agent::{self, Answer, Reply, Request};
use crate::config::settings::Settings;
use crate::domain::printable;
use crate::logging::{LogLevel, Logging, plain};
use crate::planner::Command;

/// Has an order carried out and says what came of it, for each instance. It failed if any instance was refused.
pub(super) fn carry_out(
    command: Command,
    feature: Option<&str>,
    json: bool,
    settings: &Settings,
    runtime: &Runtime,
) -> Result<String, CommandError> {
    let logging = Logging::of_command()?;
    // What it changes is the answer; the log of a change would only say it twice.
    logging.set_level(LogLevel::Error);
    let unknown = |name: &str| CommandError::NotDone(format!("\"{}\" is no feature's name", printable(name)));
    let feature = feature.map(|name| name.parse().map_err(|_| unknown(name))).transpose()?;
    let reply = runtime.block_on(agent::obey(settings, Request { command: command.clone(), feature }))?;
    let answers = match reply {
        Reply::Answers(answers) => answers,
        Reply::Refused(why) => return Err(CommandError::NotDone(why)),
    };
    let text = if json { serde_json::to_string_pretty(&answers)? + "\n" } else { render(&command, &answers) };
    if answers.iter().all(|answer| answer.done) { Ok(text) } else { Err(CommandError::Partly(text)) }
}

fn render(command: &Command, answers: &[Answer]) -> String {
    let mut text = String::new();
    for Answer { instance, version, reason, .. } in answers {
        let note = reason.as_ref().map(|reason| format!("; {reason}")).unwrap_or_default();
        let _ = match (version, reason) {
            (Some(version), _) => writeln!(text, "{instance}: latest is {version}{note}"),
            (None, Some(reason)) => writeln!(text, "{instance}: not {}: {reason}", done(command)),
            (None, None) => writeln!(text, "{instance}: not {}", done(command)),
        };
    }
    // They come from the agent, of which root need not trust every word.
    if answers.is_empty() { "No feature is to be owned by Kubernetes.\n".to_owned() } else { plain(&text) }
}

fn done(command: &Command) -> &'static str {
    match command {
        Command::Promote => "promoted",
        Command::Rollback { .. } => "rolled back",
    }
}
