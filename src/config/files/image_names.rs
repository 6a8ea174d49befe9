//! `ctr_image_names.json`: which image a feature's containers are made of.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Loaded;
use crate::domain::{Base, Feature, printable};

/// Reads `/usr/share/sonic/templates/ctr_image_names.json`, an object of feature to image name, as in
/// `{"bgp": "docker-fpm-frr"}`. ctrmgrd's build writes it from the features' own rules (sonic-buildimage
/// `src/sonic-ctrmgrd`), and a switch without Kubernetes support does not have it.
#[must_use]
pub fn read_image_names(path: &Path) -> Loaded<BTreeMap<Feature, Base>> {
    Loaded::from_object(path, |object, refusals| {
        let mut names = BTreeMap::new();
        for (key, value) in object {
            let base = match &value {
                Value::String(text) => text.parse::<Base>().map_err(|error| error.to_string()),
                other => Err(format!("{} is no image name", printable(&other.to_string()))),
            };
            match key.parse::<Feature>().map_err(|error| error.to_string()).and_then(|feature| Ok((feature, base?))) {
                Ok((feature, base)) => {
                    names.insert(feature, base);
                }
                Err(problem) => refusals.add(&key, &problem, "this entry is ignored"),
            }
        }
        names
    })
}

#[cfg(test)]
mod tests {
    use super::super::Absence;
    use super::super::tests::{file, garbage};
    use super::*;

    #[test]
    fn bad_entries_are_refused_one_by_one() {
        let (_directory, path) = file(
            br#"{"bgp": "docker-fpm-frr", "telemetry": "docker-sonic-telemetry", "gnmi": "docker-sonic-telemetry",
                 "a b": "docker-x", "x": "Docker-X", "y": 7, "z": "r.example/docker-z", "snmp": "old", "snmp": "docker-snmp"}"#,
        );
        let loaded = read_image_names(&path);
        let names: Vec<_> = loaded.value.iter().map(|(feature, base)| format!("{feature}={base}")).collect();
        assert_eq!(
            names,
            [
                "bgp=docker-fpm-frr",
                "gnmi=docker-sonic-telemetry",
                "snmp=docker-snmp",
                "telemetry=docker-sonic-telemetry"
            ]
        );
        assert_eq!(loaded.refused.len(), 4, "{:?}", loaded.refused);
        assert!(loaded.refused.iter().all(|line| line.starts_with(path.to_str().unwrap())));
        assert_eq!(loaded.absence, None);
    }

    #[test]
    fn no_file_and_no_sense_leave_it_empty_with_a_reason() {
        let loaded = read_image_names(Path::new("/nonexistent/names.json"));
        assert_eq!(loaded.absence, Some(Absence::Missing("/nonexistent/names.json does not exist".to_owned())));
        for content in garbage() {
            let (_directory, path) = file(&content);
            let loaded = read_image_names(&path);
            assert!(loaded.value.is_empty());
            assert!(matches!(loaded.absence, Some(Absence::Unreadable(_))));
        }
    }

    #[test]
    fn a_flood_of_bad_entries_is_summed_up() {
        let entries: Vec<_> = (0..1000).map(|n| format!("\"{n} \\n\": 1")).collect();
        let (_directory, path) = file(format!("{{{}}}", entries.join(",")).as_bytes());
        let loaded = read_image_names(&path);
        assert_eq!(loaded.refused.len(), 33);
        assert!(loaded.refused[32].ends_with("968 more entries are refused"));
        assert!(loaded.refused.iter().all(|line| !line.contains('\n')));
    }
}
