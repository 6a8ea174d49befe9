//! The files of other programs.

use std::path::Path;

use imgmgrd::config::files::{self, Absence, Loaded};
use imgmgrd::domain::Age;
use imgmgrd::sonic_db;

use crate::said::{NAMED, assert_said};
use crate::scratch::Scratch;

/// The most entries that are refused one by one, and the line that counts the rest.
const MOST_REFUSED: usize = 33;

/// `ctr_image_names.json`.
///
/// # Panics
/// If something is broken.
pub fn image_names(bytes: &[u8]) {
    let names = loaded(bytes, files::read_image_names);
    assert!(names.value.len() <= bytes.len() / 6, "an entry takes six bytes at least");
}

/// `packages.json` of sonic-package-manager.
///
/// # Panics
/// If something is broken.
pub fn packages(bytes: &[u8]) {
    let packages = loaded(bytes, files::read_packages);
    assert!(packages.value.len() <= bytes.len() / 6, "an entry takes six bytes at least");
}

/// `remote_ctr.config.json`: whatever it says, waits stay in their bounds.
///
/// # Panics
/// If they do not.
pub fn remote_ctr_config(bytes: &[u8]) {
    let config = loaded(bytes, files::read_remote_ctr_config).value;
    assert!(config.stable_time <= Age::MAX);
    assert!([config.promotion_retry, config.clean_up_retry].iter().all(|pause| (1..=60).contains(&pause.as_secs())));
}

/// What comes of a file, and that what is said of it is fit to be said and names it.
fn loaded<T>(bytes: &[u8], read: impl FnOnce(&Path) -> Loaded<T>) -> Loaded<T> {
    let scratch = Scratch::new();
    let loaded = read(&scratch.file("file.json", bytes));
    assert!(!matches!(loaded.absence, Some(Absence::Missing(_))), "the file is there");
    if let Some(Absence::Unreadable(reason)) = &loaded.absence {
        assert!(reason.contains("file.json: "), "{reason}");
        assert_said(&scratch.without_folder(reason), NAMED);
    }
    assert!(loaded.refused.len() <= MOST_REFUSED);
    for line in &loaded.refused {
        assert!(line.contains("file.json: "), "{line}");
        assert_said(&scratch.without_folder(line), 3 * NAMED);
    }
    loaded
}

/// `database_config.json`.
///
/// # Panics
/// If something is broken.
pub fn database_config(bytes: &[u8]) {
    let scratch = Scratch::new();
    let config = scratch.file("database_config.json", bytes);
    addresses(&scratch, &config, &scratch.path().join("none.json"), 0);
}

/// `database_global.json`, which includes itself and a good file where it says so.
///
/// # Panics
/// If something is broken.
pub fn database_global(bytes: &[u8]) {
    let scratch = Scratch::new();
    let config = scratch.file("database_config.json", include_bytes!("../seeds/database_config/sonic.json"));
    let global = scratch.file("database_global.json", bytes);
    addresses(&scratch, &config, &global, bytes.len());
}

fn addresses(scratch: &Scratch, config: &Path, global: &Path, included: usize) {
    match sonic_db::read_config(config, global) {
        Ok(namespaces) => {
            for databases in namespaces.values() {
                for address in [&databases.config, &databases.state] {
                    assert!(!address.separator.is_empty());
                    assert!(address.server.socket.is_some() || address.server.tcp.is_some());
                }
            }
        }
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains('/'), "it names the file: {error}");
            // A file that is included may have a name as long as the file that includes it.
            assert_said(&scratch.without_folder(&error), 2 * NAMED + included);
        }
    }
}
