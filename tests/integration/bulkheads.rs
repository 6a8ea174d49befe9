//! One that hangs or cannot be understood holds up only itself: promise 9.

mod containers;
mod namespaces;
mod words;
