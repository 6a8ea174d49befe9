//! A tag of a registry that moves on to another image: what was promoted is kept by its id.

use super::promoted;
use crate::fixtures::*;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";

/// A build of the version whose tag every build takes, and that has no digest.
fn build(number: u8) -> Described {
    let name = format!("{REGISTRY}/{BASE}:84");
    kube(BASE, "84").called(&format!("build {number}")).nameless().named(&name)
}

fn tags_of(switch: &Switch, image: &Described) -> Vec<String> {
    let references = &switch.snapshot.images[&image.id()].references;
    references.iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_promoted_is_kept_by_its_id_under_a_local_tag() {
    let mut switch = Switch::telemetry();
    for number in 1..=2 {
        promoted(&mut switch, &build(number));
    }
    switch.age_all_images();
    switch.act();
    assert_eq!(tags_of(&switch, &build(1)), [format!("{BASE}:84")]);
    // It is what a rollback goes to.
    switch.snapshot.commands = [(feature("telemetry"), Command::Rollback { from: None })].into();
    switch.act();
    assert_eq!(switch.named(&format!("{BASE}:latest")), Some(build(1).id()));
}

#[test]
fn it_goes_when_it_is_not_to_be_kept_any_more() {
    let mut switch = Switch::telemetry();
    for number in 1..=3 {
        promoted(&mut switch, &build(number));
    }
    switch.age_all_images();
    switch.act();
    assert!(!switch.snapshot.images.contains_key(&build(1).id()));
    assert_eq!(tags_of(&switch, &build(2)), [format!("{BASE}:84")]);
    assert_eq!(switch.images_of(BASE), [build(2).id(), build(3).id()].into());
}

#[test]
fn a_kept_image_that_lost_its_tags_gets_one_until_it_has_another() {
    let mut switch = Switch::telemetry();
    let (v60, v84) = (kube(BASE, "60").nameless().named(&format!("{REGISTRY}/{BASE}:60")), kube(BASE, "84"));
    promoted(&mut switch, &v60);
    promoted(&mut switch, &v84);
    // Somebody has pushed another image of that version, which was pulled.
    switch.image(&kube(BASE, "60").called("60 built anew"));
    let decision = switch.plan_and_act();
    assert_eq!(decision.plan.groups[&base(BASE)][0].purpose, Purpose::NamePromoted(version("60")));
    assert_eq!(tags_of(&switch, &v60), [format!("{BASE}:60")]);
    switch.age_all_images();
    switch.act();
    assert_eq!(tags_of(&switch, &v60), [format!("{BASE}:60")], "it is no local image that case 1 is about");
    // Also while nothing is cleaned up.
    switch.untag(&reference(&format!("{BASE}:60")));
    switch.policy(|policy| policy.cleanup = false);
    switch.act();
    assert_eq!(tags_of(&switch, &v60), [format!("{BASE}:60")]);
    switch.policy(|policy| policy.cleanup = true);
    switch.tag(&reference(&format!("{REGISTRY}/{BASE}:60")), &v60.id());
    switch.act();
    assert_eq!(tags_of(&switch, &v60), [format!("{REGISTRY}/{BASE}:60")]);
}

#[test]
fn an_image_that_declares_nothing_gets_the_version_that_it_was_promoted_as() {
    let mut switch = Switch::telemetry();
    let unversioned = build(1).undeclared();
    promoted(&mut switch, &unversioned);
    promoted(&mut switch, &build(2));
    switch.act();
    assert_eq!(tags_of(&switch, &unversioned), [format!("{BASE}:84")]);
}
