//! How a whole look grows with the images on a real engine: the start of an agent that knows nothing, until its rows are
//! published, beside the engine's own lists, asked for by hand.

use std::path::Path;
use std::time::Instant;

use imgmgrd_test_support::Switch;

use crate::table::{Table, Unit, median};
use crate::world::{base, kube_image};
use crate::{Bench, hand, start};

/// Features, all owned by kube: every image of theirs is looked at.
const FEATURES: usize = 10;

/// What the agent asks an engine for at least.
const LISTS: [&str; 2] = ["/containers/json?all=1", "/images/json?digests=1"];

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let features: Vec<String> = (0..FEATURES).map(|number| format!("grown{number}")).collect();
    let builder =
        features.iter().fold(Switch::builder(), |builder, feature| builder.image_name(feature, &base(feature)));
    let switch = builder.start();
    for feature in &features {
        switch.rows().config_feature(feature, "kube", false, true);
        switch.feature(feature).set(&[("remote_state", "none"), ("current_owner", "none")]);
    }
    let (mut looks, mut lists) = (Vec::new(), Vec::new());
    let mut loaded = 0;
    for &images in bench.effort.images {
        let wanted: Vec<_> = (loaded..images)
            .map(|number| kube_image(&switch, &features[number % FEATURES], &format!("20201231.{number}")))
            .collect();
        for some in wanted.chunks(100) {
            switch.engine().load_all(some);
        }
        loaded = images;
        looks.push((images as f64, middle(|| first_look(&switch, bench.binary))));
        lists.push((images as f64, middle(|| by_hand(switch.engine().socket()))));
    }
    for (look, list) in looks.iter().zip(&lists) {
        let of = format!("start to first look published, 10 features and {} images", look.0);
        table.line(of, look.1, Unit::Ms, None);
        table.line("  the engine's lists alone, by hand", list.1, Unit::Ms, None);
    }
    table.curve("start to first look published, 10 features", looks);
    table.curve("the engine's lists alone, by hand", lists);
}

/// The middle of five.
fn middle(measured: impl Fn() -> f64) -> f64 {
    median(&mut (0..5).map(|_| measured()).collect::<Vec<_>>())
}

/// From the start of an agent without memory until it has published. Milliseconds.
fn first_look(switch: &Switch, binary: &Path) -> f64 {
    std::fs::remove_dir_all(switch.file("state")).expect("the state directory can be removed");
    std::fs::create_dir(switch.file("state")).expect("and be made again");
    start::first_look(switch, binary, FEATURES).0
}

fn by_hand(socket: &Path) -> f64 {
    let begun = Instant::now();
    for path in LISTS {
        assert!(hand::request(socket, "GET", path).starts_with("HTTP/1.1 200"), "{path}");
    }
    begun.elapsed().as_secs_f64() * 1e3
}
