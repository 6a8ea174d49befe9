//! What becomes of a group whose plan would break a promise; and a group decided alone.

use std::collections::BTreeMap;

use crate::fixtures::*;
use crate::planner::checked;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";
const OTHER: &str = "docker-snmp";

/// Version 84 of telemetry is due to be promoted, version 7 of snmp too.
fn due() -> Switch {
    let mut switch = Switch::telemetry().feature("snmp", OTHER);
    switch.image(&local(OTHER, "6").latest());
    switch.set_owner("snmp", Owner::Kube);
    let (telemetry, snmp) = (switch.image(&kube(BASE, "84")), switch.image(&kube(OTHER, "7")));
    switch.upgrade(&on_host("telemetry"), &telemetry);
    switch.upgrade(&on_host("snmp"), &snmp);
    let _ = switch.reconcile();
    switch.wait(600);
    switch
}

#[test]
fn a_group_whose_plan_would_break_a_promise_is_stopped_and_no_other() {
    let switch = due();
    // A planner with a bug: it removes what it promotes.
    let buggy = |snapshot: &Snapshot| {
        let mut decision = decide(snapshot, &switch.memory, &switch.policy, &switch.now());
        if let Some(actions) = decision.plan.groups.get_mut(&base(BASE)) {
            let name = reference(&format!("{REGISTRY}/{BASE}:84"));
            let steps = vec![Step::RemoveReference { reference: name, image: kube(BASE, "84").id() }];
            actions.push(Action { purpose: Purpose::RemoveImage(None), steps });
        }
        decision
    };
    let (decision, violations) = checked(&switch.snapshot, &switch.policy, buggy);
    assert_eq!(violations.keys().collect::<Vec<_>>(), [&base(BASE)]);
    assert_eq!(decision.plan.groups.keys().collect::<Vec<_>>(), [&base(OTHER)]);
    let told = &decision.report.instances[&on_host("telemetry")];
    assert_eq!(
        (told.stability, &told.reason),
        (Stability::Error, &Reason::Held(Gate::Violation(violations[&base(BASE)].to_string())))
    );
    assert_eq!(decision.report.instances[&on_host("snmp")].stability, Stability::Observing);
    assert_eq!(decision.memory.groups[&base(BASE)].intention, None, "nothing is about to be");
}

#[test]
fn nothing_is_done_about_a_stopped_group() {
    type Change = fn(&mut Switch);
    let cases: &[(&str, Change)] = &[
        ("promotion", |_| ()),
        ("command", |s| s.snapshot.commands = [(feature("telemetry"), Command::Promote)].into()),
        ("rollback", |s| {
            s.act();
            s.snapshot.commands = [(feature("telemetry"), Command::Rollback { from: None })].into();
        }),
        ("clean-up", |s| {
            s.act();
            let _ = s.image(&kube(BASE, "40"));
            s.age_all_images();
        }),
        ("latest is gone", |s| {
            s.act();
            s.untag(&reference(&format!("{BASE}:latest")));
        }),
    ];
    for (what, change) in cases {
        let mut switch = due();
        change(&mut switch);
        switch.snapshot.stopped = [(base(BASE), "it would".to_owned())].into();
        let decision = switch.reconcile();
        assert_eq!(decision.plan.groups.get(&base(BASE)), None, "{what}");
        let told = &decision.report.instances[&on_host("telemetry")];
        assert_eq!(
            (told.stability, &told.reason),
            (Stability::Error, &Reason::Held(Gate::Violation("it would".into()))),
            "{what}"
        );
        let group = &decision.report.groups[&base(BASE)];
        assert_eq!(group.command.is_some(), !switch.snapshot.commands.is_empty(), "{what}");
        assert!(group.command.iter().all(|it| matches!(it, CommandResult::Refused(_))), "{what}: {group:?}");
    }
}

#[test]
fn a_group_decided_alone_leaves_the_others_as_they_are() {
    let switch = due();
    let (decision, violation) =
        decide_group(&base(OTHER), &switch.snapshot, &switch.memory, &switch.policy, &switch.now());
    assert_eq!(violation, None);
    assert_eq!(decision.plan.groups.keys().collect::<Vec<_>>(), [&base(OTHER)]);
    assert_eq!(decision.report.instances.keys().collect::<Vec<_>>(), [&on_host("snmp")]);
    assert_eq!(decision.memory.instances[&on_host("telemetry")], switch.memory.instances[&on_host("telemetry")]);
    assert_eq!(decision.memory.groups[&base(BASE)], switch.memory.groups[&base(BASE)]);
    assert_ne!(decision.memory.groups[&base(OTHER)], switch.memory.groups[&base(OTHER)]);
    // Nobody has such an image.
    let nobody = base("docker-nobody");
    let (decision, _) = decide_group(&nobody, &switch.snapshot, &switch.memory, &switch.policy, &switch.now());
    assert_eq!((decision.plan, decision.report.groups), (Plan::default(), BTreeMap::new()));
    assert_eq!(decision.memory, switch.memory);
}
