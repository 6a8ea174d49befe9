//! The image management of SONiC's Python daemon, call by call: what `do_tag_latest` and `do_clean_image` of `ctrmgrd.py`
//! do with `tag_latest` and `clean_image` of `kube_commands.py` (sonic-buildimage, src/sonic-ctrmgrd/ctrmgr, the same
//! calls from release 202305 to master).
//!
//! Each `docker` command is the request that it makes. What the daemon decides between two commands, it decides here on
//! the same text: lines of `docker ps` and `docker images`, searched as text.

use std::collections::BTreeMap;

use imgmgrd_test_support::kubelet::KubeContainer;
use imgmgrd_test_support::switch::Switch;
use serde_json::Value;

use crate::story::ask_engine;

/// What it tries again when its timer comes, 30 seconds later on a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// `do_tag_latest`, and what follows it.
    Tag,
    /// `do_clean_image` only.
    Clean {
        /// The version before, as it was when the row was written.
        last: String,
    },
}

/// The daemon, about one takeover whose wait is over.
pub(crate) struct Ctrmgrd<'a> {
    switch: &'a Switch,
    feature: &'a str,
    container: String,
    version: String,
}

/// A line of `docker images`.
#[derive(Clone, Debug)]
struct Line {
    repository: String,
    tag: String,
    id: String,
}

impl Line {
    fn contains(&self, word: &str) -> bool {
        [&self.repository, &self.tag, &self.id].iter().any(|column| column.contains(word))
    }
}

impl<'a> Ctrmgrd<'a> {
    /// It has heard that this container took over.
    pub(crate) fn new(switch: &'a Switch, feature: &'a str, container: &KubeContainer, version: &str) -> Self {
        // What it reads from rows, it puts into lower case.
        let (container, version) = (container.short_id().to_lowercase(), version.to_lowercase());
        Self { switch, feature, container, version }
    }

    /// Its timer comes. `before` is told of each command before it is made. Returns what it will try again.
    pub(crate) fn timer(&self, due: &Due, before: &mut dyn FnMut(&str)) -> Option<Due> {
        match due {
            Due::Tag => self.tag(before),
            Due::Clean { last } => self.clean(last, before),
        }
    }

    fn tag(&self, before: &mut dyn FnMut(&str)) -> Option<Due> {
        // It has one thread: what others write while a timer is handled, it hears afterwards.
        let heard = self.switch.feature(self.feature).feature_row().unwrap_or_default();

        before("docker ps");
        let running = self.list("/containers/json");
        if !running.iter().any(|one| text(one, "Id").starts_with(&self.container)) {
            return None;
        }
        before("docker inspect CONTAINER");
        let Some(image) = self.look(&format!("/containers/{}/json", self.container)) else { return Some(Due::Tag) };
        let id = short(&text(&image, "Image"));
        before("docker images");
        let Some(line) = self.images().into_iter().find(|line| line.contains(&id)) else { return Some(Due::Tag) };
        let base = line.repository.rsplit('/').next().unwrap_or_default().to_owned();
        before("docker tag IMAGE BASE:latest");
        if !self.does("POST", &format!("/images/{id}/tag?repo={base}&tag=latest")) {
            return Some(Due::Tag);
        }

        before("docker inspect FEATURE");
        if let Some(local) = self.look(&format!("/containers/{}/json", self.feature)) {
            if local["State"]["Running"] == true {
                return Some(Due::Tag);
            }
            before("docker rm FEATURE");
            if !self.does("DELETE", &format!("/containers/{}", self.feature)) {
                return Some(Due::Tag);
            }
        }

        before("write the row");
        let field = |name: &str| heard.get(name).map(|value| value.to_lowercase()).unwrap_or_default();
        let stable = field("container_stable_version");
        let last = if stable == self.version { field("container_last_version") } else { stable };
        let fields = [("container_stable_version", self.version.as_str()), ("container_last_version", &last)];
        self.switch.feature(self.feature).set(&fields);
        self.clean(&last, before)
    }

    fn clean(&self, last: &str, before: &mut dyn FnMut(&str)) -> Option<Due> {
        let again = Some(Due::Clean { last: last.to_owned() });
        before("docker images");
        let lines: Vec<Line> =
            self.images().into_iter().filter(|line| line.contains(self.feature) && !line.contains("latest")).collect();
        if lines.is_empty() {
            return again;
        }
        let (local, kube): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(|line| !line.repository.contains('/'));
        let mut kube: BTreeMap<String, Line> = kube.into_iter().map(|line| (line.tag.clone(), line)).collect();
        let current = kube.remove(&self.version)?;

        // The first local one only: the others come with the next takeover or restart.
        if let Some(local) = local.first() {
            let version = &local.tag;
            if kube.contains_key(version) {
                let name = format!("{}:{version}", current.repository);
                before("docker rmi KUBE:VERSION");
                if !self.does("DELETE", &format!("/images/{name}")) {
                    return again;
                }
                before("docker tag LOCAL KUBE:VERSION");
                let tag = format!("/images/{}/tag?repo={}&tag={version}", local.id, current.repository);
                if !self.does("POST", &tag) {
                    return again;
                }
            }
            before("docker rmi LOCAL:VERSION");
            let done = self.does("DELETE", &format!("/images/{}:{version}", local.repository));
            return if done { None } else { again };
        }

        kube.remove(last);
        let mut done = true;
        for line in kube.values() {
            before("docker rmi OLD --force");
            // The command goes on with the next one, and fails in the end.
            done &= self.does("DELETE", &format!("/images/{}?force=1", line.id));
        }
        if done { None } else { again }
    }

    /// `docker images`: a line for each tag, and for each digest whose repository has no tag of the image. It lists the
    /// newest first; all images of these tests are equally old, and the version tells.
    fn images(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for image in self.list("/images/json") {
            let id = short(&text(&image, "Id"));
            let names = |field: &str| -> Vec<String> {
                let names = image[field].as_array().into_iter().flatten();
                names.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            let tags: Vec<(String, String)> = names("RepoTags")
                .iter()
                .filter_map(|name| name.rsplit_once(':'))
                .map(|(repository, tag)| (repository.to_owned(), tag.to_owned()))
                .collect();
            let digests: Vec<(String, String)> = names("RepoDigests")
                .iter()
                .filter_map(|name| name.split_once('@'))
                .filter(|(repository, _)| !tags.iter().any(|(tagged, _)| tagged == repository))
                .map(|(repository, _)| (repository.to_owned(), "<none>".to_owned()))
                .collect();
            let mut named = [tags, digests].concat();
            if named.is_empty() {
                named.push(("<none>".to_owned(), "<none>".to_owned()));
            }
            lines.extend(named.into_iter().map(|(repository, tag)| Line { repository, tag, id: id.clone() }));
        }
        lines.sort_by(|one, other| other.tag.cmp(&one.tag));
        lines
    }

    fn list(&self, path: &str) -> Vec<Value> {
        self.look(path).and_then(|answer| answer.as_array().cloned()).unwrap_or_default()
    }

    /// What the engine answers, if it is there.
    fn look(&self, path: &str) -> Option<Value> {
        let answer = ask_engine(self.switch, "GET", path);
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        succeeded(head).then(|| serde_json::from_str(body).expect("JSON"))
    }

    /// Whether the engine did it.
    fn does(&self, method: &str, path: &str) -> bool {
        succeeded(&ask_engine(self.switch, method, path))
    }
}

/// Whether an answer says that it is done.
fn succeeded(answer: &str) -> bool {
    answer.split(' ').nth(1).is_some_and(|code| code.starts_with('2'))
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// The twelve digits that `docker` shows of an id.
fn short(id: &str) -> String {
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.chars().take(12).collect()
}
