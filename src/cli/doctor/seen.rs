//! Everything that is gathered, each part for itself: what fails leaves the others as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::deadline::within_deadline;
use super::kubelet;
use super::places::Places;
use super::processes::{self, Process};
use super::state_dir;
use crate::config::files::{self, Loaded, RemoteCtrConfig};
use crate::config::policy::{PolicyReader, PolicyRows};
use crate::config::settings::{PathSettings, RedisSettings, Settings};
use crate::docker::{Engine, EngineError, EngineHost, EngineSnapshot, EngineVersion, Interest, Reader};
use crate::domain::{Base, Feature, ImageId};
use crate::planner::{Decision, Memory, Now, Owner, Snapshot, decide};
use crate::sonic_db::{self, ConfigError, Rows, ServerSurvey};

/// How long all lists and inspections together may take. Each has a deadline too; many that are slow add up.
pub(super) const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(30);

/// What the databases say.
pub(super) struct SeenDatabases {
    /// Each server; none if it is not known where they are.
    pub(super) servers: Option<Result<Vec<ServerSurvey>, ConfigError>>,
    /// The rows of the servers that answered; none if none did.
    pub(super) rows: Option<Rows>,
}

/// What the engine says.
pub(super) struct EngineFacts {
    /// About itself.
    pub(super) version: Result<EngineVersion, EngineError>,
    /// What is on it; none where it was not asked, because it is unreachable.
    pub(super) snapshot: Option<Result<EngineSnapshot, EngineError>>,
}

/// What is in files.
pub(super) struct Files {
    pub(super) image_names: Loaded<BTreeMap<Feature, Base>>,
    pub(super) packages: Loaded<BTreeMap<Feature, Option<ImageId>>>,
    pub(super) remote_ctr_config: Loaded<RemoteCtrConfig>,
}

/// What runs besides the agent.
pub(super) struct Others {
    pub(super) processes: io::Result<Vec<Process>>,
    pub(super) kubelet: kubelet::KubeletFacts,
}

/// All of it. `None` stands for what did not answer in time.
pub(super) struct Seen {
    pub(super) databases: SeenDatabases,
    pub(super) engine: EngineFacts,
    pub(super) files: Option<Files>,
    pub(super) state_dir: Option<state_dir::StateDirFacts>,
    pub(super) others: Option<Others>,
    /// What rows, engine and files say together, as far as they are known.
    pub(super) snapshot: Snapshot,
    /// What the agent would decide; none unless rows and engine are known.
    pub(super) decision: Option<Decision>,
}

impl Seen {
    /// Examines everything, at the same time.
    pub(super) async fn take(settings: &Settings, places: &Places) -> Self {
        let (state_dir, there) = (settings.paths.state_dir.clone(), places.clone());
        let (databases, engine, files, state_dir, others) = tokio::join!(
            look_at_databases(&settings.redis),
            look_at_engine(settings.engine.host.clone()),
            look_at_files(settings.paths.clone()),
            within_deadline(move || state_dir::examine(&state_dir, &there)),
            look_at_others(places.clone()),
        );
        let mut seen =
            Self { databases, engine, files, state_dir, others, snapshot: Snapshot::default(), decision: None };
        seen.put_together();
        seen
    }

    /// What is on the engine, if that is known.
    pub(super) fn on_engine(&self) -> Option<&EngineSnapshot> {
        self.engine.snapshot.as_ref().and_then(|snapshot| snapshot.as_ref().ok())
    }

    /// The features that are to be owned by kube, as far as known.
    pub(super) fn features_of_kube(&self) -> BTreeSet<Feature> {
        let of_kube = self.snapshot.configuration.iter().filter(|(_, row)| row.set_owner.is(&Owner::Kube));
        of_kube.map(|(key, _)| key.key.clone()).collect()
    }

    /// Decides what the agent would, without its memory: that says nothing of what is asked here.
    fn put_together(&mut self) {
        let mut remote_ctr_config = &RemoteCtrConfig::default();
        if let Some(files) = &self.files {
            self.snapshot.image_names.clone_from(&files.image_names.value);
            self.snapshot.packages.clone_from(&files.packages.value);
            remote_ctr_config = &files.remote_ctr_config.value;
        }
        if let Some(rows) = &self.databases.rows {
            rows.fill(&mut self.snapshot);
        }
        if let Some(Ok(snapshot)) = &self.engine.snapshot {
            self.snapshot.images = Arc::clone(&snapshot.images);
            self.snapshot.containers = Arc::clone(&snapshot.containers);
            if let Some(rows) = &self.databases.rows {
                let policy = PolicyReader::new(remote_ctr_config).read(&PolicyRows::from_keys(rows.policy()));
                self.decision = Some(decide(&self.snapshot, &Memory::default(), &policy, &Now::default()));
            }
        }
    }
}

async fn look_at_databases(settings: &RedisSettings) -> SeenDatabases {
    let (config, global) = (settings.database_config.clone(), settings.database_global.clone());
    match within_deadline(move || sonic_db::read_config(&config, &global)).await {
        None => SeenDatabases { servers: None, rows: None },
        Some(Err(error)) => SeenDatabases { servers: Some(Err(error)), rows: None },
        Some(Ok(namespaces)) => {
            let (servers, rows) = sonic_db::survey(&namespaces).await;
            let is_any_there = servers.iter().any(|server| server.answer.is_ok());
            SeenDatabases { servers: Some(Ok(servers)), rows: is_any_there.then_some(rows) }
        }
    }
}

async fn look_at_engine(host: EngineHost) -> EngineFacts {
    let engine = Engine::new(host.clone());
    let version = engine.version().await;
    if version.as_ref().is_err_and(EngineError::is_unreachable) {
        return EngineFacts { version, snapshot: None };
    }
    let interest = Interest { everything: true, ..Interest::default() };
    let snapshot = timeout(SNAPSHOT_DEADLINE, Reader::new(engine).read(&interest)).await;
    let late = |_| {
        let what = "listing all images and containers".to_owned();
        Err(EngineError::TimedOut { what, host: host.to_string(), after: SNAPSHOT_DEADLINE })
    };
    EngineFacts { version, snapshot: Some(snapshot.unwrap_or_else(late)) }
}

async fn look_at_files(paths: PathSettings) -> Option<Files> {
    within_deadline(move || Files {
        image_names: files::read_image_names(&paths.image_names),
        packages: files::read_packages(&paths.packages),
        remote_ctr_config: files::read_remote_ctr_config(&paths.remote_ctr_config),
    })
    .await
}

async fn look_at_others(places: Places) -> Option<Others> {
    within_deadline(move || {
        let processes = processes::examine(&places);
        let kubelet = kubelet::examine(processes.as_deref().unwrap_or_default(), &places);
        Others { processes, kubelet }
    })
    .await
}
