//! The features of the soak's switch.

use imgmgrd_test_support::{Instance, Namespace};

/// How many ASICs the switch has.
pub(crate) const ASICS: usize = 2;

/// The version that is installed locally.
pub(crate) const INSTALLED: &str = "20251231.11";

/// A feature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feature {
    /// Its name.
    pub(crate) name: &'static str,
    /// The last part of its images' names.
    pub(crate) base: &'static str,
    /// Whether it runs once per ASIC, on one shared image.
    pub(crate) per_asic: bool,
    /// Whether Kubernetes is to own it; else systemd runs it all along.
    pub(crate) kube: bool,
}

const fn feature(name: &'static str, base: &'static str, kube: bool) -> Feature {
    Feature { name, base, per_asic: false, kube }
}

/// All of them, in the order of their numbers: `gnmi` has a near name beside it that is not to be touched.
pub(crate) const FEATURES: [Feature; 6] = [
    feature("telemetry", "docker-sonic-telemetry", true),
    feature("snmp", "docker-snmp", true),
    feature("gnmi", "docker-sonic-gnmi", true),
    Feature { per_asic: true, ..feature("bgp", "docker-fpm-frr", true) },
    feature("gnmi-watchdog", "docker-sonic-gnmi-watchdog", false),
    feature("lldp", "docker-lldp", false),
];

/// The numbers of those that Kubernetes is to own.
pub(crate) fn kube_features() -> impl Iterator<Item = usize> {
    (0..FEATURES.len()).filter(|&number| FEATURES[number].kube)
}

/// The number of the one that runs once per ASIC.
pub(crate) fn per_asic_feature() -> usize {
    FEATURES.iter().position(|feature| feature.per_asic).expect("there is one")
}

/// The number of the feature whose images are named so.
pub(crate) fn by_base(base: &str) -> Option<usize> {
    FEATURES.iter().position(|feature| feature.base == base)
}

impl Feature {
    /// Its instances.
    pub(crate) fn instances(&self) -> Vec<Instance> {
        if self.per_asic {
            (0..ASICS).map(|asic| Instance::asic(asic, self.name)).collect()
        } else {
            vec![Instance::host(self.name)]
        }
    }

    /// `BASE:latest`.
    pub(crate) fn latest(&self) -> String {
        format!("{}:latest", self.base)
    }
}

/// The namespaces of the switch.
pub(crate) fn namespaces() -> impl Iterator<Item = Namespace> {
    [Namespace::Host].into_iter().chain((0..ASICS).map(Namespace::Asic))
}
