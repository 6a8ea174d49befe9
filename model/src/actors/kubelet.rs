//! The kubelet: pulls, creates, starts and removes; and what befalls its containers.

use std::collections::BTreeSet;

use imgmgrd_planner::domain::{Base, ContainerId, ImageId, Instance, Reference, Value};
use imgmgrd_planner::fixtures::{Described, REGISTRY, kube, reference};
use imgmgrd_planner::{ContainerStatus, KubeletLabels, Owner, RemoteState};

use crate::action::Action;
use crate::bounds::Offer;
use crate::scenario::Scenario;
use crate::state::{Kube, State};

pub(super) fn possible(state: &State, scenario: &Scenario, instances: &[(Instance, Base)], actions: &mut Vec<Action>) {
    let (site, left) = (&state.site, &state.left);
    let bases: BTreeSet<&Base> = instances.iter().map(|(_, base)| base).collect();
    if left.pulls > 0 {
        for (number, base) in bases.iter().enumerate() {
            // In the order of the scenario: which of two versions is the first is only a matter of names.
            let is_there = |offer: &&Offer| site.switch.naming(&tag(base, offer.version)) == Some(id(base, **offer));
            let once_there = scenario.offers.iter().take_while(|offer| state.history.pulled.contains(offer)).count();
            let offers = scenario.offers.iter().take(once_there + 1).filter(|offer| !is_there(offer));
            actions.extend(offers.map(|offer| Action::Pull(*offer, number)));
        }
    }
    let versions: BTreeSet<&'static str> = scenario.offers.iter().map(|offer| offer.version).collect();
    for (number, (instance, base)) in instances.iter().enumerate() {
        let life = &state.lives[number];
        let container = life.container.filter(|id| site.container(id).is_some());
        let runs = container.is_some_and(|id| site.runs(&id));
        let takes_over = |kube: Kube| !matches!(kube, Kube::Rest | Kube::Created | Kube::Leaving);
        let is_local = set_owner_is_local(state, instance);
        if left.upgrades > 0 {
            let on_disk = |version: &&&str| site.switch.naming(&tag(base, version)).is_some();
            for version in versions.iter().filter(on_disk) {
                if !runs && life.kube == Kube::Rest && !is_local {
                    actions.push(Action::Create(version, number));
                }
                if runs && life.kube == Kube::Rest && owns(state, instance) && !is_local {
                    actions.push(Action::Replace(version, number));
                }
            }
        }
        if life.kube == Kube::Created {
            actions.push(Action::Start(number));
        }
        if runs && life.kube == Kube::Rest && owns(state, instance) && (left.upgrades > 0 || is_local) {
            actions.push(Action::Leave(number));
        }
        if runs && (life.kube == Kube::Leaving || left.mishaps > 0) {
            actions.push(Action::Exit(number));
        }
        if left.mishaps > 0 {
            if runs && (takes_over(life.kube) || owns(state, instance)) {
                let details = container.and_then(|id| site.container(&id)?.details.as_ref());
                let is_sick = details.is_some_and(|details| details.unhealthy);
                actions.push(Action::Health(number, !is_sick));
                actions.push(Action::OutOfMemory(number));
            }
            if container.is_some() && !runs && life.kube == Kube::Rest {
                actions.push(Action::Start(number));
            }
        }
    }
    let stopped = site.switch.snapshot.containers.iter().filter(|(id, container)| {
        let is_to_start = state.lives.iter().any(|life| life.container == Some(**id) && life.kube == Kube::Created);
        container.kubelet.is_some() && container.status == ContainerStatus::Stopped && !is_to_start
    });
    actions.extend(stopped.map(|(id, _)| Action::RemoveContainer(*id)));
    if left.collects > 0 {
        let is_used = |id: &ImageId| site.switch.snapshot.containers.values().any(|user| user.image == *id);
        for (_, image) in site.switch.snapshot.images.iter().filter(|(id, _)| !is_used(id)) {
            actions.extend(image.references.iter().filter(|name| name.tag().is_some()).cloned().map(Action::Collect));
        }
    }
}

pub(super) fn happen(state: &mut State, action: &Action, instances: &[(Instance, Base)]) {
    match action {
        Action::Pull(offer, number) => {
            let bases: BTreeSet<&Base> = instances.iter().map(|(_, base)| base).collect();
            let base = bases.into_iter().nth(*number).expect("an image name");
            state.left.pulls -= 1;
            state.site.switch.image(&image(base, *offer));
            state.history.pulled.insert(*offer);
        }
        Action::Create(version, number) => {
            let (instance, base) = &instances[*number];
            let image = state.site.switch.naming(&tag(base, version)).expect("it is on the disk");
            state.left.upgrades -= 1;
            let id = create(state, *number, instance, &image);
            (state.lives[*number].container, state.lives[*number].kube) = (Some(id), Kube::Created);
        }
        Action::Start(number) => {
            if state.lives[*number].kube == Kube::Rest {
                state.left.mishaps -= 1;
            }
            let container = state.lives[*number].container.expect("there is one");
            let at = state.lives[*number].new_start();
            state.site.switch.start_at(&container, at);
            state.site.switch.started.insert(container, state.site.switch.clock);
            let (instance, _) = &instances[*number];
            // While the row still says that this very container runs it, or it is of the version that was started
            // locally (a dry run), its script has nothing to write.
            let writes = !owns(state, instance) && !is_dry_run(state, instance, &container);
            state.lives[*number].kube = if writes { Kube::Started } else { Kube::Rest };
        }
        Action::Leave(number) => {
            state.site.switch.gone(&instances[*number].0);
            state.lives[*number].kube = Kube::Leaving;
        }
        Action::Exit(number) => {
            let life = &mut state.lives[*number];
            if life.kube != Kube::Leaving {
                state.left.mishaps -= 1;
            }
            life.kube = Kube::Rest;
            let container = life.container.expect("it runs");
            state.site.switch.stop(&container);
        }
        Action::Health(number, is_sick) => {
            state.left.mishaps -= 1;
            let container = state.lives[*number].container.expect("it runs");
            state.site.switch.details(&container, |details| details.unhealthy = *is_sick);
        }
        Action::OutOfMemory(number) => {
            state.left.mishaps -= 1;
            let container = state.lives[*number].container.expect("it runs");
            state.site.switch.details(&container, |details| details.oom_kills += 1);
        }
        Action::RemoveContainer(id) => {
            state.site.switch.snapshot.containers_mut().remove(id);
            state.lives.iter_mut().filter(|life| life.container == Some(*id)).for_each(|life| life.container = None);
        }
        Action::Collect(reference) => {
            state.left.collects -= 1;
            let id = state.site.switch.naming(reference).expect("it is on the disk");
            state.site.switch.untag(reference);
            let images = state.site.switch.snapshot.images_mut();
            images.retain(|other, image| *other != id || !image.references.is_empty());
        }
        Action::Replace(version, number) => {
            let (instance, base) = &instances[*number];
            let image = state.site.switch.naming(&tag(base, version)).expect("it is on the disk");
            state.left.upgrades -= 1;
            let old = state.lives[*number].container.expect("it runs");
            state.site.switch.stop(&old);
            let new = create(state, *number, instance, &image);
            let at = state.lives[*number].new_start();
            state.site.switch.start_at(&new, at);
            state.site.switch.started.insert(new, state.site.switch.clock);
            state.site.switch.take_over(instance, &new);
            state.lives[*number].container = Some(new);
        }
        _ => {}
    }
}

fn create(state: &mut State, number: usize, instance: &Instance, image: &ImageId) -> ContainerId {
    let name = instance.container_name();
    let (id, number) = state.lives[number].new_container(&format!("k8s_{name}"));
    let labels = KubeletLabels { container_name: name.as_str().into(), is_container: true };
    state.site.switch.create(id, &format!("k8s_{name}_{number}"), image, Some(labels));
    id
}

/// `REGISTRY/BASE:VERSION`.
pub(super) fn tag(base: &Base, version: &str) -> Reference {
    reference(&format!("{REGISTRY}/{base}:{version}"))
}

fn id(base: &Base, offer: Offer) -> ImageId {
    image(base, offer).id()
}

fn image(base: &Base, offer: Offer) -> Described {
    let image = kube(base.as_str(), offer.version);
    if !offer.is_rebuilt {
        return image;
    }
    let image = image.called(&format!("rebuilt {base} {}", offer.version)).nameless();
    image.named(&format!("{REGISTRY}/{base}:{}", offer.version)).digest(REGISTRY)
}

/// The row says that a kube container runs the instance.
fn owns(state: &State, instance: &Instance) -> bool {
    state
        .site
        .row(instance)
        .is_some_and(|row| row.current_owner.is(&Owner::Kube) && row.remote_state.is(&RemoteState::Running))
}

/// A kube container of the version that was last started locally only idles.
fn is_dry_run(state: &State, instance: &Instance, container: &ContainerId) -> bool {
    let image = state.site.container(container).map(|container| container.image);
    let image = image.and_then(|image| state.site.switch.snapshot.images.get(&image));
    let version = image.and_then(|image| image.declared_version());
    state
        .site
        .row(instance)
        .is_some_and(|row| row.current_owner.is(&Owner::Local) && row.container_version.get() == version)
}

fn set_owner_is_local(state: &State, instance: &Instance) -> bool {
    let rows = state.site.switch.snapshot.configuration.iter();
    let mut own = rows.filter(|(key, _)| key.key == instance.feature);
    own.any(|(_, row)| row.set_owner == Value::Is(Owner::Local))
}
