//! What happens and when: a function of the seed alone.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use crate::features::{FEATURES, kube_features, per_asic_feature};

/// How long a round's faults and events go on, in milliseconds.
const ROUND: u64 = 14_000;

/// A fault that is alone is ended when the others have been judged; this is longer than that takes.
const ALONE: u64 = 120_000;

/// How many faults are alone in turn.
const ALONE_IN_TURN: u32 = 5;

/// So many rounds in a row have an agent that is killed, and as many one that lives through them: its memory and file
/// descriptors are compared over those.
const ROUNDS_WITH_KILLS: u32 = 3;

/// What becomes of a version that is deployed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Life {
    /// It runs.
    Good,
    /// It crashes after so many milliseconds.
    Crashes(u64),
}

/// What goes wrong on a connection of the agent's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// Everything takes up to so many milliseconds more.
    Slow(u64),
    /// Answers end in the middle, with the connection.
    Cut,
    /// Connections are closed, old and new ones.
    Dropped,
    /// Nothing comes through.
    Silent,
}

/// What of one feature gets no answer from the engine. `feature` is a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stuck {
    /// The inspection of its Kubernetes containers: their shim is dead.
    Inspect { feature: usize },
    /// The removal of its images and containers.
    Removal { feature: usize },
}

/// What somebody else does on the switch. `feature` is a number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// The kubelet deploys the next version.
    Deploy { feature: usize, life: Life },
    /// The kubelet restarts the pod of the version that runs.
    Redeploy { feature: usize },
    /// The Kubernetes container's process dies.
    Crash { feature: usize },
    /// Nobody takes over after that: systemd starts the local container.
    FallBack { feature: usize },
    /// Somebody pulls a version that is not run.
    Pull { feature: usize },
    /// The kubelet's image collection, or a person, removes a name of an image that is not in use.
    Untag { feature: usize, pick: usize },
    /// `ctrmgr_tools tag-all` or a person moves `latest` to another image.
    Retag { feature: usize, pick: usize },
    /// `imgmgrd promote`.
    Promote { feature: usize },
    /// `imgmgrd rollback`.
    Rollback { feature: usize },
    /// The version that runs is pinned, or the pin is taken away.
    Pin { feature: usize, on: bool },
    /// `stable_time`, in seconds.
    StableTime(u64),
    /// `keep_versions`.
    KeepVersions(usize),
    /// The policy says `state=disabled` for so many milliseconds.
    Disabled(u64),
    /// Kubernetes is disabled for so many milliseconds.
    KubernetesDisabled(u64),
    /// The control plane is away for so many milliseconds.
    Disconnected(u64),
    /// The feature's STATE_DB row is gone for so many milliseconds.
    RowGone { feature: usize, time: u64 },
    /// The next STATE_DB row into which the agent is about to write versions is deleted right before.
    RowTrap,
}

/// What goes wrong. Times are milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// SIGKILL of the agent; it is started again after this time.
    Kill(u64),
    /// SIGKILL of the agent when it asks the engine for its next change, before or after the engine has made it.
    KillAtChange { before: bool, restart: u64 },
    /// SIGSTOP of the agent.
    StopAgent(u64),
    /// The engine restarts, and its containers with it unless they are to live.
    RestartEngine { live: bool },
    /// SIGSTOP of the engine.
    HangEngine(u64),
    /// Trouble between agent and engine.
    Engine(Trouble, u64),
    /// One container, or the removals of one feature, hang.
    Stuck(Stuck, u64),
    /// Trouble between agent and Redis.
    Redis(Trouble, u64),
    /// Trouble between agent and the Redis of the first ASIC.
    OneRedis(Trouble, u64),
    /// Every Redis is unreachable for this time and comes back empty.
    EmptyRedis(u64),
    /// `config reload`: CONFIG_DB is empty for this time.
    ReloadConfig(u64),
    /// No room on the engine's data root.
    EngineDiskFull(u64),
    /// No room in the agent's state directory.
    StateDiskFull(u64),
    /// The agent's wall clock steps by so many seconds.
    StepClock(i64),
}

/// Something that happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Happening {
    /// Somebody else does something.
    Event(Event),
    /// Something goes wrong.
    Fault(Fault),
}

/// One thing is broken, and nothing else: promises 8 and 9 hold for all that it does not concern.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bulkhead {
    /// It lasts until the others have been judged.
    pub(crate) fault: Fault,
    /// The agent is killed, and starts while it lasts.
    pub(crate) restart: bool,
    /// The feature to which the fault happens.
    pub(crate) concerned: Option<usize>,
    /// A feature that is upgraded and has to prove itself stable meanwhile.
    pub(crate) proven: usize,
    /// A feature that is upgraded, and that an operator promotes meanwhile.
    pub(crate) ordered: usize,
}

/// What a round is made of.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Play {
    /// Faults and events, each so long after the round's begin.
    Storm(Vec<(Duration, Happening)>),
    /// One fault alone.
    Bulkhead(Bulkhead),
}

/// What is wrong at its end is remedied, and the agent is given time.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Round {
    /// It counts from 1.
    pub(crate) number: u32,
    /// What happens.
    pub(crate) play: Play,
}

/// All rounds of a seed, without end.
#[derive(Debug)]
pub(crate) struct Schedule {
    random: Rng,
    number: u32,
    /// Which fault is the first to be alone.
    first: u32,
}

impl Schedule {
    /// The schedule of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let first = random.u32(0..ALONE_IN_TURN);
        Self { random, number: 0, first }
    }

    /// The next round: storms, and between them one fault alone.
    pub(crate) fn next(&mut self) -> Round {
        let has_kills = self.number / ROUNDS_WITH_KILLS % 2 == 0;
        self.number += 1;
        let is_storm = self.number % 2 == 1;
        let play = if is_storm { self.storm(has_kills) } else { Play::Bulkhead(self.bulkhead(has_kills)) };
        Round { number: self.number, play }
    }

    /// Each fault that may be alone in its turn.
    fn bulkhead(&mut self, has_kills: bool) -> Bulkhead {
        let mut features: Vec<usize> = kube_features().collect();
        self.random.shuffle(&mut features);
        let feature = features[0];
        let trouble = if self.random.bool() { Trouble::Silent } else { Trouble::Dropped };
        let (fault, concerned) = match (self.number / 2 + self.first) % ALONE_IN_TURN {
            0 => (Fault::Stuck(Stuck::Inspect { feature }, ALONE), Some(feature)),
            1 => (Fault::Stuck(Stuck::Removal { feature }, ALONE), Some(feature)),
            2 => (Fault::OneRedis(trouble, ALONE), Some(per_asic_feature())),
            3 => (Fault::StateDiskFull(ALONE), None),
            // As NTP does after boot: what was started before seems to have run for hours.
            _ => (Fault::StepClock(self.random.i64(600..7_200)), None),
        };
        features.retain(|feature| Some(*feature) != concerned);
        let restart = has_kills && (matches!(fault, Fault::StepClock(_)) || self.random.bool());
        Bulkhead { fault, restart, concerned, proven: features[0], ordered: features[1] }
    }

    fn storm(&mut self, has_kills: bool) -> Play {
        let mut happenings = Vec::new();
        for feature in kube_features() {
            let at = self.random.u64(0..5_000);
            happenings.push((at, Happening::Event(self.deploy(feature))));
            if self.random.u8(0..10) < 4 {
                let at = at + self.random.u64(1_500..8_000);
                happenings.push((at, Happening::Event(self.deploy(feature))));
            }
        }
        for _ in 0..self.random.u8(4..8) {
            happenings.push((self.random.u64(0..ROUND), Happening::Event(self.event())));
        }
        for _ in 0..self.random.u8(3..7) {
            happenings.push((self.random.u64(0..ROUND - 2_000), Happening::Fault(self.fault(has_kills))));
        }
        happenings.sort_by_key(|(at, _)| *at);
        Play::Storm(happenings.into_iter().map(|(at, what)| (Duration::from_millis(at), what)).collect())
    }

    fn deploy(&mut self, feature: usize) -> Event {
        // Before, around and after the end of the wait.
        let crashes = self.random.u8(0..5) == 0;
        let life = if crashes { Life::Crashes(self.random.u64(200..3_500)) } else { Life::Good };
        Event::Deploy { feature, life }
    }

    fn event(&mut self) -> Event {
        let kube: Vec<usize> = kube_features().collect();
        let feature = kube[self.random.usize(0..kube.len())];
        let pick = self.random.usize(0..1_000);
        let time = self.random.u64(1_500..6_000);
        match self.random.u8(0..28) {
            0..=2 => Event::Redeploy { feature },
            3..=4 => Event::Crash { feature },
            5..=6 => Event::FallBack { feature },
            7..=9 => Event::Pull { feature },
            10..=12 => Event::Untag { feature, pick },
            13..=14 => Event::Retag { feature, pick },
            15..=16 => Event::Promote { feature },
            17 => Event::Rollback { feature },
            18 => Event::Pin { feature, on: pick % 2 == 0 },
            19 => Event::StableTime(2 + pick as u64 % 2),
            20 => Event::KeepVersions(2 + pick % 2),
            21 => Event::Disabled(time + 8_000),
            22 => Event::KubernetesDisabled(time + 8_000),
            23 => Event::Disconnected(time + 8_000),
            24 => Event::RowGone { feature, time: time / 2 },
            _ => Event::RowTrap,
        }
    }

    fn fault(&mut self, has_kills: bool) -> Fault {
        let time = self.random.u64(500..4_000);
        let restart = self.random.u64(0..1_500);
        let trouble = match self.random.u8(0..4) {
            0 => Trouble::Slow(self.random.u64(5..400)),
            1 => Trouble::Cut,
            2 => Trouble::Dropped,
            _ => Trouble::Silent,
        };
        let kube: Vec<usize> = kube_features().collect();
        let feature = kube[self.random.usize(0..kube.len())];
        match self.random.u8(if has_kills { 0 } else { 8 }..37) {
            0..=3 => Fault::Kill(restart),
            4..=7 => Fault::KillAtChange { before: time % 2 == 0, restart },
            8..=10 => Fault::StopAgent(time),
            11..=12 => Fault::RestartEngine { live: true },
            13 => Fault::RestartEngine { live: false },
            14..=16 => Fault::HangEngine(time),
            17..=19 => Fault::Engine(trouble, time),
            20..=22 => Fault::Redis(trouble, time),
            23..=24 => Fault::EmptyRedis(time / 2),
            25..=26 => Fault::ReloadConfig(time / 2),
            27..=28 => Fault::EngineDiskFull(time),
            29 => Fault::StateDiskFull(time),
            30 => Fault::Stuck(Stuck::Inspect { feature }, time),
            31 => Fault::Stuck(Stuck::Removal { feature }, time),
            32..=34 => Fault::OneRedis(trouble, time),
            _ => Fault::StepClock(self.random.i64(-7_200..7_200)),
        }
    }
}

impl Event {
    /// What it is called in the table.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Deploy { life: Life::Good, .. } => "upgrades by the kubelet",
            Self::Deploy { .. } => "upgrades to a version that crashes",
            Self::Redeploy { .. } => "pods restarted",
            Self::Crash { .. } => "containers crashed",
            Self::FallBack { .. } => "fallbacks to local",
            Self::Pull { .. } => "images pulled by others",
            Self::Untag { .. } => "images removed by others",
            Self::Retag { .. } => "latest moved by others",
            Self::Promote { .. } => "imgmgrd promote",
            Self::Rollback { .. } => "imgmgrd rollback",
            Self::Pin { .. } | Self::StableTime(_) | Self::KeepVersions(_) => "policy changed",
            Self::Disabled(_) | Self::KubernetesDisabled(_) | Self::Disconnected(_) => "holds set and taken away",
            Self::RowGone { .. } => "STATE_DB rows deleted",
            Self::RowTrap => "STATE_DB rows to be deleted before a write",
        }
    }
}

impl Fault {
    /// What it is called in the table.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Kill(_) => "agent killed at a random instant",
            Self::KillAtChange { before: true, .. } => "agent killed before its change was made",
            Self::KillAtChange { .. } => "agent killed after its change was made",
            Self::StopAgent(_) => "agent stopped (SIGSTOP)",
            Self::RestartEngine { live: true } => "engine restarted, containers lived",
            Self::RestartEngine { .. } => "engine restarted with its containers",
            Self::HangEngine(_) => "engine hung (SIGSTOP)",
            Self::Engine(trouble, _) => match trouble {
                Trouble::Slow(_) => "engine: slow connections",
                Trouble::Cut => "engine: answers cut off",
                Trouble::Dropped => "engine: connections dropped",
                Trouble::Silent => "engine: no answers",
            },
            Self::Stuck(Stuck::Inspect { .. }, _) => "engine: one container hung",
            Self::Stuck(Stuck::Removal { .. }, _) => "engine: removals of one feature hung",
            Self::OneRedis(..) => "Redis: trouble with one of three",
            Self::Redis(trouble, _) => match trouble {
                Trouble::Slow(_) => "Redis: slow connections",
                Trouble::Cut => "Redis: answers cut off",
                Trouble::Dropped => "Redis: connections dropped",
                Trouble::Silent => "Redis: no answers",
            },
            Self::EmptyRedis(_) => "Redis restarted empty",
            Self::ReloadConfig(_) => "config reload",
            Self::EngineDiskFull(_) => "disk full: engine's data root",
            Self::StateDiskFull(_) => "disk full: state directory",
            Self::StepClock(_) => "wall clock stepped",
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Event(event) => format!("{event:?}"),
            Self::Fault(fault) => format!("{fault:?}"),
        };
        // Names say more than numbers.
        match text.split_once("feature: ") {
            Some((begin, rest)) => {
                let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let name = number.parse::<usize>().map_or("?", |number| FEATURES[number].name);
                write!(f, "{begin}{name}{}", &rest[number.len()..])
            }
            None => f.write_str(&text),
        }
    }
}

impl fmt::Display for Bulkhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, restart, concerned: _, proven, ordered } = *self;
        let [proven, ordered] = [proven, ordered].map(|number| FEATURES[number].name);
        let begins = if restart { ", which the agent starts into" } else { "" };
        write!(f, "{} alone{begins}; {proven} is upgraded, {ordered} is upgraded and promoted", Happening::Fault(fault))
    }
}
