//! The calls to the engine, each with a deadline.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, EventMessage, ImageDeleteResponseItem, ImageInspect, ImageSummary,
};
use bollard::query_parameters::{
    EventsOptions, InspectContainerOptions, ListContainersOptions, ListImagesOptions, RemoveContainerOptions,
    RemoveImageOptions, TagImageOptions,
};
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use tokio::time::timeout;

use super::error::EngineError;
use super::host::Host;
use super::ping::{ApiVersion, ping};
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

/// A container engine. Clones share what was negotiated; each call connects anew, so none outlives the engine's restart.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// The engine's events, as they happen.
pub(super) type Events = BoxStream<'static, Result<EventMessage, EngineError>>;

struct Inner {
    host: Host,
    /// Made with the first contact: the client library refuses to be made while there is no socket.
    docker: OnceLock<Docker>,
    api: Arc<Negotiated>,
}

/// The API version to speak: major in the upper, minor in the lower half; zero before the first contact.
#[derive(Default)]
struct Negotiated(AtomicU32);

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
        Ok(Self { inner: Arc::new(Inner { host: host.parse()?, docker: OnceLock::new(), api: Arc::default() }) })
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
            negotiated: self.inner.api.get().map(|api| format!("{}.{}", api.major, api.minor)).unwrap_or_default(),
            storage_driver: info.driver.unwrap_or_default(),
            containerd_image_store: info.driver_status.iter().flatten().any(|entry| *entry == CONTAINERD_STORE),
            data_root: info.docker_root_dir.unwrap_or_default(),
        })
    }

    /// Forgets the negotiated API version: whatever answers next may be another engine.
    pub(super) fn forget(&self) {
        self.inner.api.0.store(0, Ordering::Relaxed);
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
        let host = self.inner.host.clone();
        // The client's deadline is for the answer's head only, which comes at once: the stream itself has no end.
        let events = docker.with_timeout(READ_DEADLINE).events(Some(options));
        let error = move |error| EngineError::client(what.to_owned(), &host, READ_DEADLINE, &error);
        Ok(events.map_err(error).boxed())
    }

    /// The stream of events ended, which only the engine's end does.
    pub(super) fn hung_up(&self) -> EngineError {
        EngineError::Unreachable {
            what: "following the engine's events".to_owned(),
            host: self.inner.host.to_string(),
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
        let host = &self.inner.host;
        let what = what.into();
        let answer = timeout(deadline, async {
            match self.contact().await {
                Ok(docker) => request(docker).await.map_err(Failure::Client),
                Err(failure) => Err(failure),
            }
        });
        let answer = match answer.await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Failure::Contact(error))) => EngineError::io(what, host, &error),
            Ok(Err(Failure::Client(error))) => EngineError::client(what, host, deadline, &error),
            Err(_) => EngineError::timed_out(what, host, deadline),
        };
        if answer.is_away() {
            self.forget();
        }
        Err(answer)
    }

    /// The client, with the API version negotiated.
    async fn contact(&self) -> Result<Docker, Failure> {
        let Inner { host, docker, api } = &*self.inner;
        if api.get().is_none() {
            api.settle(ping(host).await.map_err(Failure::Contact)?);
        }
        if let Some(docker) = docker.get() {
            return Ok(docker.clone());
        }
        let made = match host {
            Host::Unix(path) => {
                Docker::connect_with_unix(&path.to_string_lossy(), CLIENT_DEADLINE_SECONDS, API_DEFAULT_VERSION)
            }
            Host::Tcp(address) => Docker::connect_with_http(address, CLIENT_DEADLINE_SECONDS, API_DEFAULT_VERSION),
        };
        let (made, api) = (made.map_err(Failure::Client)?, Arc::clone(api));
        Ok(docker.get_or_init(|| made.with_request_modifier(move |request| api.apply(request))).clone())
    }
}

/// How a call failed, before it is told in our words.
enum Failure {
    /// At the first contact.
    Contact(std::io::Error),
    /// As the client library tells it.
    Client(bollard::errors::Error),
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.inner.host).finish()
    }
}

impl Negotiated {
    /// The version to speak, if it was negotiated.
    fn get(&self) -> Option<ApiVersion> {
        let packed = self.0.load(Ordering::Relaxed);
        let half = |bits: u32| u16::try_from(bits & 0xffff).unwrap_or_default();
        (packed != 0).then(|| ApiVersion { major: half(packed >> 16), minor: half(packed) })
    }

    /// Speaks the engine's newest version, or the client library's where that is older: what the engine would answer in
    /// a newer one, the library might not understand. An engine that does not say is spoken to in the library's.
    fn settle(&self, newest: Option<ApiVersion>) {
        let half = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let library = ApiVersion {
            major: half(API_DEFAULT_VERSION.major_version),
            minor: half(API_DEFAULT_VERSION.minor_version),
        };
        let spoken = newest.map_or(library, |newest| newest.min(library));
        self.0.store(u32::from(spoken.major) << 16 | u32::from(spoken.minor), Ordering::Relaxed);
    }

    /// Puts the version in front of the path, as the API's reference asks for ("Versioning").
    ///
    /// bollard 0.21 itself does not: it forms `/v1.53` and then replaces it by joining the absolute path to it
    /// (src/uri.rs, `Uri::parse`), so that every engine would answer in its own newest version.
    fn apply(&self, mut request: BollardRequest) -> BollardRequest {
        let (uri, api) = (request.uri(), self.get());
        if let (Some(scheme), Some(authority), Some(path), Some(api)) =
            (uri.scheme_str(), uri.authority(), uri.path_and_query(), api)
        {
            let is_versioned =
                path.path().strip_prefix("/v").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            let versioned = format!("{scheme}://{authority}/v{}.{}{path}", api.major, api.minor).parse();
            if let (false, Ok(versioned)) = (is_versioned, versioned) {
                *request.uri_mut() = versioned;
            }
        }
        request
    }
}
