//! What the databases and files say, in the words of the decision.

use crate::config::files::{self, Loaded, RemoteCtrConfig};
use crate::config::policy::{PolicyReader, PolicyRows};
use crate::config::settings::PathSettings;
use crate::controller;
use crate::docker::Interest;
use crate::domain::{Base, Feature, ImageId, Value};
use crate::logging::LogLevel;
use crate::planner::{Memory, NamedContainer, Policy, Snapshot};
use crate::sonic_db::Rows;
use crate::store::{LastPolicy, StateDirectory};
use std::collections::BTreeMap;

/// Reads the files, and puts together what they and the rows say.
#[derive(Debug)]
pub struct Observer {
    paths: PathSettings,
    /// Without the engine's part.
    snapshot: Snapshot,
    policy: Policy,
    policy_reader: PolicyReader,
    last_policy: LastPolicy,
    level: LogLevel,
    image_names: Loaded<BTreeMap<Feature, Base>>,
    packages: Loaded<BTreeMap<Feature, Option<ImageId>>>,
    remote_ctr_config: RemoteCtrConfig,
}

impl Observer {
    /// Reads the files, and the last good policy from the state directory.
    #[must_use]
    pub fn new(paths: &PathSettings, directory: StateDirectory) -> Self {
        let last_policy = LastPolicy::load(directory);
        let mut observer = Self {
            paths: paths.clone(),
            snapshot: Snapshot::default(),
            policy: Policy::default(),
            policy_reader: PolicyReader::default(),
            last_policy,
            level: LogLevel::default(),
            image_names: Loaded::default(),
            packages: Loaded::default(),
            remote_ctr_config: RemoteCtrConfig::default(),
        };
        observer.reload(paths);
        observer.policy_reader = observer.policy_reader.remembering(observer.last_policy.good());
        observer
    }

    /// Reads all files anew, which are at `paths` from now on.
    pub fn reload(&mut self, paths: &PathSettings) {
        self.paths.clone_from(paths);
        let remote_ctr_config = files::read_remote_ctr_config(&paths.remote_ctr_config);
        remote_ctr_config.log(None);
        self.remote_ctr_config = remote_ctr_config.value;
        self.policy_reader.set_defaults(&self.remote_ctr_config);
        self.read_files();
    }

    /// Reads again which images belong to which features; both files change when a package is installed. What a file said
    /// goes on to hold while it cannot be read.
    pub fn read_files(&mut self) {
        let image_names = files::read_image_names(&self.paths.image_names);
        image_names.log(Some(&self.image_names));
        if !image_names.is_unreadable() {
            self.snapshot.image_names.clone_from(&image_names.value);
        }
        self.image_names = image_names;
        let packages = files::read_packages(&self.paths.packages);
        packages.log(Some(&self.packages));
        if !packages.is_unreadable() {
            self.snapshot.packages.clone_from(&packages.value);
        }
        self.packages = packages;
    }

    /// How long the pauses between retries may become.
    #[must_use]
    pub fn pauses(&self) -> controller::Pauses {
        let RemoteCtrConfig { promotion_retry: promotion, clean_up_retry: clean_up, .. } = self.remote_ctr_config;
        controller::Pauses { promotion, clean_up }
    }

    /// The log level that CONFIG_DB asks for.
    #[must_use]
    pub fn log_level(&self) -> LogLevel {
        self.level
    }

    /// What the rows and files say. While CONFIG_DB is being loaded its rows mean nothing, and the policy that held goes on
    /// holding.
    #[must_use]
    pub fn see(&mut self, rows: &Rows) -> controller::Rows {
        rows.fill(&mut self.snapshot);
        if rows.config_initialized() {
            self.policy = self.policy_reader.read(&PolicyRows::from_keys(rows.policy()));
            if let Err(error) = self.last_policy.save(self.policy_reader.good()) {
                tracing::warn!(%error, "the policy cannot be remembered: a bad value would mean the default after a restart");
            }
            self.level = rows.log_level().and_then(|word| word.parse().ok()).unwrap_or_default();
        }
        controller::Rows { snapshot: self.snapshot.clone(), policy: self.policy.clone() }
    }
}

/// What is worth inspecting in the engine: all that belongs to the features that are to be owned by kube, and what is
/// remembered. On a switch without any, nothing.
#[must_use]
pub fn interest(snapshot: &Snapshot, memory: &Memory) -> Interest {
    let mut interest = Interest::default();
    for instance in snapshot.instances_of_kube(memory) {
        interest.bases.extend(snapshot.image_names.get(&instance.feature).cloned());
        interest.features.insert(instance.container_name().into());
        interest.features.insert(instance.feature.as_str().into());
    }
    if interest.features.is_empty() {
        return interest;
    }
    for state in snapshot.state.values() {
        if let Value::Is(NamedContainer::Prefix(prefix)) = &state.container_id {
            interest.containers.extend(prefix.get(..12).map(str::to_owned));
        }
    }
    // A group whose image name only its container told stays known by what is remembered of it.
    interest.bases.extend(memory.groups.keys().cloned());
    interest.images = memory.groups.values().flat_map(|group| group.images.keys().cloned()).collect();
    interest
}
