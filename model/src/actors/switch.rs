//! What befalls the switch as a whole: reloads, lost rows, reboots, and time.

use imgmgrd_decision::decide::ContainerStatus;
use imgmgrd_decision::domain::{Base, Instance};

use crate::action::Action;
use crate::agent::{OLD, TICK};
use crate::state::{Life, Reload, State};

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
    // A call ends, one way or the other, long before.
    let oldest = site.switch.clock - OLD;
    let stamps = || site.switch.marks.values().chain(site.switch.started.values());
    if !site.agent.has_begun && site.agent.picture.is_none() && stamps().any(|stamp| *stamp > oldest) {
        actions.push(Action::Wait);
    }
}

pub(super) fn happen(state: &mut State, action: &Action, instances: &[(Instance, Base)]) {
    match action {
        Action::Reload => reload(state),
        Action::DeleteRow(number) => {
            state.left.deletions -= 1;
            let key = state.site.switch.key(&instances[*number].0);
            state.site.switch.observation.state.remove(&key);
        }
        Action::Reboot { marks_lost } => reboot(state, *marks_lost),
        Action::Wait => {
            // A plan is carried out at once or, if a call is put off, made anew.
            state.site.give_up();
            state.site.pass(TICK);
            state.history.pass();
        }
        _ => {}
    }
}

fn reload(state: &mut State) {
    let observation = &mut state.site.switch.observation;
    state.reload = match std::mem::take(&mut state.reload) {
        Reload::Rest => {
            state.left.reloads -= 1;
            observation.config_initialized = false;
            Reload::Flushed(std::mem::take(&mut observation.configuration))
        }
        Reload::Flushed(rows) => {
            observation.configuration = rows;
            Reload::Filled
        }
        Reload::Filled => {
            observation.config_initialized = true;
            Reload::Rest
        }
    };
}

/// No process outlives it, and STATE_DB is empty.
fn reboot(state: &mut State, marks_lost: bool) {
    state.left.reboots -= 1;
    let site = &mut state.site;
    site.crash();
    site.switch.observation.state.clear();
    for container in site.switch.observation.containers_mut().values_mut() {
        container.status = ContainerStatus::Stopped;
        container.details = None;
    }
    if marks_lost {
        site.switch.memory.instances.clear();
        site.switch.memory.units.values_mut().for_each(|unit| {
            unit.images.clear();
            unit.error = None;
        });
    }
    site.switch.memory = std::mem::take(&mut site.switch.memory).after_reboot();
    site.switch.marks.clear();
    for life in &mut state.lives {
        // What the kubelet had created and not started it creates anew.
        *life = Life { container: life.container, ..Life::default() };
    }
    state.history.rebooted();
}
