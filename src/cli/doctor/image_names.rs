//! The files that say which image a feature is made of, and which features start from another.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Check, Finding};
use crate::config::files::{Absence, Loaded};
use crate::domain::{Base, Feature, ImageId};

/// Judges `ctr_image_names.json`, given the features that are to be owned by kube, where they are known.
pub(super) fn judge(names: &Loaded<BTreeMap<Feature, Base>>, kube: &BTreeSet<Feature>) -> Vec<Finding> {
    let check = Check::ImageNames;
    let mut findings = Vec::new();
    match &names.absence {
        None => findings.push(Finding::ok(check, format!("{} features have an image name", names.value.len()))),
        Some(Absence::Missing(why)) => findings.push(Finding::note(
            check,
            format!("{why}: image names are taken from the features' kube containers"),
            "restore it from the SONiC image (/usr/share/sonic/templates/ctr_image_names.json), or set paths.image_names",
        )),
        Some(Absence::Unreadable(why)) => findings.push(Finding::warning(
            check,
            format!("{why}; until then image names are taken from the features' kube containers"),
            "restore it from the SONiC image (/usr/share/sonic/templates/ctr_image_names.json)",
        )),
    }
    for refused in &names.refused {
        findings.push(Finding::warning(
            check,
            refused,
            "correct the entry: a feature's name and its image's, without registry",
        ));
    }
    for feature in kube.iter().filter(|feature| !names.value.contains_key(*feature)) {
        findings.push(Finding::warning(
            check,
            format!("{feature} is to be owned by kube and has no entry: it is managed only while its kube container tells one image name"),
            format!("add \"{feature}\": \"docker-...\" to ctr_image_names.json"),
        ));
    }
    findings
}

/// Judges `packages.json`, given the features that are to be owned by kube.
pub(super) fn judge_packages(
    packages: &Loaded<BTreeMap<Feature, Option<ImageId>>>,
    kube: &BTreeSet<Feature>,
) -> Vec<Finding> {
    let check = Check::Packages;
    let mut findings = Vec::new();
    match &packages.absence {
        Some(Absence::Unreadable(why)) => findings.push(Finding::warning(
            check,
            why,
            "repair it (sonic-package-manager list must work): until then a package's feature may be taken for a built-in one",
        )),
        Some(Absence::Missing(_)) | None if packages.value.is_empty() => {
            findings.push(Finding::ok(check, "no feature starts from an image id"));
        }
        Some(Absence::Missing(_)) | None => {}
    }
    for refused in &packages.refused {
        findings.push(Finding::warning(check, refused, "install the package again with sonic-package-manager"));
    }
    for (feature, image) in &packages.value {
        let image =
            image.as_ref().map_or_else(|| "an unknown image".to_owned(), |image| format!("image {}", image.short()));
        let found =
            format!("{feature} is a package that starts from {image}, not from its latest tag: it is never promoted");
        findings.push(if kube.contains(feature) {
            Finding::warning(check, found, format!("upgrade it with sonic-package-manager, and leave it to systemd: config feature owner {feature} local"))
        } else {
            Finding::note(check, found, "none: upgrade it with sonic-package-manager")
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn features(names: &[&str]) -> BTreeSet<Feature> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn levels(findings: &[Finding]) -> Vec<Level> {
        findings.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn names() {
        let known = || BTreeMap::from([("snmp".parse().unwrap(), "docker-snmp".parse().unwrap())]);
        let loaded = |value, absence, refused: &[&str]| Loaded {
            value,
            absence,
            refused: refused.iter().map(|line| (*line).to_owned()).collect(),
        };
        for (names, kube, expected, said) in [
            (loaded(known(), None, &[]), &["snmp"][..], vec![Level::Ok], "1 features"),
            (loaded(known(), None, &["x: bad"]), &[], vec![Level::Ok, Level::Warning], "x: bad"),
            (loaded(known(), None, &[]), &["snmp", "lldp"], vec![Level::Ok, Level::Warning], "add \\\"lldp\\\""),
            (
                loaded(BTreeMap::new(), Some(Absence::Missing("/n does not exist".to_owned())), &[]),
                &["snmp"],
                vec![Level::Note, Level::Warning],
                "/n does not exist",
            ),
            (
                loaded(BTreeMap::new(), Some(Absence::Unreadable("/n is bad".to_owned())), &[]),
                &[],
                vec![Level::Warning],
                "/n is bad",
            ),
        ] {
            let findings = judge(&names, &features(kube));
            assert_eq!(levels(&findings), expected, "{findings:?}");
            assert!(format!("{findings:?}").contains(said), "{said}: {findings:?}");
        }
    }

    #[test]
    fn packages() {
        let id: ImageId = format!("sha256:{}", "1a".repeat(32)).parse().unwrap();
        let loaded = |value| Loaded { value, absence: None, refused: Vec::new() };
        let of = |image| loaded(BTreeMap::from([("dhcp".parse().unwrap(), image)]));
        for (packages, kube, expected, said) in [
            (loaded(BTreeMap::new()), &[][..], vec![Level::Ok], "no feature"),
            (of(Some(id)), &[], vec![Level::Note], "image 1a1a1a1a1a1a"),
            (of(None), &["dhcp"], vec![Level::Warning], "config feature owner dhcp local"),
            (
                Loaded { absence: Some(Absence::Unreadable("/p is bad".to_owned())), ..loaded(BTreeMap::new()) },
                &[],
                vec![Level::Warning],
                "/p is bad",
            ),
            (
                Loaded { absence: Some(Absence::Missing("/p".to_owned())), ..loaded(BTreeMap::new()) },
                &[],
                vec![Level::Ok],
                "no feature",
            ),
        ] {
            let findings = judge_packages(&packages, &features(kube));
            assert_eq!(levels(&findings), expected, "{findings:?}");
            assert!(format!("{findings:?}").contains(said), "{said}: {findings:?}");
        }
    }
}
