//! Carrying out a plan, step by step, without knowing how a step is done: what follows from how each one went.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::StepOutcome;
use crate::decide::{Action, Plan, Purpose, Step};
use crate::domain::{Base, ImageId, IteratorExt as _};

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Went {
    /// It is done, and so many bytes are free now.
    Done {
        /// The bytes.
        reclaimed: u64,
    },
    /// The engine says that something uses the image.
    InUse,
    /// The world is not what the plan was made from; another look is due.
    Skipped(String),
    /// It failed.
    Failed(String),
}

impl From<StepOutcome> for Went {
    fn from(outcome: StepOutcome) -> Self {
        match outcome {
            StepOutcome::Done { reclaimed } => Self::Done { reclaimed },
            StepOutcome::InUse => Self::InUse,
            StepOutcome::Changed(why) => Self::Skipped(why),
            StepOutcome::Failed(why) => Self::Failed(why),
        }
    }
}

/// An action that was carried out to its last step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Carried {
    /// The unit.
    pub base: Base,
    /// What it was for.
    pub purpose: Purpose,
    /// Its steps.
    pub steps: Vec<Step>,
    /// How many bytes it gave back.
    pub reclaimed: u64,
}

/// A plan that is being carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Execution {
    queue: VecDeque<(Base, Action)>,
    /// How many steps of the action in front are done, and what they gave back.
    done: usize,
    reclaimed: u64,
    /// The units that the plan is about.
    pub units: BTreeSet<Base>,
    /// What was carried out.
    pub carried: Vec<Carried>,
    /// The units of which something failed, why, and for what.
    pub failed: BTreeMap<Base, (Purpose, String)>,
    /// The units of which something was skipped, and why.
    pub skipped: BTreeMap<Base, String>,
    /// The images that the engine says are in use.
    pub refused: BTreeSet<ImageId>,
}

impl Execution {
    /// Begins a plan.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let units = plan.units.keys().cloned().ordered();
        let queue = plan
            .units
            .into_iter()
            .flat_map(|(base, actions)| actions.into_iter().map(move |action| (base.clone(), action)))
            .filter(|(_, action)| !action.steps.is_empty())
            .collect();
        Self { queue, units, ..Self::default() }
    }

    /// The step to carry out now; none when the plan is at its end.
    #[must_use]
    pub fn step(&self) -> Option<&Step> {
        self.queue.front().and_then(|(_, action)| action.steps.get(self.done))
    }

    /// The unit that this step is about.
    #[must_use]
    pub fn unit(&self) -> Option<&Base> {
        self.queue.front().map(|(base, _)| base)
    }

    /// Every step that is left.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let all = self.queue.iter().flat_map(|(_, action)| &action.steps);
        all.skip(self.done)
    }

    /// Takes note of how [`step`](Self::step) went. What depends on a step that did not succeed is left out; the rest
    /// goes on: one stuck image never stops the others.
    pub fn note(&mut self, went: Went) {
        let Some((base, action)) = self.queue.front().cloned() else { return };
        match went {
            Went::Done { reclaimed } => {
                self.done += 1;
                self.reclaimed += reclaimed;
                if self.done == action.steps.len() {
                    let Action { purpose, steps } = action;
                    let reclaimed = self.reclaimed;
                    self.carried.push(Carried { base, purpose, steps, reclaimed });
                    self.next_action();
                }
                return;
            }
            Went::InUse => self.refused.extend(image_of(action.steps.get(self.done)).cloned()),
            Went::Skipped(why) => {
                self.skipped.entry(base.clone()).or_insert(why);
            }
            Went::Failed(why) => {
                self.failed.entry(base.clone()).or_insert((action.purpose.clone(), why));
            }
        }
        self.next_action();
        if action.purpose.is_required() {
            self.queue.retain(|(other, _)| *other != base);
        }
    }

    fn next_action(&mut self) {
        self.queue.pop_front();
        (self.done, self.reclaimed) = (0, 0);
    }
}

/// The image that a removal is about.
fn image_of(step: Option<&Step>) -> Option<&ImageId> {
    match step? {
        Step::RemoveReference { image, .. } | Step::RemoveImage { image } => Some(image),
        Step::Tag { .. } | Step::RemoveContainer { .. } | Step::RecordVersions { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(digit: char) -> ImageId {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    fn action(purpose: Purpose, images: &str) -> Action {
        Action { purpose, steps: images.chars().map(|digit| Step::RemoveImage { image: image(digit) }).collect() }
    }

    fn execution(units: &[(&str, Vec<Action>)]) -> Execution {
        let units = units.iter().map(|(base, actions)| (base.parse().unwrap(), actions.clone())).collect();
        Execution::new(Plan { units })
    }

    fn walk(execution: &mut Execution, went: &[Went]) -> Vec<char> {
        let mut steps = Vec::new();
        for went in went {
            let Some(Step::RemoveImage { image }) = execution.step() else { break };
            steps.push(image.to_string().chars().last().unwrap());
            execution.note(went.clone());
        }
        steps
    }

    const DONE: Went = Went::Done { reclaimed: 5 };

    #[test]
    fn what_is_in_use_is_skipped_and_the_rest_goes_on() {
        let remove = |images| action(Purpose::RemoveImage(None), images);
        let mut execution = execution(&[("a", vec![remove("12"), remove("3")]), ("b", vec![remove("4")])]);
        assert_eq!(walk(&mut execution, &[Went::InUse, DONE, DONE]), ['1', '3', '4']);
        assert_eq!(execution.step(), None);
        assert_eq!(execution.refused, BTreeSet::from([image('1')]));
        assert_eq!(execution.carried.iter().map(|carried| carried.reclaimed).collect::<Vec<_>>(), [5, 5]);
        assert!(execution.failed.is_empty() && execution.skipped.is_empty());
    }

    #[test]
    fn a_failed_promotion_ends_its_unit_and_no_other() {
        let promote = || action(Purpose::Promote("1".parse().unwrap()), "12");
        let remove = || action(Purpose::RemoveImage(None), "3");
        let mut execution = execution(&[("a", vec![promote(), remove()]), ("b", vec![promote(), remove()])]);
        let went = [Went::Failed("500".into()), DONE, DONE, DONE];
        assert_eq!(walk(&mut execution, &went), ['1', '1', '2', '3']);
        assert_eq!(execution.failed.len(), 1);
        assert_eq!(execution.carried.len(), 2);
    }
}
