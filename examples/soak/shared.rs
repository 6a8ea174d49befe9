//! What the thread that plays the switch and the threads between agent and servers have in common.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use imgmgrd_test_support::{EngineClient, STATE_DB};
use redis::Commands;

use crate::features::FEATURES;
use crate::journal::Journal;
use crate::record::Record;
use crate::schedule::Stuck;

/// Who changes something on the engine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    /// The agent.
    Agent,
    /// Anybody else.
    Others,
    /// A fault that ends or starts containers.
    Fault,
}

/// A time in which one of them may have changed something.
#[derive(Clone, Copy, Debug)]
struct Turn {
    who: Who,
    from: SystemTime,
    /// None while it goes on.
    until: Option<SystemTime>,
}

/// When the agent is to be killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KillAt {
    /// Before its next change is made.
    Before,
    /// After it.
    After,
}

/// A row that is to be deleted right before the agent writes to it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Trap {
    /// None is.
    #[default]
    None,
    /// The next one.
    Set,
    /// That of the feature of this number was.
    Sprung(usize),
}

/// What they share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The engine, past the proxies.
    pub(crate) engine: EngineClient,
    /// The soak's log.
    pub(crate) journal: Journal,
    redis: Vec<PathBuf>,
    record: Mutex<Record>,
    gate: Mutex<()>,
    turns: Mutex<Vec<Turn>>,
    /// The agent's process.
    pub(crate) agent: Mutex<Option<u32>>,
    /// That the agent is to be killed with its next change.
    pub(crate) kill_at: Mutex<Option<KillAt>>,
    /// What of one feature gets no answer from the engine.
    pub(crate) stuck: Mutex<Option<Stuck>>,
    /// Whether a row is to be deleted before the agent's next write to one.
    pub(crate) trap: Mutex<Trap>,
    /// The agent was killed on purpose.
    pub(crate) is_doomed: AtomicBool,
    /// How much the agent has asked of the engine and of Redis.
    pub(crate) requests: AtomicU64,
}

impl Shared {
    /// Before anything has happened.
    pub(crate) fn new(engine: EngineClient, redis: Vec<PathBuf>, journal: Journal, record: Record) -> Self {
        Self {
            engine,
            redis,
            journal,
            record: Mutex::new(record),
            gate: Mutex::default(),
            turns: Mutex::default(),
            agent: Mutex::default(),
            kill_at: Mutex::default(),
            stuck: Mutex::default(),
            trap: Mutex::default(),
            is_doomed: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        }
    }

    /// What is known.
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    /// The turn to change something on the engine: never two at once, so that each change is somebody's.
    pub(crate) fn turn(&self, who: Who) -> TurnGuard<'_> {
        let gate = lock(&self.gate);
        TurnGuard { number: self.begin(who), shared: self, _gate: Some(gate) }
    }

    /// The turn of a fault, which waits for nobody.
    pub(crate) fn fault(&self) -> TurnGuard<'_> {
        TurnGuard { number: self.begin(Who::Fault), shared: self, _gate: None }
    }

    fn begin(&self, who: Who) -> usize {
        let mut turns = lock(&self.turns);
        turns.push(Turn { who, from: SystemTime::now(), until: None });
        turns.len() - 1
    }

    /// Whose turn it was; a fault's if it was one's too. None if it was nobody's.
    pub(crate) fn whose(&self, at: SystemTime) -> Option<Who> {
        let turns = lock(&self.turns);
        let around = turns.iter().rev().filter(|turn| turn.from <= at && turn.until.is_none_or(|until| until >= at));
        around.map(|turn| turn.who).max_by_key(|who| *who == Who::Fault)
    }

    /// `container_last_version` in the rows of a feature's instances; none while a Redis is unreachable.
    pub(crate) fn last_versions(&self, feature: usize) -> Option<BTreeSet<String>> {
        let feature = &FEATURES[feature];
        let sockets = if feature.per_asic { &self.redis[1..] } else { &self.redis[..1] };
        let read = |socket: &PathBuf| -> redis::RedisResult<Option<String>> {
            let client = redis::Client::open(format!("redis+unix://{}?db={STATE_DB}", socket.display()))?;
            client.get_connection()?.hget(format!("FEATURE|{}", feature.name), "container_last_version")
        };
        let versions: redis::RedisResult<Vec<Option<String>>> = sockets.iter().map(read).collect();
        Some(versions.ok()?.into_iter().flatten().collect())
    }

    /// Deletes a row of the host's if that is to be done before this write.
    pub(crate) fn spring_trap(&self, feature: usize) {
        let mut trap = lock(&self.trap);
        if *trap != Trap::Set || FEATURES[feature].per_asic {
            return;
        }
        let key = format!("FEATURE|{}", FEATURES[feature].name);
        let client = redis::Client::open(format!("redis+unix://{}?db={STATE_DB}", self.redis[0].display()));
        let deleted = client.and_then(|client| client.get_connection()?.del::<_, i64>(&key));
        if deleted.is_ok_and(|count| count == 1) {
            self.journal.says("script", format_args!("deletes {key} of STATE_DB before versions are written to it"));
            *trap = Trap::Sprung(feature);
        }
    }

    /// The agent has asked a server for something.
    pub(crate) fn asked(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct TurnGuard<'a> {
    shared: &'a Shared,
    number: usize,
    _gate: Option<MutexGuard<'a, ()>>,
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        lock(&self.shared.turns)[self.number].until = Some(SystemTime::now());
    }
}

/// A lock whose holder may have panicked: what it guards is still good enough to end in order.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
