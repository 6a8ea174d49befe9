//! Clean-up: the three cases, alone and all at once, and how an image is removed.

use super::promoted;
use crate::domain::ContainerId;
use crate::fixtures::*;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";

/// Version 84 stable and about to be promoted, versions 50 and 60 promoted before it, whatever is put beside them, all
/// of it old.
pub(super) fn after_promotions(beside: &[Described]) -> Switch {
    let mut switch = Switch::telemetry();
    for version in ["50", "60"] {
        promoted(&mut switch, &kube(BASE, version));
    }
    switch.policy(|policy| policy.cleanup = false);
    for image in beside {
        switch.image(image);
    }
    let _ = switch.reconcile();
    switch.wait(700);
    promoted(&mut switch, &kube(BASE, "84"));
    switch.policy(|policy| policy.cleanup = true);
    switch.remove_stopped();
    switch
}

fn left(switch: &Switch) -> Vec<String> {
    let tags = switch.references().into_iter().filter(|reference| !reference.contains('@'));
    let short = |tag: String| tag.replace(REGISTRY, "R").replace(BASE, "B");
    tags.map(short).filter(|tag| !["B:latest", "R/B:84", "R/B:60"].contains(&tag.as_str())).collect()
}

#[test]
fn each_case_alone_and_all_at_once() {
    let same = || kube(BASE, "60").named("docker-sonic-telemetry:60");
    let cases: &[(&str, Vec<Described>, &[&str])] = &[
        ("nothing to do", vec![], &[]),
        ("the local tag of the promoted version", vec![local(BASE, "84")], &[]),
        ("the same image locally and in the registry", vec![same()], &[]),
        ("case 2: a local version that is in no registry", vec![local(BASE, "40")], &[]),
        (
            "case 2: a local version that is in a registry, not to be kept",
            vec![local(BASE, "40"), kube(BASE, "40")],
            &[],
        ),
        ("case 3: kube versions", vec![kube(BASE, "40"), kube(BASE, "41")], &[]),
        (
            "case 3: of another registry, with a port",
            vec![kube(BASE, "40").nameless().named("10.1.0.1:5000/sonic/docker-sonic-telemetry:40")],
            &[],
        ),
        ("case 3: only a digest is left", vec![kube(BASE, "40").only_digest()], &[]),
        ("an image of another feature", vec![kube("docker-sonic-telemetry-watchdog", "40")], &["R/B-watchdog:40"]),
        ("a registry's latest is a tag like any other", vec![kube(BASE, "latest").declares("9")], &[]),
        ("all at once", vec![same(), local(BASE, "40"), kube(BASE, "40"), local(BASE, "41"), kube(BASE, "42")], &[]),
    ];
    for (what, beside, expected) in cases {
        let mut switch = after_promotions(beside);
        switch.act();
        assert_eq!(left(&switch), *expected, "{what}");
        let all = switch.snapshot.images.keys();
        let own = all.filter(|id| !expected.iter().any(|_| **id == kube("docker-sonic-telemetry-watchdog", "40").id()));
        assert_eq!(own.count(), 2, "{what}: nothing nameless is left");
    }
}

/// Telemetry ran locally as version 11, which is in the registry too, as another image; then 84 was promoted.
fn case_1() -> Switch {
    let mut switch = Switch::telemetry();
    switch.image(&kube(BASE, "20201231.11").named("10.1.0.1:5000/docker-sonic-telemetry:20201231.11"));
    let _ = switch.reconcile();
    switch.wait(700);
    let image = switch.image(&kube(BASE, "84"));
    switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch.wait(600);
    switch
}

#[test]
fn case_1_keeps_the_local_image_that_actually_ran() {
    let mut switch = case_1();
    let decision = switch.plan_and_act();
    insta::assert_snapshot!(switch.text(&decision));
    let ran = Some(local(BASE, "20201231.11").id());
    assert_eq!(switch.named(&format!("{REGISTRY}/{BASE}:20201231.11")), ran);
    assert_eq!(switch.named("10.1.0.1:5000/docker-sonic-telemetry:20201231.11"), ran, "in each registry");
    assert_eq!(switch.named(&format!("{BASE}:20201231.11")), None);
    assert!(!switch.snapshot.images.contains_key(&kube(BASE, "20201231.11").id()));
    assert!(switch.memory.groups[&base(BASE)].superseded.is_empty(), "forgotten once it is gone");
}

#[test]
fn case_1_keeps_the_local_image_also_when_another_has_moved_latest() {
    let mut switch = case_1();
    switch.tag(&reference(&format!("{BASE}:latest")), &kube(BASE, "84").id());
    switch.restart_agent();
    switch.act();
    assert_eq!(switch.named(&format!("{REGISTRY}/{BASE}:20201231.11")), Some(local(BASE, "20201231.11").id()));
    assert_eq!(switch.named(&format!("{BASE}:20201231.11")), None);
    assert!(!switch.snapshot.images.contains_key(&kube(BASE, "20201231.11").id()));
}

#[test]
fn case_1_waits_while_the_kube_image_is_in_use() {
    let mut switch = case_1();
    let user = switch.run("somebody", &kube(BASE, "20201231.11").id(), None);
    switch.stop(&user);
    let decision = switch.plan_and_act();
    insta::assert_snapshot!(switch.text(&decision));
    assert_eq!(switch.named(&format!("{REGISTRY}/{BASE}:20201231.11")), Some(kube(BASE, "20201231.11").id()));
    assert_eq!(switch.named(&format!("{BASE}:20201231.11")), Some(local(BASE, "20201231.11").id()));
    switch.snapshot.containers_mut().remove(&user);
    switch.act();
    assert_eq!(switch.named(&format!("{REGISTRY}/{BASE}:20201231.11")), Some(local(BASE, "20201231.11").id()));
    assert!(!switch.snapshot.images.contains_key(&kube(BASE, "20201231.11").id()));
}

#[test]
fn case_1_is_done_in_the_registries_whose_image_is_free() {
    let mut switch = Switch::telemetry();
    let free = kube(BASE, "20201231.11");
    let busy = kube(BASE, "20201231.11").called("busy");
    switch.image(&free);
    let elsewhere = "10.1.0.1:5000/docker-sonic-telemetry:20201231.11";
    let busy = switch.image(&busy.nameless().named(elsewhere));
    let _ = switch.reconcile();
    switch.wait(700);
    let image = switch.image(&kube(BASE, "84"));
    switch.upgrade(&on_host("telemetry"), &image);
    let user = switch.run("somebody", &busy, None);
    switch.stop(&user);
    let _ = switch.reconcile();
    switch.wait(600);
    switch.act();
    let ran = Some(local(BASE, "20201231.11").id());
    assert_eq!(switch.named(&format!("{REGISTRY}/{BASE}:20201231.11")), ran);
    assert_eq!(switch.named(elsewhere), Some(busy), "in use: it stays as it is");
    assert_eq!(switch.named(&format!("{BASE}:20201231.11")), None);
    assert!(!switch.snapshot.images.contains_key(&free.id()));
}

#[test]
fn case_1_is_finished_after_a_crash_at_any_step() {
    let mut undisturbed = case_1();
    let decision = undisturbed.plan_and_act();
    let steps: Vec<Step> = decision.plan.groups.values().flatten().flat_map(|action| action.steps.clone()).collect();
    for done in 0..=steps.len() {
        let mut killed = case_1();
        let _ = killed.reconcile();
        for step in &steps[..done] {
            killed.step(step).unwrap();
            let last = killed.references().into_iter().filter(|name| name.ends_with(":20201231.11")).count();
            assert!(last > 0, "the kept version has its tag at any point");
        }
        killed.restart_agent();
        killed.act();
        assert_eq!(killed.references(), undisturbed.references(), "killed after {done} steps");
        assert_eq!(killed.snapshot.images, undisturbed.snapshot.images, "killed after {done} steps");
    }
}

#[test]
fn a_superseded_image_that_is_refused_is_removed_later_even_without_a_name() {
    let mut switch = case_1();
    let decision = switch.reconcile();
    let refused = kube(BASE, "20201231.11").id();
    for action in decision.plan.groups.values().flatten() {
        for step in &action.steps {
            let is_removal =
                matches!(step, Step::RemoveReference { image, .. } | Step::RemoveImage { image } if *image == refused);
            if !is_removal {
                switch.step(step).unwrap();
            }
        }
    }
    switch.snapshot.images_mut().get_mut(&refused).unwrap().references.clear();
    switch.snapshot.refused.insert(refused);
    assert!(switch.reconcile().plan.is_empty(), "not asked for again until something changes");
    // A power failure loses what was merely observed.
    switch.memory.groups.get_mut(&base(BASE)).unwrap().images.clear();
    switch.memory.instances.clear();
    switch.restart_agent();
    let decision = switch.plan_and_act();
    insta::assert_snapshot!(switch.text(&decision));
    assert!(!switch.snapshot.images.contains_key(&refused));
}

#[test]
fn a_proven_kube_image_is_not_superseded_by_a_local_one_of_its_name() {
    let mut switch = after_promotions(&[local(BASE, "60")]);
    switch.act();
    assert_eq!(switch.named(&format!("{REGISTRY}/{BASE}:60")), Some(kube(BASE, "60").id()));
    assert_eq!(switch.named(&format!("{BASE}:60")), None);
}

#[test]
fn a_remembered_image_that_lost_its_last_name_is_removed_by_id() {
    let mut switch = after_promotions(&[kube(BASE, "40")]);
    let dangling = kube(BASE, "40").id();
    switch.snapshot.images_mut().get_mut(&dangling).unwrap().references.clear();
    let decision = switch.plan_and_act();
    insta::assert_snapshot!(switch.text(&decision));
    assert!(!switch.snapshot.images.contains_key(&dangling));
}

#[test]
fn a_nameless_image_that_nobody_remembers_is_left_alone() {
    let mut switch = after_promotions(&[local("docker-other", "1").called("unknown").nameless()]);
    switch.act();
    assert!(switch.snapshot.images.contains_key(&image_id("unknown")));
}

#[test]
fn an_image_with_a_name_in_another_features_repository_loses_only_its_own() {
    let shared = kube(BASE, "40").named("r.example/docker-other:1");
    let mut switch = after_promotions(std::slice::from_ref(&shared));
    switch.act();
    let left: Vec<String> = switch.snapshot.images[&shared.id()].references.iter().map(ToString::to_string).collect();
    assert_eq!(left, ["r.example/docker-other:1"]);
}

#[test]
fn without_a_standing_promoted_takeover_nothing_is_removed() {
    let mut switch = after_promotions(&[kube(BASE, "40"), local(BASE, "41")]);
    let container: ContainerId = switch.kube_container("telemetry");
    switch.stop(&container);
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty());
    assert_eq!(decision.report.groups[&base(BASE)].clean_up_waits, Some(Gate::NothingPromoted));
}

#[test]
fn everything_of_one_pass() {
    let mut switch = case_1();
    for image in [kube(BASE, "50"), kube(BASE, "51").only_digest(), local(BASE, "52"), local(BASE, "84")] {
        switch.image(&image);
    }
    switch.age_all_images();
    let decision = switch.plan_and_act();
    insta::assert_snapshot!(switch.text(&decision));
    assert!(switch.reconcile().plan.is_empty(), "in one pass");
}
