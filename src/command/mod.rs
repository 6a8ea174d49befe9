//! The command line.

mod doctor;
mod history;
mod images;
mod look;
mod order;
mod plan;
mod status;
mod table;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::agent::{self, AgentError};
use crate::decide::{Decision, Order, Report};
use crate::domain::{Base, Feature, Instance};
use crate::logging::{Logging, LoggingError};
use crate::settings::{Overrides, Settings, SettingsError};
use look::Look;

/// Manages the container images of a SONiC switch: makes a version that Kubernetes deployed and that has proven stable
/// the local latest, and cleans up old images, keeping what fallback and rollback need.
#[derive(Debug, Parser)]
#[command(name = "imgmgrd", version, max_term_width = 100, arg_required_else_help = true)]
pub struct CommandLine {
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent
    Run {
        /// Look, act and publish once, then exit: 0 if nothing is left to do
        #[arg(long)]
        once: bool,
    },
    /// Show how each feature stands: stability, versions, and why
    Status(Selection),
    /// Show each image on the disk, and why it stays or goes
    Images(Selection),
    /// Show what would be done now and why, changing nothing
    Plan(Selection),
    /// Show what happened to each feature's images, newest first
    History(Selection),
    /// Make the version that runs the local latest without waiting any longer; every other check stays
    Promote {
        /// The feature, or an instance of it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        feature: Option<String>,
        /// Every feature that is to be owned by Kubernetes
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the last version the local latest again; the version that runs is held until another one takes over
    Rollback {
        /// The feature, or an instance of it
        feature: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say whether this switch is fit to run the agent: each finding with its mend, exit code 1 if there is an error
    Doctor(doctor::Doctor),
}

/// What to show, and how.
#[derive(Debug, Args)]
struct Selection {
    /// Only this feature, or instance of a feature (bgp, bgp1)
    feature: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A command that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Logging could not be set up.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// Something that is needed could not be reached or used.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// There is no such feature.
    #[error("no feature \"{name}\" on this switch; there are: {known}")]
    UnknownFeature {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// An order was not carried out.
    #[error("{0}")]
    NotDone(String),
    /// An order was not carried out for every instance: the answer says for which it was.
    #[error("not done for every feature")]
    Partly(String),
    /// The switch is not fit to run the agent: the answer is there, and says why.
    #[error("this switch is not fit to run imgmgrd")]
    Unfit(String),
    /// The runtime could not be started.
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    /// The answer could not be written as JSON.
    #[error("the answer cannot be written: {0}")]
    Output(#[from] serde_json::Error),
}

impl CommandLine {
    /// Carries the command out, prints its answer, and says what could not be done, and what to do about it, on stderr.
    #[must_use]
    pub fn carry_out(self) -> ExitCode {
        match self.answer() {
            Ok(answer) => print(&answer),
            Err(CommandError::Partly(answer) | CommandError::Unfit(answer)) => {
                print(&answer);
                ExitCode::FAILURE
            }
            Err(error) => {
                let mut stderr = std::io::stderr().lock();
                // Nobody is left to tell when stderr is closed.
                drop(writeln!(stderr, "imgmgrd: {error}"));
                ExitCode::FAILURE
            }
        }
    }

    fn answer(self) -> Result<String, CommandError> {
        let settings = Settings::load(&self.overrides)?;
        // One thread: there is nothing to compute, only to wait for.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
        match self.command {
            Command::Run { once } => {
                let logging = Arc::new(Logging::of_agent()?);
                runtime.block_on(async {
                    if once { agent::run_once(&settings, logging).await } else { agent::run(&settings, logging).await }
                })?;
                Ok(String::new())
            }
            Command::Status(selection) => {
                let look = selection.look(&settings, &runtime)?;
                let (report, feature) = (&look.decision.report, selection.known(&look)?);
                let feature = feature.as_ref();
                selection.answer(|| status::statuses(report, feature), || status::render(report, feature))
            }
            Command::Images(selection) => {
                let look = selection.look(&settings, &runtime)?;
                let bases = selection.bases(&look)?;
                let bases = bases.as_deref();
                selection.answer(|| images::images(&look, bases), || images::render(&look, bases))
            }
            Command::Plan(selection) => {
                let look = selection.look(&settings, &runtime)?;
                let (Decision { plan, report, .. }, bases) = (&look.decision, selection.bases(&look)?);
                let bases = bases.as_deref();
                selection.answer(|| plan::plans(plan, report, bases), || plan::render(plan, report, bases))
            }
            Command::History(selection) => history::answer(&selection, &settings, &runtime),
            Command::Promote { feature, json, .. } => {
                order::carry_out(Order::Promote, feature.as_deref(), json, &settings, &runtime)
            }
            Command::Rollback { feature, json } => {
                order::carry_out(Order::Rollback, Some(&feature), json, &settings, &runtime)
            }
            Command::Doctor(doctor) => doctor.answer(&settings, &runtime),
        }
    }
}

impl Selection {
    fn look(&self, settings: &Settings, runtime: &tokio::runtime::Runtime) -> Result<Look, CommandError> {
        drop(Logging::of_command()?);
        Ok(runtime.block_on(Look::take(settings))?)
    }

    /// The feature or instance asked for, if one is.
    fn known(&self, look: &Look) -> Result<Option<Feature>, CommandError> {
        self.feature.as_deref().map(|name| known(name, &look.decision.report)).transpose()
    }

    /// The image names of the feature asked for, if one is.
    fn bases(&self, look: &Look) -> Result<Option<Vec<Base>>, CommandError> {
        Ok(self.known(look)?.map(|feature| bases(&look.decision.report, &feature)))
    }

    /// Answers with JSON or with a text for people.
    fn answer<T: Serialize>(
        &self,
        answer: impl FnOnce() -> T,
        render: impl FnOnce() -> String,
    ) -> Result<String, CommandError> {
        Ok(if self.json { serde_json::to_string_pretty(&answer())? + "\n" } else { render() })
    }
}

/// The schemas of the answers in JSON, by command.
#[cfg(feature = "schema")]
pub(crate) fn schemas() -> impl Iterator<Item = (&'static str, schemars::Schema)> {
    use crate::schema::answer;
    [
        ("history", answer::<Vec<history::Event>>("history")),
        ("images", answer::<Vec<images::Image>>("images")),
        ("plan", answer::<Vec<plan::UnitPlan>>("plan")),
        ("promote", answer::<Vec<agent::Answer>>("promote")),
        ("rollback", answer::<Vec<agent::Answer>>("rollback")),
        ("status", answer::<Vec<status::Status>>("status")),
    ]
    .into_iter()
}

/// Prints an answer. A reader that has seen enough (`head`) is no failure.
fn print(answer: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(answer.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The feature or instance of that name.
fn known(name: &str, report: &Report) -> Result<Feature, CommandError> {
    let feature = name.parse::<Feature>().ok();
    let found = feature.filter(|feature| report.instances.keys().any(|instance| means(feature, instance)));
    found.ok_or_else(|| {
        let names: Vec<String> = report.instances.keys().map(ToString::to_string).collect();
        let known = if names.is_empty() { "none (no FEATURE rows)".to_owned() } else { names.join(", ") };
        CommandError::UnknownFeature { name: crate::domain::printable(name), known }
    })
}

/// Whether a person who says `feature` means this instance: by its feature's name, or by its own.
fn means(feature: &Feature, instance: &Instance) -> bool {
    instance.feature == *feature || instance.container_name() == feature.as_str()
}

/// The image names of a feature.
fn bases(report: &Report, feature: &Feature) -> Vec<Base> {
    let meant = report.instances.iter().filter(|(instance, _)| means(feature, instance));
    meant.filter_map(|(_, report)| report.base.clone()).collect()
}

/// The features that run from an image name.
fn features_of(report: &Report, base: &Base) -> Vec<String> {
    let of_base = report.instances.iter().filter(|(_, report)| report.base.as_ref() == Some(base));
    let mut features: Vec<String> = of_base.map(|(instance, _)| instance.feature.to_string()).collect();
    features.dedup();
    features
}
