//! Promotion, steps 0 to 4.

use super::super::fixtures::*;
use super::super::*;

const BASE: &str = "docker-sonic-telemetry";

#[test]
fn a_stable_takeover_is_promoted_recorded_and_cleaned_up() {
    let mut switch = Switch::telemetry();
    let telemetry = on_host("telemetry");
    assert_eq!(switch.stability(&telemetry).0, Stability::Local);
    let v84 = switch.image(&kube(BASE, "20201231.84"));
    switch.upgrade(&telemetry, &v84);
    assert_eq!(switch.stability(&telemetry).0, Stability::Observing);
    switch.wait(599);
    assert_eq!(switch.stability(&telemetry), (Stability::Observing, "stable in 1 s".to_owned()));
    switch.wait(1);
    let decision = switch.act();
    insta::assert_snapshot!(switch.text(&decision));
    assert_eq!(switch.stability(&telemetry).0, Stability::Stable);
}
