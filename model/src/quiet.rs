//! Liveness, as a property of every reachable state: from here, in a quiet world, the agent alone reaches the desired
//! state within a few wakes, and rests.
//!
//! A quiet world is one in which what has happened is seen once and then only time passes, and only up to the moment at
//! which the agent asks to be woken. What follows from a state is then certain, so that each state is walked through once,
//! whatever leads to it. The same walk tells what comes of a state in the end, which a crash must not change.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgmgrd_planner::domain::{Base, ImageId, Instance, Reference};
use imgmgrd_planner::{Arrival, ImageVersion, Mark, Owner, SystemState};

use crate::agent::Answer;
use crate::conduct::Conduct;
use crate::driver::{Came, Turn};
use crate::history::{named, stands};
use crate::property::{Broken, Promise};
use crate::site::{OLD, Site, TICK};

/// Within so many wakes and lists the agent has to be at rest, deadlines included.
pub const DECISIONS: usize = 40;

/// What stays wrong in a quiet world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stays {
    /// What is under way of this group never ends.
    pub hangs: Option<Base>,
    /// Nothing can be saved, if that is so now; and what Redis refuses now it refuses once.
    pub faults: bool,
}

/// What comes of a state in a quiet world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is on the disk and in STATE_DB in the end, as one number.
    pub left: u64,
    /// What is wrong with it.
    pub trouble: Option<Arc<Broken>>,
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

impl Outcomes {
    /// What comes of this state.
    #[must_use]
    pub fn of(&self, site: &Site, stays: &Stays, conduct: &dyn Conduct, instances: &[(Instance, Base)]) -> Outcome {
        let mut here = site.clone();
        here.agent.next_read = Answer::AtOnce;
        if !stays.faults {
            (here.agent.disk_is_full, here.agent.redis_refuses) = (false, false);
        }
        let start = fingerprint(&(&here, stays, "unseen"));
        if let Some(known) = self.get(start) {
            return known;
        }
        let (mut walked, mut decisions) = (vec![start], 0);
        let mut came = play(&mut here, conduct, |turn| {
            // What was read ahead comes first, and is all if nobody else has done anything since.
            let (is_ahead, is_late) = turn.is_ahead();
            if is_ahead {
                turn.reconcile();
            }
            if !is_ahead || is_late {
                turn.reconcile();
            }
        });
        // What Redis has refused it takes when it is asked again.
        here.agent.redis_refuses = false;
        let outcome = loop {
            if let Some(trouble) = came.trouble() {
                break rests(&here, Some(trouble));
            }
            let print = fingerprint(&(&here, stays));
            if let Some(known) = self.get(print) {
                break known;
            }
            walked.push(print);
            came = match next(&mut here, stays, conduct) {
                Some(came) => came,
                None => break rests(&here, unrest(&here, stays, conduct, instances)),
            };
            decisions += usize::from(here.agent.steps.is_empty());
            if decisions > DECISIONS {
                // What cannot be remedied is tried again and again.
                let is_tried = stays.faults && here.agent.disk_is_full;
                let endless = broken(Promise::Rest, "there is always something left to do, or to wait for");
                let trouble = if is_tried { unrest(&here, stays, conduct, instances) } else { Some(endless) };
                break rests(&here, trouble);
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

fn broken(promise: Promise, what: impl Into<String>) -> Broken {
    Broken { promise, what: what.into() }
}

fn play(site: &mut Site, conduct: &dyn Conduct, what: impl FnOnce(&mut Turn<'_>)) -> Came {
    let mut turn = site.turn(conduct);
    what(&mut turn);
    turn.came
}

impl Came {
    /// What is wrong whenever it happens.
    pub(crate) fn trouble(&self) -> Option<Broken> {
        if let Some((base, violation)) = self.refused.first() {
            return Some(broken(Promise::SecondOpinion, format!("{base}: {violation}")));
        }
        if let Some((base, step)) = &self.unread {
            return Some(broken(Promise::Fresh, format!("{step}: {base} was not read again")));
        }
        self.is_busy.then(|| broken(Promise::Rest, "the agent asks for the same again and again"))
    }
}

/// The next thing that happens by itself, if there is one.
fn next(site: &mut Site, stays: &Stays, conduct: &dyn Conduct) -> Option<Came> {
    let agent = &site.agent;
    let goes_on = |base: &&Base| stays.hangs.as_ref() != Some(*base) && conduct.waits_for(agent, base);
    if let Some(base) = agent.reads.keys().find(goes_on).cloned() {
        return Some(play(site, conduct, |turn| turn.read(&base)));
    }
    if let Some(base) = agent.steps.keys().find(goes_on).cloned() {
        return Some(play(site, conduct, |turn| turn.step(&base, None)));
    }
    if agent.wants_lists || agent.lists.is_some() {
        return Some(play(site, conduct, |turn| turn.take_lists()));
    }
    let at = agent.controller.next_wake()?;
    let pause = at.saturating_sub(site.now()).max(Duration::from_nanos(1));
    let ticks = pause.as_nanos().div_ceil(Duration::from_secs(TICK).as_nanos());
    site.pass(u64::try_from(ticks).unwrap_or(u64::MAX) * TICK);
    Some(play(site, conduct, |turn| turn.wake()))
}

fn rests(site: &Site, trouble: Option<Broken>) -> Outcome {
    let seen = &site.switch.snapshot;
    let left = fingerprint(&(&seen.images, &seen.containers, &seen.state));
    Outcome { left, trouble: trouble.map(Into::into) }
}

/// What is not as it is to be when nothing happens any more.
fn unrest(site: &Site, stays: &Stays, conduct: &dyn Conduct, instances: &[(Instance, Base)]) -> Option<Broken> {
    let agent = &site.agent;
    if agent.published != agent.report() {
        return Some(broken(Promise::Published, "the rows do not say what the report says"));
    }
    if let Some(hung) = &stays.hangs {
        let others: Vec<_> = instances.iter().filter(|(_, base)| base != hung).cloned().collect();
        return undesired(site, &others).map(|what| broken(Promise::Bulkheads, format!("{hung} hangs, and {what}")));
    }
    if agent.disk_is_full {
        // What no rule keeps goes nevertheless; the rest waits.
        return left_overs(site, instances).map(|what| broken(Promise::Rest, format!("the disk is full, and {what}")));
    }
    let (known, seen) = (agent.controller.snapshot(), &site.switch.snapshot);
    if stays.hangs.is_none()
        && (&known.images, &known.containers, &known.state) != (&seen.images, &seen.containers, &seen.state)
    {
        return Some(broken(Promise::Says, "what it tells people of rows, images and containers is not so"));
    }
    let unfinished = if !agent.is_idle() || !agent.controller.is_at_rest() {
        Some("it is in the middle of something that nobody ends".to_owned())
    } else if !agent.commands.is_empty() {
        Some("a command is not answered".to_owned())
    } else if !agent.controller.plan().is_empty() {
        Some("nobody wakes it for what is left to do".to_owned())
    } else {
        restless(site, conduct)
    };
    unfinished.or_else(|| undesired(site, instances)).map(|what| broken(Promise::Rest, what))
}

/// Something that is found only when it is looked for much later, though nobody asks to be woken for it.
fn restless(site: &Site, conduct: &dyn Conduct) -> Option<String> {
    let mut later = site.clone();
    later.pass(OLD);
    let memory = later.agent.controller.memory().clone();
    let _ = play(&mut later, conduct, |turn| turn.reconcile());
    if !later.agent.is_idle() || !later.agent.controller.plan().is_empty() {
        return Some("nobody wakes it for what is left to do".to_owned());
    }
    (*later.agent.controller.memory() != memory).then(|| "a further decision changes the memory".to_owned())
}

/// A group whose promotion is due by what is there and what the agent has seen, and that neither hangs nor has failed.
pub(crate) fn due(site: &Site, instances: &[(Instance, Base)]) -> Option<Base> {
    let seen = &site.switch.snapshot;
    let controller = &site.agent.controller;
    let (memory, stamps) = (controller.memory(), controller.stamps());
    let is_due = |base: &&Base| {
        let members: Vec<&Instance> = instances.iter().filter(|(_, it)| it == *base).map(|(it, _)| it).collect();
        let Some(image) = agreed(site, &members) else { return false };
        let group = memory.groups.get(*base);
        let has_failed = controller.failures().any(|(other, _)| other == *base);
        let is_known = group.is_some_and(|group| {
            group.rolled_back.contains(&image) || group.promoted.as_ref().is_some_and(|it| it.image == image)
        });
        let is_seen_for_long = members.iter().all(|member| {
            let takeover = memory.instances.get(*member).and_then(|instance| instance.takeover.as_ref());
            let stands = stands(seen, &site.switch, member);
            match (stands, takeover) {
                (None, _) => true,
                (Some(stands), Some(takeover)) => {
                    let is_same = takeover.key() == (stands.container, stands.started_at);
                    is_same && !stamps.contains_key(&Mark::Takeover(takeover.mark(member)))
                }
                (Some(_), None) => false,
            }
        });
        named(seen, base) != Some(image) && !is_known && is_seen_for_long && !has_failed
    };
    if controller.snapshot().memory_unsaved {
        return None;
    }
    let mut bases = instances.iter().map(|(_, base)| base);
    let agent = &site.agent;
    let is_free = |base: &Base| !agent.steps.contains_key(base) && !agent.reads.contains_key(base);
    bases.find(|base| is_free(base) && is_due(base)).cloned()
}

/// What is not as it is to be, by the reference's section 3: `latest`, the versions, the containers, and the disk.
fn undesired(site: &Site, instances: &[(Instance, Base)]) -> Option<String> {
    let switch = &site.switch;
    let (seen, policy) = (&switch.snapshot, &switch.policy.global);
    if !seen.config_initialized || seen.kubernetes.disabled || !policy.enabled {
        return None;
    }
    let mut bases: Vec<&Base> = instances.iter().map(|(_, base)| base).collect();
    bases.dedup();
    for base in bases {
        let members: Vec<&Instance> = instances.iter().filter(|(_, it)| it == base).map(|(it, _)| it).collect();
        let Some(image) = agreed(site, &members) else { continue };
        let group = site.agent.controller.memory().groups.get(base);
        if group.is_some_and(|group| group.rolled_back.contains(&image)) {
            continue;
        }
        let latest = named(seen, base);
        // Somebody may have moved it since, which is a fact.
        let is_recorded = group.is_some_and(|group| group.promoted.as_ref().is_some_and(|it| it.image == image));
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
        if let Some(trouble) = left_over(site, base, &members, image) {
            return Some(trouble);
        }
    }
    None
}

/// What is left on the disk of groups whose promoted image runs.
fn left_overs(site: &Site, instances: &[(Instance, Base)]) -> Option<String> {
    instances.iter().find_map(|(_, base)| {
        let members: Vec<&Instance> = instances.iter().filter(|(_, it)| it == base).map(|(it, _)| it).collect();
        let image = agreed(site, &members)?;
        let saved = site.agent.disk.memory.groups.get(base)?;
        let is_promoted = saved.promoted.as_ref().is_some_and(|promoted| promoted.image == image);
        if is_promoted && saved.intention.is_none() { left_over(site, base, &members, image) } else { None }
    })
}

/// The image that every instance runs that is up and to be owned by kube, if nothing forbids to promote it.
fn agreed(site: &Site, members: &[&Instance]) -> Option<ImageId> {
    let seen = &site.switch.snapshot;
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
    let (seen, policy) = (&switch.snapshot, &switch.policy.global);
    let is_forbidden = !seen.config_initialized || seen.kubernetes.disabled || !policy.enabled || !policy.cleanup;
    if is_forbidden || seen.kubernetes.connected == Some(false) {
        return None;
    }
    let group = site.agent.controller.memory().groups.get(base)?;
    let lasts: Vec<_> = members.iter().filter_map(|member| site.row(member)?.last_version.get()).collect();
    let before = group.previous.iter().take(usize::from(policy.keep_versions) - 1);
    let kept: Vec<_> = lasts.into_iter().chain(before.map(|proven| &proven.version)).chain(&policy.pin).collect();
    for (id, image) in seen.images.iter() {
        let tags: Vec<&Reference> = image.references_of(base).filter(|name| name.tag().is_some()).collect();
        let is_known = image.references_of(base).next().is_some() || group.images.contains_key(id);
        let is_used = seen.containers.values().any(|container| container.image == *id);
        let is_new = group.images.get(id) == Some(&Arrival::During);
        let is_unread = image.version == ImageVersion::NotRead;
        let is_kept = image.declared_version().is_some_and(|version| kept.contains(&version));
        let is_excused =
            is_used || is_new || is_unread || is_kept || site.agent.controller.snapshot().refused.contains(id);
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
