//! One thing is broken, of one feature, one namespace or the agent's own disk, and nothing else. While it lasts, whatever it
//! does not concern goes on as if it were not there (promise 9), and what rows and answers say is so (promise 8).

use std::time::{Duration, Instant};

use crate::features::{FEATURES, kube_features};
use crate::journal::Table;
use crate::judge;
use crate::schedule::{Bulkhead, Event, Fault, Happening, Life};
use crate::stage::Stage;
use crate::stop::Stop;
use crate::truth;
use crate::view::View;

/// How soon the agent does what is due, on a machine that is busy.
const SOON: Duration = Duration::from_secs(4);

/// How long the agent takes at most to see an image.
const MOMENT: Duration = Duration::from_millis(300);

impl Stage<'_> {
    /// Breaks it, has two other features upgraded, judges what becomes of them, and remedies it.
    pub(crate) fn bulkhead(&mut self, bulkhead: &Bulkhead) -> Result<(), Stop> {
        self.says("soak", bulkhead);
        let before = self.shared.journal.violations().len();
        if matches!(bulkhead.fault, Fault::StateDiskFull(_)) {
            self.without_a_memory(bulkhead)?;
        } else {
            self.beside_what_is_broken(bulkhead)?;
        }
        for number in (0..FEATURES.len()).filter(|number| Some(*number) != bulkhead.concerned) {
            let what = format!("rows of {} are not true", FEATURES[number].name);
            self.expect_soon(Instant::now(), what, |stage| stage.untrue(number).is_empty())?;
        }
        if self.shared.journal.violations().len() == before {
            self.shared.journal.count(Table::Checks, "faults alone that held up nobody else");
        } else {
            (0..FEATURES.len()).flat_map(|number| self.untrue(number)).for_each(|what| self.says("judge", what));
        }
        self.endings.iter_mut().for_each(|(at, _)| *at = Instant::now());
        Ok(())
    }

    /// A container, the removals or the Redis of one feature, or the wall clock: the others are promoted in time.
    fn beside_what_is_broken(&mut self, bulkhead: &Bulkhead) -> Result<(), Stop> {
        let Bulkhead { concerned, proven, ordered, .. } = *bulkhead;
        if let Some(concerned) = concerned {
            // What nobody runs is to be removed at the next promotion, if the agent has seen it before.
            self.act(Event::Pull { feature: concerned });
            self.run_until(Instant::now() + MOMENT)?;
        }
        let due = self.break_and_upgrade(bulkhead)?;
        self.promote_by_order(ordered, true)?;
        let what = format!("{} is not promoted when it is due", FEATURES[proven].name);
        self.expect_soon(due, what, |stage| stage.is_promoted(proven)).map(drop)
    }

    /// Nothing is promoted, as nobody would know what is to be kept; what nothing keeps goes all the same.
    fn without_a_memory(&mut self, bulkhead: &Bulkhead) -> Result<(), Stop> {
        let Bulkhead { proven, ordered, .. } = *bulkhead;
        let cleaned = kube_features().find(|number| ![proven, ordered].contains(number)).expect("there are more");
        let image = self.leave_an_image(cleaned)?;
        let due = self.break_and_upgrade(bulkhead)?;
        self.promote_by_order(ordered, false)?;
        self.run_until(due + Duration::from_secs(1))?;
        let what = format!("{} is not held, as it cannot be remembered", FEATURES[proven].name);
        self.expect_soon(due, what, |stage| stage.stability(proven, &["held"]))?;
        if self.is_latest(proven) {
            self.violation("a version is promoted that cannot be remembered");
        }
        self.switch.rows().feature_policy(FEATURES[cleaned].name, &[("cleanup", "enabled")]);
        let what = format!("{image} of {} stays, which nothing keeps", FEATURES[cleaned].name);
        self.expect_soon(Instant::now(), what, |stage| !stage.view().images.contains(&image)).map(drop)
    }

    /// The fault begins, and then the upgrades; when the one of `proven` is stable. The others' rows tell of theirs.
    fn break_and_upgrade(&mut self, bulkhead: &Bulkhead) -> Result<Instant, Stop> {
        let Bulkhead { fault, restart, concerned, proven, ordered } = *bulkhead;
        self.happen(Happening::Fault(fault));
        if let Some(concerned) = concerned {
            self.upgrade(concerned);
        }
        if restart {
            self.happen(Happening::Fault(Fault::Kill(0)));
        }
        self.upgrade(proven);
        let due = Instant::now() + self.stable_time();
        self.upgrade(ordered);
        for feature in [proven, ordered] {
            let what = format!("the row of {} does not tell of its upgrade", FEATURES[feature].name);
            self.expect_soon(Instant::now(), what, |stage| stage.shows_upgrade(feature))?;
        }
        Ok(due)
    }

    fn stable_time(&self) -> Duration {
        Duration::from_secs(self.shared.record().stable_time.now())
    }

    fn upgrade(&mut self, feature: usize) {
        self.act(Event::Deploy { feature, life: Life::Good });
    }

    /// Brings an image that would be removed with the next promotion, which comes, if the policy did not forbid it.
    fn leave_an_image(&mut self, feature: usize) -> Result<String, Stop> {
        self.switch.rows().feature_policy(FEATURES[feature].name, &[("cleanup", "disabled")]);
        let version = self.publish(feature);
        let image = self.pull(feature, &version);
        self.run_until(Instant::now() + MOMENT)?;
        self.upgrade(feature);
        let due = Instant::now() + self.stable_time();
        let what = format!("{} is not promoted before anything is broken", FEATURES[feature].name);
        self.expect_soon(due, what, |stage| stage.is_promoted(feature))?;
        Ok(image)
    }

    /// `imgmgrd promote` is answered soon, and its answer is so.
    fn promote_by_order(&mut self, feature: usize, can_remember: bool) -> Result<(), Stop> {
        self.act(Event::Promote { feature });
        let what = format!("imgmgrd promote {} gets no answer", FEATURES[feature].name);
        if !self.expect_soon(Instant::now(), what, |stage| stage.orders.is_empty())? {
            return Ok(());
        }
        let (is_done, is_latest) = (self.orders.last.is_some_and(|status| status.success()), self.is_latest(feature));
        if is_done != is_latest {
            self.violation(format_args!("promise 8: promote succeeds: {is_done}; it is latest: {is_latest}"));
        } else if is_done != can_remember {
            self.violation(format_args!(
                "promise 9: promote succeeds: {is_done}; the agent can remember: {can_remember}"
            ));
        }
        Ok(())
    }

    /// Something holds soon after `due`, else promise 9 is broken.
    fn expect_soon(&mut self, due: Instant, what: String, holds: impl Fn(&Self) -> bool) -> Result<bool, Stop> {
        let has_held = self.run_until_it_holds(due + SOON, holds)?;
        if !has_held {
            self.violation(format_args!("promise 9: {what}"));
        }
        Ok(has_held)
    }

    fn violation(&self, what: impl std::fmt::Display) {
        self.shared.journal.violation(what);
    }

    fn view(&self) -> View {
        View::take(self.switch.engine()).expect("the engine is there")
    }

    fn stability(&self, feature: usize, allowed: &[&str]) -> bool {
        let instances = FEATURES[feature].instances();
        instances.iter().all(|instance| allowed.contains(&self.switch.instance(instance).stability().as_str()))
    }

    /// The rows of all instances are about the version that runs.
    fn shows_upgrade(&self, feature: usize) -> bool {
        let version = self.shared.record().groups[feature].taken_over().map(|(kube, _)| kube.version.clone());
        let instances = FEATURES[feature].instances();
        let is_shown = instances.iter().all(|one| Some(self.switch.instance(one).published("version")) == version);
        is_shown && self.stability(feature, &["observing", "held", "stable"])
    }

    /// `latest` is the image that runs.
    fn is_latest(&self, feature: usize) -> bool {
        let view = self.view();
        let image = self.shared.record().groups[feature].taken_over().map(|(kube, _)| kube.image.clone());
        image.as_ref() == view.names.get(&FEATURES[feature].latest())
    }

    fn is_promoted(&self, feature: usize) -> bool {
        self.stability(feature, &["stable"]) && self.is_latest(feature)
    }

    fn untrue(&self, feature: usize) -> Vec<String> {
        let view = self.view();
        let mut record = self.shared.record();
        judge::promoted_without_a_tag(&mut record, &view);
        truth::untrue(&self.switch, &record, &view, feature)
    }
}
