//! How long a decision takes: `cargo test --release --lib -- --ignored a_large_switch --nocapture`.

use std::time::{Duration, Instant};

use crate::fixtures::*;
use crate::*;

/// 200 features with 25 images each, all owned by kube, all promoted.
fn large() -> Switch {
    let mut switch = Switch::new();
    for number in 0..200 {
        let (name, base) = (format!("feature{number}"), format!("docker-feature-{number}"));
        switch = switch.feature(&name, &base);
        switch.set_owner(&name, Owner::Kube);
        switch.new_image(&local(&base, "11").latest());
        for version in 0..23 {
            switch.new_image(&kube(&base, &format!("20201231.{version}")));
        }
        let image = switch.new_image(&kube(&base, "20201231.84"));
        switch.upgrade(&on_host(&name), &image);
    }
    switch
}

/// The best of many: what a decision takes when the machine does nothing else.
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn measure(switch: &Switch, what: &str) -> Duration {
    let (snapshot, now) = (switch.observe(), switch.now());
    let mut times: Vec<_> = (0..50)
        .map(|_| {
            let start = Instant::now();
            let _ = std::hint::black_box(decide(&snapshot, &switch.memory, &switch.policy, &now));
            start.elapsed()
        })
        .collect();
    times.sort();
    let decision = decide(&snapshot, &switch.memory, &switch.policy, &now);
    let steps: usize = decision.plan.groups.values().flatten().map(|action| action.steps.len()).sum();
    let start = Instant::now();
    let found = invariants::check(&snapshot, &decision.memory, &switch.policy, &decision.plan);
    assert!(found.is_empty());
    println!("{what}: best {:?}, median {:?}; {steps} steps judged in {:?}", times[0], times[25], start.elapsed());
    times[0]
}

#[test]
#[ignore = "a measurement, to be made with --release"]
fn a_large_switch_is_decided_in_5_ms() {
    let mut switch = large();
    assert_eq!(switch.snapshot.images.len(), 5000);
    measure(&switch, "first decision");
    let _ = switch.reconcile();
    measure(&switch, "observing");
    switch.wait(600);
    measure(&switch, "200 promotions and 4,800 removals");
    switch.policy(|policy| policy.cleanup = false);
    switch.act();
    let quiet = measure(&switch, "all promoted, 5,000 images");
    assert!(quiet < Duration::from_millis(5), "{quiet:?}");
}
