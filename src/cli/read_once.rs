//! Reading without consequences: the same snapshot and the same decision as the agent's, and nothing saved or done.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::{self, AgentError, Observer};
use crate::clock;
use crate::config::settings::Settings;
use crate::docker::{Engine, Reader};
use crate::domain::ImageId;
use crate::planner::{Decision, Image, decide};
use crate::sonic_db::{self, Databases};
use crate::store::{self, StateDirectory, Store};

/// What a command has seen.
pub(super) struct ReadOnce {
    /// What the agent would decide now.
    pub(super) decision: Decision,
    /// What it was decided on: the images on the disk.
    pub(super) images: Arc<BTreeMap<ImageId, Image>>,
}

impl ReadOnce {
    /// Reads everything once.
    pub(super) async fn take(settings: &Settings) -> Result<Self, AgentError> {
        let config = sonic_db::read_config(&settings.redis.database_config, &settings.redis.database_global)?;
        let databases = Databases::connect_once(&config).await?;
        let directory = StateDirectory::read_only(&settings.paths.state_dir);
        let rows = Observer::new(&settings.paths, directory.clone()).see(databases.rows());
        let mut snapshot = rows.snapshot;

        let boot_id = clock::boot_id().map_err(AgentError::Boot)?;
        let (store, memory, stamps) = Store::load(directory, &boot_id, clock::since_boot());
        let engine = Engine::new(settings.engine.host.clone());
        // People ask about every feature's images, not only about those that a decision needs.
        let mut interest = agent::interest(&snapshot, &memory);
        interest.bases.extend(snapshot.image_names.values().cloned());
        interest.everything = true;
        let lists = Reader::with_versions(engine, store.versions()).read(&interest).await?;
        (snapshot.images, snapshot.containers) = (lists.images, lists.containers);

        // The agent's memory is as it was left; if it runs, the takeovers that stand are in there.
        let now = store::ages(&stamps, clock::since_boot());
        let decision = decide(&snapshot, &memory, &rows.policy, &now);
        Ok(Self { decision, images: snapshot.images })
    }
}
