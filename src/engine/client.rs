//! The calls to the engine, each with a deadline.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, EventMessage, ImageDeleteResponseItem, ImageInspect, ImageSummary,
};
use bollard::query_parameters::{
    EventsOptions, InspectContainerOptions, ListContainersOptions, ListImagesOptions, RemoveContainerOptions,
    RemoveImageOptions, TagImageOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use tokio::time::timeout;

use super::error::EngineError;
use super::transport::Transport;
use crate::domain::{ContainerId, ImageId, Repository, Version};

/// How long a read or a tag may take. A healthy engine answers in milliseconds; a switch whose disk is busy has been
/// seen to need seconds. One that needs longer hangs.
pub(super) const READ_DEADLINE: Duration = Duration::from_secs(10);

/// How long a removal may take: the engine answers when the layers are gone from the disk, and gigabytes on a slow
/// flash take their time. Docker's own clients wait without end.
const REMOVE_DEADLINE: Duration = Duration::from_secs(120);

/// The client library's own deadline, which must be none of ours.
const CLIENT_DEADLINE_SECONDS: u64 = 2 * REMOVE_DEADLINE.as_secs();

/// The entry of `DriverStatus` by which an engine with the containerd image store is known (moby,
/// daemon/containerd/service.go, `LayerStoreStatus`).
const CONTAINERD_STORE: [&str; 2] = ["driver-type", "io.containerd.snapshotter.v1"];

/// A container engine. Clones share what was negotiated, and connections.
#[derive(Clone)]
pub struct Engine {
    transport: Arc<Transport>,
    docker: Docker,
}

/// The engine's events, as they happen.
pub(super) type Events = BoxStream<'static, Result<EventMessage, EngineError>>;

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
    /// An engine at `unix:///path`, `/path`, `tcp://host:port` or `http://host:port`. Contact is made with the first call.
    ///
    /// # Errors
    /// [`EngineError::InvalidHost`] if `host` is none of these.
    pub fn connect(host: &str) -> Result<Self, EngineError> {
        let transport = Arc::new(Transport::new(host.parse()?));
        let way = Arc::clone(&transport);
        let docker = Docker::connect_with_custom_transport(
            move |request| Arc::clone(&way).request(request),
            Some("http://docker"),
            CLIENT_DEADLINE_SECONDS,
            API_DEFAULT_VERSION,
        );
        let docker =
            docker.map_err(|error| EngineError::client(String::new(), transport.host(), READ_DEADLINE, &error))?;
        Ok(Self { transport, docker })
    }

    /// What the engine says about itself. Slow (tens of milliseconds): for people only.
    ///
    /// # Errors
    /// If the engine cannot be asked.
    pub async fn version(&self) -> Result<EngineVersion, EngineError> {
        let what = "asking for the engine's version";
        let version = self.call(what, READ_DEADLINE, |docker| async move { docker.version().await }).await?;
        let info = self.call(what, READ_DEADLINE, |docker| async move { docker.info().await }).await?;
        Ok(EngineVersion {
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            negotiated: self.transport.api().map(|api| api.to_string()).unwrap_or_default(),
            storage_driver: info.driver.unwrap_or_default(),
            containerd_image_store: info.driver_status.iter().flatten().any(|entry| *entry == CONTAINERD_STORE),
            data_root: info.docker_root_dir.unwrap_or_default(),
        })
    }

    /// Forgets the negotiated API version and the connections: whatever answers next may be another engine.
    pub(super) fn forget(&self) {
        self.transport.forget();
    }

    /// Every container, running or not, without sizes (they take the engine a walk over the disk).
    pub(super) async fn list_containers(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let options = ListContainersOptions { all: true, ..Default::default() };
        let what = "listing the containers";
        self.call(what, READ_DEADLINE, |docker| async move { docker.list_containers(Some(options)).await }).await
    }

    /// Every image but the layers between: `all` would add those that only others are built upon, whereas images
    /// without a name are listed either way (moby, daemon/images/images.go; tried on 20.10). Shared sizes are not
    /// asked for: they take a walk over the disk.
    pub(super) async fn list_images(&self) -> Result<Vec<ImageSummary>, EngineError> {
        let options = ListImagesOptions { digests: true, ..Default::default() };
        let what = "listing the images";
        self.call(what, READ_DEADLINE, |docker| async move { docker.list_images(Some(options)).await }).await
    }

    /// A container's details, without its size.
    pub(super) async fn inspect_container(&self, id: &ContainerId) -> Result<ContainerInspectResponse, EngineError> {
        let what = format!("looking at container {}", id.short());
        let inspect = |docker: Docker| async move {
            docker.inspect_container(&id.to_string(), None::<InspectContainerOptions>).await
        };
        self.call(what, READ_DEADLINE, inspect).await
    }

    /// An image's details, by id or reference.
    pub(super) async fn inspect_image(&self, name: &str) -> Result<ImageInspect, EngineError> {
        let what = format!("looking at image {name}");
        self.call(what, READ_DEADLINE, |docker| async move { docker.inspect_image(name).await }).await
    }

    /// Points `repository:tag` at an image, whatever it named before.
    pub(super) async fn tag(&self, image: &ImageId, repository: &Repository, tag: &Version) -> Result<(), EngineError> {
        let what = format!("tagging {image} as {repository}:{tag}");
        let options = TagImageOptions { repo: Some(repository.to_string()), tag: Some(tag.to_string()) };
        self.call(
            what,
            READ_DEADLINE,
            |docker| async move { docker.tag_image(&image.to_string(), Some(options)).await },
        )
        .await
    }

    /// Removes a container that does not run, without its volumes: they are not ours.
    pub(super) async fn remove_container(&self, id: &ContainerId) -> Result<(), EngineError> {
        let what = format!("removing container {}", id.short());
        let options = RemoveContainerOptions { force: false, v: false, link: false };
        let remove = |docker: Docker| async move { docker.remove_container(&id.to_string(), Some(options)).await };
        self.call(what, REMOVE_DEADLINE, remove).await
    }

    /// Removes a reference, and the image with its last one; or an image by id. Never by force, and without its
    /// parents (`noprune`): what a plan does not name stays.
    pub(super) async fn remove_image(&self, name: &str) -> Result<Vec<ImageDeleteResponseItem>, EngineError> {
        let what = format!("removing {name}");
        let options = RemoveImageOptions { force: false, noprune: true, platforms: None };
        let remove = |docker: Docker| async move { docker.remove_image(name, Some(options), None).await };
        self.call(what, REMOVE_DEADLINE, remove).await
    }

    /// The events of the engine, from the first poll on; ends with an error, or without one when the engine ends.
    pub(super) async fn events(&self, options: EventsOptions) -> Result<Events, EngineError> {
        let what = "following the engine's events";
        let docker = self.call(what, READ_DEADLINE, |docker| async move { Ok(docker) }).await?;
        let transport = Arc::clone(&self.transport);
        // The client's deadline is for the answer's head only, which comes at once: the stream itself has no end.
        let events = docker.with_timeout(READ_DEADLINE).events(Some(options));
        let error = move |error| EngineError::client(what.to_owned(), transport.host(), READ_DEADLINE, &error);
        Ok(events.map_err(error).boxed())
    }

    /// The stream of events ended, which only the engine's end does.
    pub(super) fn hung_up(&self) -> EngineError {
        EngineError::Unreachable {
            what: "following the engine's events".to_owned(),
            host: self.transport.host().to_string(),
            cause: "it has hung up".to_owned(),
        }
    }

    /// Makes a call within a deadline, after the first contact.
    async fn call<T, F>(
        &self,
        what: impl Into<String>,
        deadline: Duration,
        request: impl FnOnce(Docker) -> F,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, bollard::errors::Error>>,
    {
        let what = what.into();
        let answer = timeout(deadline, async {
            self.transport.negotiate().await?;
            request(self.docker.clone()).await
        });
        let host = self.transport.host();
        let failure = match answer.await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => EngineError::client(what, host, deadline, &error),
            Err(_) => EngineError::timed_out(what, host, deadline),
        };
        if failure.is_away() {
            self.forget();
        }
        Err(failure)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(self.transport.host()).finish()
    }
}
