//! The scenarios, each in the bounds of every change and in the larger ones of `make model`.

use imgmgrd_planner::fixtures::Shape;
use imgmgrd_planner::{Command, Owner};

use crate::bounds::{Left, Operation, offer, rebuilt};
use crate::scenario::{Kind, LOCAL, Reach, Scenario};

/// How far an exploration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Far enough for every change, in a few minutes for all scenarios.
    Small,
    /// As far as a small machine goes in a few minutes.
    Large,
}

/// Every scenario.
#[must_use]
pub fn scenarios(size: Size) -> Vec<Scenario> {
    let large = |small: u8, large: u8| if size == Size::Large { large } else { small };
    // In the small bounds, some begin with the new version running.
    let runs = |version| if size == Size::Large { None } else { Some(version) };
    let one = Scenario {
        name: "first",
        about: "kube takes over from local, and the version that came with SONiC is cleaned up; the agent dies",
        kind: Kind::OneFeature,
        promoted: Vec::new(),
        running: None,
        offers: vec![offer("1"), offer("2")],
        operations: Vec::new(),
        bounds: Left { upgrades: large(1, 2), pulls: large(1, 2), crashes: 1, ..Left::default() },
        reaches: vec![Reach::Promoted, Reach::CleanedUp],
    };
    let upgrade = Scenario {
        name: "upgrade",
        about: "one promoted version follows another, and the old one is cleaned up; the agent dies",
        promoted: vec!["1", "2"],
        offers: vec![offer("3"), offer("4")],
        bounds: Left { upgrades: large(1, 2), pulls: large(1, 2), crashes: 1, ..Left::default() },
        reaches: vec![Reach::PromotedAgain],
        ..one.clone()
    };
    vec![
        one.clone(),
        upgrade.clone(),
        Scenario {
            name: "faults",
            about: "calls and readings fail, or are done and their answers lost; the agent dies",
            running: Some("3"),
            offers: Vec::new(),
            bounds: Left { crashes: 1, faults: large(1, 2), delays: large(0, 1), ..Left::default() },
            reaches: vec![Reach::PromotedAgain, Reach::Refused],
            ..upgrade.clone()
        },
        Scenario {
            name: "late",
            about: "readings take long, rows are read later than the engine, calls hang, and meanwhile something happens",
            running: Some("3"),
            offers: Vec::new(),
            bounds: Left { delays: large(1, 2), mishaps: 1, crashes: large(0, 1), ..Left::default() },
            reaches: vec![Reach::PromotedAgain],
            ..upgrade.clone()
        },
        Scenario {
            name: "unsaved",
            about: "the memory cannot be saved for a while, and in the larger bounds Redis refuses writes; the agent dies",
            running: Some("3"),
            offers: Vec::new(),
            bounds: Left { unsaved: 1, refusals: large(0, 1), crashes: 1, ..Left::default() },
            reaches: vec![Reach::PromotedAgain, Reach::Unsaved],
            ..upgrade.clone()
        },
        Scenario {
            name: "refused",
            about: "Redis refuses writes, for a while",
            running: Some("3"),
            offers: Vec::new(),
            bounds: Left { mishaps: 1, refusals: 1, ..Left::default() },
            reaches: vec![Reach::PromotedAgain],
            ..upgrade.clone()
        },
        Scenario {
            name: "two-groups",
            about: "telemetry and snmp are upgraded at once; a call or a reading of one fails, or hangs",
            kind: Kind::TwoFeatures,
            running: Some("2"),
            promoted: vec!["1"],
            offers: Vec::new(),
            bounds: Left { delays: 1, faults: large(0, 1), ..Left::default() },
            reaches: vec![Reach::PromotedAgain],
            ..one.clone()
        },
        Scenario {
            name: "two-owners",
            about: "telemetry and snmp are upgraded at once; an operator changes what holds for telemetry meanwhile",
            kind: Kind::TwoFeatures,
            running: Some("2"),
            promoted: vec!["1"],
            offers: Vec::new(),
            operations: vec![
                Operation::SetOwner(Owner::Local),
                Operation::Disable(true),
                Operation::Pin("1"),
                Operation::Command(Command::Promote),
            ],
            bounds: Left { delays: large(0, 1), operations: 1, ..Left::default() },
            reaches: Vec::new(),
        },
        Scenario {
            name: "mishaps",
            about: "the container exits, restarts, is unhealthy, loses a process; the local one comes back",
            bounds: Left {
                upgrades: 1,
                pulls: 1,
                mishaps: large(1, 2),
                reverts: large(0, 1),
                crashes: 1,
                ..Left::default()
            },
            reaches: vec![Reach::Promoted, Reach::CleanedUp],
            ..one.clone()
        },
        Scenario {
            name: "rebuilt",
            about: "images of the same version: the local one's from the registry, one built again; the kubelet collects",
            offers: vec![offer(LOCAL), offer("1"), rebuilt("1")],
            bounds: Left { upgrades: 1, pulls: 3, collects: large(0, 1), ..Left::default() },
            reaches: vec![Reach::Promoted, Reach::CleanedUp],
            ..one.clone()
        },
        Scenario {
            name: "rebuilt-again",
            about: "what is promoted is built again and pulled, runs, and is promoted; the kubelet collects",
            offers: vec![rebuilt("2"), offer("3")],
            bounds: Left { upgrades: 1, pulls: large(1, 2), collects: 1, crashes: large(0, 1), ..Left::default() },
            reaches: vec![Reach::PromotedAgain],
            ..upgrade.clone()
        },
        Scenario {
            name: "commands",
            running: Some("3"),
            about: "an operator promotes, rolls back, changes the owner, moves latest",
            operations: vec![
                Operation::Command(Command::Promote),
                Operation::Command(Command::Rollback { from: None }),
                Operation::SetOwner(Owner::Local),
                Operation::SetOwner(Owner::Kube),
                Operation::TagLatest("1"),
                Operation::TagLatest("3"),
                Operation::UntagLatest,
            ],
            bounds: Left { operations: 2, crashes: large(0, 1), ..Left::default() },
            reaches: vec![Reach::PromotedAgain, Reach::RolledBack],
            ..upgrade.clone()
        },
        Scenario {
            name: "commands-killed",
            about: "an operator promotes or rolls back, and the agent dies in the middle of it",
            running: Some("3"),
            operations: vec![
                Operation::Command(Command::Promote),
                Operation::Command(Command::Rollback { from: None }),
                Operation::TagLatest("3"),
            ],
            bounds: Left { operations: large(1, 2), crashes: 1, ..Left::default() },
            reaches: vec![Reach::PromotedAgain, Reach::RolledBack],
            ..upgrade.clone()
        },
        Scenario {
            name: "policy",
            running: Some("3"),
            about: "an operator changes the policy, pins a version, tags it locally; Kubernetes is disabled or away",
            operations: vec![
                Operation::Enable(false),
                Operation::Enable(true),
                Operation::CleanUp(false),
                Operation::CleanUp(true),
                Operation::Pin("1"),
                Operation::KeepVersions(3),
                Operation::TagLocally("1"),
                Operation::Disable(true),
                Operation::Disable(false),
                Operation::Connect(false),
                Operation::Connect(true),
            ],
            bounds: Left { operations: 2, crashes: large(0, 1), delays: large(0, 1), ..Left::default() },
            reaches: vec![Reach::PromotedAgain],
            ..upgrade.clone()
        },
        Scenario {
            name: "reload",
            about: "config reload, and in the larger bounds a row that somebody deletes too",
            bounds: Left {
                upgrades: 1,
                pulls: 1,
                reloads: 1,
                deletions: large(0, 1),
                crashes: large(0, 1),
                ..Left::default()
            },
            reaches: vec![Reach::PromotedAgain],
            ..upgrade.clone()
        },
        Scenario {
            name: "deleted",
            about: "somebody deletes the STATE_DB row",
            running: runs("3"),
            bounds: Left {
                upgrades: large(0, 1),
                pulls: large(0, 1),
                deletions: 1,
                crashes: large(0, 1),
                ..Left::default()
            },
            reaches: vec![Reach::PromotedAgain],
            ..upgrade.clone()
        },
        Scenario {
            name: "reboot",
            about: "the switch reboots, with or without what was not synced; systemd starts what latest names",
            running: runs("3"),
            bounds: Left {
                upgrades: large(0, 1),
                pulls: large(0, 1),
                reboots: 1,
                crashes: large(0, 1),
                ..Left::default()
            },
            reaches: vec![Reach::PromotedAgain, Reach::FellBack],
            ..upgrade.clone()
        },
        Scenario {
            name: "asics",
            about: "bgp0 and bgp1 share an image, with rows in their namespaces",
            kind: Kind::TwoAsics(Shape::Namespace),
            running: runs("1"),
            bounds: Left { upgrades: large(0, 2), pulls: large(0, 1), mishaps: large(1, 0), ..Left::default() },
            reaches: vec![Reach::Promoted, Reach::CleanedUp],
            ..one.clone()
        },
        Scenario {
            name: "asics-again",
            about: "bgp0 and bgp1 are upgraded, one after the other; rows on the host",
            kind: Kind::TwoAsics(Shape::Host),
            running: runs("3"),
            bounds: Left { upgrades: large(0, 1), pulls: large(0, 1), crashes: 1, ..Left::default() },
            // Not while the instances are on different images.
            reaches: if size == Size::Large { Vec::new() } else { vec![Reach::PromotedAgain] },
            ..upgrade.clone()
        },
        Scenario {
            name: "near-names",
            about: "gnmi is upgraded beside gnmi-watchdog, whose image name begins with gnmi's",
            kind: Kind::NearNames,
            bounds: Left { upgrades: 1, pulls: 1, collects: 1, crashes: large(0, 1), ..Left::default() },
            reaches: vec![Reach::PromotedAgain],
            ..upgrade
        },
    ]
}
