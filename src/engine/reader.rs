//! From lists and inspections to a picture, asking only for what is not known yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt as _, stream};

use super::client::Engine;
use super::error::EngineError;
use super::interest::Interest;
use super::oom::OomKills;
use super::parse::{self, InspectedContainer};
use super::picture::{Dirty, Picture};
use crate::decide::{Container, ContainerDetails, ContainerStatus, Image, ImageVersion};
use crate::domain::{ContainerId, ImageId, IteratorExt as _, Repositories, Value, Version};

/// How many inspections are under way at once: enough to hide the engine's latency, few enough not to load it.
const CONCURRENT: usize = 8;

/// What readers of one engine share: what never changes, and what was heard. Never locked across a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Known>>);

/// What is known beyond the lists.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// `IMAGE_VERSION` of the images inspected: an id stands for a content, which never changes.
    versions: BTreeMap<ImageId, Value<Version>>,
    /// What inspections of running containers told.
    inspected: Inspected,
    /// The containers of which something was heard since they were inspected.
    pub(super) stale: BTreeSet<ContainerId>,
    /// Kills for lack of memory.
    pub(super) oom: OomKills,
    /// How many events were heard.
    pub(super) heard: u64,
}

impl Shared {
    /// What is known. A thread that panicked here left nothing half done.
    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Inspections of containers, and the details of those that ran.
type Inspected = BTreeMap<ContainerId, (InspectedContainer, Option<ContainerDetails>)>;

/// Reads pictures, keeping what it has read until it is said to be dirty.
#[derive(Debug)]
pub struct Reader {
    engine: Engine,
    shared: Shared,
    /// What is still to be read, after a read that failed half-way too.
    dirty: Dirty,
    /// The containers as listed, without details.
    containers: BTreeMap<ContainerId, Container>,
    /// The images, of which there may be many: shared with the last picture.
    images: Arc<BTreeMap<ImageId, Image>>,
    /// The last picture.
    picture: Picture,
}

impl Reader {
    /// A reader that has read nothing yet.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { dirty: Dirty::everything(), ..Self::sharing(engine, Shared::default()) }
    }

    /// A reader that shares what is known, and reads what it is told to.
    pub(super) fn sharing(engine: Engine, shared: Shared) -> Self {
        Self {
            engine,
            shared,
            dirty: Dirty::nothing(),
            containers: BTreeMap::new(),
            images: Arc::default(),
            picture: Picture::default(),
        }
    }

    /// Reads what is dirty and what `interest` asks for and is not known yet. The first read of a reader that shares
    /// nothing reads everything.
    ///
    /// What vanishes between a list and its inspection is simply gone.
    ///
    /// # Errors
    /// If the engine cannot be asked; what was to be read is then still to be read.
    pub async fn read(&mut self, dirty: Dirty, interest: &Interest) -> Result<Picture, EngineError> {
        self.dirty.merge(dirty);
        self.list().await?;
        self.inspect_containers(interest).await?;
        self.inspect_images(interest).await?;
        self.dirty = Dirty::nothing();
        Ok(self.assemble())
    }

    /// Fetches the lists that are dirty, both at once, and forgets what is gone.
    async fn list(&mut self) -> Result<(), EngineError> {
        let Dirty { containers, images, .. } = self.dirty;
        let (containers, images) = tokio::try_join!(
            listed(containers, self.engine.list_containers()),
            listed(images, self.engine.list_images()),
        )?;
        if let Some(containers) = containers {
            self.containers = containers.iter().filter_map(parse::container).ordered();
            let listed = &self.containers;
            let mut known = self.shared.lock();
            known.inspected.retain(|id, _| listed.get(id).is_some_and(|one| one.status == ContainerStatus::Running));
            known.stale.retain(|id| listed.contains_key(id));
            known.oom.retain(|id| listed.contains_key(id));
        }
        if let Some(images) = images {
            let mut repositories = Repositories::default();
            self.images = Arc::new(images.iter().filter_map(|image| parse::image(image, &mut repositories)).ordered());
            let listed = &self.images;
            self.shared.lock().versions.retain(|id, _| listed.contains_key(id));
        }
        Ok(())
    }

    /// Inspects the interesting containers that run, unless that is known, and those that may only seem to run.
    async fn inspect_containers(&mut self, interest: &Interest) -> Result<(), EngineError> {
        let dirty = &self.dirty;
        let wanted: Vec<ContainerId> = {
            let known = self.shared.lock();
            let is_dirty =
                |id: &ContainerId| dirty.all_details || dirty.details.contains(id) || known.stale.contains(id);
            let wanted = self.containers.iter().filter(|(id, container)| {
                // The engine tells of `unpause` before its list does (moby, daemon/unpause.go): an inspection waits for
                // it.
                let may_run = container.status == ContainerStatus::Running
                    || (container.status == ContainerStatus::Paused && is_dirty(id));
                let is_wanted = interest.wants_container(id, container) || dirty.ended.contains(id);
                may_run && is_wanted && (is_dirty(id) || !known.inspected.contains_key(id))
            });
            wanted.map(|(id, _)| *id).collect()
        };
        let mut answers = stream::iter(wanted)
            .map(|id| {
                let engine = self.engine.clone();
                async move {
                    let answer = engine.inspect_container(&id).await;
                    (id, answer)
                }
            })
            .buffer_unordered(CONCURRENT);
        while let Some((id, answer)) = answers.next().await {
            match answer {
                Ok(answer) => {
                    let inspected = parse::inspected(&answer);
                    let mut known = self.shared.lock();
                    let details = details(&mut known, &id, &inspected);
                    known.inspected.insert(id, (inspected, details));
                    known.stale.remove(&id);
                }
                Err(EngineError::NotFound { .. }) => {
                    self.containers.remove(&id);
                    self.shared.lock().inspected.remove(&id);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Inspects the interesting images, and those of interesting containers, unless they are known.
    async fn inspect_images(&mut self, interest: &Interest) -> Result<(), EngineError> {
        let used: BTreeSet<&ImageId> = self
            .containers
            .iter()
            .filter(|(id, container)| interest.wants_container(id, container))
            .map(|(_, container)| &container.image)
            .ordered();
        let wanted: Vec<ImageId> = {
            let known = self.shared.lock();
            let wanted = self.images.iter().filter(|(id, image)| {
                (used.contains(id) || interest.wants_image(id, image)) && !known.versions.contains_key(id)
            });
            wanted.map(|(id, _)| *id).collect()
        };
        let mut answers = stream::iter(wanted)
            .map(|id| {
                let engine = self.engine.clone();
                async move {
                    let answer = engine.inspect_image(&id.to_string()).await;
                    (id, answer)
                }
            })
            .buffer_unordered(CONCURRENT);
        while let Some((id, answer)) = answers.next().await {
            match answer {
                Ok(answer) => {
                    self.shared.lock().versions.insert(id, parse::image_version(&answer));
                }
                Err(EngineError::NotFound { .. }) => {
                    Arc::make_mut(&mut self.images).remove(&id);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts together what is known. What did not change is shared with the last picture.
    fn assemble(&mut self) -> Picture {
        self.put_versions();
        let mut containers = self.containers.clone();
        for (id, (inspected, details)) in &self.shared.lock().inspected {
            if let Some(container) = containers.get_mut(id) {
                container.status = inspected.status;
                container.created_from.clone_from(&inspected.created_from);
                container.details.clone_from(details);
            }
        }
        if self.picture.images != self.images {
            self.picture.images = Arc::clone(&self.images);
        }
        self.images = Arc::clone(&self.picture.images);
        if *self.picture.containers != containers {
            self.picture.containers = Arc::new(containers);
        }
        self.picture.clone()
    }

    /// Puts in the versions of the images that have been inspected since they were listed.
    fn put_versions(&mut self) {
        let known = self.shared.lock();
        let news = |(id, image): (&ImageId, &Image)| {
            Some((*id, known.versions.get(id).filter(|_| image.version == ImageVersion::NotRead)?.clone()))
        };
        let news: Vec<_> = self.images.iter().filter_map(news).collect();
        drop(known);
        if news.is_empty() {
            return;
        }
        let images = Arc::make_mut(&mut self.images);
        for (id, version) in news {
            if let Some(image) = images.get_mut(&id) {
                image.version = ImageVersion::Read(version);
            }
        }
    }
}

/// A list, if it is wanted.
async fn listed<T>(
    is_wanted: bool,
    list: impl Future<Output = Result<T, EngineError>>,
) -> Result<Option<T>, EngineError> {
    if is_wanted { list.await.map(Some) } else { Ok(None) }
}

/// The details of a container that runs; none if it does not any more, which an event is about to say.
pub(super) fn details(known: &mut Known, id: &ContainerId, inspected: &InspectedContainer) -> Option<ContainerDetails> {
    let started_at = inspected.started_at.clone().filter(|_| inspected.status == ContainerStatus::Running)?;
    let oom_kills = known.oom.count(id, &started_at, inspected.oom_killed);
    let version = inspected.version.clone();
    Some(ContainerDetails { started_at, version, unhealthy: inspected.unhealthy, oom_kills })
}
