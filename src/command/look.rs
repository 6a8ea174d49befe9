//! A look without consequences: the same observation and the same decision as the agent's, and nothing saved or done.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::{AgentError, Observer};
use crate::clock;
use crate::database::{self, Databases};
use crate::decide::{Decision, Image, decide};
use crate::domain::ImageId;
use crate::engine::{Dirty, Engine, Interest, Reader};
use crate::policy_rows::{PolicyReader, PolicyRows};
use crate::settings::Settings;
use crate::state::{self, LastPolicy, StateDirectory, Store};

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
        let mut observer = Observer::new(&settings.paths);
        observer.see_rows(databases.rows());
        let directory = StateDirectory::read_only(&settings.paths.state_dir);
        let last_policy = LastPolicy::load(directory.clone());
        let mut policy_reader = PolicyReader::new(observer.remote_ctr_config()).remembering(last_policy.good());
        let policy = policy_reader.read(&PolicyRows::from_keys(databases.rows().policy()));

        let boot_id = clock::boot_id().map_err(AgentError::Boot)?;
        let (_, memory, stamps) = Store::load(directory, &boot_id, clock::since_boot());
        let engine = Engine::connect(&settings.engine.host.to_string())?;
        // People ask about every feature's images, not only about those that a decision needs.
        let mut interest: Interest = observer.interest(&memory);
        interest.bases.extend(observer.observation().image_names.values().cloned());
        interest.everything = true;
        let picture = Reader::new(engine).read(Dirty::everything(), &interest).await?;
        observer.see_picture(&picture);

        // The agent's memory is as it was left; if it runs, what stands is in there.
        let now = state::ages(&stamps, clock::since_boot());
        let decision = decide(observer.observation(), &memory, &policy, &now);
        Ok(Self { decision, images: picture.images })
    }
}
