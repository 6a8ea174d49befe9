//! What is known of the engine beyond its lists, and shared by all who read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::events::{Action, EngineEvent};
use super::oom::OomKills;
use super::parse::{InspectedContainer, InspectedImage};
use crate::domain::{ContainerId, ImageId, Reference, Value, Version};
use crate::planner::{Container, ContainerDetails, ContainerStatus, Image, ImageVersion};

/// What is known, shared by clones. Never locked across a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Known>>);

impl Shared {
    /// With the versions of images that were known before.
    pub(super) fn with_versions(versions: BTreeMap<ImageId, Value<Version>>) -> Self {
        Self(Arc::new(Mutex::new(Known { versions, ..Known::default() })))
    }

    /// What is known. A thread that panicked here left nothing half done.
    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known beyond the lists.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// `IMAGE_VERSION` of the images inspected: an id stands for a content, which never changes.
    pub(super) versions: BTreeMap<ImageId, Value<Version>>,
    /// What the last inspection of each container told.
    inspected: BTreeMap<ContainerId, Inspected>,
    /// Kills for lack of memory.
    oom: OomKills,
    /// How many events were heard, and streams of them begun.
    heard: u64,
    /// When the last stream of events began, in numbers of events: what came before is not known.
    began: u64,
    /// The number of the last event of each container.
    last: BTreeMap<ContainerId, u64>,
    /// The containers that have ended, though an engine 20.10 may not list them so yet (moby, daemon/monitor.go: the event
    /// comes before the checkpoint of which lists are made; tried). An inspection waits for both.
    ended: BTreeSet<ContainerId>,
    /// With what exit code each container ended last, as far as it was heard.
    exit_codes: BTreeMap<ContainerId, i64>,
}

/// An inspection of a container.
#[derive(Debug)]
struct Inspected {
    status: ContainerStatus,
    created_from: Option<Reference>,
    details: Option<ContainerDetails>,
    /// How many events had been heard when it was asked for.
    asked_at: u64,
}

impl Known {
    /// How many events were heard: what is asked for now shows them.
    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    /// Takes note of an event.
    pub(super) fn note(&mut self, event: &EngineEvent) {
        self.heard += 1;
        match event {
            EngineEvent::Images => {}
            EngineEvent::Unknown => self.began = self.heard,
            EngineEvent::Container(id, action) => {
                self.last.insert(*id, self.heard);
                match action {
                    Action::Oom => self.oom.heard(id),
                    Action::Start => self.oom.started(id),
                    Action::Die(exit_code) => {
                        self.exit_codes.extend(exit_code.map(|code| (*id, code)));
                        self.ended.insert(*id);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Anything may have happened to the containers: they are to be inspected again.
    pub(super) fn begin(&mut self) {
        self.heard += 1;
        self.began = self.heard;
    }

    /// Whether the last inspection of a container shows everything that was heard of it.
    pub(super) fn is_current(&self, id: &ContainerId) -> bool {
        let last = self.last.get(id).copied().unwrap_or_default().max(self.began);
        self.inspected.get(id).is_some_and(|inspected| inspected.asked_at >= last)
    }

    /// Whether the container has ended, or may have been started again since.
    pub(super) fn has_ended(&self, id: &ContainerId) -> bool {
        self.ended.contains(id)
    }

    /// Takes in an inspection that was asked for when so many events had been heard. The details that it tells.
    pub(super) fn note_container(&mut self, container: &InspectedContainer, asked_at: u64) -> Option<ContainerDetails> {
        let id = container.id;
        let details = self.details(container);
        if self.inspected.get(&id).is_none_or(|known| known.asked_at <= asked_at) {
            let (status, created_from) = (container.status, container.created_from.clone());
            self.exit_codes.extend(container.exit_code.map(|code| (id, code)));
            self.inspected.insert(id, Inspected { status, created_from, details: details.clone(), asked_at });
        }
        if self.is_current(&id) {
            self.ended.remove(&id);
        }
        details
    }

    /// With what exit code a container ended last.
    pub(super) fn exit_code(&self, id: &ContainerId) -> Option<i64> {
        self.exit_codes.get(id).copied()
    }

    /// Takes in an inspection of an image. Whether its version is known now.
    pub(super) fn note_image(&mut self, image: InspectedImage) -> bool {
        let Some(version) = image.version else { return false };
        self.versions.insert(image.id, version);
        true
    }

    /// The details of a container that runs; none if it does not, or is not understood.
    fn details(&mut self, inspected: &InspectedContainer) -> Option<ContainerDetails> {
        let started_at = inspected.started_at.clone().filter(|_| inspected.status == ContainerStatus::Running)?;
        let oom_kills = self.oom.count(&inspected.id, &started_at, inspected.oom_killed);
        let version = inspected.version.clone();
        Some(ContainerDetails { started_at, version, unhealthy: inspected.unhealthy, oom_kills })
    }

    /// Puts what is known into a container as it is listed.
    pub(super) fn complete(&self, id: &ContainerId, listed: &mut Container) {
        if let Some(known) = self
            .inspected
            .get(id)
            .filter(|_| matches!(listed.status, ContainerStatus::Running | ContainerStatus::Paused))
        {
            listed.created_from.clone_from(&known.created_from);
            if self.is_current(id) {
                listed.status = known.status;
            }
            if listed.status == ContainerStatus::Running {
                listed.details.clone_from(&known.details);
            }
        }
        listed.exit_code = self.exit_code(id).filter(|_| listed.status == ContainerStatus::Stopped);
    }

    /// Puts what is known into images as they are listed. Whether that is more than is there.
    pub(super) fn news(&self, images: &BTreeMap<ImageId, Image>) -> Vec<(ImageId, ImageVersion)> {
        let news = |(id, image): (&ImageId, &Image)| {
            let version = self.versions.get(id).filter(|_| image.version == ImageVersion::NotRead)?;
            Some((*id, ImageVersion::Read(version.clone())))
        };
        images.iter().filter_map(news).collect()
    }

    /// Forgets the containers that are gone, and what inspections told of those that do not run any more.
    pub(super) fn retain_containers(&mut self, listed: &BTreeMap<ContainerId, Container>) {
        let is_alive = |id: &ContainerId| listed.get(id).is_some_and(|one| one.status != ContainerStatus::Stopped);
        self.inspected.retain(|id, _| is_alive(id));
        self.ended.retain(is_alive);
        self.exit_codes.retain(|id, _| listed.contains_key(id));
        self.last.retain(|id, _| listed.contains_key(id));
        self.oom.retain(|id| listed.contains_key(id));
    }

    /// Forgets the images that are gone.
    pub(super) fn retain_images(&mut self, listed: &BTreeMap<ImageId, Image>) {
        self.versions.retain(|id, _| listed.contains_key(id));
    }
}
