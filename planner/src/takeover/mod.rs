//! Takeover: whether a kube container runs an instance now, and since when.

pub(crate) mod identity;
pub(crate) mod instances;

use crate::domain::{Age, Base, ContainerId, Instance, Namespace, Value, Version};
use crate::report::{Ended, Reason};
use crate::snapshot::Policy;
use crate::snapshot::index::Index;
use crate::snapshot::{Command, Container, ContainerStatus, NamedContainer, Owner, RemoteState, Snapshot};
use crate::snapshot::{Ending, Failure, GroupMemory, InstanceMemory, Memory, Now, Takeover};
use instances::InstanceRows;

/// What the rows and the engine say of an instance that is not decided with others yet.
#[derive(Clone, Debug)]
pub(crate) struct InstanceStatus<'a> {
    /// The instance and its rows.
    pub(crate) rows: InstanceRows<'a>,
    /// Its image name.
    pub(crate) base: Result<Base, Reason>,
    /// The namespace whose database would say how it stands, and cannot be read.
    pub(crate) unreadable: Option<Namespace>,
    /// Who is to own it, as far as known.
    pub(crate) set_owner: Option<Owner>,
    /// How it stands.
    pub(crate) takeover_status: TakeoverStatus,
    /// A takeover that stood at the last look and was not stable when it ended.
    pub(crate) ended: Option<Ended>,
    /// What is to be remembered of it.
    pub(crate) memory: InstanceMemory,
}

/// How an instance stands.
#[derive(Clone, Debug)]
pub(crate) enum TakeoverStatus {
    /// systemd runs it.
    Local(Reason),
    /// A takeover stands.
    Stands {
        /// The takeover that is in effect: this container since this start.
        takeover: Takeover,
        /// How long it has stood.
        age: Age,
        /// Whether that is `stable_time`.
        is_stable: bool,
        /// Whether it began with this look.
        has_begun: bool,
    },
    /// None stands, for this reason.
    No(Reason),
    /// It cannot be said; what was so is taken to be so still, and nothing is done.
    Unknown(Reason),
}

impl InstanceStatus<'_> {
    /// The takeover that stands, its age, and whether it is stable.
    pub(crate) fn takeover(&self) -> Option<(&Takeover, Age, bool)> {
        match &self.takeover_status {
            TakeoverStatus::Stands { takeover, age, is_stable, .. } => Some((takeover, *age, *is_stable)),
            _ => None,
        }
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
        (Some(namespace), _) => TakeoverStatus::Unknown(Reason::NamespaceUnreadable(namespace)),
        (None, Value::Is(Owner::Local)) => TakeoverStatus::Local(Reason::OwnerIsLocal),
        (None, Value::Is(Owner::None)) => TakeoverStatus::No(Reason::OwnerUnknown),
        (None, Value::Invalid(value)) => {
            TakeoverStatus::No(Reason::Refused { field: "set_owner", value: value.clone() })
        }
        _ if runs_locally(&rows) => TakeoverStatus::Local(runs_locally_reason(&rows, base.as_ref().ok(), index)),
        (None, Value::Absent) => TakeoverStatus::No(Reason::OwnerUnknown),
        (None, Value::Is(Owner::Kube)) => match complete(&rows, &container, &base, index, memory) {
            Ok(seen) => {
                let group = base.as_ref().ok().and_then(|base| memory.groups.get(base));
                stand(&rows, seen, remembered, group, index.snapshot, stable_time, now)
            }
            Err(reason @ (Reason::NotInspected(_) | Reason::ContainerStateUnknown(_))) => {
                TakeoverStatus::Unknown(reason)
            }
            Err(reason) => TakeoverStatus::No(reason),
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

fn runs_locally_reason(rows: &InstanceRows<'_>, base: Option<&Base>, index: &Index<'_>) -> Reason {
    identity::running_beside(&rows.instance, base, index).map_or(Reason::RunsLocally, |(id, container)| {
        Reason::RunsLocallyBesideKube(*id, identity::reported_version(container, index).cloned())
    })
}

/// A kube container that fulfils everything a takeover asks for.
struct Complete<'a> {
    id: &'a ContainerId,
    container: &'a Container,
    version: Version,
}

/// Checks everything a takeover asks for, in the order in which a person would.
fn complete<'a>(
    rows: &InstanceRows<'_>,
    container: &Result<(&'a ContainerId, &'a Container), Reason>,
    base: &Result<Base, Reason>,
    index: &Index<'a>,
    memory: &Memory,
) -> Result<Complete<'a>, Reason> {
    let state = &rows.state;
    refuse("current_owner", &state.current_owner)?;
    refuse("remote_state", &state.remote_state)?;
    refuse("container_version", &state.container_version)?;
    if !state.current_owner.is(&Owner::Kube) {
        return Err(Reason::CurrentOwner(state.current_owner.get().copied()));
    }
    if !state.remote_state.is(&RemoteState::Running) {
        return Err(Reason::RemoteState(state.remote_state.get().copied()));
    }
    let (id, container) = container.clone()?;
    let base = base.clone()?;
    let image = index.snapshot.images.get(&container.image);
    let known = memory.groups.get(&base).is_some_and(|group| group.images.contains_key(&container.image));
    if !known && image.is_none_or(|image| image.references_of(&base).next().is_none()) {
        return Err(Reason::Stranger(*id, base));
    }
    match container.status {
        ContainerStatus::Running => {}
        ContainerStatus::Unknown => return Err(Reason::ContainerStateUnknown(*id)),
        ContainerStatus::Paused | ContainerStatus::Restarting | ContainerStatus::Stopped => {
            return Err(Reason::ContainerNotRunning(*id));
        }
    }
    let details = container.details.as_ref().ok_or(Reason::NotInspected(*id))?;
    if !identity::is_read(container, index) {
        return Err(Reason::NotInspected(*id));
    }
    if details.unhealthy {
        return Err(Reason::Unhealthy(*id));
    }
    let version = version_of(rows, container, &base, index)?;
    Ok(Complete { id, container, version })
}

fn refuse<T>(field: &'static str, value: &Value<T>) -> Result<(), Reason> {
    match value {
        Value::Invalid(value) => Err(Reason::Refused { field, value: value.clone() }),
        Value::Absent | Value::Is(_) => Ok(()),
    }
}

/// The version of a container: the one that it reports, else its image's tag, else the row's.
fn version_of(
    rows: &InstanceRows<'_>,
    container: &Container,
    base: &Base,
    index: &Index<'_>,
) -> Result<Version, Reason> {
    let row = rows.state.container_version.get();
    if let Some(reported) = identity::reported_version(container, index) {
        return match row {
            Some(row) if row != reported => {
                Err(Reason::VersionsDiffer { row: row.clone(), container: reported.clone() })
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
    fitting.or(row).cloned().ok_or(Reason::VersionUnknown)
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
) -> TakeoverStatus {
    let Some(details) = &seen.container.details else { return TakeoverStatus::No(Reason::NotInspected(*seen.id)) };
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
    TakeoverStatus::Stands { is_stable: age >= stable_time || is_approved, takeover, age, has_begun }
}

/// A remembered takeover that this look finds ended before it was stable.
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
        TakeoverStatus::Stands { has_begun, .. } => !has_begun,
        TakeoverStatus::Unknown(_) => true,
        // Asking for local is no failure of the version; nor is a change under way, which says waiting.
        TakeoverStatus::Local(Reason::OwnerIsLocal) | TakeoverStatus::No(Reason::VersionsDiffer { .. }) => true,
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
        TakeoverStatus::Stands { takeover: new, .. } if new.container != takeover.container => Ending::Replaced,
        TakeoverStatus::Stands { .. } => Ending::VersionChanged,
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
        TakeoverStatus::Stands { takeover, .. } => {
            InstanceMemory { set_owner, takeover: Some(takeover.clone()), ..InstanceMemory::default() }
        }
        TakeoverStatus::No(_) => InstanceMemory {
            set_owner,
            takeover: None,
            failed: ended.map(failure).or_else(|| remembered?.failed.clone()),
        },
        TakeoverStatus::Unknown(_) => InstanceMemory { set_owner, ..remembered.cloned().unwrap_or_default() },
    }
}
