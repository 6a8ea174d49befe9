//! A throwaway SONiC switch in a temporary folder, made of the real parts: redis-server, dockerd and
//! docker-registry. Tests, the demo and the benchmark play a switch's life on it and look at what the
//! agent makes of it.
//!
//! ```no_run
//! use imgmgrd_test_support::{Deployment, Switch};
//!
//! let switch = Switch::new();
//! switch.rows().config_feature("telemetry", "kube", false, true);
//! switch.publish("docker-sonic-telemetry", "20201231.84", "");
//! let pod = switch.kubelet().deploy(&Deployment::new("telemetry", "docker-sonic-telemetry", "20201231.84"));
//! switch.feature("telemetry").takeover(&pod.id, "20201231.84");
//! ```
//!
//! | module | idea |
//! | --- | --- |
//! | [`switch`] | the whole switch: its folder, its files, the agent's environment |
//! | [`rows`] | the writes of the switch's scripts, and readers of what the agent publishes |
//! | [`kubelet`] | deploys containers as the kubelet does |
//! | [`agent`] | an `imgmgrd run` on the switch |
//! | [`engine`], [`container`] | the Docker engine and what to run on it |
//! | [`proxy`] | single calls to the engine hang, fail, or are answered otherwise |
//! | [`image`] | images small enough to have hundreds of |
//! | [`registry`], [`redis_server`] | the other two servers |
//! | `schema` (a feature) | holds rows and answers to the files in `schema/` |
//! | [`disk`] | a disk without room, a folder that cannot be written |
//! | [`wait`] | waiting for conditions, never sleeping |
//! | [`workdir`], [`process`] | nothing is left behind |
//!
//! Whatever goes wrong here panics: this is the test side. Every server ends with the value that started it, and when
//! the *thread* that started it ends: a long-lived program (the demo) starts its switch from the main thread.

pub mod agent;
pub mod container;
pub mod disk;
pub mod engine;
mod http;
pub mod image;
pub mod kubelet;
pub mod process;
pub mod proxy;
pub mod redis_server;
pub mod registry;
pub mod rows;
#[cfg(feature = "schema")]
pub mod schema;
pub mod switch;
mod tar;
pub mod wait;
pub mod workdir;

pub use agent::Agent;
pub use container::ContainerSpec;
pub use disk::{FullDisk, ReadOnlyFolder};
pub use engine::{Engine, EngineClient};
pub use image::Image;
pub use kubelet::{Deployment, KubeContainer, Kubelet};
pub use proxy::EngineProxy;
pub use redis_server::RedisServer;
pub use registry::Registry;
pub use rows::{CONFIG_DB, FeatureRows, Instance, Namespace, Row, Rows, STATE_DB};
pub use rustix::process::Signal;
pub use switch::{Switch, SwitchBuilder};
pub use wait::{wait_equal, wait_until};
