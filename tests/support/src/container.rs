//! What to run on the engine.

use std::time::Duration;

use serde_json::{Value, json};

/// A container to be made, always without a network.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    image: String,
    labels: Vec<(String, String)>,
    environment: Vec<String>,
    command: Option<Vec<String>>,
    restart: &'static str,
    health: Option<(Vec<String>, Duration)>,
    memory: u64,
}

impl ContainerSpec {
    /// A container of an image, given as reference, id or `REPO@digest`.
    pub fn new(name: &str, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: image.to_owned(),
            labels: Vec::new(),
            environment: Vec::new(),
            command: None,
            restart: "no",
            health: None,
            memory: 0,
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable of its environment, over the image's.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push(format!("{name}={value}"));
        self
    }

    /// Runs this instead of the image's command.
    #[must_use]
    pub fn command(mut self, words: &[&str]) -> Self {
        self.command = Some(owned(words));
        self
    }

    /// Runs a busybox shell script instead of the image's command.
    #[must_use]
    pub fn script(self, script: &str) -> Self {
        self.command(&["/bin/busybox", "sh", "-c", script])
    }

    /// Has the engine start it again whenever it ends.
    #[must_use]
    pub fn restart_always(mut self) -> Self {
        self.restart = "always";
        self
    }

    /// A health check: a command that the engine runs in it at every `interval`; one failure makes it unhealthy.
    #[must_use]
    pub fn health(mut self, words: &[&str], interval: Duration) -> Self {
        self.health = Some((owned(words), interval));
        self
    }

    /// Healthy while the file `/healthy` exists; [`Engine::exec`](crate::Engine::exec) makes and removes it.
    #[must_use]
    pub fn healthy_while_file(self, interval: Duration) -> Self {
        self.health(&["/bin/busybox", "test", "-e", "/healthy"], interval)
    }

    /// Limits its memory, in bytes (at least 6 MiB).
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Limits its memory and has it use more: the kernel kills it for it, some tenths of a second after its start.
    #[must_use]
    pub fn out_of_memory(self) -> Self {
        self.memory(16 << 20).script("/bin/busybox sleep 0.3; x=0123456789abcdef; while :; do x=$x$x; done")
    }

    pub(crate) fn body(&self) -> Value {
        let labels: serde_json::Map<_, _> =
            self.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut body = json!({
            "Image": self.image,
            "Labels": labels,
            "Env": self.environment,
            "HostConfig": {
                "NetworkMode": "none",
                "RestartPolicy": { "Name": self.restart },
                "Memory": self.memory,
            },
        });
        if let Some(command) = &self.command {
            body["Cmd"] = json!(command);
        }
        if let Some((words, interval)) = &self.health {
            let test: Vec<&str> = ["CMD"].into_iter().chain(words.iter().map(String::as_str)).collect();
            let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
            body["Healthcheck"] =
                json!({ "Test": test, "Interval": interval, "Timeout": 5_000_000_000_u64, "Retries": 1 });
        }
        body
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
