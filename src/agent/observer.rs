//! Putting together what the databases, the engine and the files say.

use std::sync::Arc;

use crate::database::Rows;
use crate::decide::{Memory, NamedContainer, Observation};
use crate::domain::{Base, IteratorExt as _, Value};
use crate::engine::{Interest, Picture};
use crate::files::{self, Loaded, RemoteCtrConfig};
use crate::settings::PathSettings;

/// The observation, kept from look to look so that only what has changed is put in anew.
#[derive(Debug)]
pub struct Observer {
    paths: PathSettings,
    observation: Observation,
    has_seen_engine: bool,
    image_names: Loaded<std::collections::BTreeMap<crate::domain::Feature, Base>>,
    packages: Loaded<std::collections::BTreeMap<crate::domain::Feature, Option<crate::domain::ImageId>>>,
    remote_ctr_config: RemoteCtrConfig,
}

impl Observer {
    /// Reads the files and has seen nothing else yet.
    #[must_use]
    pub fn new(paths: &PathSettings) -> Self {
        let mut observer = Self {
            paths: paths.clone(),
            observation: Observation::default(),
            has_seen_engine: false,
            image_names: Loaded::default(),
            packages: Loaded::default(),
            remote_ctr_config: RemoteCtrConfig::default(),
        };
        observer.reload(paths);
        observer
    }

    /// Reads all files anew, which are at `paths` from now on.
    pub fn reload(&mut self, paths: &PathSettings) {
        self.paths.clone_from(paths);
        let remote_ctr_config = files::read_remote_ctr_config(&paths.remote_ctr_config);
        remote_ctr_config.log(None);
        self.remote_ctr_config = remote_ctr_config.value;
        self.read_files();
    }

    /// Reads again which images belong to which features; both files change when a package is installed. What a file said
    /// goes on to hold while it cannot be read.
    pub fn read_files(&mut self) {
        let image_names = files::read_image_names(&self.paths.image_names);
        image_names.log(Some(&self.image_names));
        if !image_names.is_unreadable() {
            self.observation.image_names.clone_from(&image_names.value);
        }
        self.image_names = image_names;
        let packages = files::read_packages(&self.paths.packages);
        packages.log(Some(&self.packages));
        if !packages.is_unreadable() {
            self.observation.packages.clone_from(&packages.value);
        }
        self.packages = packages;
    }

    /// What `remote_ctr.config.json` has.
    #[must_use]
    pub fn remote_ctr_config(&self) -> &RemoteCtrConfig {
        &self.remote_ctr_config
    }

    /// Puts the rows in.
    pub fn see_rows(&mut self, rows: &Rows) {
        rows.fill(&mut self.observation);
    }

    /// Puts the engine's picture in.
    pub fn see_picture(&mut self, picture: &Picture) {
        self.observation.images = Arc::clone(&picture.images);
        self.observation.containers = Arc::clone(&picture.containers);
        self.has_seen_engine = true;
    }

    /// Whether the engine has been seen.
    #[must_use]
    pub fn has_seen_engine(&self) -> bool {
        self.has_seen_engine
    }

    /// The observation.
    #[must_use]
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// The observation, to be told what the agent itself knows.
    pub fn observation_mut(&mut self) -> &mut Observation {
        &mut self.observation
    }

    /// What is worth inspecting in the engine: all that belongs to the features that are to be owned by kube, and what
    /// is remembered. On a switch without any, nothing.
    #[must_use]
    pub fn interest(&self, memory: &Memory) -> Interest {
        let mut interest = Interest::default();
        for instance in self.observation.instances_of_kube(memory) {
            interest.bases.extend(self.observation.image_names.get(&instance.feature).cloned());
            interest.features.extend(instance.container_name().parse());
            interest.features.insert(instance.feature);
        }
        if interest.features.is_empty() {
            return interest;
        }
        for state in self.observation.state.values() {
            if let Value::Is(NamedContainer::Prefix(prefix)) = &state.container_id {
                interest.containers.insert(prefix.to_string());
            }
        }
        // A unit whose image name only its container told stays known by what is remembered of it.
        interest.bases.extend(memory.units.keys().cloned());
        interest.images = memory.units.values().flat_map(|unit| unit.images.keys().cloned()).ordered();
        interest
    }
}
