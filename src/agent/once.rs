//! Acting once, for a command: `imgmgrd run --once`, and what operators ask for while no agent runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::control;
use super::core::{AgentError, Core, Decided, carry_out};
use super::execution::Execution;
use super::orders::{Reply, Request};
use crate::database::{self, Databases};
use crate::decide::{Plan, Step};
use crate::engine::{Engine, Reader};
use crate::logging::Logging;
use crate::settings::Settings;
use crate::state::{StateDirectory, StateError};

/// How often to look again for what follows from what was done: promotion, clean-up, and what a refused removal left.
const ROUNDS: usize = 4;

/// Looks, acts, and looks again until nothing is left to do, then publishes.
///
/// # Errors
/// If something cannot be reached, or a step failed.
pub async fn run_once(settings: &Settings, logging: Arc<Logging>) -> Result<(), AgentError> {
    let directory = StateDirectory::open(&settings.paths.state_dir)?;
    let mut once = Once::open(settings, directory, logging).await?;
    for _ in 0..ROUNDS {
        let decided = once.look().await?;
        let plan = once.core.due(&decided.plan);
        if plan.is_empty() {
            once.publish(&decided).await?;
            let mut units = once.core.store.memory().units.iter();
            let error = units.find_map(|(base, unit)| Some((base, unit.error.as_ref()?)));
            return error.map_or(Ok(()), |(base, error)| Err(AgentError::NotDone(format!("{base}: {error}"))));
        }
        let execution = once.execute(plan).await;
        once.core.conclude(execution, &decided).await?;
    }
    Err(AgentError::NotDone(format!("still something to do after {ROUNDS} rounds; see imgmgrd plan")))
}

/// Carries out what an operator asks for: through the agent that runs, or else itself, while no agent can start.
///
/// # Errors
/// If something cannot be reached.
pub async fn obey(settings: &Settings, logging: Arc<Logging>, request: Request) -> Result<Reply, AgentError> {
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
    let mut once = Once::open(settings, directory, logging).await?;
    // What is of interest may only be seen by a first look.
    once.look().await?;
    let ordered = match once.core.take_order(request) {
        Ok(ordered) => ordered,
        Err(refusal) => return Ok(Reply::Refused(refusal.to_string())),
    };
    let decided = once.look().await?;
    let bases = ordered.bases(&decided.report);
    let mut plan = decided.plan.clone();
    plan.units.retain(|base, _| bases.contains(base));
    let execution = once.execute(plan).await;
    let answers = ordered.told(&decided.report).after(&execution);
    once.core.conclude(execution, &decided).await?;
    once.core.drop_order();
    let decided = once.look().await?;
    once.publish(&decided).await?;
    Ok(Reply::Answers(answers))
}

/// What it takes to look and to act, without waiting for anything that is away.
struct Once {
    core: Core,
    engine: Engine,
    reader: Reader,
}

impl Once {
    async fn open(settings: &Settings, directory: StateDirectory, logging: Arc<Logging>) -> Result<Self, AgentError> {
        let config = database::read_config(&settings.redis.database_config, &settings.redis.database_global)?;
        let engine = Engine::new(settings.engine.host.clone());
        let databases = Databases::connect_once(&config).await?;
        let mut core = Core::new(settings, directory, databases, logging)?;
        core.see_rows();
        Ok(Self { core, reader: Reader::new(engine.clone()), engine })
    }

    async fn look(&mut self) -> Result<Decided, AgentError> {
        self.core.databases.read_again().await?;
        self.core.see_rows();
        // A second read may find what only the first showed to be of interest: the image name of an unnamed feature.
        let picture = self.reader.read(&self.core.interest()).await?;
        self.core.see_picture(&picture);
        let decided = self.core.look(&BTreeSet::new())?;
        self.core.save_marks();
        Ok(decided)
    }

    /// Carries out a plan to its end.
    async fn execute(&mut self, plan: Plan) -> Execution {
        let mut execution = self.core.begin(plan);
        while let Some(step) = execution.step().cloned() {
            let went = match &step {
                Step::RecordVersions { row, stable, last } => {
                    self.core.record_versions(row, stable, last.as_ref()).await
                }
                _ => carry_out(self.engine.clone(), step).await,
            };
            execution.note(went);
        }
        execution
    }

    async fn publish(&mut self, decided: &Decided) -> Result<(), AgentError> {
        Ok(self.core.publish(decided, &BTreeSet::new()).await?)
    }
}
