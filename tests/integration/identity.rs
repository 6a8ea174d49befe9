//! Whose container and whose image: what is not established for sure is left alone.

mod container_id;
mod hostile;
mod image_name;
mod pods;
