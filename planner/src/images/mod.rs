//! The image group: all instances that share one image name, and their images.

mod clean_up;
mod gates;
pub(crate) mod group;
mod planned_references;
mod policy;
mod promotion;
mod rollback;
