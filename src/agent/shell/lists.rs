//! The engine's lists: followed by the agent, or read when asked for by a command.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock;
use crate::controller::{EngineSnapshot, Event};
use crate::docker::{self, EngineError, Interest, Reader, State, Watcher};

/// A reading under way: when it began, and what it reads.
type Reading = Pin<Box<dyn Future<Output = (Duration, Result<docker::EngineSnapshot, EngineError>)> + Send>>;

/// From where the engine's lists come.
pub(super) enum Lists {
    /// They are followed.
    Followed {
        /// Who follows them.
        watcher: Box<Watcher>,
        /// What it knows.
        state: watch::Receiver<State>,
        /// What is worth inspecting.
        interest: watch::Sender<Arc<Interest>>,
    },
    /// They are read when they are asked for, and when something else becomes interesting.
    Read {
        /// Who reads them.
        reader: Reader,
        /// What is worth inspecting.
        interest: Interest,
        /// The reading under way.
        reading: Option<Reading>,
        /// What was read last.
        state: Box<State>,
    },
}

impl Lists {
    /// Follows the lists.
    pub(super) fn follow(reader: Reader) -> Self {
        let (interest, interested) = watch::channel(Arc::default());
        let watcher = docker::watch(reader, interested);
        Self::Followed { state: watcher.state(), watcher: Box::new(watcher), interest }
    }

    /// Reads the lists when they are asked for.
    pub(super) fn read(reader: Reader) -> Self {
        Self::Read { reader, interest: Interest::default(), reading: None, state: Box::default() }
    }

    /// Completes when there is news. May be cancelled.
    ///
    /// # Errors
    /// If they are not followed and cannot be read.
    pub(super) async fn changed(&mut self) -> Result<(), EngineError> {
        match self {
            Self::Followed { state, .. } => {
                if state.changed().await.is_err() {
                    // The watcher ends only with this.
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
            Self::Read { reading: None, .. } => std::future::pending().await,
            Self::Read { reading: Some(under_way), .. } => {
                let (began, snapshot) = under_way.await;
                let Self::Read { reading, state, .. } = self else { return Ok(()) };
                *reading = None;
                **state = State { snapshot: Some(snapshot?), began, ..State::default() };
                Ok(())
            }
        }
    }

    /// What is known now.
    pub(super) fn see(&mut self) -> Event {
        let (snapshot, began) = match self {
            Self::Followed { state, .. } => {
                let state = state.borrow_and_update();
                (state.snapshot.clone(), state.began)
            }
            Self::Read { state, .. } => (state.snapshot.clone(), state.began),
        };
        match snapshot {
            Some(docker::EngineSnapshot { images, containers }) => {
                Event::Engine(EngineSnapshot { images, containers, began })
            }
            None => Event::EngineUnreachable,
        }
    }

    /// Why the engine cannot be reached.
    pub(super) fn unreachable(&self) -> Option<Arc<str>> {
        match self {
            Self::Followed { state, .. } => state.borrow().unreachable.clone(),
            Self::Read { .. } => None,
        }
    }

    /// Sets what is worth inspecting.
    pub(super) fn set_interest(&mut self, wanted: Interest) {
        match self {
            Self::Followed { interest, .. } => {
                interest.send_if_modified(|interest| {
                    let is_other = **interest != wanted;
                    if is_other {
                        *interest = Arc::new(wanted);
                    }
                    is_other
                });
            }
            Self::Read { interest, reading, .. } => {
                if *interest != wanted || (reading.is_none() && self.is_unread()) {
                    self.begin(wanted);
                }
            }
        }
    }

    fn is_unread(&self) -> bool {
        matches!(self, Self::Read { state, .. } if state.snapshot.is_none())
    }

    /// Whether nothing is being read that was asked for.
    pub(super) fn are_read(&self) -> bool {
        !matches!(self, Self::Read { reading: Some(_), .. })
    }

    /// Reads the lists again.
    pub(super) fn read_again(&mut self) {
        match self {
            Self::Followed { watcher, .. } => watcher.look_again(),
            Self::Read { interest, .. } => {
                let interest = interest.clone();
                self.begin(interest);
            }
        }
    }

    /// Begins anew, should what was heard so far have been lost.
    pub(super) fn resync(&self) {
        if let Self::Followed { watcher, .. } = self {
            watcher.resync();
        }
    }

    fn begin(&mut self, wanted: Interest) {
        let Self::Read { reader, interest, reading, .. } = self else { return };
        *interest = wanted.clone();
        let reader = reader.clone();
        *reading = Some(Box::pin(async move {
            let began = clock::since_boot();
            (began, reader.read(&wanted).await)
        }));
    }
}
