//! Which of a feature's instances is meant, and where its rows are.

/// A namespace of the switch.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Namespace {
    /// The host, which every switch has.
    Host,
    /// `asic0`, `asic1`, ...
    Asic(usize),
}

impl Namespace {
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Host => 0,
            Self::Asic(number) => number + 1,
        }
    }

    /// The folder of its Redis, below the switch's: `redis`, `redis0`, ...
    pub(crate) fn folder(self) -> String {
        match self {
            Self::Host => "redis".to_owned(),
            Self::Asic(number) => format!("redis{number}"),
        }
    }
}

/// An instance of a feature, and in which of the two shapes its STATE_DB row comes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instance {
    pub(crate) namespace: Namespace,
    pub(crate) row: String,
    pub(crate) feature: String,
    pub(crate) container: String,
    pub(crate) publishes: Namespace,
}

impl Instance {
    /// A feature that runs once, on the host: `FEATURE|snmp`, container `snmp`.
    pub fn host(feature: &str) -> Self {
        Self {
            namespace: Namespace::Host,
            row: feature.to_owned(),
            feature: feature.to_owned(),
            container: feature.to_owned(),
            publishes: Namespace::Host,
        }
    }

    /// Instance N of a per-ASIC feature as `FEATURE|bgp` in asicN's STATE_DB; container `bgpN`.
    pub fn asic(number: usize, feature: &str) -> Self {
        Self {
            namespace: Namespace::Asic(number),
            row: feature.to_owned(),
            feature: feature.to_owned(),
            container: format!("{feature}{number}"),
            publishes: Namespace::Asic(number),
        }
    }

    /// The same instance as `FEATURE|bgpN` in the host's STATE_DB.
    pub fn asic_in_host_row(number: usize, feature: &str) -> Self {
        Self { namespace: Namespace::Host, row: format!("{feature}{number}"), ..Self::asic(number, feature) }
    }

    /// The name of its local container.
    pub fn container(&self) -> &str {
        &self.container
    }
}
