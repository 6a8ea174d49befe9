//! Promise 8: what the agent publishes of a feature is so, held against what the engine says at the same time.

use imgmgrd_test_support::Switch;

use crate::features::FEATURES;
use crate::record::Record;
use crate::view::View;

/// What a feature's rows say that is not so, in words; empty when everything is.
pub(crate) fn untrue(switch: &Switch, record: &Record, view: &View, number: usize) -> Vec<String> {
    let (feature, group) = (&FEATURES[number], &record.groups[number]);
    let version = |image: &String| record.images.get(image).map(|known| known.version.as_str());
    let mut found = Vec::new();
    for instance in feature.instances() {
        let mut wrong =
            |what: String| found.push(format!("promise 8: the row of {} says {what}", instance.container()));
        let Some(row) = switch.instance(&instance).image_row() else {
            wrong("nothing".to_owned());
            continue;
        };
        let value = |field: &str| row.get(field).map_or("", String::as_str);
        let (stability, container, image) = (value("stability"), value("container_id"), value("image_id"));
        if ["observing", "stable"].contains(&stability) {
            let named = |id: &&String| !container.is_empty() && id.starts_with(container);
            let seen = view.containers.keys().find(named).and_then(|id| view.containers.get(id));
            if !seen.is_some_and(|seen| seen.is_running && seen.image == image) {
                wrong(format!("{stability} of container {container:?} on {image:?}, which is {seen:?}"));
            }
        }
        if stability == "stable" && !group.promoted.iter().any(|promotion| promotion.image == image) {
            wrong(format!("{image:?} is stable, which was not promoted"));
        }
        let latest = view.names.get(&feature.latest()).and_then(version).unwrap_or_default();
        if row.get("latest").is_some_and(|told| told != latest) {
            wrong(format!("latest is {:?}, which is {latest:?}", value("latest")));
        }
        let last = value("last_version");
        let on_disk = record.images.iter().filter(|(id, known)| known.feature == number && view.images.contains(*id));
        if !last.is_empty() && !on_disk.into_iter().any(|(_, known)| known.version == last) {
            wrong(format!("last is {last:?}, which is not on the disk"));
        }
    }
    found
}
