//! imgmgrd: container image management for SONiC switches.
pub mod clock;
pub mod decide;
pub mod domain;
