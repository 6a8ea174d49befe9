//! Clean-up: keep what is used by kube and what fallback needs, delete the other old ones.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{GroupDecision, GroupPlanner, Images};
use super::planned_references::PlannedReferences;
use crate::domain::{Age, ImageId, Reference, Version};
use crate::plan::{Purpose, Step};
use crate::report::{Gate, Retention, RetentionReason, Wake};
use crate::snapshot::index;
use crate::snapshot::{Arrival, Mark};
use crate::snapshot::{Image, ImageVersion, Snapshot};

/// Why each image stays, in the order of [`RetentionReason`]. An image that is not in here, or has no reason, goes.
pub(crate) type Keep = BTreeMap<ImageId, Vec<RetentionReason>>;

/// One more reason to keep an image.
fn keep_too(keep: &mut Keep, image: ImageId, because: RetentionReason) {
    let reasons = keep.entry(image).or_default();
    if let Err(place) = reasons.binary_search(&because) {
        reasons.insert(place, because);
    }
}

impl GroupPlanner<'_> {
    /// Step 4: what nothing keeps goes, and everything is decided.
    pub(super) fn clean_up(mut self) -> GroupDecision {
        let last_versions = self.last_versions();
        let fallbacks = self.fallbacks(&last_versions);
        let last_version = self.fallback_version(&last_versions, &fallbacks);
        let mut keep = self.keep(&fallbacks);
        self.name_promoted(&keep);
        let clean_up_waits = self.clean_up_gate();
        let mut wakes = BTreeSet::new();
        if clean_up_waits.is_none() {
            self.keep_local_images(&mut keep);
            self.drop_local_tags(&keep);
            wakes = self.wakes(&keep);
            self.remove_images(&keep);
        }
        let retentions = self.retentions(keep, clean_up_waits.as_ref());
        self.decision(Images { last_version, wakes, clean_up_waits, retentions })
    }

    /// Remembers the images of the group, and drops those that are gone. What is there when a takeover begins, or when none
    /// stands, is not known to come after it.
    pub(super) fn remember_images(&mut self) {
        let (is_continued, has_begun) = (self.is_continued(), self.has_begun());
        let (named, memory) = (self.index.images_of(self.base), &mut self.memory);
        let images = &self.index.snapshot.images;
        let is_on_disk = |id: &ImageId| index::find(named, id).is_some() || images.contains_key(id);
        memory.images.retain(|id, _| is_on_disk(id));
        memory.superseded.retain(|id| is_on_disk(id));
        memory.reported.retain(|id, _| is_on_disk(id));
        if has_begun {
            memory.images.values_mut().for_each(|arrival| *arrival = Arrival::Before);
        }
        let arrival = if is_continued && !has_begun { Arrival::During } else { Arrival::Before };
        self.first_seen = named.iter().map(|named| named.id).filter(|id| !memory.images.contains_key(id)).collect();
        memory.images.extend(self.first_seen.iter().map(|id| (*id, arrival)));
    }

    /// `container_last_version` of each row, as it will be when the versions are recorded.
    fn last_versions(&self) -> BTreeSet<Version> {
        let promoted = self.standing_promotion();
        let rows = self.members.iter().flat_map(|member| member.rows.rows.iter().map(move |(_, row)| (member, row)));
        rows.filter_map(|(member, row)| match promoted.filter(|promotion| member.is_covered_by(Some(promotion))) {
            Some(promotion) => self.last_version(row, promotion),
            None => row.last_version.get().cloned(),
        })
        .filter(|version| promoted.is_none_or(|promotion| promotion.version != *version))
        .collect()
    }

    /// The stable versions before the promoted one that are to be kept: every last version that STATE_DB names, then
    /// what memory knows, newest first, until there are `keep_versions` with the promoted one. What memory knows was
    /// promoted from kube and counts by its id, wherever its tag is by now; of STATE_DB's, a version known only as local
    /// `BASE:V` is no fallback.
    fn fallbacks(&self, last_versions: &BTreeSet<Version>) -> BTreeMap<ImageId, Version> {
        let (names, memory) = (&self.names, &self.memory);
        let promoted = self.current().map(|promotion| promotion.image);
        let mut kept = BTreeMap::new();
        let mut entries = 0;
        let named = |version: &Version| -> Vec<ImageId> {
            let fits = |id: &&ImageId| Some(**id) != promoted && self.is_kube_image_of(version, id);
            names.images().filter(fits).cloned().collect()
        };
        for version in last_versions {
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
            if last_versions.contains(version) {
                continue;
            }
            let images = if names.image(image).is_some() { vec![*image] } else { named(version) };
            let images: Vec<_> = images.into_iter().filter(|image| !kept.contains_key(image)).collect();
            entries += usize::from(!images.is_empty());
            kept.extend(images.into_iter().map(|image| (image, version.clone())));
        }
        kept
    }

    /// The fallback that comes first: what STATE_DB calls the last version, else what memory does.
    fn fallback_version(
        &self,
        last_versions: &BTreeSet<Version>,
        fallbacks: &BTreeMap<ImageId, Version>,
    ) -> Option<Version> {
        // What an operator rolled back from is none, though it stays on the disk.
        let proven = self.memory.proven().filter(|(image, _)| !self.memory.rolled_back.contains(*image));
        let mut versions = last_versions.iter().chain(proven.map(|(_, version)| version));
        versions.find(|version| fallbacks.values().any(|fallback| fallback == *version)).cloned()
    }

    /// Why each image is to be kept.
    fn keep(&self, fallbacks: &BTreeMap<ImageId, Version>) -> Keep {
        let fallback = |id: &ImageId| fallbacks.get(id).cloned().map(RetentionReason::Fallback);
        let packages: BTreeSet<&ImageId> = self
            .members
            .iter()
            .filter_map(|member| self.index.snapshot.packages.get(&member.rows.instance.feature)?.as_ref())
            .collect();
        let images = self.index.images_of_group(self.base, &self.memory);
        // In order already, and many.
        images.iter().map(|(id, image)| (*id, self.keep_one(id, image, fallback(id), &packages))).collect()
    }

    /// In the order of [`RetentionReason`].
    fn keep_one(
        &self,
        id: &ImageId,
        image: &Image,
        fallback: Option<RetentionReason>,
        packages: &BTreeSet<&ImageId>,
    ) -> Vec<RetentionReason> {
        let is_promoted = self.current().is_some_and(|promotion| promotion.image == *id);
        let is_intended = self.memory.intention.as_ref().is_some_and(|intention| intention.image == *id);
        let users = self.names.users(id);
        let reasons = [
            (self.names.latest() == Some(*id)).then_some(RetentionReason::Latest),
            is_promoted.then_some(RetentionReason::Promoted),
            is_intended.then_some(RetentionReason::Intended),
            fallback,
            (!users.is_empty()).then_some(RetentionReason::UsedBy(users)),
            self.newness(id),
            self.pinned(id).map(RetentionReason::Pinned),
            (image.unreadable_references > 0).then_some(RetentionReason::UnreadableReference),
            (image.version == ImageVersion::NotRead).then_some(RetentionReason::NotRead),
            self.index.needed_by_another(id, self.base).cloned().map(RetentionReason::NeededBy),
            packages.contains(id).then_some(RetentionReason::Package),
            self.index.snapshot.refused.contains(id).then_some(RetentionReason::EngineRefused),
        ];
        reasons.into_iter().flatten().collect()
    }

    /// New images are an upgrade on its way in.
    fn newness(&self, id: &ImageId) -> Option<RetentionReason> {
        match self.memory.images.get(id)? {
            Arrival::During => Some(RetentionReason::ArrivedDuringTakeover),
            Arrival::Before => {
                let seen = if self.first_seen.contains(id) { Age::ZERO } else { self.now.image(self.base, id) };
                (seen < self.policy.stable_time).then_some(RetentionReason::New { seen })
            }
        }
    }

    fn pinned(&self, id: &ImageId) -> Option<Version> {
        self.policy.pins.iter().find(|pin| self.names.is_named(pin, id, &self.memory)).cloned()
    }

    /// What was promoted from kube and is to be kept, but has lost its tags to other images, gets one of its own: else
    /// another collector takes it.
    fn name_promoted(&mut self, keep: &Keep) {
        if self.policy.forbidden.is_some() {
            return;
        }
        for (image, _) in keep.iter().filter(|(_, because)| because.iter().any(RetentionReason::is_for_fallback)) {
            let is_tagged = self.names.of(image).any(|reference| reference.tag().is_some());
            let Some(version) = self.memory.promoted_as(image).filter(|_| !is_tagged).cloned() else { continue };
            if let Some(step) = self.own_tag(image).filter(|_| self.names.image(image).is_some()) {
                self.act(Purpose::NamePromoted(version), vec![step]);
            }
        }
    }

    /// Case 1 for every local tag that it applies to: the kube image of a version that is to be kept gives its tags to
    /// the local image that actually ran.
    fn keep_local_images(&mut self, keep: &mut Keep) {
        let promoted = self.current().map(|promotion| &promotion.version);
        let local: BTreeSet<(Version, Reference, ImageId)> = self
            .names
            .iter()
            .filter(|(reference, _)| reference.repository.is_local())
            .filter_map(|(reference, id)| reference.tag().map(|tag| (tag.clone(), reference.clone(), id)))
            .filter(|(tag, ..)| !tag.is_latest() && promoted != Some(tag))
            .collect();
        for (version, reference, image) in local {
            self.keep_local_image(version, reference, image, keep);
        }
    }

    fn keep_local_image(&mut self, version: Version, local: Reference, image: ImageId, keep: &mut Keep) {
        let tagged: Vec<(Reference, ImageId)> = self
            .names
            .iter()
            .filter(|(reference, _)| !reference.repository.is_local() && reference.tag() == Some(&version))
            // A registry whose tag names the local image already needs nothing, be it so or after a crash in between.
            .filter(|(_, id)| *id != image)
            .map(|(reference, id)| (reference.clone(), id))
            .collect();
        let fallback = RetentionReason::Fallback(version.clone());
        let pinned = RetentionReason::Pinned(version.clone());
        let reasons = |id: &ImageId| keep.get(id).map_or(&[][..], Vec::as_slice);
        let is_kept = |(_, id): &(_, ImageId)| reasons(id).contains(&fallback) || reasons(id).contains(&pinned);
        // A kube image that was itself promoted once has proven more than a local one of the same name; and what carries
        // the local tag may be such a one, whose own tag has moved on.
        let is_proven = |id: &ImageId| self.memory.proven().any(|(image, _)| image == id);
        let are_proven = is_proven(&image) || tagged.iter().any(|(_, id)| is_proven(id));
        if tagged.is_empty() || !tagged.iter().all(is_kept) || are_proven {
            return;
        }
        let is_free = |(_, id): &(_, ImageId)| reasons(id).iter().all(|why| *why == fallback || *why == pinned);
        // A registry whose image is in use keeps it, unless no other can take the local image. That the kube image is
        // superseded has to be remembered first.
        let free: Vec<_> = tagged.into_iter().filter(is_free).collect();
        if free.is_empty() || self.policy.memory_unsaved {
            return keep_too(keep, image, RetentionReason::Supersedes(version));
        }
        let tag = |(reference, kube): &(Reference, ImageId)| Step::Tag {
            image,
            reference: reference.clone(),
            from: Some(*kube),
            proven_by: BTreeMap::new(),
        };
        let mut steps: Vec<Step> = free.iter().map(tag).collect();
        steps.push(Step::RemoveReference { reference: local, image });
        self.apply(&steps);
        for kube in free.into_iter().map(|(_, kube)| kube).collect::<BTreeSet<_>>() {
            steps.extend(removal(&kube, &self.names, self.index.snapshot));
            keep.insert(kube, Vec::new());
            self.memory.superseded.insert(kube);
        }
        keep_too(keep, image, fallback);
        self.act(Purpose::KeepLocalImage(version), steps);
    }

    /// Local tags of images that stay under another name: only the tag goes. A pinned version keeps a tag.
    fn drop_local_tags(&mut self, keep: &Keep) {
        for (image, _) in keep.iter().filter(|(_, because)| !because.is_empty()) {
            let tags: Vec<(Reference, Version)> = self
                .names
                .of(image)
                .filter(|reference| reference.repository.is_local() && !reference.is_local_latest())
                .filter_map(|reference| reference.tag().map(|tag| (reference.clone(), tag.clone())))
                .collect();
            for (reference, tag) in tags {
                let is_pinned = self.policy.pins.contains(&tag);
                let has_another_name = self.names.of(image).any(|other| {
                    *other != reference && if is_pinned { other.tag() == Some(&tag) } else { other.tag().is_some() }
                });
                if has_another_name {
                    self.act(Purpose::DropLocalTag(tag), vec![Step::RemoveReference { reference, image: *image }]);
                }
            }
        }
    }

    /// Case 2 and 3: the images that nothing keeps.
    fn remove_images(&mut self, keep: &Keep) {
        for image in keep.iter().filter(|(_, because)| because.is_empty()).map(|(image, _)| image) {
            let is_superseded = self.memory.superseded.contains(image);
            if is_superseded && self.names.of(image).next().is_none() && !self.is_nameless(image) {
                continue; // Removed by the action that superseded it.
            }
            let steps = removal(image, &self.names, self.index.snapshot);
            self.act(Purpose::RemoveImage(self.names.version(image)), steps);
        }
    }

    fn is_nameless(&self, image: &ImageId) -> bool {
        self.index.snapshot.images.get(image).is_some_and(|image| image.references.is_empty())
    }

    /// When images that stay, or stand in the way of a local one that actually ran, only because they are new cease to be.
    fn wakes(&self, keep: &Keep) -> BTreeSet<Wake> {
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
            .map(|(image, _)| Wake {
                mark: Mark::Image { base: self.base.clone(), image: *image },
                age: self.policy.stable_time,
            })
            .collect()
    }

    /// What becomes of each image, for people.
    fn retentions(&self, keep: Keep, waits: Option<&Gate>) -> BTreeMap<ImageId, Retention> {
        let retention = |id: &ImageId, because: Vec<RetentionReason>| match waits {
            _ if !because.is_empty() => Retention::Kept(because.into()),
            Some(gate) => Retention::Kept([RetentionReason::NoCleanUp(gate.clone())].into()),
            None => Retention::Removed(self.removal_reason(id)),
        };
        // In order already, and many.
        keep.into_iter().map(|(id, because)| (id, retention(&id, because))).collect()
    }

    /// Why an image that is not kept goes.
    fn removal_reason(&self, image: &ImageId) -> RetentionReason {
        if self.memory.superseded.contains(image) {
            RetentionReason::Superseded
        } else if self.before.of(image).next().is_some() && !self.before.is_kube(image) {
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
