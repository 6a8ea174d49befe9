//! The switch, the agent on it, and the waiting for what it does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgmgrd_test_support::{Agent, Deployment, KubeContainer, Switch};
use serde_json::Value;

use crate::narrator::{Narrator, Who};
use crate::stop::{Interruption, Stop};

/// How long anything may take, waits of the agent's own included.
const LONG: Duration = Duration::from_secs(30);

/// How often something is looked at.
const MOMENT: Duration = Duration::from_millis(20);

/// A feature and the name of its images.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feature {
    /// The feature.
    pub(crate) name: &'static str,
    /// Its image name.
    pub(crate) base: &'static str,
}

/// Where the story is played.
pub(crate) struct Stage<'a> {
    /// The switch.
    pub(crate) switch: &'a Switch,
    /// Who tells it.
    pub(crate) narrator: &'a Narrator,
    interruption: &'a Interruption,
    binary: &'a Path,
    agent: Option<Agent>,
    /// How much of the agent's log was told.
    told: usize,
}

impl<'a> Stage<'a> {
    /// A stage on which the agent does not run yet.
    pub(crate) fn new(
        switch: &'a Switch,
        binary: &'a Path,
        narrator: &'a Narrator,
        interruption: &'a Interruption,
    ) -> Self {
        Self { switch, narrator, interruption, binary, agent: None, told: 0 }
    }

    /// Starts `imgmgrd run`.
    pub(crate) fn start_agent(&mut self) {
        self.agent = Some(self.switch.agent(self.binary));
        self.told = 0;
    }

    /// Whether it runs; somebody at the switch may have killed it.
    pub(crate) fn has_agent(&mut self) -> bool {
        if self.agent.as_mut().is_some_and(|agent| !agent.is_running()) {
            self.agent = None;
        }
        self.agent.is_some()
    }

    /// What it has logged since it was started.
    pub(crate) fn agent_log(&self) -> String {
        self.agent.as_ref().map(Agent::log).unwrap_or_default()
    }

    /// Leaves untold what the agent has logged so far.
    pub(crate) fn skip_log(&mut self) {
        self.told = self.agent_log().rfind('\n').map_or(0, |end| end + 1);
    }

    /// Stops the agent as systemd does.
    pub(crate) fn end(&mut self) -> Result<(), Stop> {
        self.tell_log();
        let Some(agent) = self.agent.take() else { return Ok(()) };
        let (status, took) = agent.terminate();
        if status.success() && took < Duration::from_secs(1) {
            Ok(())
        } else {
            Err(Stop::wrong(format!("the agent did not end as it should: {status} after {took:?}")))
        }
    }

    /// What the agent publishes as `stability`.
    pub(crate) fn stability(&self, feature: Feature) -> String {
        self.switch.feature(feature.name).stability()
    }

    /// Waits until `condition` holds, telling meanwhile what the agent logs.
    pub(crate) fn wait(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) -> Result<(), Stop> {
        let begun = Instant::now();
        loop {
            self.interruption.check()?;
            // In this order: what is told is told before the wait ends.
            let holds = condition(self);
            self.tell_log();
            if holds {
                return Ok(());
            }
            if self.agent.as_mut().is_some_and(|agent| !agent.is_running()) {
                return Err(Stop::wrong("the agent ended by itself; its log is above"));
            }
            if begun.elapsed() > LONG {
                return Err(Stop::wrong(format!("not within {} s: {what}", LONG.as_secs())));
            }
            std::thread::sleep(MOMENT);
        }
    }

    /// An error once the person has seen enough.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        self.interruption.check()
    }

    /// Lets time pass.
    pub(crate) fn pause(&mut self, time: Duration) -> Result<(), Stop> {
        let begun = Instant::now();
        self.wait("time passes", |_| begun.elapsed() >= time)
    }

    /// Waits until the agent says that a feature is `wanted`, counting down while it observes it.
    pub(crate) fn await_stability(&mut self, feature: Feature, wanted: &str) -> Result<(), Stop> {
        let what = format!("{} to be {wanted}", feature.name);
        let mut counted = None;
        let mut next = Instant::now();
        self.wait(&what, |stage| {
            let stability = stage.stability(feature);
            if stability == "observing" && Instant::now() >= next {
                next = Instant::now() + Duration::from_millis(200);
                let left = stage.seconds_left(feature);
                if left.is_some() && left != counted {
                    counted = left;
                    let left = left.unwrap_or_default().to_string();
                    stage.narrator.counts(&format!("{} is observed", feature.name), &left);
                }
            }
            stability == wanted
        })
    }

    /// What `imgmgrd status` says is left of the wait.
    pub(crate) fn seconds_left(&self, feature: Feature) -> Option<u64> {
        let output = self.switch.command(self.binary, &["status", feature.name, "--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        answer.get(0)?.get("stable_after")?.as_u64()
    }

    /// Somebody does something; what the agent did before is told before.
    pub(crate) fn says(&mut self, who: Who, what: &str) {
        self.tell_log();
        self.narrator.says(who, what);
    }

    /// The next scene.
    pub(crate) fn scene(&mut self, heading: &str) {
        self.tell_log();
        self.narrator.heading(heading);
    }

    /// Tells what the agent has logged since, in its own words; only the dates and most digits of ids are left out.
    fn tell_log(&mut self) {
        let log = self.agent_log();
        let news = log.get(self.told..).unwrap_or_default();
        // A line that is being written is told when it is whole.
        let whole = news.rfind('\n').map_or(0, |end| end + 1);
        for line in news.get(..whole).unwrap_or_default().lines() {
            self.narrator.says(Who::Agent, &shortened(line));
        }
        self.told += whole;
    }

    /// Runs one of the agent's commands, its output on this terminal.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<(), Stop> {
        self.narrator.prompt(&format!("imgmgrd {}", arguments.join(" ")));
        let mut command = Command::new(self.binary);
        command.args(arguments).envs(self.switch.environment()).env_remove("DOCKER_HOST").stdin(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Stop::wrong(format!("imgmgrd {} ended with {status}", arguments.join(" ")))),
            Err(error) => Err(Stop::wrong(format!("{}: {error}", self.binary.display()))),
        }
    }
}

/// What the kubelet does.
impl Stage<'_> {
    /// Pulls a version from the registry and runs it.
    pub(crate) fn deploy(&mut self, feature: Feature, version: &str) -> Result<KubeContainer, Stop> {
        self.interruption.check()?;
        let deployment = Deployment::new(feature.name, feature.base, version);
        let kubelet = self.switch.kubelet();
        self.says(Who::Kubelet, &format!("pulls {}:{version} and runs it", feature.base));
        Ok(kubelet.deploy(&deployment))
    }

    /// Ends a pod.
    pub(crate) fn remove(&mut self, feature: Feature, container: &KubeContainer, version: &str) {
        self.says(Who::Kubelet, &format!("ends the pod with {} {version}", feature.name));
        self.switch.kubelet().remove(container);
    }
}

/// A log line without its date (`2026-11-21 21:32:29Z `), with ids as people write them, and without the fields that say
/// again what the message says, or nothing.
fn shortened(line: &str) -> String {
    const DATE: usize = "2026-11-21 21:32:29Z ".len();
    let mut text = String::new();
    let mut digits = 0;
    for letter in line.get(DATE..).unwrap_or(line).chars() {
        digits = if letter.is_ascii_hexdigit() { digits + 1 } else { 0 };
        // No word of people's has that many letters from a to f.
        if digits <= 12 {
            text.push(letter);
        }
    }
    let is_told = |word: &str| {
        word == "reclaimed=0"
            || word.strip_prefix("version=").is_some_and(|version| text.matches(&format!(" {version}")).count() > 0)
    };
    text.split(' ').filter(|word| !is_told(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn lines_of_the_log_are_short() {
        let line = "2026-11-21 21:32:29Z NOTICE promote 84 image=docker-snmp version=84 reclaimed=0 \
                    steps=\"tag sha256:0123456789abcdef0123 as docker-snmp:latest\"";
        let short = "NOTICE promote 84 image=docker-snmp steps=\"tag sha256:0123456789ab as docker-snmp:latest\"";
        assert_eq!(shortened(line), short);
        let line = "2026-11-21 21:32:29Z NOTICE observing feature=snmp version=84";
        assert_eq!(shortened(line), "NOTICE observing feature=snmp version=84");
    }
}
