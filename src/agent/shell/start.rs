//! Who drives the controller, and until when: the agent, until it is told to stop; a command, until nothing is left to do or
//! it is answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Input, Lists, Publishing, RESYNC, Shell, World};
use crate::agent::AgentError;
use crate::agent::commands::{Reply, Request};
use crate::agent::control::{self, Control};
use crate::agent::observer::Observer;
use crate::agent::service_manager::ServiceManager;
use crate::clock;
use crate::config::settings::{Overrides, Settings};
use crate::controller::Controller;
use crate::docker::{Engine, Reader};
use crate::logging::Logging;
use crate::publish::Publisher;
use crate::sonic_db::{self, Databases};
use crate::store::{StateDirectory, StateError, Store};

/// Runs the agent until it is told to stop. `settings` were loaded with `overrides`, and are again on SIGHUP.
///
/// # Errors
/// If it cannot start. Whatever becomes unreachable later is waited for.
pub async fn run(settings: &Settings, overrides: &Overrides, logging: Arc<Logging>) -> Result<(), AgentError> {
    let signals = Signals::listen().map_err(AgentError::Signal)?;
    let config = sonic_db::read_config(&settings.redis.database_config, &settings.redis.database_global)?;
    let directory = StateDirectory::open(&settings.paths.state_dir)?;
    let mut shell = Shell::new(settings, directory.clone(), Databases::new(&config), Some(logging), Lists::follow)?;
    shell.overrides = overrides.clone();
    shell.manager = ServiceManager::new();
    shell.resync_at = Some(Instant::now() + RESYNC);
    let mut outside = Outside { signals, control: Control::listen(directory) };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    shell.drive(&mut outside, |_| false).await?;
    shell.stop(outside.control).await;
    tracing::info!("stopped");
    Ok(())
}

/// Does what is to be done now, until nothing is left, and publishes it.
///
/// # Errors
/// If something cannot be reached, or something could not be done.
pub async fn run_once(settings: &Settings, logging: Arc<Logging>) -> Result<(), AgentError> {
    let directory = StateDirectory::open(&settings.paths.state_dir)?;
    let mut shell = Shell::for_command(settings, directory, Some(logging)).await?;
    let has_failed = |shell: &Shell| shell.publisher.has_failed() || shell.controller.failures().next().is_some();
    shell.drive(&mut Nothing, |shell| shell.is_at_rest() || (shell.controller.is_ready() && has_failed(shell))).await?;
    let failed = shell.controller.failures().next().map(|(base, why)| format!("{base}: {why}"));
    let unsaved = shell.publisher.has_failed().then(|| "the state directory cannot be written".to_owned());
    failed.or(unsaved).map_or(Ok(()), |why| Err(AgentError::NotDone(why)))
}

/// Carries out what an operator asks for: through the agent that runs, or else itself, while no agent can start.
///
/// # Errors
/// If something cannot be reached.
pub async fn obey(settings: &Settings, request: Request) -> Result<Reply, AgentError> {
    let directory = match StateDirectory::open(&settings.paths.state_dir) {
        Ok(directory) => directory,
        Err(StateError::Locked { path, .. }) => {
            let no_answer = |error| {
                AgentError::NotDone(format!(
                    "another imgmgrd uses {} and does not answer: {error}; is it hung, or a run --once?",
                    path.display()
                ))
            };
            return control::ask(&path, &request).await.map_err(no_answer);
        }
        Err(error) => return Err(error.into()),
    };
    let mut shell = Shell::for_command(settings, directory, None).await?;
    shell.controller.obey_only();
    shell.drive(&mut Nothing, Shell::is_at_rest).await?;
    let (reply, answer) = oneshot::channel();
    if let Err((_, refusal)) = shell.command(&request, reply) {
        return Ok(Reply::Refused(refusal));
    }
    shell.drive(&mut Nothing, |shell| shell.asked.is_empty() && shell.is_at_rest()).await?;
    answer.await.map_err(|_| AgentError::NotDone("no answer".to_owned()))
}

impl Shell {
    fn new(
        settings: &Settings,
        directory: StateDirectory,
        databases: Databases,
        logging: Option<Arc<Logging>>,
        lists: impl FnOnce(Reader) -> Lists,
    ) -> Result<Self, AgentError> {
        let engine = Engine::new(settings.engine.host.clone());
        let boot_id = clock::boot_id().map_err(AgentError::Boot)?;
        let observer = Observer::new(&settings.paths, directory.clone());
        let (store, memory, stamps) = Store::load(directory.clone(), &boot_id, clock::since_boot());
        let reader = Reader::with_versions(engine, store.versions());
        Ok(Self {
            controller: Controller::new(memory, stamps, observer.pauses()),
            databases,
            observer,
            lists: lists(reader.clone()),
            reader,
            store,
            publisher: Publisher::new(directory),
            logging,
            calls: JoinSet::new(),
            publishing: Publishing::default(),
            asked: BTreeMap::new(),
            commands: 0,
            is_interest_old: false,
            resync_at: None,
            settings: settings.clone(),
            overrides: Overrides::default(),
            manager: ServiceManager::nobody(),
        })
    }

    /// For a command: nothing that cannot be reached is waited for.
    async fn for_command(
        settings: &Settings,
        directory: StateDirectory,
        logging: Option<Arc<Logging>>,
    ) -> Result<Self, AgentError> {
        let config = sonic_db::read_config(&settings.redis.database_config, &settings.redis.database_global)?;
        let databases = Databases::connect_once(&config).await?;
        Self::new(settings, directory, databases, logging, Lists::read)
    }

    /// Whether nothing is left to do now.
    fn is_at_rest(&self) -> bool {
        self.lists.are_read() && self.controller.is_at_rest() && self.calls.is_empty()
    }
}

/// What the agent listens to.
struct Outside {
    signals: Signals,
    control: Control,
}

/// The signals that mean something.
struct Signals {
    /// By which systemd stops a service.
    terminate: Signal,
    /// By which a person does.
    interrupt: Signal,
    /// The files are to be read again.
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

impl World for Outside {
    async fn next(&mut self) -> Input {
        let Self { signals: Signals { terminate, interrupt, hangup }, control } = self;
        tokio::select! {
            biased;
            _ = terminate.recv() => Input::Stop,
            _ = interrupt.recv() => Input::Stop,
            Some(()) = hangup.recv() => Input::Reload,
            Some(asked) = control.next() => Input::Asked(asked),
        }
    }
}

/// A command listens to nobody: a signal ends it.
struct Nothing;

impl World for Nothing {
    async fn next(&mut self) -> Input {
        std::future::pending().await
    }
}
