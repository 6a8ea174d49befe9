//! The rules of the reference's section 3, each as a table of cases on the pure decision.

mod checked;
mod clean_up;
mod commands;
mod histories;
mod identity;
mod image_group;
mod invariants;
mod keep;
mod mutable_tag;
mod promotion;
mod takeover;
mod timing;
mod unknown;
mod unsaved;
mod versions;

use super::fixtures::{Described, Switch, on_host};

/// Telemetry is upgraded to `image`, which proves stable and is promoted.
fn promoted(switch: &mut Switch, image: &Described) {
    let image = switch.image(image);
    switch.upgrade(&on_host("telemetry"), &image);
    let _ = switch.reconcile();
    switch.wait(600);
    switch.act();
}
