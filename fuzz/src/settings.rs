//! `imgmgrd.toml`.

use std::iter;
use std::path::Path;

use imgmgrd::config::settings::{Overrides, Settings};

use crate::scratch::Scratch;

/// The settings file: what is wrong with it is said with its name, or the key's.
///
/// It is root's own file, and TOML's errors quote the line that they are about: they are not held to one line.
///
/// # Panics
/// If something is broken.
pub fn settings(bytes: &[u8]) {
    let scratch = Scratch::new();
    let file = scratch.file("imgmgrd.toml", bytes);
    match Settings::from_sources(&Overrides::default(), &file, iter::empty()) {
        Ok(settings) => assert!(settings.paths.state_dir != Path::new("")),
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("imgmgrd.toml") || error.starts_with("setting "), "{error}");
        }
    }
}
