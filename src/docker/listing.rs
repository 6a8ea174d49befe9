//! What is to be listed again, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::client::Engine;
use super::error::EngineError;
use super::events::{Action, EngineEvent};
use crate::clock;
use crate::domain::{ContainerId, ImageId};
use crate::planner::{Container, Image};

/// How long an event waits for others, so that a burst (a start is three events, a clean-up a dozen) is one read.
const BURST: Duration = Duration::from_millis(2);

/// How long nothing has to happen after an event on which no takeover depends: a whole clean-up is one read, and not one
/// read for each image while the engine is busy with the next.
const CALM: Duration = Duration::from_millis(50);

/// How long such an event waits for calm.
const LONGEST_BURST: Duration = Duration::from_secs(2);

/// What is to be listed.
#[derive(Debug, Default)]
pub(super) struct Listing {
    containers: bool,
    images: bool,
    news: News,
    /// When, if anything is.
    due: Option<Instant>,
    /// When at the latest, if all that has happened can wait for calm.
    latest: Option<Instant>,
}

/// Why to publish a snapshot that is no other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    /// Something was heard of the engine.
    pub(super) is_heard: bool,
    /// Somebody asked for it.
    pub(super) is_asked: bool,
}

impl News {
    /// For these reasons, too.
    pub(super) fn extend(&mut self, other: Self) {
        self.is_heard |= other.is_heard;
        self.is_asked |= other.is_asked;
    }
}

/// What was listed.
#[derive(Debug)]
pub(super) struct Listed {
    /// The boot-time clock just before.
    pub(super) began: Duration,
    pub(super) containers: Option<BTreeMap<ContainerId, Container>>,
    pub(super) images: Option<BTreeMap<ImageId, Image>>,
}

impl Listing {
    /// Both lists, now.
    pub(super) fn everything(news: News) -> Self {
        Self { containers: true, images: true, due: Some(Instant::now()), latest: None, news }
    }

    /// Why to publish what is listed.
    pub(super) fn news(&self) -> News {
        self.news
    }

    /// Somebody asks for both lists now.
    pub(super) fn ask(&mut self) {
        self.news.is_asked = true;
        (self.containers, self.images) = (true, true);
        (self.due, self.latest) = (Some(Instant::now()), None);
    }

    /// Takes note of what an event makes dirty.
    pub(super) fn note(&mut self, event: &EngineEvent) {
        match event {
            EngineEvent::Images => self.images = true,
            // What these tell, no list shows.
            EngineEvent::Container(_, Action::Oom | Action::Health) => return,
            EngineEvent::Container(..) => self.containers = true,
            EngineEvent::Unknown => (self.containers, self.images) = (true, true),
        }
        self.news.is_heard = true;
        let now = Instant::now();
        let is_calm = self.due.is_none() || self.latest.is_some();
        match event.is_urgent() {
            false if is_calm => {
                let latest = *self.latest.get_or_insert(now + LONGEST_BURST);
                self.due = Some(latest.min(now + CALM));
            }
            // What is urgent takes along whatever else has happened.
            false => {}
            true => {
                let due = now + BURST;
                self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
                self.latest = None;
            }
        }
    }

    /// When something is to be listed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether something is to be listed now.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// Lists it, both lists at once.
    pub(super) async fn run(self, engine: Engine) -> Result<Listed, EngineError> {
        let began = clock::since_boot();
        let containers = async { if self.containers { engine.list_containers().await.map(Some) } else { Ok(None) } };
        let images = async { if self.images { engine.list_images().await.map(Some) } else { Ok(None) } };
        let (containers, images) = tokio::try_join!(containers, images)?;
        Ok(Listed { began, containers, images })
    }
}
