//! Identity: which repositories are a feature's, and which container is its kube container.

use std::collections::BTreeSet;

use crate::domain::{Base, ContainerId, Instance, Value, Version};
use crate::report::{Incomplete, Unknown};
use crate::snapshot::index::Index;
use crate::snapshot::{Container, ContainerStatus, ImageVersion, NamedContainer};
use crate::takeover::NoTakeover;
use crate::takeover::instances::InstanceRows;

/// The container that the rows mean.
pub(crate) type Found<'a> = Result<(&'a ContainerId, &'a Container), NoTakeover>;

/// F's kube container: the one whose id `container_id` begins; where that field is empty or no hex, the one running
/// container that the kubelet labelled with F's name and that has `container_version`.
pub(crate) fn kube_container<'a>(rows: &InstanceRows<'_>, index: &Index<'a>) -> Found<'a> {
    match &rows.state.container_id {
        Value::Is(NamedContainer::Prefix(prefix)) => container_with_id(prefix, index),
        Value::Is(NamedContainer::TooShort(id)) => Err(Incomplete::ContainerIdTooShort(id.to_string()).into()),
        Value::Is(NamedContainer::TooLong(id)) => Err(Incomplete::ContainerIdTooLong(id.to_string()).into()),
        Value::Is(NamedContainer::Name(_)) | Value::Absent | Value::Invalid(_) => labelled_container(rows, index),
    }
}

fn container_with_id<'a>(prefix: &str, index: &Index<'a>) -> Found<'a> {
    let from = ContainerId::first_with(prefix).map(|first| index.snapshot.containers.range(first..));
    let mut fitting = from.into_iter().flatten().take_while(|(id, _)| id.starts_with(prefix));
    match (fitting.next(), fitting.next()) {
        (None, _) => Err(Incomplete::NoSuchContainer(prefix.to_owned()).into()),
        (Some((id, container)), None) if is_sandbox(container) => Err(Incomplete::Sandbox(*id).into()),
        (Some(found), None) => Ok(found),
        (Some(_), Some(_)) => Err(Incomplete::AmbiguousContainerId(prefix.to_owned()).into()),
    }
}

fn is_sandbox(container: &Container) -> bool {
    container.kubelet.as_ref().is_some_and(|labels| !labels.is_container)
}

fn labelled_container<'a>(rows: &InstanceRows<'_>, index: &Index<'a>) -> Found<'a> {
    let version = rows.state.container_version.get();
    let labelled =
        label_names(&rows.instance).into_iter().flat_map(|name| index.labelled(&name).to_vec()).collect::<Vec<_>>();
    if let Some((id, _)) = labelled.iter().find(|(_, container)| container.status == ContainerStatus::Unknown) {
        return Err(Unknown::ContainerState(**id).into());
    }
    let runs = |container: &Container| container.status == ContainerStatus::Running;
    if let Some((id, _)) = labelled.iter().find(|(_, container)| runs(container) && container.details.is_none()) {
        return Err(Unknown::NotInspected(**id).into());
    }
    let mut fitting = labelled
        .into_iter()
        .filter(|(_, container)| runs(container))
        .filter(|(_, container)| version.is_some() && reported_version(container, index) == version);
    match (fitting.next(), fitting.next()) {
        (None, _) => Err(Incomplete::NoLabelledContainer.into()),
        (Some(found), None) => Ok(found),
        (Some(_), Some(_)) => Err(Incomplete::SeveralLabelledContainers.into()),
    }
}

/// What the kubelet's label may call the instance: the feature, or the instance's own name (`bgp1`).
fn label_names(instance: &Instance) -> BTreeSet<String> {
    BTreeSet::from([instance.feature.as_str().to_owned(), instance.container_name()])
}

/// A running kube container of the feature, whatever the rows say: a dry run, or one that reports itself as local.
pub(crate) fn running_beside<'a>(
    instance: &Instance,
    base: Option<&Base>,
    index: &Index<'a>,
) -> Option<(&'a ContainerId, &'a Container)> {
    label_names(instance)
        .into_iter()
        .flat_map(|name| index.labelled(&name).to_vec())
        .filter(|(_, container)| container.status == ContainerStatus::Running)
        .find(|(_, container)| {
            let image = index.snapshot.images.get(&container.image);
            base.is_some_and(|base| image.is_some_and(|image| image.references_of(base).next().is_some()))
        })
}

/// F's BASE: from `ctr_image_names.json`, else from F's kube container (the reference it was created from, its image's
/// tags and digests), which the kubelet must have labelled with F's name. More than one BASE possible is unknown.
pub(crate) fn image_name(
    rows: &InstanceRows<'_>,
    container: &Found<'_>,
    index: &Index<'_>,
) -> Result<Base, Incomplete> {
    if let Some(base) = index.snapshot.image_names.get(&rows.instance.feature) {
        return Ok(base.clone());
    }
    let Ok((id, container)) = container else { return Err(Incomplete::ImageNameUnknown) };
    // Else a row that names any container at all would make its repositories a feature's.
    let Some(labels) = &container.kubelet else { return Err(Incomplete::NotLabelled(**id)) };
    if !label_names(&rows.instance).contains(labels.container_name.as_ref()) {
        return Err(Incomplete::LabelledFor(**id, crate::domain::printable(&labels.container_name)));
    }
    let references = index.snapshot.images.get(&container.image).into_iter().flat_map(|image| &image.references);
    let bases: BTreeSet<_> = references.chain(&container.created_from).map(|r| r.repository.base().clone()).collect();
    match (bases.first(), bases.len()) {
        (Some(base), 1) if index.is_named(base) => Err(Incomplete::ImageNameTaken(base.clone())),
        (Some(base), 1) => Ok(base.clone()),
        (None, _) => Err(Incomplete::ImageNameUnknown),
        (Some(_), _) => Err(Incomplete::ImageNameAmbiguous(bases)),
    }
}

/// The version that a container reports: the `IMAGE_VERSION` of its own environment, else its image's.
pub(crate) fn reported_version<'a>(container: &'a Container, index: &Index<'a>) -> Option<&'a Version> {
    let own = container.details.as_ref().and_then(|details| details.version.get());
    own.or_else(|| index.snapshot.images.get(&container.image)?.declared_version())
}

/// Whether all that is to be known of the image is known.
pub(crate) fn is_read(container: &Container, index: &Index<'_>) -> bool {
    index.snapshot.images.get(&container.image).is_some_and(|image| image.version != ImageVersion::NotRead)
}
