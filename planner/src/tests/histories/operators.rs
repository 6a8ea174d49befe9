//! What operators do to the switch, and what befalls it as a whole.

use super::events::Event;
use super::world::{VERSIONS, World};
use crate::domain::{Age, Namespace, Value};
use crate::fixtures::*;
use crate::*;

impl World {
    pub(super) fn play_operator(&mut self, event: &Event) {
        match event {
            Event::Owner(number, kube) => {
                let (instance, _) = self.instance(*number);
                if self.switch.snapshot.config_initialized {
                    self.switch.set_owner(instance.feature.as_str(), if *kube { Owner::Kube } else { Owner::Local });
                }
            }
            Event::Latest(version) => {
                let (_, base) = self.instance(0);
                let image = self.image_of(&base, *version);
                self.switch.tag(&reference(&format!("{base}:latest")), &image);
            }
            Event::Alias(version) => {
                let (_, base) = self.instance(0);
                let image = self.image_of(&base, *version);
                self.switch.tag(&reference(&format!("{base}:{}", VERSIONS[*version])), &image);
            }
            Event::Disabled(disabled) => self.switch.snapshot.kubernetes.disabled = *disabled,
            Event::Connected(connected) => self.switch.snapshot.kubernetes.connected = *connected,
            Event::StableTime(tens) => {
                self.switch.policy(|policy| policy.stable_time = Age::from_seconds(u64::from(*tens) * 300));
            }
            Event::KeepVersions(keep) => self.switch.policy(|policy| policy.keep_versions = *keep),
            Event::CleanUp(cleanup) => self.switch.policy(|policy| policy.cleanup = *cleanup),
            Event::Enabled(enabled) => self.switch.policy(|policy| policy.enabled = *enabled),
            Event::Pin(pin) => {
                let pin = pin.map(|number| version(VERSIONS[number]));
                self.switch.policy(|policy| policy.pin = pin.into_iter().collect());
            }
            Event::RollBack(number) => self.roll_back(*number),
            Event::Reload(flush) => self.reload(*flush),
            Event::DeleteRow(number) => {
                let (instance, _) = self.instance(*number);
                let key = self.switch.key(&instance);
                self.switch.snapshot.state.remove(&key);
            }
            Event::StateLost => self.switch.snapshot.state.clear(),
            Event::Wait(seconds) => self.switch.wait(u64::from(*seconds)),
            Event::RestartAgent => self.switch.restart_agent(),
            Event::MemoryLost => {
                self.switch.memory = Memory::default();
                self.switch.marks.clear();
                self.restart_agent();
                self.oracle.memory_lost();
            }
            Event::Reboot => {
                self.switch.snapshot.state.clear();
                self.switch.snapshot.containers_mut().retain(|_, container| container.kubelet.is_none());
                for container in self.switch.snapshot.containers_mut().values_mut() {
                    container.status = ContainerStatus::Stopped;
                    container.details = None;
                }
                self.switch.memory = self.switch.memory.clone().after_reboot();
                self.switch.marks.clear();
                self.restart_agent();
                self.oracle.rebooted();
            }
            _ => {}
        }
    }

    /// What `imgmgrd rollback` does: `latest` names the version before, and what was promoted is not to be again.
    fn roll_back(&mut self, number: usize) {
        let (instance, base) = self.instance(number);
        self.switch.snapshot.commands = [(instance.feature, Command::Rollback { from: None })].into();
        let decision = self.decide();
        self.switch.snapshot.commands.clear();
        self.switch.remember(&decision);
        let group = &self.switch.memory.groups.get(&base);
        let rollback = group.and_then(|group| Some((group.rolled_back.clone(), group.intention.as_ref()?.image)));
        if let Some((from, to)) = rollback {
            self.oracle.rolled_back(&base, from, to);
        }
        self.act(&decision.plan, usize::MAX, usize::MAX);
    }

    /// `config reload`: CONFIG_DB is empty until it is filled again.
    fn reload(&mut self, flush: bool) {
        self.switch.snapshot.config_initialized = !flush;
        if flush {
            self.switch.snapshot.configuration.clear();
        } else {
            let is_per_asic = !self.switch.snapshot.asics.is_empty();
            for (instance, _) in &self.instances {
                let row = RowKey { namespace: Namespace::Host, key: instance.feature.clone() };
                self.switch.snapshot.configuration.entry(row).or_insert(FeatureConfiguration {
                    set_owner: Value::Is(Owner::Kube),
                    has_per_asic_scope: is_per_asic,
                    has_global_scope: !is_per_asic,
                });
            }
        }
    }
}
