//! What befalls the switch as a whole: reloads, lost rows, reboots, and time.

use std::time::Duration;

use imgmgrd_planner::ContainerStatus;
use imgmgrd_planner::domain::{Base, Instance};

use crate::action::Action;
use crate::conduct::Faithful;
use crate::site::OLD;
use crate::state::{Kube, Life, Local, Reload, State};

pub(super) fn possible(state: &State, actions: &mut Vec<Action>) {
    let (site, left) = (&state.site, &state.left);
    if left.reloads > 0 || state.reload != Reload::Rest {
        actions.push(Action::Reload);
    }
    if left.deletions > 0 {
        actions.extend((0..state.lives.len()).map(Action::DeleteRow));
    }
    if left.reboots > 0 {
        actions.extend([false, true].map(|marks_lost| Action::Reboot { marks_lost }));
    }
    // What is under way ends long before, unless it hangs.
    let oldest = site.now() - Duration::from_secs(OLD);
    let controller = &site.agent.controller;
    let is_young = controller.stamps().values().any(|stamp| *stamp > oldest)
        || site.switch.started.values().any(|stamp| Duration::from_secs(*stamp) > oldest)
        || controller.next_wake().is_some()
        || !state.history.doubted.is_empty();
    if (site.agent.is_idle() && is_young) || (!site.agent.is_idle() && left.delays > 0) {
        actions.push(Action::Wait);
    }
}

pub(super) fn happen(state: &mut State, action: &Action, instances: &[(Instance, Base)]) {
    match action {
        Action::Reload => reload(state),
        Action::DeleteRow(number) => {
            state.left.deletions -= 1;
            let key = state.site.switch.key(&instances[*number].0);
            state.site.switch.snapshot.state.remove(&key);
        }
        Action::Reboot { marks_lost } => reboot(state, *marks_lost),
        _ => {}
    }
}

fn reload(state: &mut State) {
    let snapshot = &mut state.site.switch.snapshot;
    state.reload = match std::mem::take(&mut state.reload) {
        Reload::Rest => {
            state.left.reloads -= 1;
            snapshot.config_initialized = false;
            Reload::Flushed(std::mem::take(&mut snapshot.configuration))
        }
        Reload::Flushed(rows) => {
            snapshot.configuration = rows;
            Reload::Filled
        }
        Reload::Filled => {
            snapshot.config_initialized = true;
            Reload::Rest
        }
    };
}

/// No process outlives it, and STATE_DB is empty.
fn reboot(state: &mut State, marks_lost: bool) {
    state.left.reboots -= 1;
    let site = &mut state.site;
    site.switch.snapshot.state.clear();
    for container in site.switch.snapshot.containers_mut().values_mut() {
        container.status = ContainerStatus::Stopped;
        container.details = None;
    }
    let disk = &mut site.agent.disk;
    if marks_lost {
        disk.memory.instances.clear();
        disk.memory.groups.values_mut().for_each(|group| {
            group.images.clear();
            group.error = None;
        });
    }
    disk.memory = std::mem::take(&mut disk.memory).after_reboot();
    disk.stamps.clear();
    site.agent.published.clear();
    site.crash(&Faithful);
    for life in &mut state.lives {
        // What the kubelet had created and not started it creates anew.
        *life = Life { kube: Kube::Rest, local: Local::Rest, ..life.clone() };
    }
    state.history.rebooted();
}
