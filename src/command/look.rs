//! A look without consequences: the same observation and the same decision as the agent's, and nothing saved or done.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::{self, AgentError, Observer};
use crate::clock;
use crate::database::{self, Databases};
use crate::decide::{Decision, Image, decide};
use crate::domain::ImageId;
use crate::engine::{Engine, Reader};
use crate::settings::Settings;
use crate::state::{self, StateDirectory, Store};

/// What a command has seen.
pub(super) struct Look {
    /// What the agent would decide now.
    pub(super) decision: Decision,
    /// What it was decided on: the images on the disk.
    pub(super) images: Arc<BTreeMap<ImageId, Image>>,
}

impl Look {
    /// Looks at everything once.
    pub(super) async fn take(settings: &Settings) -> Result<Self, AgentError> {
        let config = database::read_config(&settings.redis.database_config, &settings.redis.database_global)?;
        let databases = Databases::connect_once(&config).await?;
        let directory = StateDirectory::read_only(&settings.paths.state_dir);
        let rows = Observer::new(&settings.paths, directory.clone()).see(databases.rows());
        let mut observation = rows.observation;

        let boot_id = clock::boot_id().map_err(AgentError::Boot)?;
        let (store, memory, stamps) = Store::load(directory, &boot_id, clock::since_boot());
        let engine = Engine::new(settings.engine.host.clone());
        // People ask about every feature's images, not only about those that a decision needs.
        let mut interest = agent::interest(&observation, &memory);
        interest.bases.extend(observation.image_names.values().cloned());
        interest.everything = true;
        let snapshot = Reader::with_versions(engine, store.versions()).read(&interest).await?;
        (observation.images, observation.containers) = (snapshot.images, snapshot.containers);

        // The agent's memory is as it was left; if it runs, what stands is in there.
        let now = state::ages(&stamps, clock::since_boot());
        let decision = decide(&observation, &memory, &rows.policy, &now);
        Ok(Self { decision, images: observation.images })
    }
}
