//! What may happen on a switch.

use proptest::prelude::*;

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The kubelet pulls a version; from the second registry; a rebuilt image of that version.
    Pull { version: usize, second: bool, rebuilt: bool },
    /// An instance's kube container is replaced by one of another version, with all the rows. The old one stays stopped.
    Upgrade { instance: usize, version: usize, leaves_old: bool },
    /// Only the container is replaced, while `remote_state` stays running.
    Replace { instance: usize, version: usize },
    /// A kube container runs, but takes nothing over.
    DryRun { instance: usize, version: usize },
    /// The kube container exits.
    Exit(usize),
    /// The kube container is started again.
    Restart(usize),
    /// A process in it is killed for lack of memory.
    OutOfMemory(usize),
    /// Its health check changes its mind.
    Health(usize, bool),
    /// It goes away, and its rows say so.
    Gone(usize),
    /// A stopped container is removed.
    RemoveContainer(usize),
    /// The kubelet collects a reference of an image that nothing uses.
    Collect(usize),
    /// systemd starts the local container.
    LocalStart(usize),
    /// systemd stops it.
    LocalStop(usize),
    /// systemd creates the local container but does not start it.
    LocalCreate(usize),
    /// An operator changes the owner.
    Owner(usize, bool),
    /// An operator moves `latest` to a version.
    Latest(usize),
    /// An operator tags a kube version locally.
    Alias(usize),
    /// Kubernetes is disabled or enabled.
    Disabled(bool),
    /// The switch is connected, disconnected, or does not say.
    Connected(Option<bool>),
    /// The policy changes.
    StableTime(u8),
    /// The policy changes.
    KeepVersions(u8),
    /// The policy changes.
    CleanUp(bool),
    /// The policy changes.
    Enabled(bool),
    /// The policy changes.
    Pin(Option<usize>),
    /// An operator rolls back what is promoted.
    RollBack(usize),
    /// CONFIG_DB is flushed, or is loaded again.
    Reload(bool),
    /// A deleted row.
    DeleteRow(usize),
    /// Redis restarts without its data.
    StateLost,
    /// Time passes.
    Wait(u16),
    /// The agent decides and acts.
    Reconcile,
    /// The agent is killed after so many steps, and starts again.
    Killed(usize),
    /// The agent is killed after it saved what fallback depends on and before it saved its marks.
    KilledSaving,
    /// The file of marks is lost.
    MarksLost,
    /// The agent's step so and so is refused.
    RefusedLook(usize),
    /// The world moves on between the decision and its steps.
    LateLook(Box<Event>),
    /// The agent is started again.
    RestartAgent,
    /// The agent's memory is lost.
    MemoryLost,
    /// The switch is booted again.
    Reboot,
}

/// A history.
pub(super) fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..45)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => world_event(),
        2 => Just(Event::Reconcile),
        2 => prop_oneof![Just(600_u16), Just(601), Just(5), 0_u16..2000].prop_map(Event::Wait),
        // The usual course of things, so that it is often gone through.
        5 => prop_oneof![Just(Event::Reconcile), Just(Event::Wait(600))],
        1 => (0_usize..8).prop_map(Event::Killed),
        1 => (0_usize..8).prop_map(Event::RefusedLook),
        1 => world_event().prop_map(|event| Event::LateLook(Box::new(event))),
        1 => prop_oneof![3 => Just(Event::RestartAgent), 2 => Just(Event::KilledSaving), 1 => Just(Event::MarksLost)],
    ]
}

fn world_event() -> impl Strategy<Value = Event> {
    let instance = 0_usize..2;
    let version = 0_usize..5;
    let seldom = prop_oneof![
        any::<bool>().prop_map(Event::Disabled),
        prop::option::of(any::<bool>()).prop_map(Event::Connected),
        (0_u8..3).prop_map(Event::StableTime),
        (2_u8..=4).prop_map(Event::KeepVersions),
        any::<bool>().prop_map(Event::CleanUp),
        any::<bool>().prop_map(Event::Enabled),
        prop::option::of(version.clone()).prop_map(Event::Pin),
        instance.clone().prop_map(Event::RollBack),
        any::<bool>().prop_map(Event::Reload),
        instance.clone().prop_map(Event::DeleteRow),
        Just(Event::StateLost),
        Just(Event::MemoryLost),
        Just(Event::Reboot),
        (instance.clone(), any::<bool>()).prop_map(|(instance, kube)| Event::Owner(instance, kube)),
    ];
    prop_oneof![
        3 => (version.clone(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(version, second, rebuilt)| Event::Pull { version, second, rebuilt }),
        5 => (instance.clone(), version.clone(), any::<bool>())
            .prop_map(|(instance, version, leaves_old)| Event::Upgrade { instance, version, leaves_old }),
        1 => (instance.clone(), version.clone()).prop_map(|(instance, version)| Event::Replace { instance, version }),
        1 => (instance.clone(), version.clone()).prop_map(|(instance, version)| Event::DryRun { instance, version }),
        1 => instance.clone().prop_map(Event::Exit),
        1 => instance.clone().prop_map(Event::Restart),
        1 => instance.clone().prop_map(Event::OutOfMemory),
        1 => (instance.clone(), any::<bool>()).prop_map(|(instance, unhealthy)| Event::Health(instance, unhealthy)),
        1 => instance.clone().prop_map(Event::Gone),
        2 => (0_usize..6).prop_map(Event::RemoveContainer),
        2 => (0_usize..12).prop_map(Event::Collect),
        1 => instance.clone().prop_map(Event::LocalStart),
        1 => instance.clone().prop_map(Event::LocalStop),
        1 => instance.prop_map(Event::LocalCreate),
        1 => version.clone().prop_map(Event::Latest),
        1 => version.prop_map(Event::Alias),
        4 => seldom,
    ]
}
