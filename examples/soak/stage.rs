//! The switch, what is the matter with it now, and the clockwork that lets things happen on it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgmgrd_test_support::{Namespace, Switch};

use crate::agent::Supervisor;
use crate::events::Events;
use crate::faults::Ending;
use crate::features::{FEATURES, namespaces};
use crate::journal::Table;
use crate::operator::Orders;
use crate::proxy::Line;
use crate::schedule::{Fault, Happening, Play, Round};
use crate::shared::{Shared, Trap, lock};
use crate::stop::{Interruption, Stop};

/// How often the clockwork ticks.
const TICK: Duration = Duration::from_millis(2);

/// How long a row stays away that was deleted before a write, in milliseconds.
const ROW_GONE: u64 = 700;

/// Everything that is begun has ended so long after.
const LONG: Duration = Duration::from_secs(60);

/// What a feature's actors know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Actor {
    /// The number of the version that was published last.
    pub(crate) published: u32,
    /// Its STATE_DB rows are gone, and nobody has written to them since.
    pub(crate) rows_gone: bool,
}

/// Where it is all played.
pub(crate) struct Stage<'a> {
    /// The switch.
    pub(crate) switch: Switch,
    /// What the proxies know too.
    pub(crate) shared: Arc<Shared>,
    /// Keeps the agent running.
    pub(crate) agent: Supervisor,
    /// By feature number.
    pub(crate) actors: Vec<Actor>,
    /// The operator's commands under way.
    pub(crate) orders: Orders,
    /// What the engine tells.
    pub(crate) events: Events,
    /// To the engine.
    pub(crate) engine_line: Arc<Line>,
    /// To each Redis.
    pub(crate) redis_lines: Vec<Arc<Line>>,
    /// What is wrong now, and when it is remedied.
    pub(crate) endings: Vec<(Instant, Ending)>,
    /// What has to wait until something else is remedied.
    waiting: VecDeque<Happening>,
    interruption: &'a Interruption,
}

impl<'a> Stage<'a> {
    /// On this switch, before the agent runs.
    pub(crate) fn new(
        switch: Switch,
        shared: Arc<Shared>,
        agent: Supervisor,
        lines: (Arc<Line>, Vec<Arc<Line>>),
        interruption: &'a Interruption,
    ) -> Self {
        let events = Events::follow(switch.engine().socket());
        Self {
            events,
            switch,
            shared,
            agent,
            actors: vec![Actor::default(); FEATURES.len()],
            orders: Orders::default(),
            engine_line: lines.0,
            redis_lines: lines.1,
            endings: Vec::new(),
            waiting: VecDeque::new(),
            interruption,
        }
    }

    /// Somebody does something.
    pub(crate) fn says(&self, who: &str, what: impl std::fmt::Display) {
        self.shared.journal.says(who, what);
    }

    /// Lets a round happen, and remedies everything at its end.
    pub(crate) fn play(&mut self, round: &Round) -> Result<(), Stop> {
        self.says("soak", format_args!("round {}", round.number));
        match &round.play {
            Play::Storm(happenings) => self.storm(happenings)?,
            Play::Bulkhead(bulkhead) => self.bulkhead(bulkhead)?,
        }
        let is_quiet = |stage: &Self| {
            let has_sprung = matches!(*lock(&stage.shared.trap), Trap::Sprung(_));
            stage.waiting.is_empty() && stage.endings.is_empty() && stage.orders.is_empty() && !has_sprung
        };
        if !self.run_until_it_holds(Instant::now() + LONG, is_quiet)? {
            return Err(Stop::wrong(format!("the round does not end: {:?} {:?}", self.waiting, self.endings)));
        }
        self.agent.disarm();
        *lock(&self.shared.trap) = Trap::None;
        Ok(())
    }

    fn storm(&mut self, happenings: &[(Duration, Happening)]) -> Result<(), Stop> {
        let begun = Instant::now();
        for (at, happening) in happenings {
            self.run_until(begun + *at)?;
            self.waiting.push_back(*happening);
        }
        Ok(())
    }

    /// Lets time pass until something holds; whether it did before `end`.
    pub(crate) fn run_until_it_holds(&mut self, end: Instant, holds: impl Fn(&Self) -> bool) -> Result<bool, Stop> {
        while !holds(self) {
            if Instant::now() > end {
                return Ok(false);
            }
            self.tick()?;
        }
        Ok(true)
    }

    /// Lets time pass.
    pub(crate) fn run_until(&mut self, end: Instant) -> Result<(), Stop> {
        loop {
            self.tick()?;
            if Instant::now() >= end {
                return Ok(());
            }
        }
    }

    /// Does what is due, and rests a little.
    pub(crate) fn tick(&mut self) -> Result<(), Stop> {
        self.interruption.check()?;
        // In this order: a command that has just ended may still have been in the agent's way.
        self.agent.keep_running(&self.switch, !self.orders.is_empty());
        self.orders.collect(&self.shared);
        self.notice_trap();
        let now = Instant::now();
        while let Some(due) = self.endings.iter().position(|(at, ending)| *at <= now && self.is_possible(ending)) {
            let (_, ending) = self.endings.remove(due);
            self.end(ending);
        }
        // One after the other, as they were to come.
        while let Some(happening) = self.waiting.front().copied().filter(|next| self.can_happen(next)) {
            self.waiting.pop_front();
            self.happen(happening);
        }
        std::thread::sleep(TICK);
        Ok(())
    }

    /// A row was deleted under the agent's hands: it stays away for a while.
    fn notice_trap(&mut self) {
        let mut trap = lock(&self.shared.trap);
        let Trap::Sprung(feature) = *trap else { return };
        *trap = Trap::None;
        drop(trap);
        self.shared.journal.count(Table::Faults, "row deleted before versions were written");
        self.actors[feature].rows_gone = true;
        self.later(ROW_GONE, Ending::WriteRows(feature));
    }

    pub(crate) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Event(event) => self.act(event),
            Happening::Fault(fault) => {
                self.says("fault", happening);
                // One that waits for the agent's next change is counted when it comes.
                if !matches!(fault, Fault::KillAtChange { .. }) {
                    self.shared.journal.count(Table::Faults, fault.kind());
                }
                self.begin(fault);
            }
        }
    }

    /// Whether engine and Redis are there, with room: nobody can do anything else.
    pub(crate) fn is_whole(&self) -> bool {
        !self.endings.iter().any(|(_, ending)| ending.is_outage())
    }

    fn can_happen(&self, happening: &Happening) -> bool {
        match happening {
            // What is wrong with the agent's own connections and with the agent itself hinders nobody else.
            Happening::Fault(Fault::Kill(_) | Fault::KillAtChange { .. } | Fault::StepClock(_)) => true,
            Happening::Fault(Fault::Engine(..)) => !self.has(|ending| matches!(ending, Ending::EngineLine)),
            Happening::Fault(Fault::Redis(..) | Fault::OneRedis(..)) => {
                !self.has(|ending| matches!(ending, Ending::RedisLine))
            }
            Happening::Fault(Fault::Stuck(..)) => !self.has(|ending| matches!(ending, Ending::Unstick)),
            Happening::Fault(Fault::StopAgent(_)) => !self.has(|ending| matches!(ending, Ending::ContinueAgent)),
            Happening::Fault(Fault::StateDiskFull(_)) => !self.has(|ending| matches!(ending, Ending::StateDisk(_))),
            Happening::Event(_) | Happening::Fault(_) => self.is_whole(),
        }
    }

    fn is_possible(&self, ending: &Ending) -> bool {
        ending.is_outage() || !ending.needs_servers() || self.is_whole()
    }

    fn has(&self, is_it: impl Fn(&Ending) -> bool) -> bool {
        self.endings.iter().any(|(_, ending)| is_it(ending))
    }

    /// In so many milliseconds.
    pub(crate) fn later(&mut self, milliseconds: u64, ending: Ending) {
        self.endings.push((Instant::now() + Duration::from_millis(milliseconds), ending));
    }
}

/// The agent's environment, with its servers behind the proxies.
pub(crate) fn behind_proxies(switch: &Switch, engine: &Path) -> Vec<(String, String)> {
    for (number, namespace) in namespaces().enumerate() {
        let path = config_path(namespace);
        let text = std::fs::read_to_string(switch.file(&path)).expect("the switch has this file");
        let mut config: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        config["INSTANCES"]["redis"]["unix_socket_path"] = redis_socket(switch, number).display().to_string().into();
        switch.write_file(&format!("proxy/{path}"), config.to_string());
    }
    let global = "redis/sonic-db/database_global.json";
    let text = std::fs::read_to_string(switch.file(global)).expect("the switch has this file");
    let global = switch.write_file(&format!("proxy/{global}"), text);
    let config = switch.file(&format!("proxy/{}", config_path(Namespace::Host)));
    [
        ("IMGMGRD__REDIS__DATABASE_CONFIG", config.display().to_string()),
        ("IMGMGRD__REDIS__DATABASE_GLOBAL", global.display().to_string()),
        ("IMGMGRD__ENGINE__HOST", format!("unix://{}", engine.display())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Where the proxy before a Redis listens.
pub(crate) fn redis_socket(switch: &Switch, number: usize) -> std::path::PathBuf {
    switch.file(&format!("proxy/redis-{number}.sock"))
}

fn config_path(namespace: Namespace) -> String {
    match namespace {
        Namespace::Host => "redis/sonic-db/database_config.json".to_owned(),
        Namespace::Asic(number) => format!("redis{number}/sonic-db/database_config.json"),
    }
}
