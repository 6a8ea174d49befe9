//! Takeover: whether a kube container runs an instance now, and since when.

pub(crate) mod identity;
pub(crate) mod instances;

use derive_more::From;

use crate::domain::{Age, Base, ContainerId, Instance, Namespace, Value, Version};
use crate::report::{Ended, Incomplete, LocalReason, Unknown};
use crate::snapshot::Policy;
use crate::snapshot::index::Index;
use crate::snapshot::{
    Command, Container, ContainerDetails, ContainerStatus, NamedContainer, Owner, RemoteState, Snapshot,
};
use crate::snapshot::{Ending, Failure, GroupMemory, InstanceMemory, Memory, Now, Promotion, Takeover};
use identity::Found;
use instances::InstanceRows;

/// What the rows and the engine say of an instance that is not decided with others yet.
#[derive(Clone, Debug)]
pub(crate) struct InstanceStatus<'a> {
    /// The instance and its rows.
    pub(crate) rows: InstanceRows<'a>,
    /// Its image name.
    pub(crate) base: Result<Base, Incomplete>,
    /// The namespace whose database would say how it stands, and cannot be read.
    pub(crate) unreadable: Option<Namespace>,
    /// Who is to own it, as far as known.
    pub(crate) set_owner: Option<Owner>,
    /// How it stands.
    pub(crate) takeover_status: TakeoverStatus,
    /// A takeover that stood at the last decision and was not stable when it ended.
    pub(crate) ended: Option<Ended>,
    /// What is to be remembered of it.
    pub(crate) memory: InstanceMemory,
}

/// How an instance stands.
#[derive(Clone, Debug)]
pub(crate) enum TakeoverStatus {
    /// systemd runs it.
    Local(LocalReason),
    /// A takeover stands.
    Stands(StandingTakeover),
    /// None stands, for this reason.
    No(Incomplete),
    /// It cannot be said; what was so is taken to be so still, and nothing is done.
    Unknown(Unknown),
}

/// A takeover that stands.
#[derive(Clone, Debug)]
pub(crate) struct StandingTakeover {
    /// The takeover that is in effect: this container since this start.
    pub(crate) takeover: Takeover,
    /// How long it has stood.
    pub(crate) age: Age,
    /// Whether that is `stable_time`, or an operator has said that it is good.
    pub(crate) is_stable: bool,
    /// Whether this decision is the first to find it.
    pub(crate) has_begun: bool,
}

/// Why no takeover is found to stand.
#[derive(Clone, Debug, From)]
pub(crate) enum NoTakeover {
    /// It lacks this.
    Incomplete(Incomplete),
    /// Whether it lacks something cannot be told.
    Unknown(Unknown),
}

impl From<NoTakeover> for TakeoverStatus {
    fn from(no: NoTakeover) -> Self {
        match no {
            NoTakeover::Incomplete(reason) => Self::No(reason),
            NoTakeover::Unknown(reason) => Self::Unknown(reason),
        }
    }
}

impl InstanceStatus<'_> {
    /// The takeover that stands.
    pub(crate) fn standing(&self) -> Option<&StandingTakeover> {
        match &self.takeover_status {
            TakeoverStatus::Stands(standing) => Some(standing),
            _ => None,
        }
    }

    /// The same, without what is known of its age.
    pub(crate) fn takeover(&self) -> Option<&Takeover> {
        self.standing().map(|standing| &standing.takeover)
    }

    /// Whether `promotion` was for the takeover that stands.
    pub(crate) fn is_covered_by(&self, promotion: Option<&Promotion>) -> bool {
        let key = promotion.and_then(|promotion| promotion.takeovers.get(&self.rows.instance));
        self.takeover().is_some_and(|takeover| key == Some(&takeover.key()))
    }

    /// Whether Kubernetes is to own it.
    pub(crate) fn is_kube(&self) -> bool {
        self.set_owner == Some(Owner::Kube)
    }

    /// The takeover that stands, or that is taken to stand still as long as nothing is known of it.
    pub(crate) fn remembered(&self) -> Option<&Takeover> {
        self.memory.takeover.as_ref()
    }
}

/// Assesses one instance.
pub(crate) fn assess<'a>(
    rows: InstanceRows<'a>,
    index: &Index<'_>,
    memory: &Memory,
    policy: &Policy,
    now: &Now,
) -> InstanceStatus<'a> {
    let remembered = memory.instances.get(&rows.instance);
    let container = identity::kube_container(&rows, index);
    let base = identity::image_name(&rows, &container, index);
    let unreadable = unreadable(&rows.instance, index.snapshot);
    let known_owner = remembered.and_then(|memory| memory.set_owner).filter(|_| unreadable.is_some());
    let set_owner =
        known_owner.map_or_else(|| rows.set_owner(remembered, index.snapshot.config_initialized), Value::Is);
    let stable_time = policy.of(&rows.instance.feature).stable_time;

    let takeover_status = match (unreadable, &set_owner) {
        (Some(namespace), _) => TakeoverStatus::Unknown(Unknown::Namespace(namespace)),
        (None, Value::Is(Owner::Local)) => TakeoverStatus::Local(LocalReason::Owner),
        (None, Value::Is(Owner::None)) => TakeoverStatus::No(Incomplete::OwnerUnknown),
        (None, Value::Invalid(value)) => {
            TakeoverStatus::No(Incomplete::Refused { field: "set_owner", value: value.clone() })
        }
        _ if runs_locally(&rows) => TakeoverStatus::Local(runs_locally_reason(&rows, base.as_ref().ok(), index)),
        (None, Value::Absent) => TakeoverStatus::No(Incomplete::OwnerUnknown),
        (None, Value::Is(Owner::Kube)) => match complete(&rows, &container, &base, index, memory) {
            Ok(seen) => {
                let group = base.as_ref().ok().and_then(|base| memory.groups.get(base));
                TakeoverStatus::Stands(stand(&rows, seen, remembered, group, index.snapshot, stable_time, now))
            }
            Err(reason) => reason.into(),
        },
    };

    let ended = ended(&rows, &takeover_status, remembered, index.snapshot, stable_time, now);
    let set_owner = set_owner.get().copied();
    let memory = remember(&takeover_status, set_owner, remembered, ended.as_ref());
    InstanceStatus { rows, base, unreadable, set_owner, takeover_status, ended, memory }
}

/// The namespace, its own or the host's, whose database cannot be read.
fn unreadable(instance: &Instance, snapshot: &Snapshot) -> Option<Namespace> {
    [Namespace::Host, instance.namespace].into_iter().find(|namespace| snapshot.unreadable.contains(namespace))
}

/// `current_owner` is local and no kube container is on its way.
fn runs_locally(rows: &InstanceRows<'_>) -> bool {
    rows.state.current_owner.is(&Owner::Local)
        && matches!(rows.state.remote_state, Value::Absent | Value::Is(RemoteState::None))
}

fn runs_locally_reason(rows: &InstanceRows<'_>, base: Option<&Base>, index: &Index<'_>) -> LocalReason {
    identity::running_beside(&rows.instance, base, index).map_or(LocalReason::Runs, |(id, container)| {
        LocalReason::RunsBesideKube(*id, identity::reported_version(container, index).cloned())
    })
}

/// A kube container that fulfils everything a takeover asks for.
struct Complete<'a> {
    id: &'a ContainerId,
    container: &'a Container,
    details: &'a ContainerDetails,
    version: Version,
}

/// Checks everything a takeover asks for, in the order in which a person would.
fn complete<'a>(
    rows: &InstanceRows<'_>,
    container: &Found<'a>,
    base: &Result<Base, Incomplete>,
    index: &Index<'a>,
    memory: &Memory,
) -> Result<Complete<'a>, NoTakeover> {
    let state = &rows.state;
    refuse("current_owner", &state.current_owner)?;
    refuse("remote_state", &state.remote_state)?;
    refuse("container_version", &state.container_version)?;
    if !state.current_owner.is(&Owner::Kube) {
        return Err(Incomplete::CurrentOwner(state.current_owner.get().copied()).into());
    }
    if !state.remote_state.is(&RemoteState::Running) {
        return Err(Incomplete::RemoteState(state.remote_state.get().copied()).into());
    }
    let (id, container) = container.clone()?;
    let base = base.clone()?;
    let image = index.snapshot.images.get(&container.image);
    let known = memory.groups.get(&base).is_some_and(|group| group.images.contains_key(&container.image));
    if !known && image.is_none_or(|image| image.references_of(&base).next().is_none()) {
        return Err(Incomplete::ForeignImage(*id, base).into());
    }
    match container.status {
        ContainerStatus::Running => {}
        ContainerStatus::Unknown => return Err(Unknown::ContainerState(*id).into()),
        ContainerStatus::Paused | ContainerStatus::Restarting | ContainerStatus::Stopped => {
            return Err(Incomplete::ContainerNotRunning(*id).into());
        }
    }
    let details = container.details.as_ref().ok_or(Unknown::NotInspected(*id))?;
    if !identity::is_read(container, index) {
        return Err(Unknown::NotInspected(*id).into());
    }
    if details.unhealthy {
        return Err(Incomplete::Unhealthy(*id).into());
    }
    let version = version_of(rows, container, &base, index)?;
    Ok(Complete { id, container, details, version })
}

fn refuse<T>(field: &'static str, value: &Value<T>) -> Result<(), Incomplete> {
    match value {
        Value::Invalid(value) => Err(Incomplete::Refused { field, value: value.clone() }),
        Value::Absent | Value::Is(_) => Ok(()),
    }
}

/// The version of a container: the one that it reports, else its image's tag, else the row's.
fn version_of(
    rows: &InstanceRows<'_>,
    container: &Container,
    base: &Base,
    index: &Index<'_>,
) -> Result<Version, Incomplete> {
    let row = rows.state.container_version.get();
    if let Some(reported) = identity::reported_version(container, index) {
        return match row {
            Some(row) if row != reported => {
                Err(Incomplete::VersionsDiffer { row: row.clone(), container: reported.clone() })
            }
            _ => Ok(reported.clone()),
        };
    }
    let image = index.snapshot.images.get(&container.image);
    let tags: Vec<_> = image
        .into_iter()
        .flat_map(|image| image.references_of(base))
        .filter(|reference| !reference.is_local_latest())
        .filter_map(|reference| reference.tag())
        .collect();
    let fitting = tags.iter().find(|tag| Some(**tag) == row).or_else(|| tags.first()).copied();
    fitting.or(row).cloned().ok_or(Incomplete::VersionUnknown)
}

/// The takeover that stands: the remembered one if nothing interrupted it, else a new one.
fn stand(
    rows: &InstanceRows<'_>,
    seen: Complete<'_>,
    remembered: Option<&InstanceMemory>,
    group: Option<&GroupMemory>,
    snapshot: &Snapshot,
    stable_time: Age,
    now: &Now,
) -> StandingTakeover {
    let details = seen.details;
    let continued = remembered.and_then(|memory| memory.takeover.as_ref()).filter(|takeover| {
        takeover.container == *seen.id
            && takeover.started_at == details.started_at
            // A container's image never changes: what says otherwise is a damaged file.
            && takeover.image == seen.container.image
            && takeover.version == seen.version
            && details.oom_kills <= takeover.oom_kills
    });
    let has_begun = continued.is_none();
    let takeover = continued.cloned().unwrap_or_else(|| Takeover {
        container: *seen.id,
        started_at: details.started_at.clone(),
        oom_kills: details.oom_kills,
        image: seen.container.image,
        version: seen.version,
    });
    let age = if has_begun { Age::ZERO } else { now.takeover(&takeover.mark(&rows.instance)) };
    let is_requested = snapshot.commands.get(&rows.instance.feature) == Some(&Command::Promote);
    let approved = group.and_then(|group| group.approved.get(&rows.instance));
    let is_approved = is_requested || approved.is_some_and(|key| *key == takeover.key());
    StandingTakeover { is_stable: age >= stable_time || is_approved, takeover, age, has_begun }
}

/// A remembered takeover that this decision finds ended before it was stable.
fn ended(
    rows: &InstanceRows<'_>,
    takeover_status: &TakeoverStatus,
    remembered: Option<&InstanceMemory>,
    snapshot: &Snapshot,
    stable_time: Age,
    now: &Now,
) -> Option<Ended> {
    let takeover = remembered?.takeover.as_ref()?;
    let goes_on = match takeover_status {
        TakeoverStatus::Stands(standing) => !standing.has_begun,
        TakeoverStatus::Unknown(_) => true,
        // Asking for local is no failure of the version; nor is a change under way, which says waiting.
        TakeoverStatus::Local(LocalReason::Owner) | TakeoverStatus::No(Incomplete::VersionsDiffer { .. }) => true,
        TakeoverStatus::Local(_) | TakeoverStatus::No(_) => false,
    };
    let after = now.takeover(&takeover.mark(&rows.instance));
    (!goes_on && after < stable_time).then(|| Ended {
        version: takeover.version.clone(),
        image: takeover.image,
        container: takeover.container,
        ending: ending(takeover, rows, takeover_status, snapshot),
        exit_code: snapshot.containers.get(&takeover.container).and_then(|container| container.exit_code),
        after,
    })
}

/// How a takeover ended: what became of its container says most, then what the rows say.
fn ending(
    takeover: &Takeover,
    rows: &InstanceRows<'_>,
    takeover_status: &TakeoverStatus,
    snapshot: &Snapshot,
) -> Ending {
    let Some(container) = snapshot.containers.get(&takeover.container) else { return Ending::Removed };
    match container.status {
        ContainerStatus::Stopped => return Ending::Exited,
        ContainerStatus::Paused => return Ending::Paused,
        ContainerStatus::Restarting => return Ending::Restarted,
        ContainerStatus::Running | ContainerStatus::Unknown => {}
    }
    if let Some(details) = &container.details {
        if details.started_at != takeover.started_at {
            return Ending::Restarted;
        }
        if details.oom_kills > takeover.oom_kills {
            return Ending::OutOfMemory;
        }
        if details.unhealthy {
            return Ending::Unhealthy;
        }
    }
    match takeover_status {
        TakeoverStatus::Stands(new) if new.takeover.container != takeover.container => Ending::Replaced,
        TakeoverStatus::Stands(_) => Ending::VersionChanged,
        _ if !rows.state.current_owner.is(&Owner::Kube) => Ending::OwnerChanged,
        _ if !rows.state.remote_state.is(&RemoteState::Running) => {
            Ending::RemoteState(rows.state.remote_state.get().copied())
        }
        // The rows tell of a new container sooner than the engine is read again.
        _ if names_another(rows, &takeover.container) => Ending::Replaced,
        _ => Ending::Unidentified,
    }
}

/// Whether `container_id` is that of another container.
fn names_another(rows: &InstanceRows<'_>, container: &ContainerId) -> bool {
    let named = rows.state.container_id.get();
    named.is_some_and(|named| matches!(named, NamedContainer::Prefix(id) if !container.starts_with(id)))
}

/// What to remember: the takeover while it stands, and its failure until the next takeover or change of owner.
fn remember(
    takeover_status: &TakeoverStatus,
    set_owner: Option<Owner>,
    remembered: Option<&InstanceMemory>,
    ended: Option<&Ended>,
) -> InstanceMemory {
    let failure =
        |ended: &Ended| Failure { version: ended.version.clone(), image: ended.image, ending: ended.ending.clone() };
    match takeover_status {
        TakeoverStatus::Local(_) => InstanceMemory { set_owner, ..InstanceMemory::default() },
        TakeoverStatus::Stands(standing) => {
            InstanceMemory { set_owner, takeover: Some(standing.takeover.clone()), ..InstanceMemory::default() }
        }
        TakeoverStatus::No(_) => InstanceMemory {
            set_owner,
            takeover: None,
            failed: ended.map(failure).or_else(|| remembered?.failed.clone()),
        },
        TakeoverStatus::Unknown(_) => InstanceMemory { set_owner, ..remembered.cloned().unwrap_or_default() },
    }
}
