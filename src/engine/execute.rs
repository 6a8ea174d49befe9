//! Carrying out one step of a plan: look again, then ask for the change, never by force.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bollard::models::ImageInspect;
use futures_util::future::try_join_all;
use serde::Serialize;

use super::client::{self, Engine};
use super::error::EngineError;
use super::parse::{self, InspectedContainer};
use crate::decide::{ContainerStatus, Step};
use crate::domain::{ContainerId, ImageId, Pointer, Reference, Repositories, StartedAt};
use crate::failpoint::{self, Fault};

/// How a step went that the engine did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// It was carried out.
    Done {
        /// The size of the image that is gone with it, in bytes; layers that others share are counted.
        reclaimed: u64,
    },
    /// It was done already, by whomever.
    AlreadyDone,
    /// The engine says that something uses the image. It may succeed after the engine's next event.
    InUse,
    /// What the plan was made from does not hold any more: nothing was changed, and a new plan is due.
    Skipped(Skipped),
}

/// Why a step was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Skipped {
    /// The reference names another image now.
    ReferenceMoved,
    /// The image to be tagged is gone.
    ImageGone,
    /// The image has got a name.
    ImageNamed,
    /// The container that was to prove the image does not run any more, or of another image.
    Unproven,
    /// The container is another one than the plan meant.
    ContainerChanged,
    /// The container runs, or the engine is busy with it.
    ContainerAlive,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReferenceMoved => "the reference names another image now",
            Self::ImageGone => "the image is gone",
            Self::ImageNamed => "the image has a name now",
            Self::Unproven => "the container that proved the image does not run any more",
            Self::ContainerChanged => "the container is another one now",
            Self::ContainerAlive => "the container runs, or the engine is busy with it",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { .. } => f.write_str("done"),
            Self::AlreadyDone => f.write_str("already done"),
            Self::InUse => f.write_str("in use"),
            Self::Skipped(why) => why.fmt(f),
        }
    }
}

/// Carries out a step of the engine's.
///
/// Dropping the future before it ends leaves the request with the engine: the step may or may not be done, which the
/// next look tells.
///
/// # Errors
/// If the engine failed or cannot be asked: the step may or may not be done. [`EngineError::NotAnEngineStep`] for
/// [`Step::RecordVersions`].
pub async fn execute(engine: &Engine, step: &Step) -> Result<Outcome, EngineError> {
    pass(failpoint::BEFORE_STEP, step)?;
    let outcome = match step {
        Step::Tag { image, reference, from, proven_by } => {
            tag(engine, image, reference, from.as_ref(), proven_by).await
        }
        Step::RemoveContainer { container, name, image } => remove_container(engine, container, name, image).await,
        Step::RemoveReference { reference, image } => remove_reference(engine, reference, image).await,
        Step::RemoveImage { image } => remove_image(engine, image).await,
        Step::RecordVersions { .. } => return Err(EngineError::NotAnEngineStep { step: step.to_string() }),
    }?;
    pass(failpoint::AFTER_STEP, step)?;
    Ok(outcome)
}

/// A place where a test may let a step go wrong.
fn pass(place: &str, step: &Step) -> Result<(), EngineError> {
    let what = || format!("{step} (failpoint {place})");
    match failpoint::reach(place) {
        None => Ok(()),
        Some(Fault::Refused) => {
            Err(EngineError::Refused { what: what(), status: 500, message: "so that a test can see it".to_owned() })
        }
        Some(Fault::Lost) => {
            Err(EngineError::TimedOut { what: what(), host: "a failpoint".to_owned(), after: client::READ_DEADLINE })
        }
    }
}

/// Points `reference` at `image`, if it still names `from`.
async fn tag(
    engine: &Engine,
    image: &ImageId,
    reference: &Reference,
    from: Option<&ImageId>,
    proven_by: &BTreeMap<ContainerId, StartedAt>,
) -> Result<Outcome, EngineError> {
    let Pointer::Tag(tag) = &reference.pointer else {
        return Err(EngineError::NotAnEngineStep { step: format!("tag {image} as {reference}") });
    };
    let holds = async |(container, started_at): (&ContainerId, &StartedAt)| {
        let proof = found(inspect_container(engine, container).await)?;
        Ok(proof.is_some_and(|proof| {
            proof.status == ContainerStatus::Running
                && proof.image.as_ref() == Some(image)
                && proof.started_at.as_ref() == Some(started_at)
        }))
    };
    // All at once: between a deadline and its tag every round trip counts.
    let reference_text = reference.to_string();
    let named = async { found(engine.inspect_image(&reference_text).await) };
    let (proofs, named) = tokio::try_join!(try_join_all(proven_by.iter().map(holds)), named)?;
    if !proofs.into_iter().all(|holds| holds) {
        return Ok(Outcome::Skipped(Skipped::Unproven));
    }
    let named = named.map(|answer| id(&answer, reference)).transpose()?;
    if named.as_ref() == Some(image) {
        return Ok(Outcome::AlreadyDone);
    }
    if named.as_ref() != from {
        return Ok(Outcome::Skipped(Skipped::ReferenceMoved));
    }
    Ok(match found(engine.tag(image, &reference.repository, tag).await)? {
        Some(()) => Outcome::Done { reclaimed: 0 },
        None => Outcome::Skipped(Skipped::ImageGone),
    })
}

/// Removes a container that is still the one that was meant and does not run.
async fn remove_container(
    engine: &Engine,
    container: &ContainerId,
    name: &Arc<str>,
    image: &ImageId,
) -> Result<Outcome, EngineError> {
    let Some(now) = found(inspect_container(engine, container).await)? else {
        return Ok(Outcome::AlreadyDone);
    };
    if now.name.as_str() != &**name || now.image.as_ref() != Some(image) {
        return Ok(Outcome::Skipped(Skipped::ContainerChanged));
    }
    if now.status.is_alive() {
        return Ok(Outcome::Skipped(Skipped::ContainerAlive));
    }
    match engine.remove_container(container).await {
        Ok(()) => Ok(Outcome::Done { reclaimed: 0 }),
        Err(EngineError::NotFound { .. }) => Ok(Outcome::AlreadyDone),
        // It was started in between, or is being removed by somebody else.
        Err(EngineError::Conflict { .. }) => Ok(Outcome::Skipped(Skipped::ContainerAlive)),
        Err(error) => Err(error),
    }
}

/// Removes a reference that still names `image`.
async fn remove_reference(engine: &Engine, reference: &Reference, image: &ImageId) -> Result<Outcome, EngineError> {
    let reference_text = reference.to_string();
    let Some(now) = found(engine.inspect_image(&reference_text).await)? else {
        return Ok(Outcome::AlreadyDone);
    };
    if id(&now, reference)? != *image {
        return Ok(Outcome::Skipped(Skipped::ReferenceMoved));
    }
    remove(engine, &reference_text, image, &now).await
}

/// Removes an image that still has no name.
async fn remove_image(engine: &Engine, image: &ImageId) -> Result<Outcome, EngineError> {
    let name = image.to_string();
    let Some(now) = found(engine.inspect_image(&name).await)? else {
        return Ok(Outcome::AlreadyDone);
    };
    let (tags, digests) = (now.repo_tags.as_deref(), now.repo_digests.as_deref());
    let (references, unreadable) =
        parse::references(tags.unwrap_or_default(), digests.unwrap_or_default(), &mut Repositories::default());
    if !references.is_empty() || unreadable > 0 {
        return Ok(Outcome::Skipped(Skipped::ImageNamed));
    }
    remove(engine, &name, image, &now).await
}

/// Asks for the removal of `name`, which names `image`.
async fn remove(engine: &Engine, name: &str, image: &ImageId, now: &ImageInspect) -> Result<Outcome, EngineError> {
    match engine.remove_image(name).await {
        Ok(removed) => {
            let id = image.to_string();
            let is_gone = removed.iter().any(|item| item.deleted.as_ref() == Some(&id));
            let size = now.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            Ok(Outcome::Done { reclaimed: if is_gone { size } else { 0 } })
        }
        Err(EngineError::NotFound { .. }) => Ok(Outcome::AlreadyDone),
        Err(EngineError::Conflict { .. }) => Ok(Outcome::InUse),
        Err(error) => Err(error),
    }
}

/// What a container is now.
async fn inspect_container(engine: &Engine, id: &ContainerId) -> Result<InspectedContainer, EngineError> {
    engine.inspect_container(id).await.map(|answer| parse::inspected(&answer))
}

/// An inspected image's id.
fn id(answer: &ImageInspect, reference: &Reference) -> Result<ImageId, EngineError> {
    let id = answer.id.as_deref().unwrap_or_default();
    id.parse().map_err(|error| EngineError::Unexpected {
        what: format!("looking at image {reference}"),
        cause: format!("{error}"),
    })
}

/// None for what the engine does not know.
fn found<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Err(EngineError::NotFound { .. }) => Ok(None),
        answer => answer.map(Some),
    }
}
