//! What a controller is told, and what it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::StepOutcome;
use crate::domain::{Base, ContainerId, Feature, ImageId, Instance, Reference, Version};
use crate::{Action, Command, Container, Image, Policy, Report, Snapshot, Step};

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The databases or files were read; or it became known that some of them cannot be.
    Rows(Box<Rows>),
    /// The engine's lists were read.
    Engine(EngineSnapshot),
    /// The engine cannot be reached. What was seen of it last goes on to count, and nothing is done.
    EngineUnreachable,
    /// What an action of a group rests on was read again, or could not be: then, why. If its rows are other ones than before,
    /// [`Event::Rows`] has told of them.
    Read {
        /// The image group, by its image name (`docker-sonic-telemetry`).
        base: Base,
        /// What was read.
        reading: Result<Box<Reading>, String>,
    },
    /// The memory was saved; or it could not be, and is on the disk as it was before. Comes at once after [`Effect::Save`],
    /// before any other event.
    Saved(Result<(), String>),
    /// The step of [`Effect::Step`] has ended.
    Stepped {
        /// The image group, by its image name (`docker-sonic-telemetry`).
        base: Base,
        /// How the step ended.
        outcome: StepOutcome,
    },
    /// The rows of [`Effect::Publish`] are in STATE_DB, all of them or not.
    Published {
        /// All of them.
        is_complete: bool,
    },
    /// An operator asks for something; answered once, by [`Effect::Answer`].
    Command {
        /// By which the answer is known.
        id: u64,
        /// What is asked for.
        command: Command,
        /// The features, which exist.
        features: BTreeSet<Feature>,
    },
    /// The time of [`Controller::next_wake`](super::Controller::next_wake) has come.
    Wake,
    /// Nothing more is to be begun.
    Stop,
}

/// What the databases and files say.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rows {
    /// The rows and files. What it says of the engine and of commands is ignored.
    pub snapshot: Snapshot,
    /// The policy of `CONTAINER_IMAGE` rows and defaults that holds now.
    pub policy: Policy,
}

/// Every image and container of the engine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineSnapshot {
    /// Every image on the disk, by its id.
    pub images: Arc<BTreeMap<ImageId, Image>>,
    /// The containers, running or not.
    pub containers: Arc<BTreeMap<ContainerId, Container>>,
    /// When the lists were asked for: what the agent did before that is shown.
    pub began: Duration,
}

/// What an action of a group rests on, to be read again right before it begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadRequest {
    /// The instances, whose rows are to be read; and the policy and `KUBERNETES_MASTER` of the host.
    pub instances: BTreeSet<Instance>,
    /// The containers to inspect, by id.
    pub containers: BTreeSet<ContainerId>,
    /// The containers to inspect, by name.
    pub names: BTreeSet<Arc<str>>,
    /// All containers are to be listed: it matters which others use an image.
    pub every_container: bool,
    /// `BASE:latest`.
    pub latest: Reference,
}

/// The answer to a [`ReadRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reading {
    /// The containers that were asked for and exist.
    pub containers: BTreeMap<ContainerId, Container>,
    /// What `BASE:latest` names.
    pub latest: Option<ImageId>,
}

/// Something to be done by whoever drives a controller, in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Read the engine's lists again; answered by [`Event::Engine`].
    ReadEngine,
    /// Read again what an action of this group rests on; answered by [`Event::Read`].
    ReadGroup {
        /// The image group, by its image name (`docker-sonic-telemetry`).
        base: Base,
        /// Which rows, containers and reference to read.
        request: ReadRequest,
    },
    /// What this report found is to be logged and written into the history: the memory, saved next, will not tell again.
    Found(Arc<Report>),
    /// Save [`memory`](super::Controller::memory) and [`stamps`](super::Controller::stamps) so that they survive a power
    /// cut; answered by [`Event::Saved`].
    Save,
    /// Carry out this step, which ends some time; answered by [`Event::Stepped`].
    Step {
        /// The image group, by its image name (`docker-sonic-telemetry`).
        base: Base,
        /// The step to carry out; its preconditions are part of it.
        step: Step,
    },
    /// An action has ended; to be logged and written into the history.
    Acted(Acted),
    /// The check of the promises refused the plan of a group.
    Refused {
        /// The image group, by its image name (`docker-sonic-telemetry`).
        base: Base,
        /// The invariant that the plan would break, in words for people.
        violation: String,
    },
    /// Bring STATE_DB in line with [`report`](super::Controller::report); answered by [`Event::Published`].
    Publish,
    /// Save what may be lost: marks of what was observed. Not answered.
    SaveMarks,
    /// The answer to a command.
    Answer {
        /// The number under which the command was given in [`Event::Command`].
        id: u64,
        /// What came of it, for each instance.
        answers: BTreeMap<Instance, CommandAnswer>,
    },
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acted {
    /// The image group that was acted on, by its image name.
    pub base: Base,
    /// The action that has ended, with all its steps.
    pub action: Action,
    /// How its last step ended; with [`StepOutcome::Done`], how many bytes are free now.
    pub outcome: StepOutcome,
}

/// What came of a command for one instance: the version that `latest` is now, as read back from the engine, and a note;
/// or why it is not done.
pub type CommandAnswer = Result<(Version, Option<String>), String>;
