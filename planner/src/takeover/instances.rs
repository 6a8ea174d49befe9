//! Which instances there are, and what their rows say taken together.

use std::collections::BTreeMap;

use crate::domain::{Base, Feature, Instance, Namespace, Value};
use crate::snapshot::{FeatureConfiguration, FeatureState, NamedContainer, Owner, RowKey, Snapshot};
use crate::snapshot::{InstanceMemory, Memory};

/// One instance of a feature and all that its rows say.
#[derive(Clone, Debug)]
pub(crate) struct InstanceRows<'a> {
    /// The instance that the rows are about.
    pub(crate) instance: Instance,
    /// Its configuration: the namespace's own row, else the host's.
    pub(crate) configuration: Option<&'a FeatureConfiguration>,
    /// Its STATE_DB rows, merged.
    pub(crate) state: FeatureState,
    /// The STATE_DB rows that exist, which get its versions.
    pub(crate) rows: Vec<(RowKey, &'a FeatureState)>,
}

impl InstanceRows<'_> {
    /// Who is to own the instance: the configuration, or while its row is absent or only half loaded (a reload) what it
    /// said last. A loaded row without the field means local, as in ctrmgrd.
    pub(crate) fn set_owner(&self, memory: Option<&InstanceMemory>, is_loaded: bool) -> Value<Owner> {
        match self.configuration.map(|configuration| &configuration.set_owner) {
            Some(Value::Absent) if is_loaded => Value::Is(Owner::Local),
            Some(Value::Absent) | None => memory.and_then(|memory| memory.set_owner).map_or(Value::Absent, Value::Is),
            Some(value) => value.clone(),
        }
    }
}

/// Every instance that has a row, or had one while CONFIG_DB is being loaded or cannot be read. With `only`, at least those of that image
/// name, and no more than need be: to say for sure takes their containers.
pub(crate) fn instances<'a>(snapshot: &'a Snapshot, memory: &Memory, only: Option<&Base>) -> Vec<InstanceRows<'a>> {
    let may_be_asked_for = |feature: &Feature| {
        let named = snapshot.image_names.get(feature);
        only.is_none_or(|only| named.is_none_or(|named| named == only))
    };
    // The row `bgp1` may be about `bgp`.
    let may_have_another_name =
        |row: &RowKey| !snapshot.asics.is_empty() && row.key.as_str().ends_with(|c: char| c.is_ascii_digit());
    let mut found = BTreeMap::new();
    for row in snapshot.configuration.keys().filter(|row| may_be_asked_for(&row.key)) {
        add_configured(snapshot, row, &mut found);
    }
    for row in snapshot.state.keys().filter(|row| may_be_asked_for(&row.key) || may_have_another_name(row)) {
        let instance = instance_of_state_row(snapshot, memory, row);
        // A row of a feature that has no instance there (the host's row of a purely per-ASIC feature) means nothing.
        if configuration_of(snapshot, &instance).is_none() {
            found.entry(instance).or_insert(());
        }
    }
    // What cannot be read now may have rows as before.
    let may_have_rows = |instance: &&Instance| {
        let is_unreadable = |namespace| snapshot.unreadable.contains(&namespace);
        !snapshot.config_initialized || is_unreadable(Namespace::Host) || is_unreadable(instance.namespace)
    };
    found.extend(memory.instances.keys().filter(may_have_rows).map(|instance| (instance.clone(), ())));
    let asked_for = found.into_keys().filter(|instance| may_be_asked_for(&instance.feature));
    asked_for.map(|instance| read(snapshot, instance)).collect()
}

/// SONiC's rule (featured): on a multi-ASIC switch the scopes say where a feature runs, else it runs on the host.
fn add_configured(snapshot: &Snapshot, row: &RowKey, found: &mut BTreeMap<Instance, ()>) {
    let instance = |namespace| Instance { feature: row.key.clone(), namespace };
    let namespaces = snapshot.asics.iter().copied().filter(|asic| match row.namespace {
        Namespace::Host => true,
        own @ Namespace::Asic(_) => *asic == own,
    });
    for namespace in namespaces {
        let instance = instance(namespace);
        if configuration_of(snapshot, &instance).is_some_and(|configuration| configuration.has_per_asic_scope) {
            found.insert(instance, ());
        }
    }
    let on_host = instance(Namespace::Host);
    if row.namespace == Namespace::Host
        && configuration_of(snapshot, &on_host)
            .is_some_and(|configuration| configuration.has_global_scope || snapshot.asics.is_empty())
    {
        found.insert(on_host, ());
    }
}

/// The configuration of an instance: the namespace's own row, else the host's.
fn configuration_of<'a>(snapshot: &'a Snapshot, instance: &Instance) -> Option<&'a FeatureConfiguration> {
    let row = |namespace| RowKey { namespace, key: instance.feature.clone() };
    snapshot.configuration.get(&row(instance.namespace)).or_else(|| snapshot.configuration.get(&row(Namespace::Host)))
}

/// Which instance a STATE_DB row is about: `FEATURE|bgp1` on the host of a multi-ASIC switch is `bgp` in `asic1`, if
/// `bgp` runs per ASIC and no feature is called `bgp1`.
fn instance_of_state_row(snapshot: &Snapshot, memory: &Memory, row: &RowKey) -> Instance {
    let own = Instance { feature: row.key.clone(), namespace: row.namespace };
    if row.namespace != Namespace::Host || configuration_of(snapshot, &own).is_some() {
        return own;
    }
    per_asic_instance(snapshot, &row.key)
        .filter(|instance| {
            configuration_of(snapshot, instance).map_or_else(
                || memory.instances.contains_key(instance),
                |configuration| configuration.has_per_asic_scope,
            )
        })
        .unwrap_or(own)
}

/// `bgp1` read as feature `bgp` in `asic1`.
fn per_asic_instance(snapshot: &Snapshot, key: &Feature) -> Option<Instance> {
    snapshot.asics.iter().find_map(|asic| {
        let Namespace::Asic(number) = asic else { return None };
        let feature = key.as_str().strip_suffix(&number.to_string())?;
        // `bgp11` is no instance of `bgp1` in asic1 unless such a feature exists, which the caller checks.
        Some(Instance { feature: feature.parse().ok()?, namespace: *asic })
            .filter(|instance| !feature.ends_with(|c: char| c.is_ascii_digit()) || has_row(snapshot, instance))
    })
}

fn has_row(snapshot: &Snapshot, instance: &Instance) -> bool {
    configuration_of(snapshot, instance).is_some()
}

/// Reads the rows of one instance, merging the two shapes of per-ASIC rows field by field: the row with a container id
/// wins and the other fills the gaps.
fn read(snapshot: &Snapshot, instance: Instance) -> InstanceRows<'_> {
    let own = RowKey { namespace: instance.namespace, key: instance.feature.clone() };
    let mut keys = vec![own];
    if instance.namespace != Namespace::Host {
        if let Ok(key) = instance.container_name().parse() {
            keys.push(RowKey { namespace: Namespace::Host, key });
        }
    }
    let rows: Vec<_> = keys.into_iter().filter_map(|key| snapshot.state.get(&key).map(|state| (key, state))).collect();
    let state = match rows.as_slice() {
        [(_, first), (_, second)] if !has_container(first) && has_container(second) => merge(second, first),
        [(_, first), (_, second)] => merge(first, second),
        [(_, only)] => (*only).clone(),
        _ => FeatureState::default(),
    };
    let configuration = configuration_of(snapshot, &instance);
    InstanceRows { instance, configuration, state, rows }
}

fn has_container(state: &FeatureState) -> bool {
    matches!(
        state.container_id,
        Value::Is(NamedContainer::Prefix(_) | NamedContainer::TooShort(_) | NamedContainer::TooLong(_))
    )
}

fn merge(winner: &FeatureState, other: &FeatureState) -> FeatureState {
    FeatureState {
        current_owner: winner.current_owner.or(&other.current_owner),
        remote_state: winner.remote_state.or(&other.remote_state),
        container_id: winner.container_id.or(&other.container_id),
        container_version: winner.container_version.or(&other.container_version),
        stable_version: winner.stable_version.or(&other.stable_version),
        last_version: winner.last_version.or(&other.last_version),
        system_state: winner.system_state.or(&other.system_state),
    }
}
