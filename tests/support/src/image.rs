//! Images that run and are small enough to have hundreds of: all share one layer with busybox in it.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::tar::Tar;

/// Sleeps until it is told to end, and then ends at once.
pub const SLEEP: &[&str] =
    &["/bin/busybox", "sh", "-c", "trap 'exit 0' TERM INT; while :; do /bin/busybox sleep 3600 & wait $!; done"];

/// One layer: its digest and its tar.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) digest: String,
    pub(crate) tar: Vec<u8>,
}

/// An image, before any engine or registry has it. The same image has the same id everywhere; another
/// version, label, command or salt is another image.
#[derive(Clone, Debug)]
pub struct Image {
    version: Option<String>,
    labels: BTreeMap<String, String>,
    salt: String,
    size: usize,
    command: Vec<String>,
}

impl Image {
    /// An image whose environment has `IMAGE_VERSION=version`, or none.
    pub fn new(version: Option<&str>) -> Self {
        Self {
            version: version.map(str::to_owned),
            labels: BTreeMap::new(),
            salt: String::new(),
            size: 0,
            command: SLEEP.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Makes another image of it that differs in nothing that anybody reads.
    #[must_use]
    pub fn salt(mut self, salt: &str) -> Self {
        self.salt = salt.to_owned();
        self
    }

    /// Gives it a layer of its own, at least so many bytes large: what is reclaimed when it is removed.
    #[must_use]
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// What its containers run, instead of a sleep; `/bin/busybox` has everything.
    #[must_use]
    pub fn command(mut self, words: &[&str]) -> Self {
        self.command = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The image id, `sha256:...`, on an engine with the classic store.
    pub fn id(&self) -> String {
        digest(&self.config(&self.layers()))
    }

    /// The shared layer, and one of its own only if a size was asked for: every further layer costs the engine time.
    pub(crate) fn layers(&self) -> Vec<Layer> {
        let mut layers = vec![base_layer().clone()];
        if self.size > 0 {
            let mut content = format!("{:?} {}\n", self.version, self.salt).into_bytes();
            content.resize(content.len().max(self.size), b'.');
            let tar = Tar::default().file("ballast", 0o644, &content).finish();
            layers.push(Layer { digest: digest(&tar), tar });
        }
        layers
    }

    pub(crate) fn config(&self, layers: &[Layer]) -> Vec<u8> {
        let mut environment = vec!["PATH=/bin".to_owned()];
        environment.extend(self.version.as_ref().map(|version| format!("IMAGE_VERSION={version}")));
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "author": self.salt,
            "created": "2020-12-31T00:00:00Z",
            "config": { "Env": environment, "Cmd": self.command, "Labels": self.labels, "WorkingDir": "/" },
            "rootfs": { "type": "layers", "diff_ids": digests(layers) },
            "history": layers.iter().map(|_| json!({ "created": "2020-12-31T00:00:00Z" })).collect::<Vec<_>>(),
        });
        config.to_string().into_bytes()
    }
}

/// What `docker save` would write of these images, for `docker load`.
pub(crate) fn archive(images: &[(Image, Vec<String>)]) -> Vec<u8> {
    let mut files = BTreeMap::new();
    let mut manifest = Vec::new();
    for (image, references) in images {
        let layers = image.layers();
        let config = image.config(&layers);
        let config_name = format!("{}.json", bare(&digest(&config)));
        let names: Vec<String> = layers.iter().map(|layer| format!("{}.tar", bare(&layer.digest))).collect();
        manifest.push(json!({ "Config": config_name, "RepoTags": references, "Layers": names }));
        files.insert(config_name, config);
        files.extend(names.into_iter().zip(layers.into_iter().map(|layer| layer.tar)));
    }
    let manifest = Value::Array(manifest).to_string();
    let archive = Tar::default().file("manifest.json", 0o644, manifest.as_bytes());
    files.iter().fold(archive, |archive, (name, content)| archive.file(name, 0o644, content)).finish()
}

fn digests(layers: &[Layer]) -> Vec<Value> {
    layers.iter().map(|layer| json!(layer.digest)).collect()
}

fn bare(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

fn base_layer() -> &'static Layer {
    static BASE: OnceLock<Layer> = OnceLock::new();
    BASE.get_or_init(|| {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].iter().find_map(|path| std::fs::read(path).ok());
        let busybox = busybox.expect("busybox-static is installed (scripts/setup.sh does it)");
        let tar = Tar::default().folder("bin/").file("bin/busybox", 0o755, &busybox).folder("tmp/").finish();
        Layer { digest: digest(&tar), tar }
    })
}

/// `sha256:` and the digest of `bytes`.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum can be started");
    child.stdin.take().expect("its input is a pipe").write_all(bytes).expect("sha256sum reads its input");
    let output = child.wait_with_output().expect("sha256sum ends");
    let text = String::from_utf8_lossy(&output.stdout);
    let hex = text.split_whitespace().next().expect("sha256sum prints a digest");
    format!("sha256:{hex}")
}
