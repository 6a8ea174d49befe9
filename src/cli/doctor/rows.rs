//! STATE_DB's `FEATURE` rows: whether they tell which container is the kube container.

use std::collections::BTreeMap;

use super::finding::{Check, Finding};
use crate::domain::{Instance, Namespace, Value, Version};
use crate::planner::{FeatureState, LocalReason, NamedContainer, Owner, Reason, RowKey};

/// Judges `container_id` of the features that kube owns.
///
/// `container_startup.py` of sonic-buildimage's `src/sonic-ctrmgrd` takes the last part of the path in the line `:memory:` of
/// `/proc/self/cgroup`. With cgroup v2 there is no such line, and in a cgroup namespace of the container's own its path is `/`.
pub(super) fn judge_container_ids(state: &BTreeMap<RowKey, FeatureState>) -> Vec<Finding> {
    let check = Check::ContainerId;
    let owned = state.iter().filter(|(_, state)| state.current_owner.is(&Owner::Kube));
    let mut findings = Vec::new();
    for (row, state) in owned {
        let holds = match &state.container_id {
            Value::Is(NamedContainer::Prefix(_)) => continue,
            Value::Absent => "is empty".to_owned(),
            Value::Is(NamedContainer::Name(text)) => format!("is \"{text}\", which is no id"),
            Value::Is(NamedContainer::TooShort(text)) => format!("is \"{text}\", which has fewer than 12 digits"),
            Value::Is(NamedContainer::TooLong(text)) => format!("is \"{text}\", which has more than 64 digits"),
            Value::Invalid(text) => format!("is \"{text}\", which is no id"),
        };
        findings.push(Finding::warning(
            check,
            format!(
                "{}: owned by kube, but container_id {holds}; the container is told by its labels and version, while only \
                 one fits",
                name(row)
            ),
            "none while one fits (see imgmgrd status); for ids, boot with cgroup v1 (systemd.unified_cgroup_hierarchy=0 on the \
             kernel's command line) and leave containers in the host's cgroup namespace (no \"default-cgroupns-mode\": \
             \"private\" in /etc/docker/daemon.json)",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "every row that kube owns names its container"));
    }
    findings
}

fn name(row: &RowKey) -> String {
    match row.namespace {
        Namespace::Host => row.key.to_string(),
        Namespace::Asic(_) => format!("{} in {}", row.key, row.namespace),
    }
}

/// Judges kube containers that run beside a feature whose row says that it is local, by the reason that the decision gives.
///
/// A container of the version that was last started locally only idles; one of another version asks for the feature within
/// seconds of its start.
pub(super) fn judge_local_reports<'a>(
    reasons: impl Iterator<Item = (&'a Instance, &'a Reason)>,
    state: &BTreeMap<RowKey, FeatureState>,
) -> Vec<Finding> {
    let check = Check::ReportsLocal;
    let mut findings = Vec::new();
    for (instance, reason) in reasons {
        let Reason::Local(LocalReason::RunsBesideKube(container, version)) = reason else { continue };
        let container = container.short();
        let shown = version.as_ref().map(|version| format!(" ({version})")).unwrap_or_default();
        let beside = format!("{instance}: kube container {container}{shown} runs beside the local one");
        findings.push(if version.is_some() && version.as_ref() == local_version(instance, state) {
            Finding::note(
                check,
                format!("{beside}, of the same version: a dry run"),
                "none: another version takes over",
            )
        } else {
            Finding::warning(
                check,
                format!("{beside}, and the feature is still reported as local"),
                format!(
                    "if this lasts, see what it reports (docker logs {container}): its image must be started with \
                     RUNTIME_OWNER=kube and its own IMAGE_VERSION"
                ),
            )
        });
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "no kube container runs beside a local one"));
    }
    findings
}

/// The version that runs locally, from the instance's own row, else on a multi-ASIC switch from the host's for it.
fn local_version<'a>(instance: &Instance, state: &'a BTreeMap<RowKey, FeatureState>) -> Option<&'a Version> {
    let own = RowKey { namespace: instance.namespace, key: instance.feature.clone() };
    let of_host = || Some(RowKey { namespace: Namespace::Host, key: instance.container_name().parse().ok()? });
    state.get(&own).or_else(|| state.get(&of_host()?))?.container_version.get()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn key(feature: &str, namespace: Namespace) -> RowKey {
        RowKey { namespace, key: feature.parse().unwrap() }
    }

    fn assert_found(findings: &[Finding], level: Level, said: &str) {
        assert!(findings.len() == 1 && findings[0].level == level, "{findings:?}");
        assert!(findings[0].found.contains(said), "{said}: {findings:?}");
    }

    #[test]
    fn container_ids() {
        for (owner, id, level, said) in [
            (Owner::Kube, "6d051d98400c", Level::Ok, ""),
            (Owner::Kube, "", Level::Warning, "asic1: owned by kube, but container_id is empty"),
            (Owner::Kube, "/", Level::Warning, "is \"/\", which is no id"),
            (Owner::Kube, "6d05", Level::Warning, "fewer than 12"),
            (Owner::Local, "bgp", Level::Ok, ""),
            (Owner::None, "", Level::Ok, ""),
        ] {
            let row = FeatureState {
                current_owner: Value::Is(owner),
                container_id: Value::read(Some(id)),
                ..FeatureState::default()
            };
            let state = BTreeMap::from([(key("bgp", Namespace::Asic(1)), row)]);
            assert_found(&judge_container_ids(&state), level, said);
        }
    }

    #[test]
    fn containers_beside_a_local_one() {
        let id = "1a".repeat(32).parse().unwrap();
        let version = |text: &str| text.parse::<Version>().ok();
        let beside = |text| Reason::Local(LocalReason::RunsBesideKube(id, version(text)));
        let host = Instance { feature: "bgp".parse().unwrap(), namespace: Namespace::Host };
        let asic = Instance { namespace: Namespace::Asic(1), ..host.clone() };
        for (instance, row, reason, level, said) in [
            (&host, "bgp", Reason::Local(LocalReason::Runs), Level::Ok, ""),
            (&host, "bgp", beside("1"), Level::Note, "1a1a1a1a1a1a (1) runs beside the local one, of the same version"),
            (&host, "bgp", beside("2"), Level::Warning, "still reported as local"),
            (&host, "bgp", beside(""), Level::Warning, "still reported as local"),
            (&host, "snmp", beside("1"), Level::Warning, "still reported as local"),
            (&asic, "bgp1", beside("1"), Level::Note, "bgp1: "),
        ] {
            let state = FeatureState { container_version: Value::read(Some("1")), ..FeatureState::default() };
            let state = BTreeMap::from([(key(row, Namespace::Host), state)]);
            assert_found(&judge_local_reports([(instance, &reason)].into_iter(), &state), level, said);
        }
    }
}
