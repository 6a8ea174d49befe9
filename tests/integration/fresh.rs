//! What is acted on was read right before: what operators write while another removal takes its time holds at once.

use imgmgrd_test_support::rows::CONFIG_DB;

use crate::fleet::{Fleet, LLDP, TELEMETRY, old_version};
use crate::story::NEW;

const REMOVAL: &str = "DELETE /images/";

/// So many that no agent asks for all of their removals at once.
const MANY: usize = 40;

/// lldp is promoted, and the removal of its old images is under way and takes its time.
fn removing() -> (Fleet, Vec<String>) {
    let mut fleet = Fleet::of(&[LLDP, TELEMETRY]);
    let old = fleet.old_versions(LLDP, MANY);
    fleet.start_agent();
    fleet.deploy(LLDP, NEW);
    fleet.becomes(LLDP, "observing");
    fleet.proxy.hold(REMOVAL);
    fleet.all_are_due();
    fleet.until("a removal is under way", || !fleet.proxy.calls(REMOVAL).is_empty());
    // Long enough for those that are asked for together with it.
    fleet.has_read_the_rows("snmp");
    (fleet, old)
}

/// The old images whose removal was not asked for so far, the most of them.
fn not_asked_for(fleet: &Fleet, old: &[String]) -> Vec<String> {
    let calls = fleet.proxy.calls(REMOVAL);
    let is_asked = |name: &&String| calls.iter().any(|call| call.contains(name.as_str()));
    let rest: Vec<String> = old.iter().filter(|name| !is_asked(name)).cloned().collect();
    assert!(rest.len() > MANY / 2, "{calls:#?}");
    rest
}

#[test]
fn a_version_that_is_pinned_while_another_is_removed_stays() {
    let (fleet, old) = removing();
    let rest = not_asked_for(&fleet, &old);
    let (pinned, others) = rest.split_last().expect("most of them");
    let version = pinned.rsplit(':').next().expect("a version");
    fleet.switch.rows().feature_policy("lldp", &[("pin", version)]);
    fleet.has_read_the_rows("radv");
    fleet.proxy.heal();
    let is_there = |name: &String| fleet.switch.engine().image_id(name).is_some();
    fleet.until("the others are removed", || !others.iter().any(is_there));
    assert!(is_there(pinned), "{version} is gone");
}

#[test]
fn nothing_more_is_removed_once_the_policy_is_disabled() {
    let (fleet, old) = removing();
    let rest = not_asked_for(&fleet, &old);
    fleet.switch.rows().policy(&[("state", "disabled"), ("stable_time", "1")]);
    fleet.has_read_the_rows("radv");
    fleet.proxy.heal();
    fleet.until("those under way are done", || {
        let asked = old.iter().filter(|name| !rest.contains(name));
        asked.filter(|name| fleet.switch.engine().image_id(name).is_some()).count() == 0
    });
    // Time in which all others would have gone: another feature is taken over, and found stable.
    fleet.deploy(TELEMETRY, NEW);
    fleet.becomes(TELEMETRY, "held");
    let calls = fleet.proxy.calls(REMOVAL);
    let asked: Vec<_> = rest.iter().filter(|name| calls.iter().any(|call| call.contains(name.as_str()))).collect();
    assert!(asked.is_empty(), "asked for after state=disabled: {asked:?}");
}

#[test]
fn a_feature_that_is_given_back_to_local_while_another_is_cleaned_up_is_not_promoted() {
    let mut fleet = Fleet::of(&[LLDP, TELEMETRY]);
    fleet.old_versions(LLDP, 1);
    fleet.start_agent();
    fleet.deploy(LLDP, NEW);
    let container = fleet.deploy(TELEMETRY, NEW);
    fleet.becomes(LLDP, "observing");
    fleet.becomes(TELEMETRY, "observing");
    fleet.proxy.hold(REMOVAL);
    fleet.all_are_due();
    fleet.until("a removal is under way", || !fleet.proxy.calls(REMOVAL).is_empty());
    let was_promoted = fleet.latest(TELEMETRY) == Some(container.image_id.clone());
    fleet.switch.rows().set(CONFIG_DB, "FEATURE|telemetry", &[("set_owner", "local")]);
    fleet.has_read_the_rows("radv");
    let versions =
        || fleet.switch.feature("telemetry").feature_row().expect("the row")["container_stable_version"].clone();
    let recorded = versions();
    fleet.proxy.heal();
    fleet.until("the removal is done", || {
        fleet.switch.engine().image_id(&format!("registry.example/{}:{}", LLDP.1, old_version(0))).is_none()
    });
    fleet.becomes(TELEMETRY, "local");
    let is_promoted = fleet.latest(TELEMETRY) == Some(container.image_id);
    assert_eq!((is_promoted, versions()), (was_promoted, recorded), "it is as it was when it was given back");
}
