//! The command line.

mod completion;
mod doctor;
mod history;
mod images;
mod operate;
mod plan;
mod read_once;
mod status;
mod table;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueHint};
use serde::Serialize;

use crate::agent::{self, AgentError};
use crate::config::settings::{Overrides, Settings, SettingsError};
use crate::domain::{Base, Feature, Version};
use crate::logging::{Logging, LoggingError, plain};
use crate::planner::{Command, Decision, Report};
use completion::Shell;
use read_once::ReadOnce;

/// What the exit codes mean, of every command.
const EXIT_CODES: &str = "\
Exit codes:
  0  the question was answered, or the thing done
  1  it could not be; stderr says why, and what to do about it
  2  wrong usage";

/// Manages the container images of a SONiC switch
///
/// Makes a version that Kubernetes deployed and that has proven stable the local latest, and cleans up old images,
/// keeping what fallback and rollback need. What is read and decided is shown by status, images, plan and history;
/// policy is in CONFIG_DB, see "config feature image" and the tables CONTAINER_IMAGE and CONTAINER_IMAGE_FEATURE.
#[derive(Debug, Parser)]
#[command(name = "imgmgrd", version, max_term_width = 100, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Subcommands,
    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    #[command(flatten)]
    OnSwitch(OnSwitch),
    /// Print the completions of a shell
    ///
    /// The package installs them; this is for where it did not.
    #[command(after_help = "Examples:\n  source <(imgmgrd completion bash)")]
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// The commands that have to do with a switch.
#[derive(Debug, Subcommand)]
enum OnSwitch {
    /// Run the agent
    ///
    /// It observes, decides, acts and publishes whenever something changes, until SIGTERM or SIGINT. SIGHUP reads settings
    /// and files again. One agent runs on a switch: a second one refuses to start.
    Run {
        /// Reconcile once, then exit: 0 if nothing is left to do
        #[arg(long)]
        once: bool,
    },
    /// Show how each feature stands: stability, versions, and why
    ///
    /// STABILITY is local (systemd runs it), waiting (Kubernetes is to own it, and does not yet), observing (it runs, not
    /// yet for long enough), stable (promoted), failed (it ended before it was stable), held (stable enough, but something
    /// forbids acting) or error (acting failed, and is tried again). STABLE is the version promoted last, LAST the one that
    /// a rollback would bring back.
    #[command(after_help = "Examples:\n  imgmgrd status\n  imgmgrd status telemetry --json")]
    Status(Selection),
    /// Show each image on the disk, and why it stays or goes
    #[command(after_help = "Examples:\n  imgmgrd images\n  imgmgrd images telemetry")]
    Images(Selection),
    /// Show what would be done now and why, changing nothing
    #[command(after_help = "Examples:\n  imgmgrd plan\n  imgmgrd plan telemetry")]
    Plan(Selection),
    /// Show what happened to each feature's images, newest first
    ///
    /// The newest 20 events of each feature are kept, over reboots. It is answered without Redis and the engine.
    #[command(after_help = "Examples:\n  imgmgrd history\n  imgmgrd history telemetry --json")]
    History(Selection),
    /// Make the version that runs the local latest without waiting any longer
    ///
    /// Every check but the wait stays: the version has to run, as Kubernetes' container, and be known for sure. The agent
    /// carries it out if it runs. It also ends what a rollback held back.
    #[command(
        after_help = "Examples:\n  imgmgrd promote telemetry\n  imgmgrd promote --all    before a planned reboot"
    )]
    Promote {
        /// The feature, or an instance of it (bgp, bgp1)
        #[arg(required_unless_present = "all", conflicts_with = "all", value_hint = ValueHint::Other)]
        feature: Option<String>,
        /// Every feature that is to be owned by Kubernetes
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the last version the local latest again
    ///
    /// The version that runs is held, over restarts and reboots, until another one takes over or it is promoted by hand.
    /// What runs is not touched: Kubernetes has to be told as well. If the last version is not on the disk, nothing is done.
    /// Nor is anything by a second rollback, until another image is promoted; --from goes further.
    #[command(after_help = "Examples:\n  imgmgrd rollback telemetry\n  imgmgrd rollback telemetry --from 20201231.84")]
    Rollback {
        /// The feature, or an instance of it (bgp, bgp1)
        #[arg(value_hint = ValueHint::Other)]
        feature: String,
        /// Go further: from this version, which latest is by a rollback, to the one before it
        #[arg(long, value_name = "VERSION")]
        from: Option<Version>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say whether this switch is fit to run the agent
    ///
    /// Each finding comes with its remedy. Nothing is changed. The exit code is 1 if there is an error among the findings.
    #[command(after_help = "Examples:\n  imgmgrd doctor\n  imgmgrd doctor --json")]
    Doctor(doctor::Doctor),
}

/// What to show, and how.
#[derive(Debug, Args)]
struct Selection {
    /// Only this feature, or instance of a feature (bgp, bgp1)
    #[arg(value_hint = ValueHint::Other)]
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
    #[error(transparent)]
    UnknownFeature(#[from] agent::UnknownFeature),
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
                drop(writeln!(stderr, "imgmgrd: {}", plain(&error.to_string())));
                ExitCode::FAILURE
            }
        }
    }

    fn answer(self) -> Result<String, CommandError> {
        match self.command {
            Subcommands::OnSwitch(command) => command.answer(&Settings::load(&self.overrides)?, &self.overrides),
            Subcommands::Completion { shell } => Ok(shell.script().to_owned()),
        }
    }
}

impl OnSwitch {
    fn answer(self, settings: &Settings, overrides: &Overrides) -> Result<String, CommandError> {
        // One thread: there is nothing to compute, only to wait for.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Runtime)?;
        match self {
            Self::Run { once } => {
                let logging = Arc::new(Logging::of_agent()?);
                runtime.block_on(async {
                    if once {
                        agent::run_once(settings, logging).await
                    } else {
                        agent::run(settings, overrides, logging).await
                    }
                })?;
                Ok(String::new())
            }
            Self::Status(selection) => {
                let read = selection.read(settings, &runtime)?;
                let (report, feature) = (&read.decision.report, selection.known(&read)?);
                let feature = feature.as_ref();
                selection.answer(|| status::statuses(report, feature), || status::render(report, feature))
            }
            Self::Images(selection) => {
                let read = selection.read(settings, &runtime)?;
                let bases = selection.bases(&read)?;
                let bases = bases.as_deref();
                selection.answer(|| images::images(&read, bases), || images::render(&read, bases))
            }
            Self::Plan(selection) => {
                let read = selection.read(settings, &runtime)?;
                let (Decision { plan, report, .. }, bases) = (&read.decision, selection.bases(&read)?);
                let bases = bases.as_deref();
                selection.answer(|| plan::plans(plan, report, bases), || plan::render(plan, report, bases))
            }
            Self::History(selection) => history::answer(&selection, settings, &runtime),
            Self::Promote { feature, json, .. } => {
                operate::carry_out(Command::Promote, feature.as_deref(), json, settings, &runtime)
            }
            Self::Rollback { feature, from, json } => {
                operate::carry_out(Command::Rollback { from }, Some(&feature), json, settings, &runtime)
            }
            Self::Doctor(doctor) => doctor.answer(settings, &runtime),
        }
    }
}

impl Selection {
    fn read(&self, settings: &Settings, runtime: &tokio::runtime::Runtime) -> Result<ReadOnce, CommandError> {
        drop(Logging::of_command()?);
        Ok(runtime.block_on(ReadOnce::take(settings))?)
    }

    /// The feature or instance asked for, if one is.
    fn known(&self, read: &ReadOnce) -> Result<Option<Feature>, CommandError> {
        let instances = read.decision.report.instances.keys();
        Ok(self.feature.as_deref().map(|name| agent::known(name, instances)).transpose()?)
    }

    /// The image names of the feature asked for, if one is.
    fn bases(&self, read: &ReadOnce) -> Result<Option<Vec<Base>>, CommandError> {
        Ok(self.known(read)?.map(|feature| bases(&read.decision.report, &feature)))
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
#[cfg(feature = "generate")]
pub(crate) fn schemas() -> impl Iterator<Item = (&'static str, schemars::Schema)> {
    use crate::schema::generator::answer;
    [
        ("doctor", answer::<Vec<doctor::finding::Finding>>("doctor")),
        ("history", answer::<Vec<history::HistoryRow>>("history")),
        ("images", answer::<Vec<images::Image>>("images")),
        ("plan", answer::<Vec<plan::GroupPlan>>("plan")),
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

/// The image names of a feature.
fn bases(report: &Report, feature: &Feature) -> Vec<Base> {
    let meant = report.instances.iter().filter(|(instance, _)| instance.answers_to(feature));
    meant.filter_map(|(_, report)| report.base.clone()).collect()
}

/// The features that run from an image name.
fn features_of(report: &Report, base: &Base) -> Vec<String> {
    let of_base = report.instances.iter().filter(|(_, report)| report.base.as_ref() == Some(base));
    let mut features: Vec<String> = of_base.map(|(instance, _)| instance.feature.to_string()).collect();
    features.dedup();
    features
}
