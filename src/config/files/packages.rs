//! `packages.json`: which features sonic-package-manager installed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Loaded;
use crate::domain::{Feature, ImageId};

/// Reads `/var/lib/sonic-package-manager/packages.json`: the features that are started from an image id instead of
/// `BASE:latest`, and that id where it is valid.
///
/// The file is an object of package name to entry with `installed`, `built-in`, `image-id` and more; absent flags are
/// false (sonic-utilities `sonic_package_manager/database.py`). For a package that is installed and not built in,
/// `generate_container_mgmt` of `service_creator/creator.py` renders `/usr/bin/<service>.sh` with
/// `docker_image_id=<image-id>`, and the id then stands in for the reference of `docker create`. The service's name is
/// in the package's manifest, which is not in this file; it is the package's name in all packages that are known.
#[must_use]
pub fn read_packages(path: &Path) -> Loaded<BTreeMap<Feature, Option<ImageId>>> {
    Loaded::from_object(path, |object, refusals| {
        let mut packages = BTreeMap::new();
        for (name, entry) in object {
            let Value::Object(entry) = entry else {
                refusals.add(&name, "is no object", "this entry is ignored");
                continue;
            };
            // What cannot be read forbids rather than permits: a feature on this list is not promoted.
            let is_false = |key| matches!(entry.get(key), None | Some(Value::Bool(false) | Value::Null));
            if is_false("installed") || matches!(entry.get("built-in"), Some(Value::Bool(true))) {
                continue;
            }
            let feature = match name.parse::<Feature>() {
                Ok(feature) => feature,
                Err(error) => {
                    refusals.add(&name, &error.to_string(), "this entry is ignored");
                    continue;
                }
            };
            let image = entry.get("image-id").and_then(Value::as_str).unwrap_or_default().parse::<ImageId>();
            if let Err(error) = &image {
                refusals.add(&name, &format!("image-id: {error}"), "the image it starts from is not known");
            }
            packages.insert(feature, image.ok());
        }
        packages
    })
}

#[cfg(test)]
mod tests {
    use super::super::Absence;
    use super::super::tests::{file, garbage};
    use super::*;

    const ID: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn read(content: &str) -> (Vec<String>, usize) {
        let (_directory, path) = file(content.as_bytes());
        let loaded = read_packages(&path);
        let shown = |(feature, image): (&Feature, &Option<ImageId>)| match image {
            Some(image) => format!("{feature} {image}"),
            None => format!("{feature} ?"),
        };
        (loaded.value.iter().map(shown).collect(), loaded.refused.len())
    }

    #[test]
    fn only_installed_packages_that_are_not_built_in_start_from_an_id() {
        for (entry, expected, refused) in [
            (
                format!(r#"{{"installed": true, "built-in": false, "image-id": "{ID}"}}"#),
                vec![format!("cpu-report {ID}")],
                0,
            ),
            (format!(r#"{{"installed": true, "image-id": "{ID}"}}"#), vec![format!("cpu-report {ID}")], 0),
            (format!(r#"{{"installed": true, "built-in": true, "image-id": "{ID}"}}"#), vec![], 0),
            (r#"{"installed": true, "built-in": true, "image-id": null}"#.to_owned(), vec![], 0),
            (format!(r#"{{"installed": false, "built-in": false, "image-id": "{ID}"}}"#), vec![], 0),
            (format!(r#"{{"image-id": "{ID}"}}"#), vec![], 0),
            ("{}".to_owned(), vec![], 0),
            (r#"{"installed": true, "image-id": null}"#.to_owned(), vec!["cpu-report ?".to_owned()], 1),
            (r#"{"installed": true, "image-id": "x"}"#.to_owned(), vec!["cpu-report ?".to_owned()], 1),
            (
                format!(r#"{{"installed": "yes", "built-in": "no", "image-id": "{ID}"}}"#),
                vec![format!("cpu-report {ID}")],
                0,
            ),
            ("[]".to_owned(), vec![], 1),
        ] {
            assert_eq!(read(&format!(r#"{{"cpu-report": {entry}}}"#)), (expected, refused), "{entry}");
        }
        assert_eq!(read(&format!(r#"{{"a b": {{"installed": true, "image-id": "{ID}"}}}}"#)), (vec![], 1));
    }

    #[test]
    fn no_file_and_no_sense_leave_it_empty() {
        assert!(matches!(read_packages(Path::new("/nonexistent/p.json")).absence, Some(Absence::Missing(_))));
        for content in garbage() {
            let (_directory, path) = file(&content);
            assert!(matches!(read_packages(&path).absence, Some(Absence::Unreadable(_))));
        }
    }
}
