//! The order of an operator that the agent carries out: one at a time, told once what came of it.

use std::collections::BTreeSet;

use tokio::sync::oneshot;

use super::Service;
use crate::agent::control::Asked;
use crate::agent::core::Decided;
use crate::agent::execution::Execution;
use crate::agent::orders::{Ordered, Reply, Told};
use crate::decide::{Order, Plan};
use crate::domain::Base;

/// An order that is being carried out.
pub(super) struct InHand {
    ordered: Ordered,
    reply: oneshot::Sender<Reply>,
    /// What it is about was read for it: what is found then is no mistake about what was a moment ago.
    is_confirmed: bool,
    /// What the decision that is being carried out says to it.
    told: Option<Told>,
}

impl Service {
    /// An operator asks for something.
    pub(super) async fn asked(&mut self, Asked { request, reply }: Asked) {
        if self.hold.is_on() || self.engine_state.borrow().picture.is_none() {
            // Whoever asked may have gone away since; here and below nobody is left to tell then.
            let _ = reply.send(Reply::Refused(
                "the engine or Redis cannot be read right now; imgmgrd doctor says why".to_owned(),
            ));
            return;
        }
        let ordered = match self.core.take_order(request) {
            Ok(ordered) => ordered,
            Err(refusal) => {
                let _ = reply.send(Reply::Refused(refusal.to_string()));
                return;
            }
        };
        self.ordered = Some(InHand { ordered, reply, is_confirmed: false, told: None });
        if !self.look().await {
            self.end_order(Reply::Refused("it cannot be decided on right now; see the log".to_owned()));
        }
    }

    /// The units that an order is about.
    pub(super) fn ordered_bases(&self, decided: &Decided) -> BTreeSet<Base> {
        self.ordered.as_ref().map(|in_hand| in_hand.ordered.bases(&decided.report)).unwrap_or_default()
    }

    /// Notes that these units were read again.
    pub(super) fn note_confirmed(&mut self, bases: &BTreeSet<Base>, decided: &Decided) {
        let is_confirmed = self.ordered_bases(decided).is_subset(bases);
        if let Some(in_hand) = &mut self.ordered {
            in_hand.is_confirmed |= is_confirmed;
        }
    }

    /// Answers an operator if nothing is to be done about what was asked for, and that is sure.
    pub(super) fn answer_unless_due(&mut self) {
        let (Some(InHand { ordered, told: None, is_confirmed, .. }), Some(decided)) = (&self.ordered, &self.latest)
        else {
            return;
        };
        let bases = ordered.bases(&decided.report);
        // A person does not wait for a retry.
        bases.iter().for_each(|base| self.core.retries.succeeded(base));
        if !is_confirmed || bases.iter().any(|base| decided.plan.units.contains_key(base)) {
            self.confirm();
        } else {
            let answers = ordered.told(&decided.report).answers();
            self.end_order(Reply::Answers(answers));
        }
    }

    /// Notes what the decision says to an operator if the plan, which is about to be carried out, does what was asked
    /// for. It does all of it or nothing: a unit that is not due yet makes the others wait.
    pub(super) fn take_in_hand(&mut self, decided: &Decided, plan: &mut Plan) {
        let Some(InHand { ordered, told, .. }) = &mut self.ordered else { return };
        let bases = ordered.bases(&decided.report);
        let wanted: Vec<&Base> = bases.iter().filter(|base| decided.plan.units.contains_key(*base)).collect();
        if !wanted.iter().all(|base| plan.units.contains_key(*base)) {
            plan.units.retain(|base, _| !bases.contains(base));
        } else if !wanted.is_empty() {
            *told = Some(ordered.told(&decided.report));
            if matches!(ordered.request.order, Order::Rollback { .. }) {
                // It is in the memory now. A look in between must not take it for another step back.
                self.core.drop_order();
            }
        }
    }

    /// Answers an operator if the plan that was carried out did what was asked for.
    pub(super) fn answer_after(&mut self, execution: &Execution) {
        if let Some(told) = self.ordered.as_mut().and_then(|in_hand| in_hand.told.take()) {
            self.end_order(Reply::Answers(told.after(execution)));
        }
    }

    /// What is to be acted on cannot be read. Who asked is not kept waiting: the memory knows by now what is to be done.
    pub(super) fn put_off_order(&mut self, why: &str) {
        self.end_order(Reply::Refused(format!("not yet: {why}; what is due is done when it can be")));
    }

    fn end_order(&mut self, reply: Reply) {
        self.core.drop_order();
        if let Some(in_hand) = self.ordered.take() {
            let _ = in_hand.reply.send(reply);
        }
    }
}
