//! Inspections under way: many at once, each with its own deadline, so that one that hangs holds up nothing but itself.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;

use super::client::Engine;
use super::error::EngineError;
use super::known::Shared;
use super::parse::{InspectedContainer, InspectedImage};
use crate::backoff::Backoff;
use crate::domain::{ContainerId, ImageId};

/// How many inspections of a kind are under way at once: enough to hide the engine's latency, few enough not to load it, and
/// each has a connection with its buffers.
const MOST: usize = 3;

/// How long an inspection takes a place. What takes longer hangs, and holds up nothing but itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// What became of an inspection.
#[derive(Debug)]
pub(super) enum Ended {
    /// What it told of a container is known now.
    Container,
    /// What it told of an image is known now.
    Image,
    /// There is no such container.
    NoContainer(ContainerId),
    /// There is no such image.
    NoImage(ImageId),
    /// It failed; it is to be tried again when it is due.
    Failed(EngineError),
}

/// The inspections of one engine.
#[derive(Debug)]
pub(super) struct Inspections {
    engine: Engine,
    shared: Shared,
    containers: Queue<ContainerId>,
    images: Queue<ImageId>,
    under_way: FuturesUnordered<BoxFuture<'static, Answer>>,
}

enum Answer {
    Container(ContainerId, u64, Result<InspectedContainer, EngineError>),
    Image(ImageId, Result<InspectedImage, EngineError>),
}

impl Inspections {
    pub(super) fn new(engine: Engine, shared: Shared) -> Self {
        let (containers, images) = (Queue::default(), Queue::default());
        Self { engine, shared, containers, images, under_way: FuturesUnordered::new() }
    }

    /// These containers are to be inspected, and no others.
    pub(super) fn want_containers(&mut self, wanted: BTreeSet<ContainerId>) {
        self.containers.want(wanted, BTreeSet::new());
        self.start();
    }

    /// These images are to be inspected, those first that interesting containers use, and no others.
    pub(super) fn want_images(&mut self, used: BTreeSet<ImageId>, others: &BTreeSet<ImageId>) {
        self.images.want(used, others.clone());
        self.start();
    }

    /// Something has happened to a container: a failed inspection may be tried again at once.
    pub(super) fn heard(&mut self, id: &ContainerId) {
        if let Some(failure) = self.containers.failed.get_mut(id) {
            failure.due = Instant::now();
        }
    }

    /// Whether nothing is under way but what has failed before.
    pub(super) fn are_settled(&self) -> bool {
        self.containers.is_settled() && self.images.is_settled()
    }

    /// Whether no container, nor the image of one, is being inspected but what has failed before.
    pub(super) fn are_containers_settled(&self) -> bool {
        self.containers.are_first_settled() && self.images.are_first_settled()
    }

    /// Whether the last inspection of this container failed.
    pub(super) fn has_failed(&self, id: &ContainerId) -> bool {
        self.containers.failed.contains_key(id)
    }

    /// When more can be started: one that failed is to be tried again, or one that hangs no longer takes a place.
    pub(super) fn due(&self) -> Option<Instant> {
        self.containers.due().into_iter().chain(self.images.due()).min()
    }

    /// The next end of an inspection; never, if none is under way. Nothing is lost if this is not waited for to the end.
    pub(super) async fn next(&mut self) -> Ended {
        let Some(answer) = self.under_way.next().await else { return pending().await };
        let ended = match answer {
            Answer::Container(id, asked_at, answer) => {
                self.containers.ended(id, answer.as_ref().err());
                match answer {
                    Ok(container) => {
                        self.shared.lock().note_container(&container, asked_at);
                        Ended::Container
                    }
                    Err(EngineError::NotFound { .. }) => Ended::NoContainer(id),
                    Err(error) => Ended::Failed(error),
                }
            }
            Answer::Image(id, answer) => {
                let answer = answer.and_then(|image| {
                    let what = format!("inspecting image {id}");
                    let is_read = self.shared.lock().note_image(image);
                    let unknown = || EngineError::Unexpected { what, cause: "its environment".to_owned() };
                    is_read.then_some(()).ok_or_else(unknown)
                });
                self.images.ended(id, answer.as_ref().err());
                match answer {
                    Ok(()) => Ended::Image,
                    Err(EngineError::NotFound { .. }) => Ended::NoImage(id),
                    Err(error) => Ended::Failed(error),
                }
            }
        };
        self.start();
        ended
    }

    /// Starts what there is room for.
    fn start(&mut self) {
        while let Some(id) = self.containers.next() {
            let engine = self.engine.clone();
            let asked_at = self.shared.lock().heard();
            let inspect = async move {
                let answer = engine.inspect_container(&id.to_string()).await;
                Answer::Container(id, asked_at, answer)
            };
            self.under_way.push(inspect.boxed());
        }
        while let Some(id) = self.images.next() {
            let engine = self.engine.clone();
            let inspect = async move {
                let answer = engine.inspect_image(&id.to_string()).await;
                Answer::Image(id, answer)
            };
            self.under_way.push(inspect.boxed());
        }
    }
}

/// What is to be inspected of one kind.
#[derive(Debug)]
struct Queue<K> {
    /// What comes first of what is wanted.
    first: BTreeSet<K>,
    waiting: BTreeSet<K>,
    /// Since when each is being inspected.
    under_way: BTreeMap<K, Instant>,
    failed: BTreeMap<K, Failure>,
}

/// An inspection that failed.
#[derive(Debug)]
struct Failure {
    due: Instant,
    backoff: Backoff,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        let (first, waiting) = (BTreeSet::new(), BTreeSet::new());
        Self { first, waiting, under_way: BTreeMap::new(), failed: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Queue<K> {
    fn want(&mut self, first: BTreeSet<K>, mut wanted: BTreeSet<K>) {
        let now = Instant::now();
        wanted.extend(&first);
        self.first = first;
        self.failed.retain(|key, _| wanted.contains(key));
        wanted.retain(|key| {
            let is_due = self.failed.get(key).is_none_or(|failure| failure.due <= now);
            is_due && !self.under_way.contains_key(key)
        });
        self.waiting = wanted;
    }

    /// What to start now, if there is room. What has failed before comes last.
    fn next(&mut self) -> Option<K> {
        let now = Instant::now();
        if self.under_way.values().filter(|since| now < **since + PATIENCE).count() >= MOST {
            return None;
        }
        let is_fresh = |key: &&K| !self.failed.contains_key(key);
        let first = self.first.iter().filter(is_fresh).find(|key| self.waiting.contains(key));
        let fresh = first.or_else(|| self.waiting.iter().find(is_fresh));
        let next = fresh.or_else(|| self.waiting.first()).copied()?;
        self.waiting.remove(&next);
        self.under_way.insert(next, now);
        Some(next)
    }

    fn ended(&mut self, key: K, error: Option<&EngineError>) {
        self.under_way.remove(&key);
        if error.is_none_or(|error| matches!(error, EngineError::NotFound { .. })) {
            self.failed.remove(&key);
            return;
        }
        let now = Instant::now();
        let failure = self.failed.entry(key).or_insert_with(|| Failure { due: now, backoff: Backoff::new() });
        failure.due = now + failure.backoff.next();
    }

    fn is_settled(&self) -> bool {
        self.waiting.iter().chain(self.under_way.keys()).all(|key| self.failed.contains_key(key))
    }

    fn are_first_settled(&self) -> bool {
        let mut open = self.first.iter().filter(|key| self.waiting.contains(key) || self.under_way.contains_key(key));
        open.all(|key| self.failed.contains_key(key))
    }

    fn due(&self) -> Option<Instant> {
        let idle =
            self.failed.iter().filter(|(key, _)| !self.under_way.contains_key(key) && !self.waiting.contains(key));
        let retries = idle.map(|(_, failure)| failure.due);
        // What waits for a place gets it when one of those that have them hangs.
        let now = Instant::now();
        let places = self.under_way.values().map(|since| *since + PATIENCE).filter(|at| *at > now);
        retries.chain(places.min().filter(|_| !self.waiting.is_empty())).min()
    }
}
