//! The whole switch: its servers, its files, and the environment in which the agent finds them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value, json};

use crate::agent::Agent;
use crate::engine::Engine;
use crate::image::Image;
use crate::kubelet::Kubelet;
use crate::proxy::EngineProxy;
use crate::redis_server::{NOTIFICATIONS, RedisServer};
use crate::registry::Registry;
use crate::rows::{FeatureRows, Instance, Namespace, Rows};
use crate::workdir::Workdir;

/// What SONiC's database_config.json has: name, id, separator.
const DATABASES: &[(&str, u8, &str)] = &[
    ("APPL_DB", 0, ":"),
    ("ASIC_DB", 1, ":"),
    ("COUNTERS_DB", 2, ":"),
    ("LOGLEVEL_DB", 3, ":"),
    ("CONFIG_DB", 4, "|"),
    ("PFC_WD_DB", 5, ":"),
    ("FLEX_COUNTER_DB", 5, ":"),
    ("STATE_DB", 6, "|"),
    ("SNMP_OVERLAY_DB", 7, "|"),
    ("RESTAPI_DB", 8, "|"),
    ("GB_ASIC_DB", 9, ":"),
    ("GB_COUNTERS_DB", 10, ":"),
    ("GB_FLEX_COUNTER_DB", 11, ":"),
    ("APPL_STATE_DB", 14, ":"),
    ("PROFILE_DB", 15, "|"),
];

/// Features of SONiC's `init_cfg.json` with the BASE names of their images.
pub const IMAGE_NAMES: &[(&str, &str)] = &[
    ("bgp", "docker-fpm-frr"),
    ("database", "docker-database"),
    ("dhcp_relay", "docker-dhcp-relay"),
    ("eventd", "docker-eventd"),
    ("gnmi", "docker-sonic-gnmi"),
    ("lldp", "docker-lldp"),
    ("mgmt-framework", "docker-sonic-mgmt-framework"),
    ("mux", "docker-mux"),
    ("nat", "docker-nat"),
    ("pmon", "docker-platform-monitor"),
    ("radv", "docker-router-advertiser"),
    ("restapi", "docker-sonic-restapi"),
    ("sflow", "docker-sflow"),
    ("snmp", "docker-snmp"),
    ("swss", "docker-orchagent"),
    ("syncd", "docker-syncd-vs"),
    ("teamd", "docker-teamd"),
    ("telemetry", "docker-sonic-telemetry"),
];

/// How a switch is to be; [`start`](Self::start) makes it.
#[derive(Clone, Debug)]
pub struct SwitchBuilder {
    asics: usize,
    notifications: String,
    tcp: bool,
    initialized: bool,
    image_names: Map<String, Value>,
    packages: Option<Value>,
    remote_ctr_config: Option<Value>,
    engine_disk: Option<u64>,
    state_disk: Option<u64>,
}

impl SwitchBuilder {
    /// Gives the engine's data root a file system of its own, so many bytes large, that can be filled up.
    #[must_use]
    pub fn engine_disk(mut self, bytes: u64) -> Self {
        self.engine_disk = Some(bytes);
        self
    }

    /// Gives the agent's state directory a file system of its own, so many bytes large, that can be filled up.
    #[must_use]
    pub fn state_disk(mut self, bytes: u64) -> Self {
        self.state_disk = Some(bytes);
        self
    }

    /// So many ASICs, each with a namespace and a Redis of its own; 0 means one ASIC and no namespaces.
    #[must_use]
    pub fn asics(mut self, count: usize) -> Self {
        self.asics = count;
        self
    }

    /// Other `notify-keyspace-events` than SONiC's.
    #[must_use]
    pub fn notifications(mut self, flags: &str) -> Self {
        flags.clone_into(&mut self.notifications);
        self
    }

    /// Has every Redis listen on a loopback TCP port too.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Leaves `CONFIG_DB_INITIALIZED` unset: the configuration is still being loaded.
    #[must_use]
    pub fn still_loading(mut self) -> Self {
        self.initialized = false;
        self
    }

    /// Adds a feature to `ctr_image_names.json`, besides [`IMAGE_NAMES`].
    #[must_use]
    pub fn image_name(mut self, feature: &str, base: &str) -> Self {
        self.image_names.insert(feature.to_owned(), json!(base));
        self
    }

    /// Takes a feature out of `ctr_image_names.json`.
    #[must_use]
    pub fn without_image_name(mut self, feature: &str) -> Self {
        self.image_names.remove(feature);
        self
    }

    /// Writes sonic-package-manager's `packages.json`: by name, objects with `repository`, `default-reference`,
    /// `installed-version`, `installed`, `built-in`, `image-id`, `description`.
    #[must_use]
    pub fn packages(mut self, content: Value) -> Self {
        self.packages = Some(content);
        self
    }

    /// Writes `remote_ctr.config.json`.
    #[must_use]
    pub fn remote_ctr_config(mut self, content: Value) -> Self {
        self.remote_ctr_config = Some(content);
        self
    }

    /// Starts everything.
    pub fn start(self) -> Switch {
        let workdir = Workdir::new();
        for (name, disk) in [("docker/data", self.engine_disk), ("state", self.state_disk)] {
            if let Some(bytes) = disk {
                workdir.mount_disk(name, bytes);
            }
        }
        // The two slow ones start while Redis does.
        let mut engine = Engine::launch(&workdir.path().join("docker"));
        let mut registry = Registry::launch(&workdir.path().join("registry"));
        let redis: Vec<RedisServer> = namespaces(self.asics)
            .map(|namespace| {
                let folder = workdir.path().join(namespace.folder());
                RedisServer::start_with(&folder, &self.notifications, self.tcp)
            })
            .collect();
        for (namespace, server) in namespaces(self.asics).zip(&redis) {
            let path = format!("{}/sonic-db/database_config.json", namespace.folder());
            workdir.write(&path, database_config(server).to_string());
        }
        if self.asics > 0 {
            workdir.write("redis/sonic-db/database_global.json", database_global(self.asics).to_string());
        }
        workdir.write("ctr_image_names.json", Value::Object(self.image_names).to_string());
        workdir.folder("state");
        for (name, content) in [("packages.json", self.packages), ("remote_ctr.config.json", self.remote_ctr_config)] {
            if let Some(content) = content {
                workdir.write(name, content.to_string());
            }
        }
        registry.wait_ready();
        engine.wait_ready();
        let switch = Switch { engine, registry, redis, workdir };
        if self.initialized {
            for namespace in namespaces(self.asics) {
                switch.rows_of(namespace).config_initialized(true);
            }
        }
        switch
    }
}

/// A running switch. Dropping it ends everything and leaves nothing behind; an [`Agent`] is dropped before it.
#[derive(Debug)]
pub struct Switch {
    // Dropped in this order: the folder last.
    engine: Engine,
    registry: Registry,
    redis: Vec<RedisServer>,
    workdir: Workdir,
}

impl Switch {
    /// A switch with one ASIC, its configuration initialised and empty.
    #[allow(clippy::new_without_default, reason = "starting three servers is no default")]
    pub fn new() -> Self {
        Self::builder().start()
    }

    /// A multi-ASIC switch: the host and `asic0`, `asic1`, ...
    pub fn with_asics(count: usize) -> Self {
        Self::builder().asics(count).start()
    }

    /// A switch to be described.
    pub fn builder() -> SwitchBuilder {
        SwitchBuilder {
            asics: 0,
            notifications: NOTIFICATIONS.to_owned(),
            tcp: false,
            initialized: true,
            image_names: IMAGE_NAMES.iter().map(|(feature, base)| ((*feature).to_owned(), json!(base))).collect(),
            packages: None,
            remote_ctr_config: None,
            engine_disk: None,
            state_disk: None,
        }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.workdir.path()
    }

    /// Its engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its engine, to stop or pause it.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// A proxy in front of its engine, for agents that are told so: `IMGMGRD__ENGINE__HOST`.
    pub fn engine_proxy(&self) -> EngineProxy {
        EngineProxy::start(&self.file("proxy.sock"), self.engine.socket())
    }

    /// The registry it pulls from.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Its kubelet.
    pub fn kubelet(&self) -> Kubelet<'_> {
        Kubelet::new(&self.engine, &self.registry)
    }

    /// The Redis of a namespace.
    pub fn redis(&self, namespace: Namespace) -> &RedisServer {
        &self.redis[namespace.index()]
    }

    /// The Redis of a namespace, to stop or pause it.
    pub fn redis_mut(&mut self, namespace: Namespace) -> &mut RedisServer {
        &mut self.redis[namespace.index()]
    }

    /// The host's rows.
    pub fn rows(&self) -> Rows<'_> {
        self.rows_of(Namespace::Host)
    }

    /// A namespace's rows.
    pub fn rows_of(&self, namespace: Namespace) -> Rows<'_> {
        Rows::new(self.redis(namespace))
    }

    /// The scripts of a feature that runs once, on the host.
    pub fn feature(&self, name: &str) -> FeatureRows<'_> {
        self.instance(&Instance::host(name))
    }

    /// The scripts of an instance of a feature.
    pub fn instance(&self, instance: &Instance) -> FeatureRows<'_> {
        FeatureRows::new(self, instance)
    }

    /// Puts `name:version` into the registry (`IMAGE_VERSION` equal to the tag) without touching the engine; returns the
    /// manifest's digest.
    pub fn publish(&self, name: &str, version: &str, salt: &str) -> String {
        self.registry.publish(name, version, &Image::new(Some(version)).salt(salt))
    }

    /// A local start, as systemd does it: the rows, and the container from `BASE:latest` under the feature's name (an
    /// existing one is started again). Returns its id.
    pub fn start_locally(&self, instance: &Instance, base: &str, version: &str) -> String {
        let name = instance.container();
        let id = match self.engine.container(name) {
            Some(container) => {
                self.engine.start_container(name);
                container["Id"].as_str().unwrap_or_default().to_owned()
            }
            None => self.engine.run_container(&crate::ContainerSpec::new(name, &format!("{base}:latest"))),
        };
        self.instance(instance).local_start(version);
        id
    }

    /// A file in the switch's folder: `ctr_image_names.json`, `packages.json`, `remote_ctr.config.json`, `state/...`
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file in the switch's folder.
    pub fn write_file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.workdir.write(name, content)
    }

    /// Where the agent finds what it needs.
    pub fn environment(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.file(name).display().to_string();
        [
            ("IMGMGRD__REDIS__DATABASE_CONFIG", file("redis/sonic-db/database_config.json")),
            ("IMGMGRD__REDIS__DATABASE_GLOBAL", file("redis/sonic-db/database_global.json")),
            ("IMGMGRD__ENGINE__HOST", self.engine.host()),
            ("IMGMGRD__PATHS__STATE_DIR", file("state")),
            ("IMGMGRD__PATHS__IMAGE_NAMES", file("ctr_image_names.json")),
            ("IMGMGRD__PATHS__REMOTE_CTR_CONFIG", file("remote_ctr.config.json")),
            ("IMGMGRD__PATHS__PACKAGES", file("packages.json")),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }

    /// Starts `imgmgrd run`; its log is the file `agent.log`.
    pub fn agent(&self, binary: &Path) -> Agent {
        self.agent_with(binary, &["run"], &[])
    }

    /// Starts the agent with other arguments or more environment (failpoints).
    pub fn agent_with(&self, binary: &Path, args: &[&str], environment: &[(&str, &str)]) -> Agent {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut all = self.environment();
        all.extend(environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Agent::start(binary, &args, &all, &self.file("agent.log"))
    }

    /// Runs a command of the agent to its end.
    pub fn command(&self, binary: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(binary);
        command.args(args).envs(self.environment()).env_remove("DOCKER_HOST");
        command.output().unwrap_or_else(|error| panic!("cannot run {binary:?}: {error}"))
    }
}

fn namespaces(asics: usize) -> impl Iterator<Item = Namespace> {
    [Namespace::Host].into_iter().chain((0..asics).map(Namespace::Asic))
}

fn database_config(server: &RedisServer) -> Value {
    // A server that listens on no port is still listed with one, as on a switch.
    let port = if server.port() == 0 { 6379 } else { server.port() };
    let databases: Map<String, Value> = DATABASES
        .iter()
        .map(|(name, id, separator)| {
            ((*name).to_owned(), json!({ "id": id, "separator": separator, "instance": "redis" }))
        })
        .collect();
    json!({
        "INSTANCES": {
            "redis": {
                "hostname": "127.0.0.1",
                "port": port,
                "unix_socket_path": server.socket(),
                "persistence_for_warm_boot": "yes",
            },
        },
        "DATABASES": databases,
        "VERSION": "1.0",
    })
}

fn database_global(asics: usize) -> Value {
    let includes: Vec<Value> = namespaces(asics)
        .map(|namespace| {
            let include = format!("../../{}/sonic-db/database_config.json", namespace.folder());
            match namespace {
                Namespace::Host => json!({ "include": include }),
                Namespace::Asic(number) => {
                    json!({ "namespace": format!("asic{number}"), "include": include })
                }
            }
        })
        .collect();
    json!({ "INCLUDES": includes, "VERSION": "1.0" })
}
