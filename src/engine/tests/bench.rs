//! How long reading takes: `cargo test --release engine::tests::bench -- --ignored --nocapture`.

use tokio::time::Instant;

use super::fixture::{Rig, kube_spec};
use crate::engine::ping::ping;
use crate::engine::{Dirty, Interest, Reader};

/// The median of what `measured` takes, in milliseconds.
macro_rules! median_ms {
    ($times:expr, $measured:expr) => {{
        let mut times = Vec::new();
        for _ in 0..$times {
            let start = Instant::now();
            $measured;
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }};
}

#[tokio::test]
#[ignore = "a measurement"]
async fn reading_30_containers_and_100_images() {
    let rig = Rig::new();
    let images: Vec<_> = (0..100).map(|n| rig.image(&format!("r.example/docker-feature{}:{n}", n % 30))).collect();
    let containers: Vec<_> = (0..30).map(|n| rig.run(&kube_spec(&format!("feature{n}"), &images[n]))).collect();
    let engine = &rig.engine;
    let everything = Interest { everything: true, ..Interest::default() };
    let nothing = Interest::default();

    let host = rig.dockerd.host().parse().unwrap();
    println!("ping            {:6.2} ms", median_ms!(21, ping(&host).await.unwrap()));
    println!("list containers {:6.2} ms", median_ms!(21, engine.list_containers().await.unwrap()));
    println!("list images     {:6.2} ms", median_ms!(21, engine.list_images().await.unwrap()));
    println!(
        "inspect one container {:6.2} ms",
        median_ms!(21, engine.inspect_container(&containers[0]).await.unwrap())
    );
    println!(
        "inspect one image     {:6.2} ms",
        median_ms!(21, engine.inspect_image(&images[0].to_string()).await.unwrap())
    );
    println!("both lists, nothing inspected {:6.2} ms", median_ms!(21, rig.look(&nothing).await));
    println!("cold: lists, 30 containers, 100 images inspected {:6.2} ms", median_ms!(11, rig.look(&everything).await));
    let mut reader = Reader::new(engine.clone());
    reader.read(Dirty::everything(), &everything).await.unwrap();
    let warm = median_ms!(11, reader.read(Dirty::everything(), &everything).await.unwrap());
    println!("read(everything): lists, 30 containers inspected {warm:6.2} ms");
    println!("read(nothing) {:6.3} ms", median_ms!(21, reader.read(Dirty::nothing(), &everything).await.unwrap()));
}
