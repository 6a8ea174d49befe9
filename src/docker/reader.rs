//! Reading an engine: all of it, or what one group needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::client::Engine;
use super::error::EngineError;
use super::inspections::{Ended, Inspections};
use super::interest::Interest;
use super::known::Shared;
use super::lists::Lists;
use super::parse::InspectedContainer;
use super::snapshot::{EngineSnapshot, GroupRequest, GroupSnapshot};
use crate::clock;
use crate::domain::{ContainerId, ImageId, Reference, Value, Version};
use crate::planner::{Container, ContainerStatus};

/// Reads an engine. Clones, and the [watcher](super::watch) that was made with one, share what they know.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) engine: Engine,
    pub(super) shared: Shared,
}

impl Reader {
    /// A reader that knows nothing yet.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self::with_versions(engine, BTreeMap::new())
    }

    /// A reader that knows the `IMAGE_VERSION` of these images. What an id stands for never changes, so they are not
    /// inspected again.
    #[must_use]
    pub fn with_versions(engine: Engine, versions: BTreeMap<ImageId, Value<Version>>) -> Self {
        Self { engine, shared: Shared::with_versions(versions) }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The `IMAGE_VERSION` of each image that was inspected, of those that are on the engine.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<ImageId, Value<Version>> {
        self.shared.lock().versions.clone()
    }

    /// Reads everything, and inspects what is interesting. What cannot be inspected is unknown.
    ///
    /// What vanishes between a list and its inspection is simply gone.
    ///
    /// # Errors
    /// If the engine cannot be asked for its lists.
    pub async fn read(&self, interest: &Interest) -> Result<EngineSnapshot, EngineError> {
        let mut lists = Lists::default();
        let mut inspections = Inspections::new(self.engine.clone(), self.shared.clone());
        let began = clock::since_boot();
        let (containers, images) = tokio::try_join!(self.engine.list_containers(), self.engine.list_images())?;
        {
            let mut known = self.shared.lock();
            known.begin();
            lists.take_containers(began, containers, &mut known);
            lists.take_images(began, images, &mut known);
        }
        let (containers, images) = {
            let known = self.shared.lock();
            (lists.containers_to_inspect(interest, &known), lists.images_to_inspect(interest, &known))
        };
        inspections.want_containers(containers);
        inspections.want_images(images.0, &images.1);
        while !inspections.are_settled() {
            match inspections.next().await {
                Ended::Container | Ended::Image => {}
                Ended::NoContainer(id) => lists.drop_container(&id),
                Ended::NoImage(id) => lists.drop_image(&id),
                Ended::Failed(error) if error.is_gone() => return Err(error),
                Ended::Failed(error) => tracing::debug!(%error, "what it is about is unknown"),
            }
        }
        let snapshot = lists.snapshot(&self.shared.lock(), |id| inspections.has_failed(id));
        Ok(snapshot)
    }

    /// Reads again what one group needs, everything at once. The future is its own: it may be spawned.
    ///
    /// # Errors
    /// If any of it cannot be read: then nothing is known of the group.
    pub fn read_group(
        &self,
        request: GroupRequest,
    ) -> impl Future<Output = Result<GroupSnapshot, EngineError>> + Send + use<> {
        let reader = self.clone();
        async move {
            let GroupRequest { containers, mut names, references, all_containers } = request;
            if all_containers {
                // The list has them, too.
                names.clear();
            }
            let list = async {
                match all_containers {
                    true => reader.engine.list_containers().await.map(Some),
                    false => Ok(None),
                }
            };
            let (listed, by_id, by_name, references) = tokio::try_join!(
                list,
                try_join_all(containers.into_iter().map(|id| reader.container(id))),
                try_join_all(names.into_iter().map(|name| reader.named(name))),
                try_join_all(references.into_iter().map(|reference| reader.reference(reference))),
            )?;
            let mut containers = listed.unwrap_or_default();
            {
                let known = reader.shared.lock();
                containers.iter_mut().for_each(|(id, container)| known.complete(id, container));
            }
            for (id, container) in by_id {
                match container {
                    Some(container) => drop(containers.insert(id, container)),
                    None => drop(containers.remove(&id)),
                }
            }
            containers.extend(by_name.into_iter().flatten());
            Ok(GroupSnapshot { containers, references: references.into_iter().collect() })
        }
    }

    /// A container as it is now, if it is there.
    async fn container(&self, id: ContainerId) -> Result<(ContainerId, Option<Container>), EngineError> {
        Ok((id, self.inspect(&id.to_string()).await?.map(|(_, container)| container)))
    }

    /// The container of this name, if there is one. What has no such name may have an id that begins like it.
    async fn named(&self, name: Arc<str>) -> Result<Option<(ContainerId, Container)>, EngineError> {
        Ok(self.inspect(&name).await?.filter(|(_, container)| container.name == name))
    }

    async fn inspect(&self, name: &str) -> Result<Option<(ContainerId, Container)>, EngineError> {
        let asked_at = self.shared.lock().heard();
        let Some(inspected) = self.engine.inspect_container(name).await.found()? else { return Ok(None) };
        let mut known = self.shared.lock();
        let details = known.note_container(&inspected, asked_at);
        let InspectedContainer { id, name, image, created_from, kubelet, status, .. } = inspected;
        let exit_code = known.exit_code(&id).filter(|_| status == ContainerStatus::Stopped);
        Ok(Some((id, Container { name: name.into(), image, created_from, kubelet, status, details, exit_code })))
    }

    /// What a reference names now.
    async fn reference(&self, reference: Reference) -> Result<(Reference, Option<ImageId>), EngineError> {
        let found = self.engine.inspect_image(&reference.to_string()).await.found()?;
        let id = found.as_ref().map(|image| image.id);
        if let Some(image) = found {
            self.shared.lock().note_image(image);
        }
        Ok((reference, id))
    }
}

/// What may not be there.
pub(super) trait Found<T> {
    /// None for what the engine does not know.
    ///
    /// # Errors
    /// Every other error.
    fn found(self) -> Result<Option<T>, EngineError>;
}

impl<T> Found<T> for Result<T, EngineError> {
    fn found(self) -> Result<Option<T>, EngineError> {
        match self {
            Err(EngineError::NotFound { .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }
}
