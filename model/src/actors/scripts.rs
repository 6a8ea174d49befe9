//! SONiC's container scripts, on the host and in the containers, and systemd: who writes which row, in which order
//! (section 7 of the reference).

use imgmgrd_planner::domain::{Base, Instance, Reference, Value};
use imgmgrd_planner::{Owner, RemoteState};

use crate::action::Action;
use crate::state::{Kube, Local, State};

pub(super) fn possible(state: &State, instances: &[(Instance, Base)], actions: &mut Vec<Action>) {
    let site = &state.site;
    for (number, (instance, base)) in instances.iter().enumerate() {
        let life = &state.lives[number];
        let runs = life.container.is_some_and(|id| site.runs(&id));
        if runs && !matches!(life.kube, Kube::Rest | Kube::Created | Kube::Leaving) {
            actions.push(Action::TakeOver(number));
        }
        let row = site.row(instance);
        let remote = row.map_or(Value::Absent, |row| row.remote_state.clone());
        let is_on_its_way =
            matches!(remote, Value::Is(RemoteState::Pending | RemoteState::Ready | RemoteState::Running));
        if !runs && life.kube == Kube::Rest && is_on_its_way {
            actions.push(Action::WriteGone(number));
        }
        if state.left.reverts > 0 && !runs && life.kube == Kube::Rest && remote.is(&RemoteState::Stopped) {
            actions.push(Action::Revert(number));
        }
        let local = site.local(instance);
        let is_free = row.is_none_or(|row| {
            !matches!(row.current_owner, Value::Is(Owner::Kube | Owner::Local))
                && matches!(row.remote_state, Value::Absent | Value::Is(RemoteState::None))
        });
        if life.local == Local::Rest && is_free {
            match local {
                None if latest(base).is_some_and(|latest| site.switch.naming(&latest).is_some()) => {
                    actions.push(Action::LocalCreate(number));
                }
                Some(local) if !site.runs(&local) => actions.push(Action::LocalStart(number)),
                _ => {}
            }
        }
        if life.local != Local::Rest && local.is_some_and(|local| site.runs(&local)) {
            actions.push(Action::LocalWrite(number));
        }
    }
}

pub(super) fn happen(state: &mut State, action: &Action, instances: &[(Instance, Base)]) {
    match action {
        Action::TakeOver(number) => take_over(state, *number, instances),
        Action::WriteGone(number) => {
            let instance = &instances[*number].0;
            let runs_locally = state.site.row(instance).is_some_and(|row| row.current_owner.is(&Owner::Local));
            if runs_locally {
                state.site.switch.reverted(instance);
            } else {
                state.site.switch.gone(instance);
            }
        }
        Action::Revert(number) => {
            state.left.reverts -= 1;
            state.site.switch.reverted(&instances[*number].0);
        }
        Action::LocalCreate(number) => {
            let (instance, base) = &instances[*number];
            let image = latest(base).and_then(|latest| state.site.switch.naming(&latest)).expect("it is there");
            let name = instance.container_name();
            let (id, _) = state.lives[*number].new_container(&name);
            state.site.switch.create(id, &name, &image, None);
        }
        Action::LocalStart(number) => {
            let local = state.site.local(&instances[*number].0).expect("it is there");
            let at = state.lives[*number].new_start();
            state.site.switch.start_at(&local, at);
            state.lives[*number].local = Local::Started;
        }
        Action::LocalWrite(number) => {
            let instance = &instances[*number].0;
            let local = state.site.local(instance).expect("it runs");
            let life = &mut state.lives[*number];
            let switch = &mut state.site.switch;
            life.local = match life.local {
                Local::Started => {
                    switch.started_locally(instance);
                    Local::Claimed
                }
                Local::Claimed => {
                    switch.tells_version(instance, &local);
                    Local::Told
                }
                Local::Told | Local::Rest => {
                    switch.waited_for_local(instance, &local);
                    Local::Rest
                }
            };
        }
        _ => {}
    }
}

/// The next write of a takeover, or systemd's stop of the local container.
fn take_over(state: &mut State, number: usize, instances: &[(Instance, Base)]) {
    let instance = &instances[number].0;
    let container = state.lives[number].container.expect("it runs");
    let local = state.site.local(instance).filter(|local| state.site.runs(local));
    let is_down = state.site.row(instance).is_some_and(|row| row.current_owner.is(&Owner::None));
    let switch = &mut state.site.switch;
    let life = &mut state.lives[number];
    life.kube = match life.kube {
        Kube::Started => {
            switch.announces(instance, &container);
            Kube::Announced
        }
        Kube::Announced => {
            switch.asks(instance);
            Kube::Asked
        }
        Kube::Asked => match local {
            Some(local) => {
                switch.stop(&local);
                life.local = Local::Rest;
                Kube::RoomMade
            }
            None if is_down => {
                switch.service_started(instance);
                Kube::ServiceStarted
            }
            None => {
                switch.service_stopped(instance);
                Kube::ServiceStopped
            }
        },
        Kube::RoomMade => {
            switch.service_stopped(instance);
            Kube::ServiceStopped
        }
        Kube::ServiceStopped => {
            switch.service_started(instance);
            Kube::ServiceStarted
        }
        Kube::ServiceStarted => {
            switch.answered(instance);
            Kube::Answered
        }
        Kube::Answered => {
            switch.take_over(instance, &container);
            Kube::Rest
        }
        Kube::Rest | Kube::Created | Kube::Leaving => life.kube,
    };
    if life.kube == Kube::Rest {}
}

fn latest(base: &Base) -> Option<Reference> {
    Reference::latest(base)
}
