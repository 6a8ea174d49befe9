//! The rows that are written again: policy, configuration, and those that were lost.

use imgmgrd_test_support::{CONFIG_DB, Instance, Namespace};

use crate::features::{FEATURES, Feature, namespaces};
use crate::stage::Stage;

impl Stage<'_> {
    /// The policy of all and of each, as it is to be now.
    pub(crate) fn write_policy(&self) {
        let record = self.shared.record();
        let state = if record.holds.disabled.is_some() { "disabled" } else { "enabled" };
        let (stable_time, keep) = (record.stable_time.now().to_string(), record.keep_versions.now().to_string());
        let fields =
            [("state", state), ("stable_time", &stable_time), ("keep_versions", &keep), ("cleanup", "enabled")];
        self.switch.rows().policy(&fields);
        for (feature, group) in FEATURES.iter().zip(&record.groups) {
            match &group.pin {
                Some(pin) => self.switch.rows().feature_policy(feature.name, &[("pin", pin)]),
                None => self.switch.rows().remove(CONFIG_DB, &format!("CONTAINER_IMAGE_FEATURE|{}", feature.name)),
            }
        }
    }

    /// Whether Kubernetes is enabled and connected.
    pub(crate) fn write_masters(&self) {
        let record = self.shared.record();
        self.switch.rows().kubernetes_master(record.holds.kubernetes.is_some());
        self.switch.rows().kubernetes_connected(record.holds.disconnected.is_none());
    }

    /// CONFIG_DB of every namespace, as it is to be now.
    pub(crate) fn fill_config(&self) {
        for namespace in namespaces() {
            for feature in FEATURES {
                let owner = if feature.kube { "kube" } else { "local" };
                if namespace == Namespace::Host || feature.per_asic {
                    self.switch.rows_of(namespace).config_feature(
                        feature.name,
                        owner,
                        feature.per_asic,
                        !feature.per_asic,
                    );
                }
            }
        }
        self.write_policy();
        self.write_masters();
    }

    /// CONFIG_DB is complete.
    pub(crate) fn config_is_loaded(&self) {
        namespaces().for_each(|namespace| self.switch.rows_of(namespace).config_initialized(true));
        self.shared.record().holds.loading = None;
    }

    /// Deleted rows have stayed away, and are written again.
    pub(crate) fn rows_come_back(&mut self, feature: usize) {
        let Feature { name, .. } = FEATURES[feature];
        if self.actors[feature].rows_gone {
            for instance in FEATURES[feature].instances() {
                if let Some(row) = self.switch.instance(&instance).feature_row() {
                    self.shared.journal.violation(format_args!("promise 6: FEATURE|{name} was brought back: {row:?}"));
                }
            }
        }
        self.says("script", format_args!("writes FEATURE|{name} of STATE_DB again"));
        self.write_rows(feature);
    }

    /// The STATE_DB rows of a feature, as its scripts would write them now.
    pub(crate) fn write_rows(&mut self, feature: usize) {
        for (number, instance) in FEATURES[feature].instances().iter().enumerate() {
            let rows = self.switch.instance(instance);
            let kube = self.shared.record().groups[feature].kube[number].clone();
            match kube {
                Some(kube) => {
                    rows.service_restart();
                    rows.takeover(&kube.id, &kube.version);
                }
                None => match self.local_version(instance) {
                    Some(version) => rows.local_start(&version),
                    None => rows.goes_away(),
                },
            }
        }
        self.actors[feature].rows_gone = false;
    }

    /// The version of an instance's local container, if it runs.
    fn local_version(&self, instance: &Instance) -> Option<String> {
        let container = self.switch.engine().container(instance.container())?;
        if container["State"]["Running"] != true {
            return None;
        }
        let words = container["Config"]["Env"].as_array()?;
        let version = words.iter().filter_map(|word| word.as_str()?.strip_prefix("IMAGE_VERSION=")).next();
        version.map(str::to_owned)
    }
}
