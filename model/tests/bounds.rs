//! Every scenario, explored within the bounds of every change.

use imgmgrd_model::conduct::Faithful;
use imgmgrd_model::explore::Exploration;
use imgmgrd_model::scenarios::{Size, scenarios};

#[track_caller]
fn holds(name: &str) {
    let scenario = scenarios(Size::Small).into_iter().find(|scenario| scenario.name == name).expect("a scenario");
    let findings = Exploration::new(scenario, Box::new(Faithful)).run(1);
    println!("{findings:?}");
    let broken: Vec<_> = findings.counterexamples.iter().map(|(name, trace)| format!("{name}\n{trace}")).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(findings.unreached.is_empty(), "never came by: {:?}", findings.unreached);
}

/// One test for each scenario, by its name.
macro_rules! scenarios {
    ($($test:ident = $name:literal),+ $(,)?) => {
        $(#[test] fn $test() { holds($name); })+

        #[test]
        fn every_scenario_has_a_test() {
            let names: Vec<_> = scenarios(Size::Small).iter().map(|scenario| scenario.name).collect();
            assert_eq!(names, [$($name),+]);
        }
    };
}

scenarios! {
    first = "first",
    upgrade = "upgrade",
    faults = "faults",
    late = "late",
    unsaved = "unsaved",
    refused = "refused",
    two_groups = "two-groups",
    two_owners = "two-owners",
    mishaps = "mishaps",
    rebuilt = "rebuilt",
    rebuilt_again = "rebuilt-again",
    commands = "commands",
    commands_killed = "commands-killed",
    policy = "policy",
    reload = "reload",
    deleted = "deleted",
    reboot = "reboot",
    asics = "asics",
    asics_again = "asics-again",
    near_names = "near-names",
}
