//! What operators ask for: decided on when the unit was read again, and answered once, by what was read back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::{CommandAnswer, Effect};
use super::unit::{Asked, Lane, lane};
use super::{Controller, Engine};
use crate::decide::{Order, OrderOutcome};
use crate::domain::{Base, Feature, Instance};

/// A command that was not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Command {
    order: Order,
    features: BTreeSet<Feature>,
    /// The units that it is still about.
    pending: BTreeSet<Base>,
    answers: BTreeMap<Instance, CommandAnswer>,
}

impl Controller {
    /// An operator asks for something.
    pub(super) fn command(&mut self, id: u64, order: Order, features: BTreeSet<Feature>, now: Duration) {
        let mut command = Command { order, features, pending: BTreeSet::new(), answers: BTreeMap::new() };
        let hindrance = if self.is_stopping {
            Some("the agent is stopping")
        } else if !self.is_ready() || self.engine != Engine::Reachable {
            Some("the engine cannot be reached right now; imgmgrd doctor says why")
        } else {
            None
        };
        let told = self.report.instances.iter().filter(|(instance, _)| command.features.contains(&instance.feature));
        for (instance, told) in told {
            let refusal = match (hindrance, &told.base) {
                (Some(hindrance), _) => Some(hindrance.to_owned()),
                (None, None) => Some(told.reason.to_string()),
                (None, Some(base)) => self.is_busy(base, now),
            };
            let Some(refusal) = refusal else {
                command.pending.extend(told.base.clone());
                continue;
            };
            command.answers.insert(instance.clone(), Err(refusal));
        }
        for base in &command.pending {
            let unit = self.units.entry(base.clone()).or_default();
            unit.command = Some(Asked::Pending(id));
            // A person does not wait for a retry.
            unit.try_again();
        }
        self.commands.insert(id, command);
        self.answer_if_complete(id);
    }

    /// Why a unit cannot take up a command now.
    fn is_busy(&self, base: &Base, now: Duration) -> Option<String> {
        let has_another = self.units.get(base).is_some_and(|unit| unit.command.is_some());
        has_another
            .then(|| "another command is being carried out; try again".to_owned())
            .or_else(|| self.hangs(base, now))
    }

    /// Tells the next decision of a unit what is asked for.
    pub(super) fn put_command(&mut self, base: &Base) {
        let Some(Asked::Pending(id)) = self.units.get(base).and_then(|unit| unit.command.as_ref()) else { return };
        let Some(command) = self.commands.get(id) else { return };
        let orders = command.features.iter().map(|feature| (feature.clone(), command.order.clone()));
        self.observation.orders = orders.collect();
    }

    /// A unit was decided on: answers who asked, if that decides it, or if it is done.
    pub(super) fn answer(&mut self, base: &Base) {
        let Some(asked) = self.units.get(base).and_then(|unit| unit.command.clone()) else { return };
        let outcome = self.report.units.get(base).and_then(|unit| unit.order.clone());
        let outcome = match (asked, outcome) {
            (Asked::Pending(_), Some(OrderOutcome::Refused(reason))) => return self.refuse(base, &reason.to_string()),
            (Asked::Pending(_), None) => return self.refuse_each(base),
            (Asked::Pending(id), Some(outcome)) => {
                if let Some(unit) = self.units.get_mut(base) {
                    unit.command = Some(Asked::Taken(id, outcome.clone()));
                }
                outcome
            }
            (Asked::Taken(_, outcome), _) => outcome,
        };
        let actions = self.plan.units.get(base).map_or(&[][..], Vec::as_slice);
        let next = self.units.get(base).and_then(|unit| unit.next(actions));
        if next.is_none_or(|action| lane(action) == Lane::Removal) {
            self.answer_what_is(base, &outcome);
        }
    }

    /// Nothing is left to do: what `latest` is was read back right now.
    fn answer_what_is(&mut self, base: &Base, outcome: &OrderOutcome) {
        let promoted = self.memory.units.get(base).and_then(|unit| unit.promoted.as_ref());
        let latest = self.report.units.get(base).and_then(|unit| unit.latest);
        let answer = match promoted {
            Some(promoted) if latest == Some(promoted.image) => Ok((promoted.version.clone(), note(outcome))),
            _ => Err(format!("{base}:latest is another image by now: somebody else has moved it")),
        };
        let instances = self.report.instances_of(base);
        let answers = instances.map(|(instance, _)| (instance.clone(), answer.clone())).collect();
        self.take_answers(base, answers);
    }

    /// The unit has no answer of its own: each of its instances says why nothing can be done.
    fn refuse_each(&mut self, base: &Base) {
        let told = self.report.instances_of(base);
        let answers = told.map(|(instance, told)| (instance.clone(), Err(told.reason.to_string()))).collect();
        self.take_answers(base, answers);
    }

    /// What was asked for of a unit cannot be done.
    pub(super) fn refuse(&mut self, base: &Base, why: &str) {
        let instances = self.report.instances_of(base);
        let answers = instances.map(|(instance, _)| (instance.clone(), Err(why.to_owned()))).collect();
        self.take_answers(base, answers);
    }

    /// What was begun for whoever asked did not succeed. It is remembered, and goes on when it can.
    pub(super) fn refuse_taken(&mut self, base: &Base, why: &str) {
        if matches!(self.units.get(base).map(|unit| &unit.command), Some(Some(Asked::Taken(..)))) {
            self.refuse(base, why);
        }
    }

    /// Nothing more is done.
    pub(super) fn refuse_all(&mut self, why: &str) {
        let bases: Vec<Base> = self.units.keys().cloned().collect();
        bases.iter().for_each(|base| self.refuse(base, why));
    }

    fn take_answers(&mut self, base: &Base, answers: BTreeMap<Instance, CommandAnswer>) {
        let Some(id) = self.units.get_mut(base).and_then(|unit| unit.command.take()).map(|asked| asked.id()) else {
            return;
        };
        if let Some(command) = self.commands.get_mut(&id) {
            command.pending.remove(base);
            let Command { features, .. } = command;
            command.answers.extend(answers.into_iter().filter(|(instance, _)| features.contains(&instance.feature)));
        }
        self.answer_if_complete(id);
    }

    fn answer_if_complete(&mut self, id: u64) {
        if self.commands.get(&id).is_some_and(|command| command.pending.is_empty()) {
            if let Some(command) = self.commands.remove(&id) {
                self.effects.push(Effect::Answer { id, answers: command.answers });
            }
        }
    }
}

/// What there is to say beside the version that `latest` is.
fn note(outcome: &OrderOutcome) -> Option<String> {
    let (OrderOutcome::Accepted(obeyed) | OrderOutcome::AlreadySo(obeyed)) = outcome else { return None };
    let is_so_already = matches!(outcome, OrderOutcome::AlreadySo(_)) && obeyed.rolled_back_from.is_some();
    (is_so_already || !obeyed.still_running.is_empty()).then(|| outcome.to_string())
}
