//! Carrying out one step of a plan: check its preconditions again, then ask for the change, never by force.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::client::Engine;
use super::error::EngineError;
use super::parse::InspectedImage;
use super::reader::Found as _;
use crate::StepOutcome;
use crate::domain::{ContainerId, ImageId, Pointer, Reference, StartedAt};
use crate::failpoint;
use crate::planner::{ContainerStatus, Step};

/// Carries out a step of the engine's.
///
/// A step that failed may be done or not, and the same holds where the future is dropped before it ends, which leaves the
/// request with the engine: the next reading tells. [`Step::RecordVersions`] is none of the engine's, and fails.
pub async fn execute(engine: &Engine, step: &Step) -> StepOutcome {
    if let Some(failed) = fail(failpoint::BEFORE_STEP) {
        return failed;
    }
    let outcome = match step {
        Step::Tag { image, reference, from, proven_by } => {
            tag(engine, image, reference, from.as_ref(), proven_by).await
        }
        Step::RemoveContainer { container, name, image } => remove_container(engine, container, name, image).await,
        Step::RemoveReference { reference, image } => remove_reference(engine, reference, image).await,
        Step::RemoveImage { image } => remove_image(engine, image).await,
        Step::RecordVersions { .. } => Ok(no_step_of_engine(step)),
    };
    let outcome = outcome.unwrap_or_else(|error| StepOutcome::Failed(error.to_string()));
    fail(failpoint::AFTER_STEP).unwrap_or(outcome)
}

/// A place where a test may let a step go wrong.
fn fail(place: &str) -> Option<StepOutcome> {
    failpoint::reach(place).map(|fault| StepOutcome::Failed(format!("{fault:?} (failpoint {place})")))
}

/// A mistake of the caller.
fn no_step_of_engine(step: &Step) -> StepOutcome {
    StepOutcome::Failed(format!("\"{step}\" is no step of the engine's"))
}

/// Nothing was changed, and why.
fn changed(why: &str) -> StepOutcome {
    StepOutcome::Changed(why.to_owned())
}

/// Points `reference` at `image`, if it still names `from`.
async fn tag(
    engine: &Engine,
    image: &ImageId,
    reference: &Reference,
    from: Option<&ImageId>,
    proven_by: &BTreeMap<ContainerId, StartedAt>,
) -> Result<StepOutcome, EngineError> {
    let Pointer::Tag(tag) = &reference.pointer else {
        return Ok(StepOutcome::Failed(format!("{reference} is no tag")));
    };
    let holds = async |(container, started_at): (&ContainerId, &StartedAt)| {
        let proof = engine.inspect_container(&container.to_string()).await.found()?;
        Ok::<_, EngineError>(proof.is_some_and(|proof| {
            proof.status == ContainerStatus::Running
                && proof.image == *image
                && proof.started_at.as_ref() == Some(started_at)
        }))
    };
    // All at once: between a deadline and its tag every round trip counts.
    let reference_text = reference.to_string();
    let named = async { engine.inspect_image(&reference_text).await.found() };
    let (proofs, named) = tokio::try_join!(try_join_all(proven_by.iter().map(holds)), named)?;
    if !proofs.into_iter().all(|holds| holds) {
        return Ok(changed("the container that proved the image does not run any more"));
    }
    let named = named.map(|image| image.id);
    if named.as_ref() == Some(image) {
        return Ok(StepOutcome::DONE);
    }
    if named.as_ref() != from {
        return Ok(changed("the reference names another image now"));
    }
    Ok(match engine.tag(image, &reference.repository, tag).await.found()? {
        Some(()) => StepOutcome::DONE,
        None => changed("the image is gone"),
    })
}

/// Removes a container that is still the one that was meant and does not run.
async fn remove_container(
    engine: &Engine,
    container: &ContainerId,
    name: &Arc<str>,
    image: &ImageId,
) -> Result<StepOutcome, EngineError> {
    let Some(now) = engine.inspect_container(&container.to_string()).await.found()? else {
        return Ok(StepOutcome::DONE);
    };
    if now.name.as_str() != &**name || now.image != *image {
        return Ok(changed("the container is another one now"));
    }
    if now.status.is_alive() {
        return Ok(changed("the container runs, or the engine is busy with it"));
    }
    match engine.remove_container(container).await {
        Ok(()) => Ok(StepOutcome::DONE),
        Err(EngineError::NotFound { .. }) => Ok(StepOutcome::DONE),
        // It was started in between, or is being removed by somebody else.
        Err(EngineError::Conflict { .. }) => Ok(changed("the container runs, or the engine is busy with it")),
        Err(error) => Err(error),
    }
}

/// Removes a reference that still names `image`.
async fn remove_reference(engine: &Engine, reference: &Reference, image: &ImageId) -> Result<StepOutcome, EngineError> {
    let reference_text = reference.to_string();
    let Some(now) = engine.inspect_image(&reference_text).await.found()? else {
        return Ok(StepOutcome::DONE);
    };
    if now.id != *image {
        return Ok(changed("the reference names another image now"));
    }
    remove(engine, &reference_text, image, &now).await
}

/// Removes an image that still has no name.
async fn remove_image(engine: &Engine, image: &ImageId) -> Result<StepOutcome, EngineError> {
    let name = image.to_string();
    let Some(now) = engine.inspect_image(&name).await.found()? else {
        return Ok(StepOutcome::DONE);
    };
    if now.is_named {
        return Ok(changed("the image has a name now"));
    }
    remove(engine, &name, image, &now).await
}

/// Asks for the removal of `name`, which names `image`.
async fn remove(
    engine: &Engine,
    name: &str,
    image: &ImageId,
    now: &InspectedImage,
) -> Result<StepOutcome, EngineError> {
    match engine.remove_image(name).await {
        Ok(removed) => Ok(StepOutcome::Done { reclaimed: if removed.contains(image) { now.size } else { 0 } }),
        Err(EngineError::NotFound { .. }) => Ok(StepOutcome::DONE),
        Err(EngineError::Conflict { .. }) => Ok(StepOutcome::InUse),
        Err(error) => Err(error),
    }
}
