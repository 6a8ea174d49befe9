//! A proxy in front of the engine's socket, by which single calls hang, fail, or are answered otherwise, while all others
//! go through: what a whole engine that hangs cannot show.
//!
//! Calls are named by their beginning: `DELETE /images/` means each removal of an image. The API's version is left out, and
//! what is escaped is written plainly.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};

use crate::http::{Response, bad, read_line, read_response, unescape};

/// A running proxy. Dropping it ends it; what it holds back then never reaches the engine.
#[derive(Debug)]
pub struct EngineProxy {
    socket: PathBuf,
    shared: Arc<Shared>,
}

type Change = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// What happens to a call instead of going through.
#[derive(Clone)]
enum Fault {
    Hold,
    Refuse(u16),
    Rewrite(Change),
    Mute,
}

struct Rule {
    call: String,
    fault: Fault,
    /// How often it applies; none is for ever.
    times: Option<usize>,
    number: usize,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    made: usize,
    calls: Vec<String>,
    is_over: bool,
}

struct Shared {
    engine: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl EngineProxy {
    /// Listens on `socket` for what is meant for the engine at `engine`.
    pub fn start(socket: &Path, engine: &Path) -> Self {
        let listener =
            UnixListener::bind(socket).unwrap_or_else(|error| panic!("cannot listen on {socket:?}: {error}"));
        let shared = Arc::new(Shared { engine: engine.to_owned(), state: Mutex::default(), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.state().is_over {
                    return;
                }
                let serving = Arc::clone(&accepting);
                // Ends with an error when either side hangs up, as each connection does one day.
                thread::spawn(move || serving.serve(&client).ok());
            }
        });
        Self { socket: socket.to_owned(), shared }
    }

    /// Its address, for the agent: `unix://...`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// From now on these calls get no answer until [`heal`](Self::heal); then they go through.
    pub fn hold(&self, call: &str) {
        self.shared.add(call, Fault::Hold, None);
    }

    /// From now on these calls are answered with an error.
    pub fn refuse(&self, call: &str, status: u16) {
        self.shared.add(call, Fault::Refuse(status), None);
    }

    /// The next of these calls is answered with an error.
    pub fn refuse_once(&self, call: &str, status: u16) {
        self.shared.add(call, Fault::Refuse(status), Some(1));
    }

    /// From now on what the engine answers to these calls is changed, where it is JSON.
    pub fn rewrite(&self, call: &str, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.shared.add(call, Fault::Rewrite(Arc::new(change)), None);
    }

    /// From now on the stream of events says nothing more, those that are followed already too, and does not end.
    pub fn mute_events(&self) {
        self.shared.add("GET /events", Fault::Mute, None);
    }

    /// From now on everything goes through.
    pub fn heal(&self) {
        self.shared.state().rules.clear();
        self.shared.changed.notify_all();
    }

    /// The calls that have come so far and begin so, the first one first, held ones too.
    pub fn calls(&self, call: &str) -> Vec<String> {
        self.shared.state().calls.iter().filter(|one| one.starts_with(call)).cloned().collect()
    }
}

impl Drop for EngineProxy {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.changed.notify_all();
        // Wakes the thread that accepts, which then ends.
        UnixStream::connect(&self.socket).ok();
    }
}

/// What a client asks for.
struct Request {
    method: String,
    path: String,
    /// Its head as it goes to the engine, and its body.
    bytes: Vec<u8>,
}

impl Request {
    /// `METHOD /path`, as rules name it.
    fn call(&self) -> String {
        let path = unescape(&self.path);
        let unversioned = path.strip_prefix("/v").and_then(|rest| {
            let (version, rest) = rest.split_once('/')?;
            version.starts_with(|first: char| first.is_ascii_digit()).then(|| format!("/{rest}"))
        });
        format!("{} {}", self.method, unversioned.unwrap_or(path))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, call: &str, fault: Fault, times: Option<usize>) {
        let mut state = self.state();
        state.made += 1;
        let rule = Rule { call: call.to_owned(), fault, times, number: state.made };
        state.rules.push(rule);
    }

    /// Takes note of a call, and what is to happen to it.
    fn take(&self, call: &str) -> Option<(Fault, usize)> {
        let mut state = self.state();
        state.calls.push(call.to_owned());
        let rule = state.rules.iter_mut().find(|rule| call.starts_with(&rule.call) && rule.times != Some(0))?;
        rule.times = rule.times.map(|times| times - 1);
        Some((rule.fault.clone(), rule.number))
    }

    /// Waits until a rule is no more; whether the proxy goes on then.
    fn wait(&self, number: usize) -> bool {
        let holds = |state: &mut State| !state.is_over && state.rules.iter().any(|rule| rule.number == number);
        let state = self.changed.wait_while(self.state(), holds).unwrap_or_else(PoisonError::into_inner);
        !state.is_over
    }

    /// Answers one client, request by request.
    fn serve(&self, client: &UnixStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client);
        while !reader.fill_buf()?.is_empty() {
            let request = read_request(&mut reader)?;
            let call = request.call();
            let fault = self.take(&call);
            if call.starts_with("GET /events") {
                return self.stream(&request, client);
            }
            let response = match fault {
                Some((Fault::Refuse(status), _)) => refusal(status),
                Some((Fault::Hold, number)) if !self.wait(number) => return Ok(()),
                Some((Fault::Rewrite(change), _)) => {
                    let mut response = self.ask(&request)?;
                    if let Ok(mut body) = serde_json::from_slice(&response.body) {
                        change(&mut body);
                        response.body = body.to_string().into_bytes();
                    }
                    response
                }
                _ => self.ask(&request)?,
            };
            write_response(client, &response, request.method == "HEAD")?;
        }
        Ok(())
    }

    /// Asks the engine, on a connection of its own.
    fn ask(&self, request: &Request) -> std::io::Result<Response> {
        let mut engine = UnixStream::connect(&self.engine)?;
        engine.write_all(&request.bytes)?;
        read_response(BufReader::new(engine), request.method == "HEAD")
    }

    /// Passes on what comes, as it comes, until either side ends.
    fn stream(&self, request: &Request, mut client: &UnixStream) -> std::io::Result<()> {
        let mut engine = UnixStream::connect(&self.engine)?;
        engine.write_all(&request.bytes)?;
        let mut buffer = vec![0; 1 << 16];
        let mut is_head = true;
        loop {
            let length = engine.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            let is_mute = self.state().rules.iter().any(|rule| matches!(rule.fault, Fault::Mute));
            if is_head || !is_mute {
                client.write_all(&buffer[..length])?;
            }
            is_head = false;
        }
    }
}

fn read_request(reader: &mut BufReader<&UnixStream>) -> std::io::Result<Request> {
    let first = read_line(reader)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Err(bad(&first)) };
    let mut head = format!("{first}\r\nConnection: close\r\n");
    let mut length = 0;
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad(&line))?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| bad(&line))?;
        }
        if !name.eq_ignore_ascii_case("connection") {
            head += &format!("{line}\r\n");
        }
    }
    let mut bytes = (head + "\r\n").into_bytes();
    reader.take(length).read_to_end(&mut bytes)?;
    Ok(Request { method, path, bytes })
}

fn write_response(mut client: &UnixStream, response: &Response, no_body: bool) -> std::io::Result<()> {
    let framing = ["connection", "content-length", "transfer-encoding"];
    let headers = response.headers.iter().filter(|(name, _)| !framing.contains(&name.to_ascii_lowercase().as_str()));
    let mut head = format!("HTTP/1.1 {} as it is\r\n", response.status);
    headers.for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    if response.status != 204 && response.status != 304 && !no_body {
        head += &format!("Content-Length: {}\r\n", response.body.len());
    }
    let head = head + "\r\n";
    client.write_all(&[head.as_bytes(), &response.body].concat())
}

/// An error, as the engine words one.
fn refusal(status: u16) -> Response {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let body = json!({ "message": "so that a test can see it" }).to_string().into_bytes();
    Response { status, headers, body }
}
