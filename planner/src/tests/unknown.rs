//! What cannot be read holds back what depends on it, and nothing else.

use super::promoted;
use crate::domain::{Instance, Namespace, Value};
use crate::fixtures::*;
use crate::*;

const FRR: &str = "docker-fpm-frr";
const BASE: &str = "docker-sonic-telemetry";
const HELD: &str = "the databases that say how they stand cannot be read: bgp1 (asic1)";

fn bgp(number: u16) -> Instance {
    on_asic("bgp", number)
}

/// `bgp` on two ASICs, both taken over by 84 and stable, and telemetry on the host, which is due, too.
fn due() -> Switch {
    let mut switch = Switch::new().feature("bgp", FRR).asics(2).feature("telemetry", BASE);
    let local = switch.image(&local(FRR, "11").latest());
    let image = switch.image(&kube(FRR, "84"));
    for name in ["bgp", "telemetry"] {
        switch.set_owner(name, Owner::Kube);
    }
    for number in 0..2 {
        switch.local_start(&bgp(number), &local);
        switch.upgrade(&bgp(number), &image);
    }
    let image = switch.image(&kube(BASE, "84"));
    switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch.wait(600);
    switch
}

fn unreadable(switch: &mut Switch, namespaces: &[Namespace]) {
    switch.snapshot.unreadable = namespaces.iter().copied().collect();
}

#[test]
fn an_unreadable_asic_holds_the_promotion_of_its_group_and_of_no_other() {
    let mut switch = due();
    unreadable(&mut switch, &[Namespace::Asic(1)]);
    let before = switch.reconcile();
    assert_eq!(before.plan.groups.keys().collect::<Vec<_>>(), [&base(BASE)]);
    let told = |instance: &Instance| {
        let told = &before.report.instances[instance];
        (told.stability, told.reason.to_string())
    };
    assert_eq!(told(&bgp(0)), (Stability::Held, HELD.to_owned()));
    assert_eq!(told(&bgp(1)), (Stability::Observing, "the database of asic1 cannot be read".to_owned()));
    // What was so is so still: it goes on to count.
    switch.act();
    unreadable(&mut switch, &[]);
    switch.act();
    assert_eq!(switch.stability(&bgp(1)).0, Stability::Stable);
    assert_eq!(switch.named(&format!("{FRR}:latest")), Some(kube(FRR, "84").id()));
}

#[test]
fn whatever_its_rows_said_last_holds() {
    type Change = fn(&mut Switch);
    let cases: &[(&str, Change)] = &[
        ("down", |s| s.gone(&bgp(1))),
        ("never read", |s| s.snapshot.state.retain(|key, _| key.namespace != Namespace::Asic(1))),
        ("local", |s| {
            let row = RowKey { namespace: Namespace::Asic(1), key: feature("bgp") };
            let host = s.snapshot.configuration.values().next().unwrap().clone();
            s.snapshot.configuration.insert(row, FeatureConfiguration { set_owner: Value::Is(Owner::Local), ..host });
        }),
    ];
    for (what, change) in cases {
        let mut switch = due();
        change(&mut switch);
        unreadable(&mut switch, &[Namespace::Asic(1)]);
        let decision = switch.reconcile();
        assert!(!decision.plan.groups.contains_key(&base(FRR)), "{what}");
        assert_eq!(decision.report.instances[&bgp(0)].reason.to_string(), HELD, "{what}");
    }
}

#[test]
fn an_instance_whose_database_was_never_read_exists_by_the_hosts_row() {
    let mut switch = due();
    switch.snapshot.state.retain(|key, _| key.namespace != Namespace::Asic(1));
    switch.memory = Memory::default();
    unreadable(&mut switch, &[Namespace::Asic(1)]);
    let told = switch.reconcile().report.instances[&bgp(1)].clone();
    assert_eq!((told.stability, told.base), (Stability::Waiting, Some(base(FRR))));
    // Or by memory, where the row is its namespace's own.
    let mut switch = due();
    switch.snapshot.configuration.retain(|key, _| key.key != feature("bgp"));
    switch.snapshot.state.retain(|key, _| key.namespace != Namespace::Asic(1));
    unreadable(&mut switch, &[Namespace::Asic(1)]);
    let decision = switch.reconcile();
    assert_eq!(decision.report.instances[&bgp(1)].stability, Stability::Observing);
    assert!(decision.memory.instances[&bgp(1)].takeover.is_some());
}

#[test]
fn the_clean_up_waits_and_what_was_promoted_stays_so() {
    let mut switch = due();
    switch.act();
    switch.image(&kube(FRR, "40"));
    switch.age_all_images();
    let undisturbed = switch.clone();
    unreadable(&mut switch, &[Namespace::Asic(1)]);
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty(), "{}", switch.text(&decision));
    assert_eq!(decision.report.groups[&base(FRR)].clean_up_waits.as_ref().map(ToString::to_string), Some(HELD.into()));
    assert_eq!(decision.report.instances[&bgp(1)].stability, Stability::Stable);
    // An image that arrives meanwhile is an upgrade on its way in, also of the instance that is not to be seen.
    unreadable(&mut switch, &[Namespace::Asic(0), Namespace::Asic(1)]);
    switch.image(&kube(FRR, "90"));
    let _ = switch.reconcile();
    assert_eq!(switch.memory.groups[&base(FRR)].images[&kube(FRR, "90").id()], Arrival::During);
    // A latest that is gone is restored all the same.
    switch.untag(&reference(&format!("{FRR}:latest")));
    switch.act();
    assert_eq!(switch.named(&format!("{FRR}:latest")), Some(kube(FRR, "84").id()));
    unreadable(&mut switch, &[]);
    switch.act();
    let mut undisturbed = undisturbed;
    undisturbed.image(&kube(FRR, "90"));
    undisturbed.act();
    assert_eq!(switch.references(), undisturbed.references());
}

#[test]
fn nothing_is_changed_while_the_hosts_database_cannot_be_read() {
    let mut switch = due();
    let memory = switch.memory.clone();
    unreadable(&mut switch, &[Namespace::Host]);
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty());
    for (instance, told) in &decision.report.instances {
        let expected = (Stability::Observing, "the host's database cannot be read".to_owned());
        assert_eq!((told.stability, told.reason.to_string()), expected, "{instance}");
    }
    assert_eq!(decision.memory, memory, "what was so is so still");
    // It was never read: what memory knows is.
    switch.snapshot.state.clear();
    switch.snapshot.configuration.clear();
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty());
    assert_eq!(decision.memory.instances, memory.instances);
}

#[test]
fn a_container_in_a_state_that_is_not_known() {
    let mut switch = Switch::telemetry();
    promoted(&mut switch, &kube(BASE, "60"));
    switch.image(&kube(BASE, "40"));
    let v84 = switch.image(&kube(BASE, "84"));
    switch.upgrade(&on_host("telemetry"), &v84);
    let container = switch.kube_container("telemetry");
    let _ = switch.reconcile();
    switch.wait(600);
    let unknown = |switch: &mut Switch, id| {
        let container = switch.snapshot.containers_mut().get_mut(&id).unwrap();
        (container.status, container.details) = (ContainerStatus::Unknown, None);
    };
    let running = switch.clone();
    unknown(&mut switch, container);
    let decision = switch.reconcile();
    assert!(decision.plan.is_empty());
    let told = &decision.report.instances[&on_host("telemetry")];
    assert_eq!(told.stability, Stability::Observing);
    assert!(told.reason.to_string().ends_with("is in a state that is not known"), "{}", told.reason);
    assert_eq!(told.ended, None);
    // By its label, too.
    switch.write(&on_host("telemetry"), |row| row.container_id = Value::Absent);
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Observing);
    // It counts as alive, and as a user of its image.
    let mut switch = running;
    let other = switch.run("telemetry", &kube(BASE, "40").id(), None);
    unknown(&mut switch, other);
    assert_eq!(switch.stability(&on_host("telemetry")).1, "the local container telemetry runs");
    switch.snapshot.containers_mut().get_mut(&other).unwrap().name = "another".into();
    switch.act();
    assert_eq!(switch.named(&format!("{BASE}:latest")), Some(v84));
    assert!(switch.snapshot.images.contains_key(&kube(BASE, "40").id()));
    assert!(switch.snapshot.containers.contains_key(&other));
}

#[test]
fn an_image_that_cannot_be_inspected_stays_and_the_others_go() {
    let mut switch = Switch::telemetry();
    for version in ["60", "84"] {
        promoted(&mut switch, &kube(BASE, version));
    }
    switch.image(&kube(BASE, "40").unread());
    switch.image(&kube(BASE, "50"));
    switch.age_all_images();
    switch.act();
    assert!(switch.snapshot.images.contains_key(&kube(BASE, "40").id()));
    assert!(!switch.snapshot.images.contains_key(&kube(BASE, "50").id()));
}

#[test]
fn an_absent_configuration_row_holds_back_the_clean_up_and_latest_too() {
    let mut switch = Switch::telemetry();
    promoted(&mut switch, &kube(BASE, "84"));
    switch.image(&kube(BASE, "40"));
    switch.age_all_images();
    let whole = switch.clone();
    switch.untag(&reference(&format!("{BASE}:latest")));
    switch.snapshot.configuration.clear();
    for _ in 0..2 {
        let decision = switch.reconcile();
        assert!(decision.plan.is_empty(), "{}", switch.text(&decision));
        let group = &decision.report.groups[&base(BASE)];
        assert_eq!(group.clean_up_waits, Some(Gate::ConfigurationAbsent));
        switch.wait(1000);
    }
    switch.snapshot.commands = [(feature("telemetry"), Command::Rollback { from: None })].into();
    assert_eq!(
        switch.reconcile().report.groups[&base(BASE)].command,
        Some(CommandResult::Refused(Gate::ConfigurationAbsent.into())),
    );
    switch.snapshot.commands.clear();
    switch.snapshot.configuration = whole.snapshot.configuration;
    switch.act();
    assert_eq!(switch.named(&format!("{BASE}:latest")), Some(kube(BASE, "84").id()));
    assert!(!switch.snapshot.images.contains_key(&kube(BASE, "40").id()));
}
