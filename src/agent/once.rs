//! `imgmgrd run --once`: one round of looking, acting and publishing, for scripts and timers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::{AgentError, Core, Decided, carry_out};
use super::execution::Execution;
use crate::database::{self, Databases};
use crate::decide::Step;
use crate::engine::{Dirty, Engine, Reader};
use crate::logging::Logging;
use crate::settings::Settings;

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
        let mut execution = Execution::new(plan);
        while let Some(step) = execution.step().cloned() {
            let went = match &step {
                Step::RecordVersions { row, stable, last } => core.record_versions(row, stable, last.as_ref()).await,
                _ => carry_out(engine.clone(), step).await,
            };
            execution.note(went);
        }
        core.conclude(execution, &decided).await?;
    }
    Err(AgentError::NotDone(format!("still something to do after {ROUNDS} rounds; see imgmgrd plan")))
}

async fn look(core: &mut Core, reader: &mut Reader) -> Result<Decided, AgentError> {
    core.databases.read_again().await?;
    core.see_rows();
    // A second read may find what only the first showed to be of interest: the image name of an unnamed feature.
    let picture = reader.read(Dirty::everything(), &core.interest()).await?;
    core.see_picture(&picture);
    core.look()
}
