//! What is asked of an engine: images, containers, and the plumbing of plain HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::container::ContainerSpec;
use crate::http::{Response, Server, escape};
use crate::image::{Image, archive};
use crate::wait::try_wait_until;

/// How long what an engine does may take.
const SOON: Duration = Duration::from_secs(30);
const JSON: &str = "application/json";

/// A client of an engine, which any thread may have a copy of.
#[derive(Clone, Debug)]
pub struct EngineClient {
    server: Server,
    log: PathBuf,
}

impl EngineClient {
    /// A client of the engine at `socket`, which logs into the file `log`.
    pub(crate) fn new(socket: &Path, log: &Path) -> Self {
        Self { server: Server::unix(socket), log: log.to_owned() }
    }

    /// What the engine has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Whether it answers.
    pub(crate) fn is_ready(&self) -> bool {
        self.server.request("GET", "/_ping", JSON, &[]).is_ok_and(|response| response.status == 200)
    }

    /// What it answers to a `GET` of this path, `/images/json`.
    ///
    /// # Errors
    /// When nobody answers, or with another status than 200. The only question here that may be asked of an engine
    /// that is away.
    pub fn try_get(&self, path: &str) -> std::io::Result<Value> {
        let response = self.server.request("GET", path, JSON, &[])?;
        if response.status == 200 {
            serde_json::from_slice(&response.body).map_err(std::io::Error::other)
        } else {
            Err(std::io::Error::other(format!("GET {path}: {} {}", response.status, response.text())))
        }
    }
}

/// Images.
impl EngineClient {
    /// Brings a small image there under a reference, as an installation does; returns its id. Another version, other
    /// labels or another salt are another image.
    pub fn import_image(&self, reference: &str, version: Option<&str>, labels: &[(&str, &str)], salt: &str) -> String {
        let image = labels.iter().fold(Image::new(version).salt(salt), |image, (name, value)| image.label(name, value));
        self.load(&image, &[reference])
    }

    /// Brings an image there under these references, at least one; returns its id.
    pub fn load(&self, image: &Image, references: &[&str]) -> String {
        let names: Vec<String> = references.iter().map(|name| (*name).to_owned()).collect();
        self.load_all(&[(image.clone(), names)]).remove(0)
    }

    /// Brings many images there at once, much faster than one by one; returns their ids.
    pub fn load_all(&self, images: &[(Image, Vec<String>)]) -> Vec<String> {
        let response = self.call("POST", "/images/load?quiet=1", "application/x-tar", &archive(images));
        refuse_stream_error(&response, "load");
        let there = self.images();
        let id = |names: &Vec<String>| names.iter().find_map(|name| there.get(name)).cloned();
        let ids =
            images.iter().map(|(_, names)| id(names).unwrap_or_else(|| panic!("not there after load: {names:?}")));
        ids.collect()
    }

    /// Gives an image one more reference.
    pub fn tag(&self, image: &str, reference: &str) {
        let (repository, tag) = split(reference);
        let path = format!("/images/{}/tag?repo={}&tag={}", escape(image), escape(repository), escape(tag));
        self.call("POST", &path, JSON, &[]);
    }

    /// Takes a reference away, and the image with its last one.
    pub fn untag(&self, reference: &str) {
        self.call("DELETE", &format!("/images/{}", escape(reference)), JSON, &[]);
    }

    /// Takes a reference away, or answers with the status code and the reason why not.
    pub fn try_untag(&self, reference: &str) -> Result<(), (u16, String)> {
        let response = self.ask("DELETE", &format!("/images/{}?force=false", escape(reference)), JSON, &[]);
        if response.status < 300 { Ok(()) } else { Err((response.status, response.text())) }
    }

    /// Every tag and digest reference, with its image id. Images without any are in [`image_ids`](Self::image_ids) only.
    pub fn images(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for image in self.list_images() {
            for field in ["RepoTags", "RepoDigests"] {
                for reference in image[field].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if !reference.starts_with("<none>") {
                        found.insert(reference.to_owned(), text(&image["Id"]));
                    }
                }
            }
        }
        found
    }

    /// The ids of all images, with or without references.
    pub fn image_ids(&self) -> BTreeSet<String> {
        self.list_images().iter().map(|image| text(&image["Id"])).collect()
    }

    fn list_images(&self) -> Vec<Value> {
        self.call("GET", "/images/json", JSON, &[]).json().as_array().cloned().unwrap_or_default()
    }

    /// The id behind a reference or an id, if it is there.
    pub fn image_id(&self, reference: &str) -> Option<String> {
        self.image(reference).map(|image| text(&image["Id"]))
    }

    /// `docker image inspect`, if it is there.
    pub fn image(&self, reference: &str) -> Option<Value> {
        self.inspect(&format!("/images/{}/json", escape(reference)))
    }

    /// The tags and digest references of an image.
    pub fn references(&self, id: &str) -> BTreeSet<String> {
        self.images().into_iter().filter(|(_, image)| image == id).map(|(reference, _)| reference).collect()
    }

    /// Pulls `REPOSITORY:TAG` or `REPOSITORY@sha256:...`; returns the image id.
    pub fn pull(&self, reference: &str) -> String {
        let (repository, tag) = split(reference);
        let path = format!("/images/create?fromImage={}&tag={}", escape(repository), escape(tag));
        let response = self.call("POST", &path, JSON, &[]);
        refuse_stream_error(&response, reference);
        self.image_id(reference).unwrap_or_else(|| panic!("not there after the pull: {reference}: {}", response.text()))
    }
}

/// Containers, by name or id.
impl EngineClient {
    /// Makes a container and starts it; returns its id, 64 hex digits.
    pub fn run_container(&self, spec: &ContainerSpec) -> String {
        let id = self.create_container(spec);
        self.start_container(&id);
        id
    }

    /// Makes a container that has never run; returns its id.
    pub fn create_container(&self, spec: &ContainerSpec) -> String {
        let path = format!("/containers/create?name={}", escape(&spec.name));
        let response = self.call("POST", &path, JSON, spec.body().to_string().as_bytes());
        text(&response.json()["Id"])
    }

    /// Starts a container that does not run.
    pub fn start_container(&self, name: &str) {
        self.call("POST", &format!("/containers/{name}/start"), JSON, &[]);
    }

    /// Stops a container: SIGTERM, and after two seconds SIGKILL.
    pub fn stop_container(&self, name: &str) {
        self.call("POST", &format!("/containers/{name}/stop?t=2"), JSON, &[]);
    }

    /// Kills a container, as `docker kill` does: the engine does not restart it.
    pub fn kill_container(&self, name: &str) {
        self.call("POST", &format!("/containers/{name}/kill"), JSON, &[]);
        try_wait_until(SOON, || !self.is_running(name)).expect("a killed container ends");
    }

    /// Kills a container's first process behind the engine's back: a crash, after which a restart policy applies.
    pub fn crash_container(&self, name: &str) {
        let state = self.container(name).expect("the container exists");
        let pid = state["State"]["Pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(rustix::process::Pid::from_raw).expect("the container runs");
        rustix::process::kill_process(pid, Signal::KILL).expect("a container's process can be killed");
    }

    /// Stops a container and starts it again.
    pub fn restart_container(&self, name: &str) {
        self.call("POST", &format!("/containers/{name}/restart?t=2"), JSON, &[]);
    }

    /// Removes a container, running or not.
    pub fn remove_container(&self, name: &str) {
        self.call("DELETE", &format!("/containers/{name}?force=1"), JSON, &[]);
    }

    /// `docker inspect`, if it exists.
    pub fn container(&self, name: &str) -> Option<Value> {
        self.inspect(&format!("/containers/{name}/json"))
    }

    /// Whether it exists and runs.
    pub fn is_running(&self, name: &str) -> bool {
        self.container(name).is_some_and(|container| container["State"]["Running"] == json!(true))
    }

    /// The names of all containers, running or not.
    pub fn container_names(&self) -> BTreeSet<String> {
        let list = self.call("GET", "/containers/json?all=1", JSON, &[]).json();
        let names = list.as_array().into_iter().flatten().map(|one| text(&one["Names"][0]));
        names.map(|name| name.trim_start_matches('/').to_owned()).collect()
    }

    /// Runs a command in a running container and waits for its end; returns its exit code.
    pub fn exec(&self, name: &str, words: &[&str]) -> i64 {
        let body = json!({ "Cmd": words, "AttachStdout": true, "AttachStderr": true }).to_string();
        let created = self.call("POST", &format!("/containers/{name}/exec"), JSON, body.as_bytes()).json();
        let id = text(&created["Id"]);
        self.call("POST", &format!("/exec/{id}/start"), JSON, br#"{"Detach":true}"#);
        let ended = try_wait_until(SOON, || {
            let state = self.call("GET", &format!("/exec/{id}/json"), JSON, &[]).json();
            state["ExitCode"].as_i64().filter(|_| state["Running"] == json!(false))
        });
        ended.unwrap_or_else(|_| panic!("{words:?} in {name} does not end"))
    }
}

/// Plumbing.
impl EngineClient {
    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Response {
        self.server
            .request(method, path, kind, body)
            .unwrap_or_else(|error| panic!("the engine is unreachable ({method} {path}): {error}\n{}", self.log()))
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Response {
        let response = self.ask(method, path, kind, body);
        assert!(response.status < 400, "{method} {path}: {} {}", response.status, response.text());
        response
    }

    fn inspect(&self, path: &str) -> Option<Value> {
        let response = self.ask("GET", path, JSON, &[]);
        assert!(response.status == 200 || response.status == 404, "{path}: {} {}", response.status, response.text());
        (response.status == 200).then(|| response.json())
    }

    /// Kills all containers at once and waits for their end; whether none runs any more. Nothing here may panic.
    pub(crate) fn kill_containers(&self) -> bool {
        let soon = Duration::from_secs(3);
        let running = || -> Option<Vec<Value>> {
            let list = self.server.request_within(soon, "GET", "/containers/json", JSON, &[]).ok()?;
            serde_json::from_slice(&list.body).ok()
        };
        let Some(list) = running() else { return false };
        std::thread::scope(|scope| {
            for id in list.iter().filter_map(|one| one["Id"].as_str()) {
                let path = format!("/containers/{id}/kill");
                scope.spawn(move || self.server.request_within(soon, "POST", &path, JSON, &[]).is_ok());
            }
        });
        try_wait_until(soon, || running().is_some_and(|list| list.is_empty())).is_ok()
    }
}

/// `(REPOSITORY, TAG or digest)` of a reference; a registry's port is not a tag.
pub(crate) fn split(reference: &str) -> (&str, &str) {
    if let Some(parts) = reference.split_once('@') {
        return parts;
    }
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (reference, "latest"),
    }
}

/// Pulls and loads answer 200 first and name their errors in the stream.
fn refuse_stream_error(response: &Response, what: &str) {
    let body = response.text();
    assert!(!body.contains("\"errorDetail\""), "{what}: {body}");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
