//! The kubelet's own image collection, which knows nothing of `latest` and of the last version.

use std::path::{Path, PathBuf};

use super::finding::{Check, Finding};
use super::places::Places;
use super::processes::Process;
use crate::config::files;
use crate::domain::printable;

/// Where kubeadm, by which ctrmgrd joins, puts the kubelet's configuration.
const CONFIGURATION: &str = "/var/lib/kubelet/config.yaml";

/// The defaults (kubernetes, pkg/kubelet/apis/config/v1beta1/defaults.go).
const HIGH_PERCENT: u8 = 85;
const LOW_PERCENT: u8 = 80;

/// What was seen of the kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KubeletFacts {
    is_running: bool,
    /// Its configuration, and what it has to say about images, or why it cannot be read.
    file: PathBuf,
    settings: Result<Settings, String>,
}

/// What decides when the kubelet collects images, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settings {
    high: Option<String>,
    low: Option<String>,
    maximum_age: Option<String>,
}

/// Examines the kubelet, if one runs, and its configuration, if there is one.
pub(super) fn examine(processes: &[Process], places: &Places) -> KubeletFacts {
    let kubelet = processes.iter().find(|process| process.runs("kubelet"));
    let option = |name| kubelet.and_then(|kubelet| kubelet.option(name));
    let file = Path::new(option("--config").unwrap_or(CONFIGURATION));
    let settings = match files::read(&places.at(file), files::LIMIT) {
        Ok(content) => {
            let mut settings = Settings::read(&String::from_utf8_lossy(&content.unwrap_or_default()));
            // The command line overrides the file (kubernetes, cmd/kubelet/app/server.go).
            let set = |field: &mut Option<String>, name| *field = option(name).map(str::to_owned).or(field.take());
            set(&mut settings.high, "--image-gc-high-threshold");
            set(&mut settings.low, "--image-gc-low-threshold");
            Ok(settings)
        }
        Err(error) => Err(error.to_string()),
    };
    KubeletFacts { is_running: kubelet.is_some(), file: file.to_owned(), settings }
}

impl Settings {
    /// Finds the keys at the top level of a YAML file, one per line, as kubeadm writes it.
    fn read(yaml: &str) -> Self {
        let find = |key: &str| {
            let value = yaml.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))?;
            let value = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        };
        Self {
            high: find("imageGCHighThresholdPercent"),
            low: find("imageGCLowThresholdPercent"),
            maximum_age: find("imageMaximumGCAge"),
        }
    }
}

/// Judges it.
///
/// The kubelet removes unused images, those that were not used for longest first, once the disk is `high` percent full;
/// with 100 and no maximum age it does not collect at all (kubernetes, pkg/kubelet/images/image_gc_manager.go and
/// pkg/kubelet/kubelet.go).
pub(super) fn judge(facts: &KubeletFacts) -> Finding {
    let check = Check::Kubelet;
    let file = facts.file.display();
    let remedy = format!(
        "set imageGCHighThresholdPercent: 100 in {file} and restart the kubelet (systemctl restart kubelet): imgmgrd cleans up"
    );
    let settings = match &facts.settings {
        Ok(settings) => settings,
        Err(error) if facts.is_running => {
            return Finding::warning(check, format!("when it removes images is not known: {error}"), remedy);
        }
        Err(_) => return Finding::ok(check, "no kubelet runs"),
    };
    let percent = |text: &Option<String>, default| match text {
        None => Some(default),
        Some(text) => text.parse::<u8>().ok().filter(|percent| *percent <= 100),
    };
    let (high, low) = (percent(&settings.high, HIGH_PERCENT), percent(&settings.low, LOW_PERCENT));
    let age =
        settings.maximum_age.as_deref().filter(|age| !matches!(*age, "0" | "0s" | "0m" | "0h" | "0m0s" | "0h0m0s"));
    let found = match (high, low, age) {
        (Some(100), _, None) => return Finding::ok(check, "the kubelet leaves images alone"),
        (Some(100), _, Some(age)) => {
            let age = printable(age);
            let found =
                format!("the kubelet removes images that were not used for {age}, latest and the last version too");
            return maybe(
                facts.is_running,
                check,
                found,
                format!("remove imageMaximumGCAge from {file} and restart the kubelet"),
            );
        }
        (Some(high), Some(low), _) => format!(
            "the kubelet removes unused images, latest and the last version too, when the disk is {high}% full, until it \
             is {low}% full"
        ),
        (None, ..) | (_, None, _) => {
            format!("the image collection thresholds in {file} are no percentages from 0 to 100")
        }
    };
    maybe(facts.is_running, check, found, remedy)
}

/// Without a kubelet, nothing is removed yet.
fn maybe(is_running: bool, check: Check, found: String, remedy: String) -> Finding {
    if is_running {
        Finding::warning(check, found, remedy)
    } else {
        Finding::note(check, format!("no kubelet runs; once it does: {found}"), remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn facts(is_running: bool, yaml: &str) -> KubeletFacts {
        KubeletFacts { is_running, file: CONFIGURATION.into(), settings: Ok(Settings::read(yaml)) }
    }

    #[test]
    fn thresholds() {
        for (yaml, level, said) in [
            ("", Level::Warning, "85% full, until it is 80% full"),
            ("imageGCHighThresholdPercent: 100", Level::Ok, "alone"),
            ("kind: KubeletConfiguration\nimageGCHighThresholdPercent: \"100\" # off\n", Level::Ok, "alone"),
            ("imageGCHighThresholdPercent: 100\nimageMaximumGCAge: 0s\n", Level::Ok, "alone"),
            ("imageGCHighThresholdPercent: 100\nimageMaximumGCAge: 24h\n", Level::Warning, "not used for 24h"),
            (
                "imageGCHighThresholdPercent: 99\nimageGCLowThresholdPercent: 90\n",
                Level::Warning,
                "99% full, until it is 90%",
            ),
            ("nested:\n  imageGCHighThresholdPercent: 100\n", Level::Warning, "85%"),
            ("#imageGCHighThresholdPercent: 100\n", Level::Warning, "85%"),
            ("imageGCHighThresholdPercentage: 100\n", Level::Warning, "85%"),
            ("imageGCHighThresholdPercent: 101\n", Level::Warning, "no percentages"),
            ("imageGCHighThresholdPercent: lots\n", Level::Warning, "no percentages"),
        ] {
            let finding = judge(&facts(true, yaml));
            assert!(finding.level == level && finding.found.contains(said), "{yaml}: {finding:?}");
        }
        assert_eq!(judge(&facts(false, "")).level, Level::Note);
        let unreadable = |is_running| KubeletFacts { settings: Err("no".to_owned()), ..facts(is_running, "") };
        assert_eq!((judge(&unreadable(true)).level, judge(&unreadable(false)).level), (Level::Warning, Level::Ok));
    }

    #[test]
    fn the_command_line_names_the_file_and_overrides_it() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("k.yaml"), "imageGCHighThresholdPercent: 90\n").unwrap();
        let places = Places::below(root.path());
        let kubelet = |line: &str| {
            let arguments = line.split(' ').map(str::to_owned).collect();
            examine(&[Process { name: "kubelet".to_owned(), arguments }], &places)
        };
        assert!(judge(&kubelet("kubelet --config=/k.yaml")).found.contains("90%"));
        assert_eq!(judge(&kubelet("kubelet --config /k.yaml --image-gc-high-threshold=100")).level, Level::Ok);
        assert!(judge(&kubelet("kubelet")).found.contains("85%"));
        assert_eq!(judge(&examine(&[], &places)).level, Level::Note);
    }
}
