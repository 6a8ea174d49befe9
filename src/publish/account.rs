//! Telling people: rows, history and log, all from the one report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::rows::{RowContext, Was, image_row};
use crate::clock;
use crate::domain::{Base, ContainerId, Feature, ImageId, Instance, Version};
use crate::planner::{Action, Cause, InstanceReport, Observing, Purpose, Reason, Report, Settled, Stability, Step};
use crate::sonic_db::{RowChange, Rows};

/// An event worth remembering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Occurrence {
    /// The instance that it happened to.
    pub(super) instance: Instance,
    /// The word that is published as `event`.
    pub(super) event: &'static str,
    /// The version that it is about.
    pub(super) version: Option<Version>,
    /// The id of the image that it is about.
    pub(super) image: Option<ImageId>,
    /// Why, as a short word for programs.
    pub(super) reason: Option<&'static str>,
    /// More of it, for people.
    pub(super) detail: String,
    /// The container that it happened to.
    pub(super) container: Option<ContainerId>,
    /// Its exit code.
    pub(super) exit_code: Option<i64>,
}

/// The moment of a decision by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// By the wall clock, for people.
    pub(crate) wall: DateTime<Utc>,
    /// By the boot-time clock.
    pub(crate) since_boot: Duration,
}

impl Moment {
    /// Now.
    #[must_use]
    pub(crate) fn now() -> Self {
        Self { wall: clock::wall(), since_boot: clock::since_boot() }
    }

    /// When a takeover began by the wall clock, whose mark was made at `stamp`.
    fn began(&self, stamp: Duration) -> DateTime<Utc> {
        let age = self.since_boot.saturating_sub(stamp);
        self.wall - TimeDelta::from_std(age).unwrap_or(TimeDelta::zero())
    }
}

/// What was said last of each instance. Compared with what is published alone, everything that cannot be published,
/// while Redis is unreachable, would be news with every decision.
pub(super) type Said = BTreeMap<Instance, (Stability, Option<Version>, Option<ContainerId>, Option<Reason>)>;

/// The changes to the published rows that a report asks for, and what there is to say about them.
pub(super) struct Account {
    /// The changes to the published rows.
    pub(super) changes: Vec<RowChange>,
    /// What to add to the history and to log.
    pub(super) events: Vec<Occurrence>,
}

/// Compares a report with what is published. Instances of the groups in `busy` are left as they are: they are being acted
/// on. `stamp` tells when a mark was made, `reclaimed` what was given back and is not published yet.
#[must_use]
pub(super) fn account(
    report: &Report,
    rows: &Rows,
    busy: &BTreeSet<Base>,
    reclaimed: &BTreeMap<Instance, u64>,
    said: &mut Said,
    stamp: impl Fn(&Observing) -> Option<Duration>,
    moment: Moment,
) -> Account {
    let mut account = Account { changes: Vec::new(), events: Vec::new() };
    said.retain(|instance, _| report.instances.contains_key(instance));
    for (instance, told) in &report.instances {
        if told.base.as_ref().is_some_and(|base| busy.contains(base)) {
            continue;
        }
        let group = told.base.as_ref().and_then(|base| report.groups.get(base));
        let observing_since = told
            .observing
            .as_ref()
            .and_then(|observing| stamp(observing).map(|stamp| (moment.began(stamp), observing)));
        let context = RowContext {
            images: group.map_or(0, |group| group.images.len()),
            reclaimed: reclaimed.get(instance).copied().unwrap_or(0),
            observing_since: observing_since.map(|(since, _)| since),
            stable_at: observing_since.map(|(since, observing)| {
                let stable_time = observing.age.saturating_add(observing.remaining);
                (since + TimeDelta::seconds(i64::from(stable_time.seconds()))).min(moment.wall)
            }),
        };
        let published = rows.image(instance.namespace, instance.feature.as_str());
        let news = say(said, instance, told);
        let Some(row) = image_row(told, &context, published, moment.wall) else { continue };
        if let Some(said) = news {
            account.events.extend(transition(instance, told, published, said));
        }
        let (namespace, feature) = (instance.namespace, instance.feature.clone());
        account.changes.push(RowChange::Publish { namespace, feature, row });
    }
    account.changes.extend(vanished(report, rows));
    account
}

/// Logs what this decision is the first to find, and makes events of it. The memory that is saved with it will not
/// tell it again.
#[must_use]
pub(super) fn found(report: &Report) -> Vec<Occurrence> {
    let ended = report.instances.iter().filter_map(|(instance, told)| ended(instance, told));
    let promoted = report.groups.iter().filter_map(|(base, group)| {
        let settled = group.settled.as_ref()?;
        Some(match settled.cause {
            Cause::RolledBack => rolled_back(report, base, settled),
            Cause::Approved => promoted(report, base, settled, "by an operator", ", by an operator"),
            Cause::ProvenStable => promoted(report, base, settled, "proven stable", ""),
        })
    });
    ended.chain(promoted.flatten()).collect()
}

/// The published rows of instances that are no more.
fn vanished(report: &Report, rows: &Rows) -> Vec<RowChange> {
    if !rows.config_initialized() {
        return Vec::new();
    }
    // What cannot be read now may be there.
    rows.namespaces()
        .filter(|namespace| !rows.unreadable().contains_key(namespace))
        .flat_map(|namespace| rows.published(namespace).map(move |(feature, _)| (namespace, feature)))
        .filter_map(|(namespace, feature)| Some((namespace, feature.parse::<Feature>().ok()?)))
        .filter(|(namespace, feature)| {
            !report.instances.contains_key(&Instance { feature: feature.clone(), namespace: *namespace })
        })
        .map(|(namespace, feature)| RowChange::Unpublish { namespace, feature })
        .collect()
}

fn ended(instance: &Instance, report: &InstanceReport) -> Option<Occurrence> {
    let ended = report.ended.as_ref()?;
    tracing::warn!(
        feature = %instance,
        version = %ended.version,
        image = %ended.image,
        reason = %ended.ending,
        after = %ended.after,
        "takeover ended before it was stable"
    );
    Some(Occurrence {
        instance: instance.clone(),
        event: "failed",
        version: Some(ended.version.clone()),
        image: Some(ended.image),
        reason: Some(ended.ending.code()),
        detail: format!("{} after {}", ended.ending, ended.after),
        container: Some(ended.container),
        exit_code: ended.exit_code,
    })
}

/// What was said last of an instance, if it was another thing or nothing; from now on it is this.
fn say(said: &mut Said, instance: &Instance, report: &InstanceReport) -> Option<Option<Stability>> {
    // What is left of the wait is no news.
    let reason = (report.stability != Stability::Observing).then(|| report.reason.clone());
    let now = (report.stability, report.version.clone(), report.container, reason);
    match said.get_mut(instance) {
        Some(last) if *last == now => None,
        Some(last) => Some(Some(std::mem::replace(last, now).0)),
        None => {
            said.insert(instance.clone(), now);
            Some(None)
        }
    }
}

/// Logs what has changed of an instance, and makes an event of what is worth remembering.
fn transition(
    instance: &Instance,
    report: &InstanceReport,
    published: Option<&BTreeMap<String, String>>,
    said: Option<Stability>,
) -> Option<Occurrence> {
    let was = Was(published);
    let reason = report.reason.to_string();
    let is_same = was.field("stability") == report.stability.to_string()
        && was.field("version") == report.version.as_ref().map_or("", Version::as_str)
        && was.field("container_id") == report.container.map(|id| id.short()).unwrap_or_default()
        && (report.stability == Stability::Observing || was.field("reason") == reason);
    if is_same {
        return None;
    }
    let was_waiting =
        said.map_or(was.field("stability") == Stability::Waiting.to_string(), |said| said == Stability::Waiting);
    log_transition(instance, report, &reason, was_waiting);
    let event = match report.stability {
        Stability::Held => "held",
        Stability::Error => "error",
        Stability::Stable if report.reason == Reason::LatestMoved => "latest moved",
        _ => return None,
    };
    Some(Occurrence {
        instance: instance.clone(),
        event,
        version: report.version.clone(),
        image: report.image,
        reason: None,
        detail: reason,
        container: report.container,
        exit_code: None,
    })
}

fn log_transition(instance: &Instance, report: &InstanceReport, reason: &str, was_waiting: bool) {
    let version = report.version.as_ref().map_or("", Version::as_str);
    let image = report.image.map(|id| id.to_string()).unwrap_or_default();
    match report.stability {
        Stability::Local => tracing::debug!(feature = %instance, version, reason, "local"),
        // The rows of a takeover come one by one: only that it waits is news, not for what.
        Stability::Waiting if was_waiting => {
            tracing::debug!(feature = %instance, version, reason, "waiting");
        }
        Stability::Waiting => tracing::info!(feature = %instance, version, reason, "waiting"),
        Stability::Observing => tracing::info!(feature = %instance, version, image, reason, "observing"),
        Stability::Stable if report.reason == Reason::LatestMoved => {
            tracing::warn!(feature = %instance, version, image, reason, "latest moved");
        }
        // That it was promoted was logged as it was found.
        Stability::Stable => tracing::debug!(feature = %instance, version, image, reason, "stable"),
        Stability::Held => tracing::warn!(feature = %instance, version, image, reason, "held"),
        // How it ended was logged as it did.
        Stability::Failed => tracing::debug!(feature = %instance, version, reason, "failed"),
        Stability::Error => tracing::error!(feature = %instance, version, image, reason, "acting failed"),
    }
}

fn rolled_back(report: &Report, base: &Base, Settled { version, image, .. }: &Settled) -> Vec<Occurrence> {
    report
        .instances_of(base)
        .filter(|(_, told)| told.stability != Stability::Local)
        .map(|(instance, told)| {
            let from = told.version.as_ref().map_or("", Version::as_str);
            tracing::info!(feature = %instance, version = %version, image = %image, from, "rolled back");
            Occurrence {
                instance: instance.clone(),
                event: "rolled back",
                version: Some(version.clone()),
                image: Some(*image),
                reason: None,
                detail: format!("{base}:latest is this image again, by an operator"),
                container: None,
                exit_code: None,
            }
        })
        .collect()
}

fn promoted(
    report: &Report,
    base: &Base,
    Settled { version, image, instances, .. }: &Settled,
    reason: &str,
    by: &str,
) -> Vec<Occurrence> {
    report
        .instances_of(base)
        .filter(|(instance, told)| told.image.as_ref() == Some(image) || instances.contains(*instance))
        .map(|(instance, _)| {
            tracing::info!(feature = %instance, version = %version, image = %image, reason, "promoted");
            Occurrence {
                instance: instance.clone(),
                event: "promoted",
                version: Some(version.clone()),
                image: Some(*image),
                reason: None,
                detail: format!("{base}:latest is this image{by}"),
                container: None,
                exit_code: None,
            }
        })
        .collect()
}

/// Logs an action that was carried out, and makes events of it. A promotion is told when a decision finds it done.
#[must_use]
pub(super) fn carried_out(base: &Base, action: &Action, reclaimed: u64, report: &Report) -> Vec<Occurrence> {
    let Action { purpose, steps } = action;
    let members: Vec<&Instance> =
        report.instances_of(base).filter(|(_, told)| told.observing.is_some()).map(|(instance, _)| instance).collect();
    let (event, version) = match purpose {
        Purpose::Promote(version) | Purpose::RollBack(version) => (None, Some(version)),
        Purpose::RestoreLatest(version) => (Some("restored"), Some(version)),
        Purpose::NamePromoted(version) | Purpose::RecordVersions(version) => (None, Some(version)),
        Purpose::DropLocalTag(version) | Purpose::KeepLocalImage(version) => (Some("cleaned"), Some(version)),
        Purpose::RemoveImage(version) => (Some("cleaned"), version.as_ref()),
    };
    tracing::info!(
        image = %base,
        version = version.map_or("", Version::as_str),
        reclaimed,
        steps = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        "{purpose}",
    );
    let image = steps.iter().find_map(image_of);
    let Some(event) = event else { return Vec::new() };
    members
        .into_iter()
        .map(|instance| Occurrence {
            instance: instance.clone(),
            event,
            version: version.cloned(),
            image: image.cloned(),
            reason: None,
            detail: purpose.to_string(),
            container: None,
            exit_code: None,
        })
        .collect()
}

/// The images that an action is about.
pub(super) fn images_of(action: &Action) -> impl Iterator<Item = ImageId> {
    action.steps.iter().filter_map(image_of).copied()
}

fn image_of(step: &Step) -> Option<&ImageId> {
    match step {
        Step::Tag { image, .. } | Step::RemoveReference { image, .. } | Step::RemoveImage { image } => Some(image),
        Step::RemoveContainer { .. } | Step::RecordVersions { .. } => None,
    }
}
