//! The image group: all instances that share one image name, and their images.

mod clean_up;
mod command;
mod gates;
pub(crate) mod group;
mod planned_references;
pub(crate) mod promotion;
mod rollback;
