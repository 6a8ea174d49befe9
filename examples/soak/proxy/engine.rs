//! Between the agent and the engine. A request that changes something gets a turn of its own: what the engine says
//! before and after it is what it is judged by.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::http::{self, Request};
use super::{Line, MOMENT, listen};
use crate::features::{FEATURES, by_base};
use crate::journal::Table;
use crate::judge;
use crate::schedule::Stuck;
use crate::shared::{KillAt, Shared, Who, lock};
use crate::view::View;

/// Starts one at `socket` before the engine at `engine`.
pub(crate) fn start(socket: &Path, engine: &Path, shared: &Arc<Shared>, seed: u64) -> Arc<Line> {
    let (engine, shared) = (engine.to_owned(), Arc::clone(shared));
    listen(socket, seed, move |line, client| serve(line, client, &engine, &shared))
}

fn serve(line: &Line, client: &UnixStream, engine: &PathBuf, shared: &Shared) -> io::Result<()> {
    let Some(request) = Request::read(io::BufReader::new(client))? else { return Ok(()) };
    shared.asked();
    if !hang(&request, client, shared)? {
        return client.shutdown(Shutdown::Both);
    }
    let Some(_) = line.pass(b"the request", false) else { return client.shutdown(Shutdown::Both) };
    if request.is_change() {
        let Some(answer) = change(&request, engine, shared)? else { return client.shutdown(Shutdown::Both) };
        let passed = line.pass(&answer, true).unwrap_or_default();
        let mut client = client;
        client.write_all(passed)?;
        return client.shutdown(Shutdown::Both);
    }
    let upstream = line.opened(UnixStream::connect(engine)?);
    (&*upstream).write_all(request.head().as_bytes())?;
    let object = request.object("/images/", "/json").or_else(|| request.object("/containers/", "/json"));
    let mut asked = object.map(|object| (object.to_owned(), Instant::now()));
    std::thread::scope(|scope| {
        // The agent sends nothing more, but may hang up while events are awaited.
        scope.spawn(|| {
            let mut client = client;
            while matches!(client.read(&mut [0; 64]), Ok(1..)) {}
            upstream.shutdown(Shutdown::Both).ok();
        });
        line.carry(&upstream, client, true, |_| {
            // What it is told now is as old as the question.
            if let Some((object, at)) = asked.take() {
                shared.record().inspected.insert(object, at);
            }
        });
    });
    Ok(())
}

/// Lets a request hang while it is one that gets no answer. Whether it may go on then: what has been asked for so long ago
/// must not be changed any more, and is asked for again.
fn hang(request: &Request, mut client: &UnixStream, shared: &Shared) -> io::Result<bool> {
    let stuck = *lock(&shared.stuck);
    let Some(stuck) = stuck.filter(|stuck| is_about(request, *stuck, shared)) else { return Ok(true) };
    shared.journal.says("fault", format_args!("{request} hangs"));
    shared.journal.count(Table::Checks, "requests of the agent's that hung");
    client.set_read_timeout(Some(MOMENT))?;
    while *lock(&shared.stuck) == Some(stuck) {
        match client.read(&mut [0]) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            // The agent has hung up.
            _ => return Ok(false),
        }
    }
    client.set_read_timeout(None)?;
    Ok(!request.is_change())
}

fn is_about(request: &Request, stuck: Stuck, shared: &Shared) -> bool {
    let container = |id: &str| {
        let container = shared.engine.try_get(&format!("/containers/{id}/json")).ok()?;
        Some(container["Name"].as_str()?.trim_start_matches('/').to_owned())
    };
    match stuck {
        Stuck::Inspect { feature } => {
            let name = request.object("/containers/", "/json").and_then(container);
            name.is_some_and(|name| name.starts_with(&format!("k8s_{}_", FEATURES[feature].name)))
        }
        Stuck::Removal { feature } if request.method == "DELETE" => {
            let image = request.object("/images/", "").is_some_and(|name| {
                let known = shared.record().images.get(name).map(|known| known.feature);
                known.or_else(|| by_base(judge::split(name).0.rsplit('/').next()?)) == Some(feature)
            });
            let name = request.object("/containers/", "").and_then(container);
            let instances = FEATURES[feature].instances();
            image || name.is_some_and(|name| instances.iter().any(|instance| instance.container() == name))
        }
        Stuck::Removal { .. } => false,
    }
}

/// Has the engine make a change, and judges it. None if nothing comes of it that the agent would see.
fn change(request: &Request, engine: &PathBuf, shared: &Shared) -> io::Result<Option<Vec<u8>>> {
    let _turn = shared.turn(Who::Agent);
    if kill(shared, KillAt::Before, request) {
        return Ok(None);
    }
    let before = View::take(&shared.engine)?;
    let outages = shared.record().outages;
    let mut upstream = UnixStream::connect(engine)?;
    upstream.write_all(request.head().as_bytes())?;
    let mut answer = Vec::new();
    let whole = upstream.read_to_end(&mut answer);
    let status = http::status(&answer).filter(|_| whole.is_ok());
    let text = status.map_or("no answer".to_owned(), |status| status.to_string());
    shared.journal.says("imgmgrd", format_args!("{request} -> {text}"));
    // An engine that ended meanwhile: what came of it is judged with what comes next.
    let after = View::take(&shared.engine).ok().filter(|_| shared.record().outages == outages);
    judge::judge(shared, request, &before, after.as_ref(), status);
    if kill(shared, KillAt::After, request) {
        return Ok(None);
    }
    Ok(status.map(|_| answer))
}

/// Kills the agent if that is to be done now.
fn kill(shared: &Shared, when: KillAt, request: &Request) -> bool {
    let mut wanted = lock(&shared.kill_at);
    if *wanted != Some(when) {
        return false;
    }
    let pid = lock(&shared.agent).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let Some(pid) = pid else { return false };
    *wanted = None;
    shared.journal.says("fault", format_args!("SIGKILL of the agent {when:?} {request}"));
    let what = if when == KillAt::Before { "before its change was made" } else { "after its change was made" };
    shared.journal.count(Table::Faults, &format!("agent killed {what}"));
    shared.is_doomed.store(true, Ordering::Relaxed);
    kill_process(pid, Signal::KILL).is_ok()
}
