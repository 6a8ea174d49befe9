//! What goes on while the memory cannot be saved, and what does not.

use super::promoted;
use crate::fixtures::*;
use crate::*;

const BASE: &str = "docker-sonic-telemetry";
const REASON: &str = "the memory cannot be saved; the log says why";

/// 60 was promoted, and 84 is due; 40 is old.
fn due() -> Switch {
    let mut switch = Switch::telemetry();
    promoted(&mut switch, &kube(BASE, "60"));
    let image = switch.image(&kube(BASE, "84"));
    switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch.wait(600);
    switch.snapshot.memory_unsaved = true;
    switch
}

/// 84 is promoted, and the memory of that is saved.
fn done() -> Switch {
    let mut switch = due();
    switch.snapshot.memory_unsaved = false;
    switch.act();
    switch.snapshot.memory_unsaved = true;
    switch
}

#[test]
fn nothing_is_promoted() {
    let mut switch = due();
    for _ in 0..2 {
        let decision = switch.reconcile();
        assert!(decision.plan.is_empty(), "{}", switch.text(&decision));
        assert_eq!(switch.stability(&on_host("telemetry")), (Stability::Held, REASON.to_owned()));
        assert_eq!(switch.memory.groups[&base(BASE)].intention, None);
    }
    switch.snapshot.memory_unsaved = false;
    switch.act();
    assert_eq!(switch.stability(&on_host("telemetry")).0, Stability::Stable);
}

#[test]
fn orders_are_refused() {
    for (command, mut switch) in [(Command::Promote, due()), (Command::Rollback { from: None }, done())] {
        switch.snapshot.commands = [(feature("telemetry"), command.clone())].into();
        let decision = switch.reconcile();
        assert!(decision.plan.is_empty(), "{}", switch.text(&decision));
        assert_eq!(
            decision.report.groups[&base(BASE)].command,
            Some(CommandResult::Refused(Gate::MemoryUnsaved.into())),
            "{command:?}"
        );
        assert_eq!(decision.memory.groups[&base(BASE)].approved, [].into());
    }
}

#[test]
fn what_needs_no_memory_goes_on() {
    let mut switch = done();
    switch.image(&kube(BASE, "40"));
    switch.age_all_images();
    switch.untag(&reference(&format!("{BASE}:latest")));
    switch.write(&on_host("telemetry"), |row| row.stable_version = crate::domain::Value::Absent);
    switch.act();
    assert_eq!(switch.named(&format!("{BASE}:latest")), Some(kube(BASE, "84").id()));
    assert!(switch.row(&on_host("telemetry")).stable_version.is(&version("84")));
    assert!(!switch.snapshot.images.contains_key(&kube(BASE, "40").id()), "nothing keeps it");
    assert!(switch.snapshot.images.contains_key(&kube(BASE, "60").id()));
}

#[test]
fn case_1_waits() {
    let mut switch = done();
    // STATE_DB knows 11 as the last version, which ran locally; Kubernetes has one of that name.
    let kube_image = switch.image(&kube(BASE, "20201231.11"));
    let ran = switch.image(&local(BASE, "20201231.11"));
    switch.write(&on_host("telemetry"), |row| row.last_version = crate::domain::Value::Is(version("20201231.11")));
    switch.age_all_images();
    let _ = switch.plan_and_act();
    assert_eq!(switch.named(&format!("{REGISTRY}/{BASE}:20201231.11")), Some(kube_image));
    assert_eq!(switch.named(&format!("{BASE}:20201231.11")), Some(ran), "it is not lost meanwhile");
    switch.snapshot.memory_unsaved = false;
    switch.act();
    assert_eq!(switch.named(&format!("{REGISTRY}/{BASE}:20201231.11")), Some(ran));
    assert_eq!(switch.named(&format!("{BASE}:20201231.11")), None);
}
