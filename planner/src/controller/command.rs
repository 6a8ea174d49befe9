//! What operators ask for: decided on when the group was read again, and answered once, by what was read back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{CommandAnswer, Effect};
use super::group::{Asked, Lane, lane};
use super::state::{Controller, Engine, PendingCommand};
use crate::domain::{Base, Feature, Instance};
use crate::{Command, CommandResult};

impl Controller {
    /// An operator asks for something.
    pub(super) fn command(&mut self, id: u64, command: Command, features: BTreeSet<Feature>, now: Duration) {
        let mut pending = PendingCommand { command, features, groups: BTreeSet::new(), answers: BTreeMap::new() };
        let hindrance = if self.is_stopping {
            Some("the agent is stopping")
        } else if !self.is_ready() || self.engine != Engine::Reachable {
            Some("the engine cannot be reached right now; imgmgrd doctor says why")
        } else {
            None
        };
        let told = self.report.instances.iter().filter(|(instance, _)| pending.features.contains(&instance.feature));
        for (instance, told) in told {
            let refusal = match (hindrance, &told.base) {
                (Some(hindrance), _) => Some(hindrance.to_owned()),
                (None, None) => Some(told.reason.to_string()),
                (None, Some(base)) => self.is_busy(base, now),
            };
            let Some(refusal) = refusal else {
                pending.groups.extend(told.base.clone());
                continue;
            };
            pending.answers.insert(instance.clone(), Err(refusal));
        }
        for base in &pending.groups {
            let group = self.groups.entry(base.clone()).or_default();
            group.command = Some(Asked::Pending(id));
            // A person does not wait for a retry.
            group.try_again();
        }
        self.commands.insert(id, pending);
        self.answer_if_complete(id);
    }

    /// Why a group cannot take up a command now.
    fn is_busy(&self, base: &Base, now: Duration) -> Option<String> {
        let has_another = self.groups.get(base).is_some_and(|group| group.command.is_some());
        has_another
            .then(|| "another command is being carried out; try again".to_owned())
            .or_else(|| self.hangs(base, now))
    }

    /// Tells the next decision of a group what is asked for.
    pub(super) fn put_command(&mut self, base: &Base) {
        let Some(Asked::Pending(id)) = self.groups.get(base).and_then(|group| group.command.as_ref()) else { return };
        let Some(pending) = self.commands.get(id) else { return };
        let commands = pending.features.iter().map(|feature| (feature.clone(), pending.command.clone()));
        self.snapshot.commands = commands.collect();
    }

    /// A group was decided on: answers who asked, if that decides it, or if it is done.
    pub(super) fn answer(&mut self, base: &Base) {
        let Some(asked) = self.groups.get(base).and_then(|group| group.command.clone()) else { return };
        let outcome = self.report.groups.get(base).and_then(|group| group.command.clone());
        let outcome = match (asked, outcome) {
            (Asked::Pending(_), Some(CommandResult::Refused(reason))) => return self.refuse(base, &reason.to_string()),
            (Asked::Pending(_), None) => return self.refuse_each(base),
            (Asked::Pending(id), Some(outcome)) => {
                if let Some(group) = self.groups.get_mut(base) {
                    group.command = Some(Asked::Taken(id, outcome.clone()));
                }
                outcome
            }
            (Asked::Taken(_, outcome), _) => outcome,
        };
        let actions = self.plan.groups.get(base).map_or(&[][..], Vec::as_slice);
        let next = self.groups.get(base).and_then(|group| group.next(actions));
        if next.is_none_or(|action| lane(action) == Lane::Removal) {
            self.answer_what_is(base, &outcome);
        }
    }

    /// Nothing is left to do: what `latest` is was read back right now.
    fn answer_what_is(&mut self, base: &Base, outcome: &CommandResult) {
        let promoted = self.memory.groups.get(base).and_then(|group| group.promoted.as_ref());
        let latest = self.report.groups.get(base).and_then(|group| group.latest);
        let answer = match promoted {
            Some(promoted) if latest == Some(promoted.image) => Ok((promoted.version.clone(), note(outcome))),
            _ => Err(format!("{base}:latest is another image by now: somebody else has moved it")),
        };
        let instances = self.report.instances_of(base);
        let answers = instances.map(|(instance, _)| (instance.clone(), answer.clone())).collect();
        self.take_answers(base, answers);
    }

    /// The group has no answer of its own: each of its instances says why nothing can be done.
    fn refuse_each(&mut self, base: &Base) {
        let told = self.report.instances_of(base);
        let answers = told.map(|(instance, told)| (instance.clone(), Err(told.reason.to_string()))).collect();
        self.take_answers(base, answers);
    }

    /// What was asked for of a group cannot be done.
    pub(super) fn refuse(&mut self, base: &Base, why: &str) {
        let instances = self.report.instances_of(base);
        let answers = instances.map(|(instance, _)| (instance.clone(), Err(why.to_owned()))).collect();
        self.take_answers(base, answers);
    }

    /// What was begun for whoever asked did not succeed. It is remembered, and goes on when it can.
    pub(super) fn refuse_taken(&mut self, base: &Base, why: &str) {
        if matches!(self.groups.get(base).map(|group| &group.command), Some(Some(Asked::Taken(..)))) {
            self.refuse(base, why);
        }
    }

    /// Nothing more is done.
    pub(super) fn refuse_all(&mut self, why: &str) {
        let bases: Vec<Base> = self.groups.keys().cloned().collect();
        bases.iter().for_each(|base| self.refuse(base, why));
    }

    fn take_answers(&mut self, base: &Base, answers: BTreeMap<Instance, CommandAnswer>) {
        let Some(id) = self.groups.get_mut(base).and_then(|group| group.command.take()).map(|asked| asked.id()) else {
            return;
        };
        if let Some(pending) = self.commands.get_mut(&id) {
            pending.groups.remove(base);
            let PendingCommand { features, .. } = pending;
            pending.answers.extend(answers.into_iter().filter(|(instance, _)| features.contains(&instance.feature)));
        }
        self.answer_if_complete(id);
    }

    fn answer_if_complete(&mut self, id: u64) {
        if self.commands.get(&id).is_some_and(|pending| pending.groups.is_empty()) {
            if let Some(pending) = self.commands.remove(&id) {
                self.effects.push(Effect::Answer { id, answers: pending.answers });
            }
        }
    }
}

/// What there is to say beside the version that `latest` is.
fn note(outcome: &CommandResult) -> Option<String> {
    let (CommandResult::Accepted(obeyed) | CommandResult::AlreadySo(obeyed)) = outcome else { return None };
    let is_so_already = matches!(outcome, CommandResult::AlreadySo(_)) && obeyed.rolled_back_from.is_some();
    (is_so_already || !obeyed.still_running.is_empty()).then(|| outcome.to_string())
}
