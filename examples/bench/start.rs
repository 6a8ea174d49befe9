//! The start of the agent on a switch with many images, against the engine's two lists alone, which it cannot do without.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use imgmgrd_test_support::{STATE_DB, Switch};

use crate::hold::{Proxy, Wanted};
use crate::process::asleep;
use crate::table::{Measured, Table, Unit, median};
use crate::world::state_db;
use crate::{Bench, hand};

/// What the agent asks an engine for at least.
const LISTS: [&str; 2] = ["/containers/json?all=1", "/images/json"];

/// How long to wait for rows.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn measure(bench: &Bench<'_>, table: &mut Table) {
    let (crowd, binary, images) = (bench.crowd(), bench.binary, bench.effort.images);
    let features = crowd.size.features;
    crowd.grow_to(images);
    let switch = &crowd.switch;
    let starts = |start: &dyn Fn() -> f64| median(&mut (0..bench.effort.starts).map(|_| start()).collect::<Vec<_>>());
    let lists = starts(&|| by_hand(switch.engine().socket()));
    let cold = starts(&|| {
        forget(switch);
        until_asleep(switch, binary, features)
    });
    let remembered = starts(&|| until_asleep(switch, binary, features));
    let first_rows = first_rows(switch, binary, features);
    let of = format!("start with {images} images, against the engine's two lists");
    table.line(format!("{of}: versions remembered"), remembered / lists, Unit::Times, 1.5);
    table.line(format!("{of}: cold"), cold / lists, Unit::Times, 4.0);
    let rows = first_rows.map_or(Measured::at_least(LIMIT.as_secs_f64() * 1e3 / lists), |took| (took / lists).into());
    table.line(format!("{of}: all rows, no image inspected"), rows, Unit::Times, 4.0);
    table.detail("the two lists", lists, Unit::Ms);
    table.detail("versions remembered", remembered, Unit::Ms);
    table.detail("cold", cold, Unit::Ms);
}

fn by_hand(socket: &Path) -> f64 {
    let begun = Instant::now();
    for path in LISTS {
        assert!(hand::request(socket, "GET", path).starts_with("HTTP/1.1 200"), "{path}");
    }
    begun.elapsed().as_secs_f64() * 1e3
}

/// Takes the agent's memory away.
fn forget(switch: &Switch) {
    std::fs::remove_dir_all(switch.file("state")).expect("the state directory can be removed");
    std::fs::create_dir(switch.file("state")).expect("and be made again");
}

/// From the start of the process until all is read, published and saved: until it sleeps. Milliseconds.
fn until_asleep(switch: &Switch, binary: &Path, features: usize) -> f64 {
    let mut connection = state_db(switch);
    let mut rows = await_rows(switch, &mut connection);
    let begun = Instant::now();
    let mut child = spawn(switch, binary, &switch.engine().host());
    let all = (0..features).all(|_| rows.get_message().is_ok());
    let at_work = asleep(child.id());
    end(&mut child);
    assert!(all, "every feature is published");
    (at_work - begun).as_secs_f64() * 1e3
}

/// From the start without memory until all features are published, while no image can be inspected. Milliseconds.
fn first_rows(switch: &Switch, binary: &Path, features: usize) -> Option<f64> {
    forget(switch);
    let socket = switch.file("hold.sock");
    let proxy = Proxy::start(&socket, switch.engine().socket());
    proxy.hold(Some(Wanted { method: "GET", path: "/images/sha256:".to_owned() }));
    let mut connection = state_db(switch);
    let mut rows = await_rows(switch, &mut connection);
    let begun = Instant::now();
    let mut child = spawn(switch, binary, &format!("unix://{}", socket.display()));
    let all = (0..features).all(|_| rows.get_message().is_ok());
    let took = begun.elapsed();
    end(&mut child);
    all.then_some(took.as_secs_f64() * 1e3)
}

/// Takes away all that is published, and waits for what comes next.
fn await_rows<'a>(switch: &Switch, connection: &'a mut redis::Connection) -> redis::PubSub<'a> {
    for key in switch.rows().keys(STATE_DB, "CONTAINER_IMAGE*") {
        switch.rows().remove(STATE_DB, &key);
    }
    let mut subscription = connection.as_pubsub();
    subscription.psubscribe("__keyspace@6__:CONTAINER_IMAGE|*").expect("a subscription");
    subscription.set_read_timeout(Some(LIMIT)).expect("a timeout");
    subscription
}

fn spawn(switch: &Switch, binary: &Path, engine: &str) -> Child {
    let mut command = Command::new(binary);
    command.arg("run").envs(switch.environment()).env("IMGMGRD__ENGINE__HOST", engine).env_remove("DOCKER_HOST");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the agent starts")
}

fn end(child: &mut Child) {
    child.kill().expect("the agent can be killed");
    child.wait().expect("the agent ends");
}
