//! The writes of one instance's life.

use crate::rows::{CONFIG_DB, Instance, Namespace, Row, Rows, STATE_DB, update_time};
use crate::switch::Switch;

/// The rows of one instance of a feature.
#[derive(Clone, Debug)]
pub struct FeatureRows<'a> {
    rows: Rows<'a>,
    host: Rows<'a>,
    published: Rows<'a>,
    instance: Instance,
}

/// The scripts: each method is one line of what was recorded on a real switch.
impl<'a> FeatureRows<'a> {
    pub(crate) fn new(switch: &'a Switch, instance: &Instance) -> Self {
        Self {
            rows: switch.rows_of(instance.namespace),
            host: switch.rows_of(Namespace::Host),
            published: switch.rows_of(instance.publishes),
            instance: instance.clone(),
        }
    }

    /// A local start: `container start`, the report from inside the container, `container wait`.
    pub fn local_start(&self, version: &str) {
        self.container_start_local();
        self.local_container_reports(version);
        self.local_container_wait(version);
    }

    /// `container start` of the local container.
    pub fn container_start_local(&self) {
        self.kube_labels(&[("enabled", "false")]);
        self.set(&[
            ("system_state", "up"),
            ("update_time", &update_time()),
            ("remote_state", "none"),
            ("current_owner", "local"),
            ("container_id", &self.instance.container),
        ]);
    }

    /// What `container_startup.py` writes from inside the local container.
    pub fn local_container_reports(&self, version: &str) {
        self.kube_labels(&[("local", version)]);
        self.set(&[
            ("current_owner", "local"),
            ("container_id", &self.instance.container),
            ("update_time", &update_time()),
            ("container_version", version),
        ]);
    }

    /// `container wait` on the local container.
    pub fn local_container_wait(&self, version: &str) {
        self.set(&[("container_stable_version", version)]);
    }

    /// `config feature owner`: CONFIG_DB, in the instance's own namespace.
    pub fn set_owner(&self, owner: &str) {
        let feature = &self.instance.feature;
        self.rows.set(CONFIG_DB, &format!("FEATURE|{feature}"), &[("set_owner", owner)]);
    }

    /// A kube container of another version starts and reports itself: its version, then that it waits.
    pub fn kube_container_reports(&self, version: &str) {
        self.set(&[("container_version", version)]);
        self.set(&[("remote_state", "pending")]);
    }

    /// The feature's service is restarted for it: stop, start.
    pub fn service_restart(&self) {
        self.set(&[
            ("current_owner", "none"),
            ("update_time", &update_time()),
            ("container_id", ""),
            ("system_state", "down"),
        ]);
        self.set(&[("system_state", "up"), ("update_time", &update_time())]);
        self.kube_labels(&[("enabled", "true")]);
    }

    /// `container wait` lets the kube container go on.
    pub fn ready(&self) {
        self.set(&[("remote_state", "ready")]);
    }

    /// The kube container takes over; of its id 12 digits are written.
    pub fn takeover(&self, container_id: &str, version: &str) {
        self.set(&[
            ("current_owner", "kube"),
            ("container_id", container_id.get(..12).unwrap_or(container_id)),
            ("update_time", &update_time()),
            ("container_version", version),
            ("remote_state", "running"),
        ]);
    }

    /// A whole upgrade from local to kube, or from kube to kube, up to the takeover.
    pub fn kube_takes_over(&self, container_id: &str, version: &str) {
        self.kube_container_reports(version);
        self.service_restart();
        self.ready();
        self.takeover(container_id, version);
    }

    /// The kube container goes away: an upgrade, a drain, a crash.
    pub fn goes_away(&self) {
        self.set(&[
            ("current_owner", "none"),
            ("update_time", &update_time()),
            ("container_id", ""),
            ("system_state", "down"),
            ("remote_state", "stopped"),
        ]);
    }

    /// Nobody takes over in time; the local container is started next.
    pub fn nobody_takes_over(&self) {
        self.set(&[("remote_state", "none")]);
    }

    /// The host's `KUBE_LABELS|SET`: `<feature>_<label>` for each label.
    pub fn kube_labels(&self, labels: &[(&str, &str)]) {
        for (label, value) in labels {
            let field = format!("{}_{label}", self.instance.feature);
            self.host.set(STATE_DB, "KUBE_LABELS|SET", &[(&field, value)]);
        }
    }
}

/// Its rows.
impl FeatureRows<'_> {
    /// Whose rows these are.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Sets fields of its `FEATURE` row in STATE_DB by one HSET.
    pub fn set(&self, fields: &[(&str, &str)]) {
        self.rows.set(STATE_DB, &self.state_key(), fields);
    }

    /// Deletes its `FEATURE` row in STATE_DB.
    pub fn remove_state(&self) {
        self.rows.remove(STATE_DB, &self.state_key());
    }

    /// Deletes its `FEATURE` row in CONFIG_DB.
    pub fn remove_config(&self) {
        self.rows.remove(CONFIG_DB, &format!("FEATURE|{}", self.instance.feature));
    }

    /// Its `FEATURE` row in STATE_DB.
    pub fn feature_row(&self) -> Option<Row> {
        self.rows.get(STATE_DB, &self.state_key())
    }

    /// What the agent publishes of it: `CONTAINER_IMAGE|<feature>`.
    pub fn image_row(&self) -> Option<Row> {
        self.published.get(STATE_DB, &format!("CONTAINER_IMAGE|{}", self.instance.feature))
    }

    /// One field of [`image_row`](Self::image_row), empty without a row or field.
    pub fn published(&self, field: &str) -> String {
        self.image_row().and_then(|mut row| row.remove(field)).unwrap_or_default()
    }

    /// The published stability.
    pub fn stability(&self) -> String {
        self.published("stability")
    }

    /// The published reason.
    pub fn reason(&self) -> String {
        self.published("reason")
    }

    /// Its `CONTAINER_IMAGE_HISTORY` rows with their numbers, the oldest first.
    pub fn history(&self) -> Vec<(u64, Row)> {
        let prefix = format!("CONTAINER_IMAGE_HISTORY|{}|", self.instance.feature);
        let keys = self.published.keys(STATE_DB, &format!("{prefix}*"));
        let numbered = keys.iter().filter_map(|key| {
            let number = key.strip_prefix(&prefix)?.parse().ok()?;
            Some((number, self.published.get(STATE_DB, key)?))
        });
        let mut history: Vec<_> = numbered.collect();
        history.sort_unstable();
        history
    }

    fn state_key(&self) -> String {
        format!("FEATURE|{}", self.instance.row)
    }
}
