//! The operator: orders by the agent's own commands.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::features::FEATURES;
use crate::record::Order;
use crate::shared::Shared;
use crate::stage::Stage;

/// Commands under way.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    running: Vec<(String, Child)>,
    /// How the last one ended.
    pub(crate) last: Option<ExitStatus>,
}

impl Orders {
    /// Whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether `imgmgrd promote` of this feature is under way.
    pub(crate) fn promotes(&self, feature: &str) -> bool {
        self.running.iter().any(|(what, _)| *what == format!("promote {feature}"))
    }

    /// Tells how they ended.
    pub(crate) fn collect(&mut self, shared: &Shared) {
        let Self { running, last } = self;
        running.retain_mut(|(what, child)| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                *last = Some(status);
                let mut answer = String::new();
                let outputs: [Option<&mut dyn Read>; 2] = [
                    child.stdout.as_mut().map(|stdout| stdout as &mut dyn Read),
                    child.stderr.as_mut().map(|stderr| stderr as &mut dyn Read),
                ];
                for output in outputs.into_iter().flatten() {
                    output.read_to_string(&mut answer).ok();
                }
                shared.journal.says("operator", format_args!("imgmgrd {what}: {status}, {}", answer.trim()));
                // 0 and 1 are answers: done, or why it could not be.
                if !matches!(status.code(), Some(0 | 1)) {
                    shared.journal.violation(format_args!("imgmgrd {what} ended with {status}"));
                }
                false
            }
            Err(error) => {
                shared.journal.violation(format_args!("imgmgrd {what}: {error}"));
                false
            }
        });
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Stage<'_> {
    /// One of the agent's commands, behind the same proxies.
    fn imgmgrd(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.agent.binary());
        command.args(words).envs(self.switch.environment()).envs(self.agent.servers()).env_remove("DOCKER_HOST");
        command
    }

    /// What the agent itself says about everything, for whoever has to find out what is wrong.
    pub(crate) fn ask(&self) {
        for word in ["status", "images", "plan"] {
            let answer = self.imgmgrd(&[word]).output().map_or_else(
                |error| error.to_string(),
                |output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
            );
            answer.lines().for_each(|line| self.says(word, line));
        }
    }

    /// `imgmgrd promote` or `rollback`, carried out by the agent or, while it is away, by the command itself.
    pub(crate) fn order(&mut self, feature: usize, order: Order) {
        let name = FEATURES[feature].name;
        let word = if order == Order::Promote { "promote" } else { "rollback" };
        {
            let mut record = self.shared.record();
            let group = &mut record.groups[feature];
            // From now on it may be done at any time, be the answer lost or not.
            group.orders.push(order);
            group.may_roll_back |= order == Order::Rollback;
            if order == Order::Promote {
                let ids: Vec<String> = group.kube.iter().flatten().map(|kube| kube.id.clone()).collect();
                group.approved.extend(ids);
            }
        }
        let what = format!("{word} {name}");
        self.says("operator", format_args!("imgmgrd {what}"));
        let mut command = self.imgmgrd(&[word, name]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match command.spawn() {
            Ok(child) => self.orders.running.push((what, child)),
            Err(error) => self.shared.journal.violation(format_args!("imgmgrd {what}: {error}")),
        }
    }
}
