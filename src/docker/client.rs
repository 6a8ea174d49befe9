//! The calls to the engine, each with a deadline.
//!
//! An answer is reduced at once to what is used of it, and read with tolerance: a word that is not known makes what it is
//! about unknown, and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};

use super::answer;
use super::error::{EngineError, Failure};
use super::host::EngineHost;
use super::parse::{self, InspectedContainer, InspectedImage};
use super::splitter::Entry;
use super::transport::{Answer, Transport};
use crate::domain::{ContainerId, ImageId, Repositories, Repository, Version};
use crate::planner::{Container, Image};

/// How long a read or a tag may take. A healthy engine answers in milliseconds; a switch whose disk is busy has been
/// seen to need seconds. One that needs longer hangs.
pub(super) const READ_DEADLINE: Duration = Duration::from_secs(10);

/// How long a removal may take: the engine answers when the layers are gone from the disk, and gigabytes on a slow
/// flash take their time. Docker's own clients wait without end.
const REMOVE_DEADLINE: Duration = Duration::from_secs(120);

/// The pauses, in milliseconds, before a list is asked for again that the engine could not make. With the containerd image store a list
/// answers 404, or 500, if an image is removed while it is made (tried on 26.1).
const LIST_AGAIN: [u64; 7] = [10, 20, 50, 100, 200, 400, 800];

/// The entry of `DriverStatus` by which an engine with the containerd image store is known (moby,
/// daemon/containerd/service.go, `LayerStoreStatus`).
const CONTAINERD_STORE: [&str; 2] = ["driver-type", "io.containerd.snapshotter.v1"];

/// A container engine. Clones share what was negotiated, and connections.
#[derive(Clone)]
pub struct Engine {
    pub(super) transport: Arc<Transport>,
}

/// What an engine says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EngineVersion {
    /// Its version, `20.10.24`.
    pub version: String,
    /// The newest API version it speaks.
    pub api_version: String,
    /// The API version that is spoken with it.
    pub negotiated: String,
    /// How it stores layers: `overlay2`, or with the containerd image store `overlayfs`.
    pub storage_driver: String,
    /// Whether containerd keeps the images, instead of the engine's own classic store.
    pub containerd_image_store: bool,
    /// Where the engine keeps images and containers, as it sees the file system: `/var/lib/docker`.
    pub data_root: String,
}

impl Engine {
    /// An engine. Contact is made with the first call.
    #[must_use]
    pub fn new(host: EngineHost) -> Self {
        Self { transport: Arc::new(Transport::new(host)) }
    }

    /// What the engine says about itself. Slow (tens of milliseconds): for people only.
    ///
    /// # Errors
    /// If the engine cannot be asked.
    pub async fn version(&self) -> Result<EngineVersion, EngineError> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "PascalCase")]
        struct VersionAnswer {
            version: String,
            api_version: String,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "PascalCase")]
        struct InfoAnswer {
            driver: String,
            driver_status: Option<Vec<Vec<String>>>,
            docker_root_dir: String,
        }
        let what = "asking for the engine's version";
        let version: VersionAnswer = self.get(what, "/version", |body| Ok(serde_json::from_slice(body)?)).await?;
        let info: InfoAnswer = self.get(what, "/info", |body| Ok(serde_json::from_slice(body)?)).await?;
        Ok(EngineVersion {
            version: version.version,
            api_version: version.api_version,
            negotiated: self.transport.api().map(|api| api.to_string()).unwrap_or_default(),
            storage_driver: info.driver,
            containerd_image_store: info.driver_status.iter().flatten().any(|entry| *entry == CONTAINERD_STORE),
            data_root: info.docker_root_dir,
        })
    }

    /// Forgets the negotiated API version and the connections: whatever answers next may be another engine.
    pub(super) fn forget(&self) {
        self.transport.forget();
    }

    /// Every container, running or not, without sizes (they take the engine a walk over the disk).
    pub(super) async fn list_containers(&self) -> Result<BTreeMap<ContainerId, Container>, EngineError> {
        self.list("listing the containers", "/containers/json?all=true", |containers: &mut BTreeMap<_, _>, entry| {
            let Some((id, container)) = parse::listed_container(entry) else { return 0 };
            let kept = size_of_val(&container) + container.name.len();
            containers.insert(id, container);
            kept
        })
        .await
    }

    /// Every image but the layers between: `all` would add those that only others are built upon, whereas images
    /// without a name are listed either way (moby, daemon/images/images.go; tried on 20.10). Shared sizes are not
    /// asked for: they take a walk over the disk.
    pub(super) async fn list_images(&self) -> Result<BTreeMap<ImageId, Image>, EngineError> {
        let mut repositories = Repositories::default();
        self.list("listing the images", "/images/json?digests=true", |images: &mut BTreeMap<_, _>, entry| {
            let Some((id, image)) = parse::listed_image(entry, &mut repositories) else { return 0 };
            let kept = size_of_val(&image) + image.references.iter().map(size_of_val).sum::<usize>();
            images.insert(id, image);
            kept
        })
        .await
    }

    /// A container's details, by id or name, without its size.
    pub(super) async fn inspect_container(&self, name: &str) -> Result<InspectedContainer, EngineError> {
        let what = format!("inspecting container {}", name.get(..12).filter(|_| name.len() == 64).unwrap_or(name));
        self.get(what, &format!("/containers/{name}/json"), parse::inspected_container).await
    }

    /// An image's details, by id or reference.
    pub(super) async fn inspect_image(&self, name: &str) -> Result<InspectedImage, EngineError> {
        self.get(format!("inspecting image {name}"), &format!("/images/{name}/json"), parse::inspected_image).await
    }

    /// Points `repository:tag` at an image, whatever it named before.
    pub(super) async fn tag(&self, image: &ImageId, repository: &Repository, tag: &Version) -> Result<(), EngineError> {
        let what = format!("tagging {image} as {repository}:{tag}");
        let path = format!("/images/{image}/tag?repo={repository}&tag={tag}");
        self.call(what, READ_DEADLINE, &Method::POST, &path, |_| Ok(())).await
    }

    /// Removes a container that does not run, without its volumes: they are not ours.
    pub(super) async fn remove_container(&self, id: &ContainerId) -> Result<(), EngineError> {
        let what = format!("removing container {}", id.short());
        let path = format!("/containers/{id}?force=false&v=false&link=false");
        self.call(what, REMOVE_DEADLINE, &Method::DELETE, &path, |_| Ok(())).await
    }

    /// Removes a reference, and the image with its last one; or an image by id. Never by force, and without its
    /// parents (`noprune`): what a plan does not name stays. The ids of the layers and images that are gone with it.
    pub(super) async fn remove_image(&self, name: &str) -> Result<Vec<ImageId>, EngineError> {
        let path = format!("/images/{name}?force=false&noprune=true");
        self.call(format!("removing {name}"), REMOVE_DEADLINE, &Method::DELETE, &path, parse::removed).await
    }

    /// What an end of the stream of events is, which only the engine's own end causes.
    pub(super) fn hung_up(&self, error: Option<hyper::Error>) -> EngineError {
        let what = "following the engine's events".to_owned();
        let host = self.transport.host();
        match error {
            Some(error) => EngineError::of(what, host, error.into()),
            None => EngineError::Unreachable { what, host: host.to_string(), cause: "it has hung up".to_owned() },
        }
    }

    /// Reads a list into a collection, and once more where the engine could not make it.
    async fn list<C: Default>(
        &self,
        what: &str,
        path: &str,
        mut keep: impl FnMut(&mut C, Entry<'_>) -> usize,
    ) -> Result<C, EngineError> {
        let mut pauses = LIST_AGAIN.iter();
        loop {
            let mut collection = C::default();
            let read = async {
                let answer = answer::accepted(self.transport.request(&Method::GET, path).await?).await?;
                answer::list(answer, |entry| keep(&mut collection, entry)).await
            };
            match (self.within(what, READ_DEADLINE, read).await, pauses.next()) {
                (Ok(()), _) => return Ok(collection),
                (Err(EngineError::NotFound { .. } | EngineError::Refused { status: 500, .. }), Some(pause)) => {
                    sleep(Duration::from_millis(*pause)).await;
                }
                (Err(error), _) => return Err(error),
            }
        }
    }

    async fn get<T>(
        &self,
        what: impl Into<String>,
        path: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, EngineError> {
        self.call(what, READ_DEADLINE, &Method::GET, path, parse).await
    }

    /// Makes a call within a deadline.
    async fn call<T>(
        &self,
        what: impl Into<String>,
        deadline: Duration,
        method: &Method,
        path: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, EngineError> {
        let body = async {
            let answer: Answer = self.transport.request(method, path).await?;
            answer::body(answer::accepted(answer).await?).await
        };
        let what = what.into();
        let body = self.within(&what, deadline, body).await?;
        parse(&body).map_err(|failure| EngineError::of(what, self.transport.host(), failure))
    }

    pub(super) async fn within<T>(
        &self,
        what: &str,
        deadline: Duration,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, EngineError> {
        let done = timeout(deadline, work).await.unwrap_or(Err(Failure::Late(deadline)));
        done.map_err(|failure| EngineError::of(what.to_owned(), self.transport.host(), failure))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(self.transport.host()).finish()
    }
}
