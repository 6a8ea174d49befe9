//! The words of the domain: names, image references and ages, each a validated type of its own.
//!
//! Values from Redis, the engine and files become these types at the edge; past it, nothing is a bare string
//! that could be mistaken for something else (promise 8 of DESIGN.md).

mod age;
mod by_text;
mod ids;
mod names;
mod reference;
mod references;
mod value;

pub use age::Age;
pub use ids::{ContainerId, ImageId};
pub use names::{Base, Feature, Instance, InvalidName, Namespace, StartedAt, Version};
pub use reference::{InvalidReference, Pointer, Reference, Repositories, Repository};
pub use references::References;
pub use value::{Refused, Value, printable};
