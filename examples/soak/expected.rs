//! What an agent that was never disturbed would have made of the switch: the soak's own, much simpler model. Where
//! what others did leaves more than one answer, each of them is right.

use std::collections::BTreeSet;

use imgmgrd_test_support::{Instance, Row, Switch};

use crate::features::{FEATURES, Feature, INSTALLED};
use crate::record::{Kube, Record};
use crate::view::View;

/// What is not as it should be, in words; empty when everything is.
pub(crate) fn complaints(switch: &Switch, record: &Record, view: &View) -> Vec<String> {
    let mut found = Vec::new();
    for (number, feature) in FEATURES.iter().enumerate() {
        let rows: Vec<(Instance, Row, Row)> = feature
            .instances()
            .into_iter()
            .map(|instance| {
                let rows = switch.instance(&instance);
                let (own, published) = (rows.feature_row(), rows.image_row());
                (instance, own.unwrap_or_default(), published.unwrap_or_default())
            })
            .collect();
        let last_versions = rows.iter().map(|(_, row, _)| value(row, "container_last_version").to_owned()).collect();
        let about = About { number, feature, record, view, rows: &rows, last_versions: &last_versions };
        let mut complaints = if feature.kube { about.kube() } else { about.local() };
        complaints.iter_mut().for_each(|complaint| *complaint = format!("{}: {complaint}", feature.name));
        found.extend(complaints);
    }
    found
}

struct About<'a> {
    number: usize,
    feature: &'a Feature,
    record: &'a Record,
    view: &'a View,
    /// Of each instance that is judged: its FEATURE row and what is published of it.
    rows: &'a [(Instance, Row, Row)],
    /// What the rows of all instances name.
    last_versions: &'a BTreeSet<String>,
}

fn value<'a>(row: &'a Row, field: &str) -> &'a str {
    row.get(field).map_or("", String::as_str)
}

impl About<'_> {
    /// systemd runs it all along: nothing has changed.
    fn local(&self) -> Vec<String> {
        let mut found = self.stability(&["local"]);
        for tag in ["latest", INSTALLED] {
            let name = format!("{}:{tag}", self.feature.base);
            if !self.view.names.contains_key(&name) {
                found.push(format!("promise 3: {name} is gone"));
            }
        }
        if !self.view.containers.values().any(|seen| seen.name == self.feature.name && seen.is_running) {
            found.push("its container does not run".to_owned());
        }
        found
    }

    fn stability(&self, allowed: &[&str]) -> Vec<String> {
        let wrong = self.rows.iter().filter(|(_, _, published)| !allowed.contains(&value(published, "stability")));
        let tell = |(instance, _, published): &(Instance, Row, Row)| {
            let (stability, reason) = (value(published, "stability"), value(published, "reason"));
            format!("{} is {stability:?} ({reason}), not one of {allowed:?}", instance.container())
        };
        wrong.map(tell).collect()
    }

    fn kube(&self) -> Vec<String> {
        let group = &self.record.groups[self.number];
        match group.taken_over() {
            Some((kube, _)) => {
                // An instance that is down has no say.
                let is_up = |number: usize| group.kube[number].is_some();
                let (up, down): (Vec<_>, Vec<_>) =
                    self.rows.iter().cloned().enumerate().partition(|(number, _)| is_up(*number));
                let [up, down] = [up, down].map(|rows| rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>());
                let mut found = About { rows: &down, ..*self }.stability(&["failed", "waiting"]);
                found.extend(About { rows: &up, ..*self }.taken_over(kube));
                found
            }
            None => self.stability(&["failed", "waiting", "local", "held"]),
        }
    }

    /// A version runs, and has had time to prove itself.
    fn taken_over(&self, kube: &Kube) -> Vec<String> {
        let group = &self.record.groups[self.number];
        let latest = self.view.names.get(&self.feature.latest());
        if !group.orders.is_empty() {
            // The last order that was not refused decides.
            let is_known = latest.is_some_and(|latest| {
                *latest == kube.image || group.promoted.iter().any(|promotion| promotion.image == *latest)
            });
            let mut found = self.stability(&["stable", "held"]);
            if !is_known && !group.latest_meddled {
                found.push(format!("latest is {latest:?} after an order"));
            }
            return found;
        }
        let mut found = self.stability(&["stable"]);
        if latest != Some(&kube.image) && !(group.latest_meddled && latest.is_some()) {
            found.push(format!("latest is {latest:?}, not {} ({})", kube.image, kube.version));
        }
        for (instance, row, published) in self.rows {
            let stable = (value(row, "container_stable_version"), value(published, "version"));
            if stable != (kube.version.as_str(), kube.version.as_str()) {
                found.push(format!("{}: versions are {stable:?}, not {}", instance.container(), kube.version));
            }
        }
        found.extend(self.stale());
        found.extend(self.left_behind(kube));
        found
    }

    /// A stopped local container that was not made from `latest`.
    fn stale(&self) -> Vec<String> {
        let latest = self.view.names.get(&self.feature.latest());
        let group = &self.record.groups[self.number];
        let is_stale = |(instance, ..): &&(Instance, Row, Row)| {
            let mut named = self.view.containers.values().filter(|seen| seen.name == instance.container());
            named.any(|seen| !seen.is_running && Some(&seen.image) != latest)
        };
        // Others may have moved latest after it was removed, and made another.
        let stale = self.rows.iter().filter(is_stale).filter(|_| !group.latest_meddled);
        stale.map(|(instance, ..)| format!("the stale container {} is still there", instance.container())).collect()
    }

    /// Images that nothing needs and that the agent has had in view for long.
    fn left_behind(&self, kube: &Kube) -> Vec<String> {
        let group = &self.record.groups[self.number];
        let mut needed: BTreeSet<&str> = [kube.image.as_str()].into();
        needed.extend(self.view.names.get(&self.feature.latest()).map(String::as_str));
        // Only what is there counts.
        let before = group.before_the_last().into_iter().map(|last| last.image.as_str());
        let there = before.filter(|image| self.view.kube_names_of(image).next().is_some());
        needed.extend(there.take(self.record.keep_versions.now() - 1));
        // What the agent first saw after this takeover began is on its way in.
        let begun = group.taken_over().map(|(_, begun)| begun);
        let is_left = |(image, known): &(&String, &crate::record::Known)| {
            known.feature == self.number
                && known.settled.is_some_and(|settled| begun.is_some_and(|begun| settled < begun))
                && self.view.images.contains(*image)
                && !needed.contains(image.as_str())
                && !group.former.contains(*image)
                && !self.last_versions.contains(&known.version)
                && group.pin.as_ref() != Some(&known.version)
                && self.view.users(image).next().is_none()
        };
        let left = self.record.images.iter().filter(is_left);
        left.map(|(image, known)| {
            let names: Vec<&str> = self.view.names_of(image).collect();
            format!("{} is left behind: {image} {names:?}", known.version)
        })
        .collect()
    }
}
