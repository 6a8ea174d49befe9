//! How faults are made, and how they end.

use std::sync::Arc;
use std::time::Duration;

use imgmgrd_test_support::{CONFIG_DB, FullDisk, Signal};

use crate::features::{FEATURES, namespaces};
use crate::record::{Hold, Kube};
use crate::schedule::Fault;
use crate::shared::{KillAt, lock};
use crate::stage::Stage;

/// What ends what was begun.
#[derive(Debug)]
pub(crate) enum Ending {
    /// SIGCONT to the agent.
    ContinueAgent,
    /// SIGCONT to the engine.
    ContinueEngine,
    /// The agent's connections to the engine are well again.
    EngineLine,
    /// Those to Redis.
    RedisLine,
    /// What hangs gets answers again.
    Unstick,
    /// Every Redis starts, empty, and is filled.
    StartRedis,
    /// CONFIG_DB is filled again.
    FillConfig,
    /// There is room on the engine's disk.
    EngineDisk(FullDisk),
    /// There is room in the state directory.
    StateDisk(FullDisk),
    /// A version that was to crash does.
    Crash(usize, String),
    /// The kubelet removes what is left of a pod.
    CollectPod(usize, Kube),
    /// STATE_DB rows come back.
    WriteRows(usize),
    /// The policy says `state=enabled`.
    Enable,
    /// Kubernetes is enabled.
    EnableKubernetes,
    /// The control plane is back.
    Connect,
}

impl Ending {
    /// While it is due, nobody can do anything with engine or Redis.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::ContinueEngine | Self::StartRedis | Self::FillConfig | Self::EngineDisk(_))
    }

    /// Whether it takes engine and Redis.
    pub(crate) fn needs_servers(&self) -> bool {
        !matches!(self, Self::ContinueAgent | Self::EngineLine | Self::RedisLine | Self::Unstick | Self::StateDisk(_))
    }
}

impl Stage<'_> {
    /// Makes a fault.
    pub(crate) fn begin(&mut self, fault: Fault) {
        self.shared.record().hinder();
        match fault {
            Fault::Kill(restart) => self.agent.kill(Duration::from_millis(restart)),
            Fault::KillAtChange { before, restart } => {
                let when = if before { KillAt::Before } else { KillAt::After };
                self.agent.arm(when, Duration::from_millis(restart));
            }
            Fault::StopAgent(time) => {
                self.agent.signal(Signal::STOP);
                self.later(time, Ending::ContinueAgent);
            }
            Fault::RestartEngine { live } => self.restart_engine(live),
            Fault::HangEngine(time) => {
                self.switch.engine_mut().pause();
                self.later(time, Ending::ContinueEngine);
            }
            Fault::Engine(trouble, time) => {
                self.engine_line.set(Some(trouble));
                self.later(time, Ending::EngineLine);
            }
            Fault::Redis(trouble, time) => {
                self.redis_lines.iter().for_each(|line| line.set(Some(trouble)));
                self.later(time, Ending::RedisLine);
            }
            Fault::OneRedis(trouble, time) => {
                self.redis_lines[1].set(Some(trouble));
                self.later(time, Ending::RedisLine);
            }
            Fault::Stuck(stuck, time) => {
                *lock(&self.shared.stuck) = Some(stuck);
                self.later(time, Ending::Unstick);
            }
            Fault::EmptyRedis(time) => {
                namespaces().for_each(|namespace| self.switch.redis_mut(namespace).stop());
                self.shared.record().holds.loading = Hold::begin();
                self.later(time, Ending::StartRedis);
            }
            Fault::ReloadConfig(time) => {
                self.shared.record().holds.loading = Hold::begin();
                namespaces().for_each(|namespace| self.switch.rows_of(namespace).flush(CONFIG_DB));
                self.later(time, Ending::FillConfig);
            }
            Fault::EngineDiskFull(time) => {
                let full = FullDisk::fill(&self.switch.file("docker/data"));
                self.later(time, Ending::EngineDisk(full));
            }
            Fault::StateDiskFull(time) => {
                let full = FullDisk::fill(&self.switch.file("state"));
                self.later(time, Ending::StateDisk(full));
            }
            Fault::StepClock(seconds) => self.agent.step_clock(seconds),
        }
    }

    /// Ends what was begun.
    pub(crate) fn end(&mut self, ending: Ending) {
        match &ending {
            Ending::Crash(feature, id) => return self.crash_container(*feature, id),
            Ending::CollectPod(feature, kube) => return self.collect_pod(*feature, kube),
            Ending::WriteRows(feature) => return self.rows_come_back(*feature),
            _ => {}
        }
        self.says("fault", format_args!("ends: {ending:?}"));
        match ending {
            Ending::ContinueAgent => self.agent.signal(Signal::CONT),
            Ending::ContinueEngine => self.switch.engine_mut().resume(),
            Ending::EngineLine => self.engine_line.set(None),
            Ending::RedisLine => self.redis_lines.iter().for_each(|line| line.set(None)),
            Ending::Unstick => *lock(&self.shared.stuck) = None,
            Ending::StartRedis => {
                namespaces().for_each(|namespace| self.switch.redis_mut(namespace).launch());
                self.fill_config();
                (0..FEATURES.len()).for_each(|feature| self.write_rows(feature));
                self.config_is_loaded();
            }
            Ending::FillConfig => {
                self.fill_config();
                self.config_is_loaded();
            }
            Ending::EngineDisk(full) | Ending::StateDisk(full) => drop(full),
            Ending::Enable => {
                self.shared.record().holds.disabled = None;
                self.write_policy();
            }
            Ending::EnableKubernetes => {
                self.shared.record().holds.kubernetes = None;
                self.write_masters();
            }
            Ending::Connect => {
                self.shared.record().holds.disconnected = None;
                self.write_masters();
            }
            Ending::Crash(..) | Ending::CollectPod(..) | Ending::WriteRows(_) => {}
        }
        self.shared.record().hinder();
    }

    /// The engine restarts. Unless they live through it, its containers end, and whoever owns them starts them again.
    fn restart_engine(&mut self, live: bool) {
        let shared = Arc::clone(&self.shared);
        let turn = shared.fault();
        self.shared.record().outages += 1;
        (0..FEATURES.len()).for_each(|feature| self.shared.record().touch(feature));
        self.switch.engine_mut().live_restore(live);
        self.switch.engine_mut().restart();
        (0..FEATURES.len()).for_each(|feature| self.shared.record().touch(feature));
        self.shared.record().hinder();
        drop(turn);
        if !live {
            (0..FEATURES.len()).for_each(|feature| self.start_again(feature));
            self.start_foreign();
        }
    }
}
