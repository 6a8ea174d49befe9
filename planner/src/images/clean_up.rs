//! Clean-up: keep what is used by kube and what fallback needs, delete the other old ones.

use std::collections::{BTreeMap, BTreeSet};

use super::gates::GroupPolicy;
use super::planned_references::PlannedReferences;
use crate::domain::{Age, Base, ImageId, Reference, Version};
use crate::plan::{Action, Purpose, Step};
use crate::report::{RetentionReason, Wake};
use crate::snapshot::index::{self, Index};
use crate::snapshot::{Arrival, GroupMemory, Mark, Now};
use crate::snapshot::{Image, ImageVersion, Snapshot};

/// What there is to judge, once for a group.
pub(crate) struct CleanUp<'a> {
    /// The image name.
    pub(crate) base: &'a Base,
    /// The policy of all its features.
    pub(crate) policy: &'a GroupPolicy,
    /// Look-ups.
    pub(crate) index: &'a Index<'a>,
    /// How long ago takeovers began and images were first seen.
    pub(crate) now: &'a Now,
    /// The promoted image and version, if there is a promotion.
    pub(crate) promoted: Option<(&'a ImageId, &'a Version)>,
    /// The `container_last_version` of each row, as it will be.
    pub(crate) last_versions: BTreeSet<Version>,
    /// sonic-package-manager's image of a feature of the group.
    pub(crate) packages: BTreeSet<&'a ImageId>,
    /// The images on the disk that are the group's, in the order of their ids.
    pub(crate) images: &'a [(ImageId, &'a Image)],
    /// The images that this look is the first to see.
    pub(crate) first_seen: BTreeSet<ImageId>,
}

/// Why each image stays, in the order of [`RetentionReason`]. An image that is not in here, or has no reason, goes.
pub(crate) type Keep = BTreeMap<ImageId, Vec<RetentionReason>>;

/// One more reason to keep an image.
fn keep_too(keep: &mut Keep, image: ImageId, because: RetentionReason) {
    let reasons = keep.entry(image).or_default();
    if let Err(place) = reasons.binary_search(&because) {
        reasons.insert(place, because);
    }
}

impl CleanUp<'_> {
    /// Why each image is to be kept.
    pub(crate) fn keep(&self, names: &PlannedReferences<'_>, memory: &GroupMemory) -> Keep {
        let fallbacks = self.fallbacks(names, memory);
        let reasons = |(id, image): &(ImageId, &Image)| {
            let fallback = fallbacks.get(id).cloned().map(RetentionReason::Fallback);
            (*id, self.keep_one(id, image, fallback, names, memory))
        };
        // In order already, and many.
        self.images.iter().map(reasons).collect()
    }

    /// In the order of [`RetentionReason`].
    fn keep_one(
        &self,
        id: &ImageId,
        image: &Image,
        fallback: Option<RetentionReason>,
        names: &PlannedReferences<'_>,
        memory: &GroupMemory,
    ) -> Vec<RetentionReason> {
        let is_promoted = self.promoted.is_some_and(|(promoted, _)| promoted == id);
        let is_intended = memory.intention.as_ref().is_some_and(|intention| intention.image == *id);
        let users = names.users(id);
        let reasons = [
            (names.latest() == Some(*id)).then_some(RetentionReason::Latest),
            is_promoted.then_some(RetentionReason::Promoted),
            is_intended.then_some(RetentionReason::Intended),
            fallback,
            (!users.is_empty()).then_some(RetentionReason::UsedBy(users)),
            self.newness(id, memory),
            self.pinned(id, names, memory).map(RetentionReason::Pinned),
            (image.unreadable_references > 0).then_some(RetentionReason::UnreadableReference),
            (image.version == ImageVersion::NotRead).then_some(RetentionReason::NotRead),
            self.index.needed_by_another(id, self.base).cloned().map(RetentionReason::NeededBy),
            self.packages.contains(id).then_some(RetentionReason::Package),
            self.index.snapshot.refused.contains(id).then_some(RetentionReason::EngineRefused),
        ];
        reasons.into_iter().flatten().collect()
    }

    /// New images are an upgrade on its way in.
    fn newness(&self, id: &ImageId, memory: &GroupMemory) -> Option<RetentionReason> {
        match memory.images.get(id)? {
            Arrival::During => Some(RetentionReason::ArrivedDuringTakeover),
            Arrival::Before => {
                let seen = if self.first_seen.contains(id) { Age::ZERO } else { self.now.image(self.base, id) };
                (seen < self.policy.stable_time).then_some(RetentionReason::New { seen })
            }
        }
    }

    fn mark(&self, id: &ImageId) -> Mark {
        Mark::Image { base: self.base.clone(), image: *id }
    }

    fn pinned(&self, id: &ImageId, names: &PlannedReferences<'_>, memory: &GroupMemory) -> Option<Version> {
        self.policy.pins.iter().find(|pin| names.is_named(pin, id, memory)).cloned()
    }

    /// The stable versions before the promoted one that are to be kept: every last version that STATE_DB names, then
    /// what memory knows, newest first, until there are `keep_versions` with the promoted one. What memory knows was
    /// promoted from kube and counts by its id, wherever its tag is by now; of STATE_DB's, a version known only as local
    /// `BASE:V` is no fallback.
    pub(crate) fn fallbacks(&self, names: &PlannedReferences<'_>, memory: &GroupMemory) -> BTreeMap<ImageId, Version> {
        let promoted = self.promoted.map(|(image, _)| image);
        let mut kept = BTreeMap::new();
        let mut entries = 0;
        let named = |version: &Version| -> Vec<ImageId> {
            let fits =
                |id: &&ImageId| Some(*id) != promoted && names.is_kube(id) && names.is_named(version, id, memory);
            names.images().filter(fits).cloned().collect()
        };
        for version in &self.last_versions {
            // Memory knows by id what ran as this version: its tag may name a rebuilt image by now.
            let ran = memory.proven().filter(|(image, ran)| *ran == version && names.image(image).is_some());
            let images: BTreeSet<_> = named(version).into_iter().chain(ran.map(|(image, _)| *image)).collect();
            entries += usize::from(!images.is_empty());
            kept.extend(images.into_iter().map(|image| (image, version.clone())));
        }
        for (image, version) in memory.proven() {
            if entries + 1 >= usize::from(self.policy.keep_versions) {
                break;
            }
            if self.last_versions.contains(version) {
                continue;
            }
            let images = if names.image(image).is_some() { vec![*image] } else { named(version) };
            let images: Vec<_> = images.into_iter().filter(|image| !kept.contains_key(image)).collect();
            entries += usize::from(!images.is_empty());
            kept.extend(images.into_iter().map(|image| (image, version.clone())));
        }
        kept
    }

    /// Case 1 for every local tag that it applies to: the kube image of a version that is to be kept gives its tags to
    /// the local image that actually ran. Changes `names`, `keep` and the memory as it goes.
    pub(crate) fn keep_local_images(
        &self,
        names: &mut PlannedReferences<'_>,
        keep: &mut Keep,
        memory: &mut GroupMemory,
    ) -> Vec<Action> {
        let local: BTreeSet<(Version, Reference, ImageId)> = names
            .iter()
            .filter(|(reference, _)| reference.repository.is_local())
            .filter_map(|(reference, id)| reference.tag().map(|tag| (tag.clone(), reference.clone(), id)))
            .filter(|(tag, ..)| !tag.is_latest() && self.promoted.is_none_or(|(_, version)| version != tag))
            .collect();
        local
            .into_iter()
            .filter_map(|(version, reference, image)| {
                self.keep_local_image(&version, &reference, &image, names, keep, memory)
            })
            .collect()
    }

    fn keep_local_image(
        &self,
        version: &Version,
        local: &Reference,
        image: &ImageId,
        names: &mut PlannedReferences<'_>,
        keep: &mut Keep,
        memory: &mut GroupMemory,
    ) -> Option<Action> {
        let tagged: Vec<(Reference, ImageId)> = names
            .iter()
            .filter(|(reference, _)| !reference.repository.is_local() && reference.tag() == Some(version))
            // A registry whose tag names the local image already needs nothing, be it so or after a crash in between.
            .filter(|(_, id)| id != image)
            .map(|(reference, id)| (reference.clone(), id))
            .collect();
        if tagged.is_empty() {
            return None;
        }
        let fallback = RetentionReason::Fallback(version.clone());
        let pinned = RetentionReason::Pinned(version.clone());
        let is_kept = tagged.iter().all(|(_, id)| {
            keep.get(id).is_some_and(|because| because.contains(&fallback) || because.contains(&pinned))
        });
        // A kube image that was itself promoted once has proven more than a local one of the same name; and what carries
        // the local tag may be such a one, whose own tag has moved on.
        let is_promoted = |id: &ImageId| memory.proven().any(|(image, _)| image == id);
        let is_proven = is_promoted(image) || tagged.iter().any(|(_, id)| is_promoted(id));
        if !is_kept || is_proven {
            return None;
        }
        let is_free = |(_, id): &(Reference, ImageId)| {
            keep.get(id).is_some_and(|because| because.iter().all(|why| *why == fallback || *why == pinned))
        };
        // A registry whose image is in use keeps it, unless no other can take the local image. That the kube image is
        // superseded has to be remembered first.
        let free: Vec<_> = tagged.into_iter().filter(is_free).collect();
        if free.is_empty() || self.policy.memory_unsaved {
            keep_too(keep, *image, RetentionReason::Supersedes(version.clone()));
            return None;
        }
        let mut steps = Vec::new();
        let mut plan = |step: Step, names: &mut PlannedReferences<'_>| {
            names.apply(&step);
            steps.push(step);
        };
        for (reference, kube) in &free {
            let (reference, from) = (reference.clone(), Some(*kube));
            plan(Step::Tag { image: *image, reference, from, proven_by: BTreeMap::new() }, names);
        }
        plan(Step::RemoveReference { reference: local.clone(), image: *image }, names);
        for kube in free.into_iter().map(|(_, kube)| kube).collect::<BTreeSet<_>>() {
            for step in removal(&kube, names, self.index.snapshot) {
                plan(step, names);
            }
            keep.insert(kube, Vec::new());
            memory.superseded.insert(kube);
        }
        keep_too(keep, *image, fallback);
        Some(Action { purpose: Purpose::KeepLocalImage(version.clone()), steps })
    }

    /// Local tags of images that stay under another name: only the tag goes. A pinned version keeps a tag.
    pub(crate) fn drop_local_tags(&self, names: &mut PlannedReferences<'_>, keep: &Keep) -> Vec<Action> {
        let mut actions = Vec::new();
        for (image, _) in keep.iter().filter(|(_, because)| !because.is_empty()) {
            let tags: Vec<(Reference, Version)> = names
                .of(image)
                .filter(|reference| reference.repository.is_local() && !reference.is_local_latest())
                .filter_map(|reference| reference.tag().map(|tag| (reference.clone(), tag.clone())))
                .collect();
            for (reference, tag) in tags {
                let is_pinned = self.policy.pins.contains(&tag);
                let has_another_name = names.of(image).any(|other| {
                    *other != reference && if is_pinned { other.tag() == Some(&tag) } else { other.tag().is_some() }
                });
                if has_another_name {
                    let step = Step::RemoveReference { reference, image: *image };
                    names.apply(&step);
                    actions.push(Action { purpose: Purpose::DropLocalTag(tag), steps: vec![step] });
                }
            }
        }
        actions
    }

    /// Case 2 and 3: the images that nothing keeps.
    pub(crate) fn remove_images(
        &self,
        names: &mut PlannedReferences<'_>,
        keep: &Keep,
        memory: &GroupMemory,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for image in keep.iter().filter(|(_, because)| because.is_empty()).map(|(image, _)| image) {
            if memory.superseded.contains(image) && names.of(image).next().is_none() && !self.is_nameless(image) {
                continue; // Removed by the action that superseded it.
            }
            let steps = removal(image, names, self.index.snapshot);
            if steps.is_empty() {
                continue;
            }
            let purpose = Purpose::RemoveImage(names.version(image));
            steps.iter().for_each(|step| names.apply(step));
            actions.push(Action { purpose, steps });
        }
        actions
    }

    fn is_nameless(&self, image: &ImageId) -> bool {
        self.index.snapshot.images.get(image).is_some_and(|image| image.references.is_empty())
    }

    /// When images that stay, or stand in the way of a local one that actually ran, only because they are new cease to be.
    pub(crate) fn wakes(&self, keep: &Keep) -> BTreeSet<Wake> {
        let is_awaited = |version: &Version| {
            let supersedes = RetentionReason::Supersedes(version.clone());
            keep.values().any(|because| because.contains(&supersedes))
        };
        let is_waiting = |because: &[RetentionReason]| {
            because.iter().any(|because| matches!(because, RetentionReason::New { .. }))
                && because.iter().all(|because| match because {
                    RetentionReason::New { .. } => true,
                    RetentionReason::Fallback(version) | RetentionReason::Pinned(version) => is_awaited(version),
                    _ => false,
                })
        };
        keep.iter()
            .filter(|(_, because)| is_waiting(because))
            .map(|(image, _)| Wake { mark: self.mark(image), age: self.policy.stable_time })
            .collect()
    }

    /// Why an image that is not kept goes.
    pub(crate) fn removal_reason(
        &self,
        image: &ImageId,
        names: &PlannedReferences<'_>,
        memory: &GroupMemory,
    ) -> RetentionReason {
        if memory.superseded.contains(image) {
            RetentionReason::Superseded
        } else if names.of(image).next().is_some() && !names.is_kube(image) {
            RetentionReason::LocalOnly
        } else {
            RetentionReason::NotNeeded
        }
    }
}

/// The steps that remove an image from the group's repositories: by tag, which takes the digests of that repository
/// along; by digest where a repository has no tag of it; by id where it has no reference at all.
fn removal(image: &ImageId, names: &PlannedReferences<'_>, snapshot: &Snapshot) -> Vec<Step> {
    let (tags, digests): (Vec<_>, Vec<_>) = names.of(image).partition(|reference| reference.tag().is_some());
    let tagged: BTreeSet<_> = tags.iter().map(|reference| &reference.repository).collect();
    let untagged = digests.iter().filter(|reference| !tagged.contains(&reference.repository));
    let steps: Vec<Step> = tags
        .iter()
        .chain(untagged)
        .map(|reference| Step::RemoveReference { reference: (*reference).clone(), image: *image })
        .collect();
    // What had a name and lost it to another image is to go by its id, too.
    let is_nameless = || {
        snapshot.images.get(image).is_some_and(|found| {
            found.unreadable_references == 0 && found.references.iter().all(|name| names.get(name).is_some())
        })
    };
    if steps.is_empty() && is_nameless() { vec![Step::RemoveImage { image: *image }] } else { steps }
}

/// Remembers the images of a group, drops those that are gone, and tells which this look is the first to see. What is
/// there when a takeover begins, or when none stands, is not known to come after it.
pub(crate) fn remember_images(
    base: &Base,
    memory: &mut GroupMemory,
    index: &Index<'_>,
    takeover_continues: bool,
    takeover_begins: bool,
) -> BTreeSet<ImageId> {
    let named = index.images_of(base);
    let is_on_disk = |id: &ImageId| index::find(named, id).is_some() || index.snapshot.images.contains_key(id);
    memory.images.retain(|id, _| is_on_disk(id));
    memory.superseded.retain(|id| is_on_disk(id));
    memory.reported.retain(|id, _| is_on_disk(id));
    if takeover_begins {
        memory.images.values_mut().for_each(|arrival| *arrival = Arrival::Before);
    }
    let arrival = if takeover_continues && !takeover_begins { Arrival::During } else { Arrival::Before };
    let first_seen: BTreeSet<ImageId> =
        named.iter().map(|named| named.id).filter(|id| !memory.images.contains_key(id)).collect();
    memory.images.extend(first_seen.iter().map(|id| (*id, arrival)));
    first_seen
}
