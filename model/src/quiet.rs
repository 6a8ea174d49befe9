//! Liveness, as a property of every reachable state: from here, in a quiet world, the agent alone reaches the desired
//! state within a few looks, and then plans nothing.
//!
//! A quiet world is one in which only time passes, and only when the agent asks to be woken. What follows from a state is
//! then certain, so that each state is walked through once, whatever leads to it. The same walk tells what comes of a
//! state in the end, which a crash must not change.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use imgmgrd_decision::decide::{Arrival, ImageVersion, Mark, Owner, SystemState};
use imgmgrd_decision::domain::{Base, ImageId, Instance, Reference};

use crate::agent::{Conduct, OLD, TICK};
use crate::history::{named, stands};
use crate::state::Site;

/// Within so many looks the agent has to be at rest, deadlines included.
pub const LOOKS: usize = 40;

/// What comes of a state in a quiet world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is on the disk and in STATE_DB in the end, as one number.
    pub left: u64,
    /// What is wrong with it.
    pub trouble: Option<Arc<str>>,
}

/// The outcomes that are known, by the state.
#[derive(Debug)]
pub struct Outcomes {
    known: Vec<Mutex<HashMap<u64, Outcome>>>,
}

impl Default for Outcomes {
    fn default() -> Self {
        Self { known: (0..64).map(|_| Mutex::default()).collect() }
    }
}

/// Where a walk is.
enum Next {
    /// Something happens.
    Goes(Box<Site>),
    /// Nothing is left to do.
    Rests(Outcome),
}

impl Outcomes {
    /// What comes of this state.
    #[must_use]
    pub fn of(&self, site: &Site, conduct: &dyn Conduct, instances: &[(Instance, Base)]) -> Outcome {
        let mut walked = Vec::new();
        let mut looks = 0;
        let mut here = site.clone();
        let outcome = loop {
            let print = fingerprint(&here);
            if let Some(known) = self.get(print) {
                break known;
            }
            walked.push(print);
            looks += usize::from(here.agent.execution.is_none());
            if looks > LOOKS {
                let trouble = "there is always something left to do, or to wait for";
                break Outcome { left: 0, trouble: Some(trouble.into()) };
            }
            match next(&here, conduct, instances) {
                Next::Goes(next) => here = *next,
                Next::Rests(outcome) => break outcome,
            }
        };
        for print in walked {
            self.shard(print).insert(print, outcome.clone());
        }
        outcome
    }

    /// The number of states whose outcome is known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.iter().map(|shard| shard.lock().map_or(0, |shard| shard.len())).sum()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn get(&self, print: u64) -> Option<Outcome> {
        self.shard(print).get(&print).cloned()
    }

    fn shard(&self, print: u64) -> std::sync::MutexGuard<'_, HashMap<u64, Outcome>> {
        let number = print as usize % self.known.len();
        self.known[number].lock().expect("no thread panics while it holds it")
    }
}

fn fingerprint(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The next thing that the agent does by itself.
fn next(site: &Site, conduct: &dyn Conduct, instances: &[(Instance, Base)]) -> Next {
    let mut then = site.clone();
    if then.agent.execution.is_some() {
        then.step(conduct, None);
        return Next::Goes(Box::new(then));
    }
    let look = then.look(conduct);
    if let Some((base, violation)) = look.violations.iter().next() {
        return rests(&then, Some(format!("{base}: {violation}")));
    }
    if then.agent.execution.is_some() || then != *site {
        return Next::Goes(Box::new(then));
    }
    // Nothing to do, and nothing new to remember: it waits.
    let wakes = look.decision.report.wakes.iter();
    let due = wakes.map(|wake| (u64::from(wake.age.seconds()), age(site, &wake.mark)));
    let pauses: Vec<_> = due.map(|(at, age)| at.checked_sub(age).filter(|pause| *pause > 0)).collect();
    if pauses.contains(&None) {
        return rests(&then, Some("it asks to be woken in the past".to_owned()));
    }
    if let Some(pause) = pauses.into_iter().flatten().min() {
        then.pass(pause.div_ceil(TICK) * TICK);
        return Next::Goes(Box::new(then));
    }
    let trouble = restless(&then, conduct).or_else(|| undesired(&then, instances));
    rests(&then, trouble)
}

fn age(site: &Site, mark: &Mark) -> u64 {
    site.switch.marks.get(mark).map_or(OLD, |since| site.switch.clock - since)
}

fn rests(site: &Site, trouble: Option<String>) -> Next {
    let seen = &site.switch.observation;
    let left = fingerprint(&(&seen.images, &seen.containers, &seen.state));
    Next::Rests(Outcome { left, trouble: trouble.map(Into::into) })
}

/// Something that is found only when it is looked for much later, though nobody asks to be woken for it.
fn restless(site: &Site, conduct: &dyn Conduct) -> Option<String> {
    let mut later = site.clone();
    later.pass(OLD);
    let memory = later.switch.memory.clone();
    let look = later.look(conduct);
    if !look.decision.plan.is_empty() {
        return Some("nobody wakes it for what is left to do".to_owned());
    }
    (look.decision.memory != memory).then(|| "a further look changes the memory".to_owned())
}

/// What is not as it is to be, by the reference's section 3: `latest`, the versions, the containers, and the disk.
fn undesired(site: &Site, instances: &[(Instance, Base)]) -> Option<String> {
    let switch = &site.switch;
    let (seen, policy) = (&switch.observation, &switch.policy.global);
    if !seen.config_initialized || seen.kubernetes.disabled || !policy.enabled {
        return None;
    }
    let mut bases: Vec<&Base> = instances.iter().map(|(_, base)| base).collect();
    bases.dedup();
    for base in bases {
        let members: Vec<&Instance> = instances.iter().filter(|(_, it)| it == base).map(|(it, _)| it).collect();
        let Some(image) = agreed(site, &members) else { continue };
        let unit = switch.memory.units.get(base);
        if unit.is_some_and(|unit| unit.rolled_back.contains(&image)) {
            continue;
        }
        let latest = named(seen, base);
        // Somebody may have moved it since, which is a fact.
        let is_recorded = unit.is_some_and(|unit| unit.promoted.as_ref().is_some_and(|it| it.image == image));
        if latest != Some(image) && (latest.is_none() || !is_recorded) {
            return Some(format!("{base}:latest is not {}, which runs and is stable", switch.labels.of(&image)));
        }
        let version = seen.images.get(&image).and_then(|image| image.declared_version());
        for member in &members {
            let row = seen.state.get(&switch.key(member));
            let row = row.filter(|row| row.current_owner.is(&Owner::Kube));
            if row.is_some_and(|row| row.stable_version.get() != version) {
                return Some(format!("{} runs a promoted version that is not recorded", member.container_name()));
            }
            let stale = switch.container_named(&member.container_name()).and_then(|id| site.container(&id));
            let is_takeover = stands(seen, switch, member).is_some();
            if latest == Some(image) && is_takeover && stale.is_some_and(|stale| stale.image != image) {
                return Some(format!("the stale container {} is left", member.container_name()));
            }
        }
        if policy.cleanup && seen.kubernetes.connected != Some(false) {
            if let Some(trouble) = left_over(site, base, &members, image) {
                return Some(trouble);
            }
        }
    }
    None
}

/// The image that every instance runs that is up and to be owned by kube, if nothing forbids to promote it.
fn agreed(site: &Site, members: &[&Instance]) -> Option<ImageId> {
    let seen = &site.switch.observation;
    let mut agreed = None;
    for member in members {
        let configured = seen.configuration.iter().find(|(key, _)| key.key == member.feature)?;
        if !configured.1.set_owner.is(&Owner::Kube) {
            continue;
        }
        if site.switch.container_named(&member.container_name()).is_some_and(|local| site.runs(&local)) {
            return None;
        }
        match stands(seen, &site.switch, member) {
            Some(takeover) if agreed.is_none_or(|image| image == takeover.image) => agreed = Some(takeover.image),
            None if site.row(member).is_some_and(|row| row.system_state.is(&SystemState::Down)) => {}
            _ => return None,
        }
    }
    agreed
}

/// An old image or a local tag that nothing explains.
fn left_over(site: &Site, base: &Base, members: &[&Instance], promoted: ImageId) -> Option<String> {
    let switch = &site.switch;
    let (seen, policy) = (&switch.observation, &switch.policy.global);
    let unit = switch.memory.units.get(base)?;
    let lasts: Vec<_> = members.iter().filter_map(|member| site.row(member)?.last_version.get()).collect();
    let before = unit.previous.iter().take(usize::from(policy.keep_versions) - 1);
    let kept: Vec<_> = lasts.into_iter().chain(before.map(|proven| &proven.version)).chain(&policy.pin).collect();
    for (id, image) in seen.images.iter() {
        let tags: Vec<&Reference> = image.references_of(base).filter(|name| name.tag().is_some()).collect();
        let is_known = image.references_of(base).next().is_some() || unit.images.contains_key(id);
        let is_used = seen.containers.values().any(|container| container.image == *id);
        let is_new = unit.images.get(id) == Some(&Arrival::During);
        let is_unread = image.version == ImageVersion::NotRead;
        let is_kept = image.declared_version().is_some_and(|version| kept.contains(&version));
        let is_excused = is_used || is_new || is_unread || is_kept || seen.refused.contains(id);
        if is_known && *id != promoted && named(seen, base) != Some(*id) && !is_excused {
            return Some(format!("{} is left on the disk", switch.labels.of(id)));
        }
        let local = tags.iter().find(|name| name.repository.is_local() && !name.is_local_latest());
        if let Some(local) = local.filter(|_| tags.len() > 1) {
            let is_pinned = local.tag().is_some_and(|tag| policy.pin.contains(tag));
            if !is_pinned {
                return Some(format!("{local} is left, of an image that has another tag"));
            }
        }
    }
    None
}
