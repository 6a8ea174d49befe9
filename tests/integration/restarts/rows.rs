//! Rows that vanish: a reload of the configuration, and deletions.

use std::time::{Duration, Instant};

use imgmgrd_test_support::Signal;
use imgmgrd_test_support::rows::CONFIG_DB;
use imgmgrd_test_support::wait::wait_equal;

use super::{BASE, FEATURE, LOCAL, NEW, observing, other_feature_starts, promoted, switch, until};
use crate::evidence::rows;
use crate::scene::{SOON, binary, deploy, wait_for_stability};

#[test]
fn a_reload_inside_the_window_loses_nothing_and_the_takeover_goes_on() {
    let (switch, mut agent, began) = observing(3);
    let since = switch.feature(FEATURE).published("observing_since");
    let images = switch.engine().images();
    until(began, 1000);
    // As config reload does it, of which nothing is notified; so that it is noticed, one row goes by itself.
    switch.feature(FEATURE).remove_config();
    switch.rows().flush(CONFIG_DB);
    other_feature_starts(&switch);
    until(began, 2000);
    assert!(switch.feature(FEATURE).image_row().is_some(), "an absent row is no reason to delete anything");
    assert_eq!(switch.engine().images(), images);
    switch.rows().policy(&[("stable_time", "3")]);
    switch.rows().config_feature(FEATURE, "kube", false, true);
    switch.rows().config_initialized(true);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert!((2900..4400).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(switch.feature(FEATURE).published("observing_since"), since);
    assert_eq!(promoted(&switch), 1);
}

#[test]
fn a_reload_that_outlasts_the_window_holds_the_promotion_back() {
    let (switch, mut agent, began) = observing(2);
    let latest = || switch.engine().image_id(&format!("{BASE}:latest"));
    let before = latest();
    switch.rows().flush(CONFIG_DB);
    wait_for_stability(&switch, &mut agent, FEATURE, "held");
    assert!(switch.feature(FEATURE).reason().contains("is being loaded"), "{}", switch.feature(FEATURE).reason());
    until(began, 3000);
    assert_eq!(latest(), before);
    let reloaded = Instant::now();
    switch.rows().policy(&[("stable_time", "2")]);
    switch.rows().config_feature(FEATURE, "kube", false, true);
    switch.rows().config_initialized(true);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert!(reloaded.elapsed() < Duration::from_millis(1500), "not waited again: {:?}", reloaded.elapsed());
    assert_eq!(promoted(&switch), 1);
}

#[test]
fn a_configuration_row_that_is_absent_for_a_while_holds_the_promotion_back_and_ends_nothing() {
    let (switch, mut agent, began) = observing(2);
    switch.feature(FEATURE).remove_config();
    until(began, 1000);
    assert_eq!(switch.feature(FEATURE).stability(), "observing");
    wait_for_stability(&switch, &mut agent, FEATURE, "held");
    assert!(switch.feature(FEATURE).reason().contains("row is absent"), "{}", switch.feature(FEATURE).reason());
    let back = Instant::now();
    switch.rows().config_feature(FEATURE, "kube", false, true);
    wait_for_stability(&switch, &mut agent, FEATURE, "stable");
    assert!(back.elapsed() < Duration::from_millis(1500), "not waited again: {:?}", back.elapsed());
}

#[test]
fn a_deleted_row_is_not_brought_back() {
    // Every step takes its time, so that the row can go right before the versions are written to it.
    let switch = switch(0);
    let agent = switch.agent_with(binary(), &["run"], &[("FAILPOINTS", "before-step=sleep(400)")]);
    agent.wait_until("it has reconciled", SOON, || switch.feature(FEATURE).stability() == "local");
    deploy(&switch, FEATURE, BASE, NEW);
    agent.wait_until("the last step but one", SOON, || switch.engine().container(FEATURE).is_none());
    switch.feature(FEATURE).remove_state();
    agent.wait_until("it sees that", SOON, || {
        !["observing", "stable"].contains(&switch.feature(FEATURE).stability().as_str())
    });
    other_feature_starts(&switch);
    agent.wait_until("it goes on", SOON, || switch.feature("snmp").stability() == "local");
    assert_eq!(switch.feature(FEATURE).feature_row(), None);
}

#[test]
fn a_takeover_that_ends_right_after_its_tag_was_a_promotion() {
    let mut switch = switch(0);
    let mut agent = switch.agent_with(binary(), &["run"], &[("FAILPOINTS", "after-step=1*off->1*return(stop)")]);
    agent.wait_until("it has reconciled", SOON, || switch.feature(FEATURE).stability() == "local");
    let container = deploy(&switch, FEATURE, BASE, NEW);
    agent.wait_until("the tag", SOON, || agent.is_stopped());
    assert_eq!(switch.engine().image_id(&format!("{BASE}:latest")), Some(container.image_id));
    // It reads the rows before it sees in the engine what it did.
    switch.engine_mut().pause();
    agent.signal(Signal::CONT);
    switch.feature(FEATURE).goes_away();
    other_feature_starts(&switch);
    agent.wait_until("the rows are read", SOON, || switch.feature("snmp").stability() == "local");
    switch.engine_mut().resume();
    wait_equal("promotions", SOON, &1, || promoted(&switch));
}

#[test]
fn a_row_that_is_about_another_container_by_now_is_left_alone() {
    let mut switch = switch(0);
    let mut agent = switch.agent_with(binary(), &["run"], &[("FAILPOINTS", "before-step=1*return(stop)")]);
    agent.wait_until("it has reconciled", SOON, || switch.feature(FEATURE).stability() == "local");
    let container = deploy(&switch, FEATURE, BASE, NEW);
    agent.wait_until("the first step", SOON, || agent.is_stopped());
    // The step hangs; meanwhile the rows go on, and the agent reads them.
    switch.engine_mut().pause();
    agent.signal(Signal::CONT);
    let feature = switch.feature(FEATURE);
    feature.goes_away();
    feature.nobody_takes_over();
    feature.local_start(LOCAL);
    other_feature_starts(&switch);
    agent.wait_until("the rows are read", SOON, || switch.feature("snmp").stability() == "local");
    switch.engine_mut().resume();
    let latest = format!("{BASE}:latest");
    agent.wait_until("the promotion, whose container runs on", SOON, || {
        switch.engine().image_id(&latest).as_ref() == Some(&container.image_id)
    });
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    let row = switch.feature(FEATURE).feature_row().expect("a row");
    assert_eq!((row["container_id"].as_str(), row["container_stable_version"].as_str()), (FEATURE, LOCAL));
}

#[test]
fn what_is_published_goes_when_both_rows_are_gone_and_not_before() {
    let switch = switch(1);
    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, FEATURE, "local");
    switch.feature(FEATURE).remove_state();
    other_feature_starts(&switch);
    wait_for_stability(&switch, &mut agent, "snmp", "local");
    assert!(switch.feature(FEATURE).image_row().is_some(), "one row is left");
    switch.feature(FEATURE).remove_config();
    wait_equal("no row any more", Duration::from_secs(5), &None, || switch.feature(FEATURE).image_row());
    let left: Vec<String> = rows(&switch).into_keys().filter(|key| key.contains(FEATURE)).collect();
    assert_eq!(left, ["6 KUBE_LABELS|SET"; 0], "{left:?}");
}
