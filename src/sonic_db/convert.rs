//! The rows in the words of the decision.

use std::str::FromStr;

use crate::domain::{Feature, Namespace, Value};
use crate::planner::{FeatureConfiguration, FeatureState, Kubernetes, RowKey, Snapshot};

use super::rows::Rows;
use super::tables::{Database, Fields, Table};

impl Rows {
    /// Sets what the databases know of the switch: configuration, state, the control plane, the namespaces, and which of them
    /// cannot be read.
    pub fn fill(&self, snapshot: &mut Snapshot) {
        snapshot.config_initialized = self.config_initialized();
        snapshot.kubernetes =
            kubernetes(self.host(Database::Config, Table::Kubernetes), self.host(Database::State, Table::Kubernetes));
        snapshot.unreadable = self.unreadable().keys().copied().collect();
        snapshot.asics = self.namespaces().filter(|namespace| *namespace != Namespace::Host).collect();
        snapshot.configuration = self.features(Database::Config, configuration).collect();
        snapshot.state = self.features(Database::State, state).collect();
    }

    fn features<T>(&self, database: Database, convert: impl Fn(&Fields) -> T) -> impl Iterator<Item = (RowKey, T)> {
        self.table(database, Table::Feature).filter_map(move |(namespace, key, fields)| {
            // Keys that are no feature's were refused when they were read.
            let key = key.parse::<Feature>().ok()?;
            Some((RowKey { namespace, key }, convert(fields)))
        })
    }
}

/// A boolean as SONiC writes it: Python's `True` and `False`, and the YANG models' `true` and `false`.
struct Boolean(bool);

impl FromStr for Boolean {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("true") {
            Ok(Self(true))
        } else if text.eq_ignore_ascii_case("false") {
            Ok(Self(false))
        } else {
            Err(())
        }
    }
}

fn field<T: FromStr>(fields: &Fields, name: &str) -> Value<T> {
    Value::read(fields.get(name).map(String::as_str))
}

fn boolean(fields: &Fields, name: &str) -> Option<bool> {
    field::<Boolean>(fields, name).get().map(|boolean| boolean.0)
}

/// CONFIG_DB `FEATURE|<feature>`. The scopes' defaults are those of what starts the services: `Feature.__init__` in
/// `scripts/featured` of sonic-host-services. `sonic-feature.yang` has another for `has_global_scope`, `false`, but the
/// defaults of a model are not in CONFIG_DB, and featured does not read them.
fn configuration(fields: &Fields) -> FeatureConfiguration {
    FeatureConfiguration {
        set_owner: field(fields, "set_owner"),
        has_per_asic_scope: boolean(fields, "has_per_asic_scope").unwrap_or(false),
        has_global_scope: boolean(fields, "has_global_scope").unwrap_or(true),
    }
}

/// STATE_DB `FEATURE|<feature>`.
fn state(fields: &Fields) -> FeatureState {
    FeatureState {
        current_owner: field(fields, "current_owner"),
        remote_state: field(fields, "remote_state"),
        container_id: field(fields, "container_id"),
        container_version: field(fields, "container_version"),
        stable_version: field(fields, "container_stable_version"),
        last_version: field(fields, "container_last_version"),
        system_state: field(fields, "system_state"),
    }
}

/// The two `KUBERNETES_MASTER|SERVER` rows.
fn kubernetes(config: Option<&Fields>, state: Option<&Fields>) -> Kubernetes {
    let disabled = match config.map_or(Value::Absent, |fields| field::<Boolean>(fields, "disable")) {
        Value::Absent => false,
        Value::Is(Boolean(disabled)) => disabled,
        // It forbids, and forbidding is the careful side.
        Value::Invalid(_) => true,
    };
    Kubernetes { disabled, connected: state.and_then(|fields| boolean(fields, "connected")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::{NamedContainer, Owner};

    fn row(fields: &[(&str, &str)]) -> Fields {
        fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn words_are_read_without_regard_to_case_and_scopes_have_defaults() {
        let default = configuration(&row(&[("set_owner", "KUBE")]));
        assert_eq!(default.set_owner, Value::Is(Owner::Kube));
        assert!(default.has_global_scope && !default.has_per_asic_scope);
        let bgp = configuration(&row(&[("has_global_scope", "False"), ("has_per_asic_scope", "True")]));
        assert!(!bgp.has_global_scope && bgp.has_per_asic_scope && bgp.set_owner.is_absent());
        assert!(configuration(&row(&[("has_global_scope", "perhaps")])).has_global_scope);
    }

    #[test]
    fn hostile_state_is_refused_field_by_field() {
        let state = state(&row(&[
            ("current_owner", "\u{fffd}"),
            ("container_version", "$(reboot)"),
            ("container_id", "6d051d98400c"),
            ("container_stable_version", ""),
        ]));
        assert!(matches!(state.current_owner, Value::Invalid(_)));
        assert!(matches!(state.container_version, Value::Invalid(_)));
        assert_eq!(state.container_id, Value::Is(NamedContainer::Prefix("6d051d98400c".into())));
        assert!(state.stable_version.is_absent());
    }

    #[test]
    fn the_control_plane_is_off_unless_it_clearly_is_not() {
        let disabled = |word| kubernetes(Some(&row(&[("disable", word)])), None).disabled;
        assert!(disabled("True") && disabled("true") && disabled("perhaps"));
        assert!(!disabled("False") && !disabled("") && !kubernetes(None, None).disabled);
        let connected = |word| kubernetes(None, Some(&row(&[("connected", word)]))).connected;
        assert_eq!((connected("true"), connected("False"), connected("?")), (Some(true), Some(false), None));
        assert_eq!(kubernetes(None, None).connected, None);
    }
}
