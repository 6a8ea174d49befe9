//! `imgmgrd run --once`: one round of looking, acting and publishing, for scripts and timers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::control;
use super::core::{AgentError, Core, Decided, carry_out};
use super::execution::Execution;
use super::orders::{Reply, Request};
use crate::database::{self, Databases};
use crate::decide::{Plan, Step};
use crate::engine::{Dirty, Engine, Reader};
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
    let config = database::read_config(&settings.redis.database_config, &settings.redis.database_global)?;
    let engine = Engine::connect(&settings.engine.host.to_string())?;
    let databases = Databases::connect_once(&config).await?;
    let mut core = Core::new(settings, databases, logging)?;
    core.see_rows();
    let mut reader = Reader::new(engine.clone());
    for _ in 0..ROUNDS {
        let decided = look(&mut core, &mut reader).await?;
        let plan = core.due(&decided.plan);
        if plan.is_empty() {
            core.publish(&decided, &BTreeSet::new()).await?;
            let error = core.store.memory().units.iter().find_map(|(base, unit)| Some((base, unit.error.as_ref()?)));
            return error.map_or(Ok(()), |(base, error)| Err(AgentError::NotDone(format!("{base}: {error}"))));
        }
        let execution = execute(&mut core, &engine, plan).await;
        core.conclude(execution, &decided).await?;
    }
    Err(AgentError::NotDone(format!("still something to do after {ROUNDS} rounds; see imgmgrd plan")))
}

/// Carries out what an operator asks for: through the agent that runs, or else itself, while no agent can start.
///
/// # Errors
/// If something cannot be reached.
pub async fn obey(settings: &Settings, logging: Arc<Logging>, request: Request) -> Result<Reply, AgentError> {
    match StateDirectory::open(&settings.paths.state_dir) {
        Ok(unlocked) => drop(unlocked),
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
    }
    let config = database::read_config(&settings.redis.database_config, &settings.redis.database_global)?;
    let engine = Engine::connect(&settings.engine.host.to_string())?;
    let databases = Databases::connect_once(&config).await?;
    let mut core = Core::new(settings, databases, logging)?;
    core.see_rows();
    let mut reader = Reader::new(engine.clone());
    // What is of interest may only be seen by a first look.
    let _ = look(&mut core, &mut reader).await?;
    let ordered = match core.take_order(request) {
        Ok(ordered) => ordered,
        Err(refusal) => return Ok(Reply::Refused(refusal)),
    };
    let decided = look(&mut core, &mut reader).await?;
    let bases = ordered.bases(&decided.report);
    let mut plan = decided.plan.clone();
    plan.units.retain(|base, _| bases.contains(base));
    let execution = execute(&mut core, &engine, plan).await;
    let answers = ordered.told(&decided.report).after(&execution);
    core.conclude(execution, &decided).await?;
    core.drop_order();
    let decided = look(&mut core, &mut reader).await?;
    core.publish(&decided, &BTreeSet::new()).await?;
    Ok(Reply::Answers(answers))
}

/// Carries out a plan to its end.
async fn execute(core: &mut Core, engine: &Engine, plan: Plan) -> Execution {
    let mut execution = Execution::new(plan);
    while let Some(step) = execution.step().cloned() {
        let went = match &step {
            Step::RecordVersions { row, stable, last } => core.record_versions(row, stable, last.as_ref()).await,
            _ => carry_out(engine.clone(), step).await,
        };
        execution.note(went);
    }
    execution
}

async fn look(core: &mut Core, reader: &mut Reader) -> Result<Decided, AgentError> {
    core.databases.read_again().await?;
    core.see_rows();
    // A second read may find what only the first showed to be of interest: the image name of an unnamed feature.
    let picture = reader.read(Dirty::everything(), &core.interest()).await?;
    core.see_picture(&picture);
    core.look()
}
