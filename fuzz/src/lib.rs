//! What must hold of any bytes that reach imgmgrd from outside.
//!
//! One function per format. Each takes arbitrary bytes, puts them through the code that the agent itself uses, and
//! panics if something is broken. The tests in `tests/` call them with random and with nearly valid bytes on every
//! `make test`; `make fuzz` lets libFuzzer look for bytes that reach new code.
//!
//! Of every format: it never panics, and what it says of bad input is one short printable line. Beyond that:
//!
//! | function | format | what must hold |
//! | --- | --- | --- |
//! | [`reference`] | image references | accepted exactly where Docker's grammar accepts them, and meaning the same |
//! | [`names`] | features, versions, image names, ids | what is accepted is written as it was read |
//! | [`image_names`], [`packages`], [`remote_ctr_config`] | files of other programs | what they yield is bounded |
//! | [`database_config`], [`database_global`] | where the databases are | an error names the file |
//! | [`settings`] | `imgmgrd.toml` | an error names the file |
//! | [`memory`], [`marks`], [`policy`], [`history`] | the state directory | what is understood is written as it was read, and decided on, is kept in bounds |
//! | [`rows`] | hashes in Redis | no plan touches what is no feature's |
//! | [`engine`] | answers and events of the engine | the same |
//! | [`control`] | requests to the running agent | what is understood is a valid order |

mod control;
mod engine;
mod files;
mod grammar;
mod names;
mod rows;
mod said;
mod scratch;
mod settings;
mod state;
mod switch;

pub use control::control;
pub use engine::engine;
pub use files::{database_config, database_global, image_names, packages, remote_ctr_config};
pub use names::{names, reference};
pub use rows::rows;
pub use settings::settings;
pub use state::{history, marks, memory, policy};

/// A format: its name, which is that of its target and of its folder of seeds, and its function.
pub type Format = (&'static str, fn(&[u8]));

/// All formats.
pub const FORMATS: [Format; 15] = [
    ("control", control),
    ("database_config", database_config),
    ("database_global", database_global),
    ("engine", engine),
    ("history", history),
    ("image_names", image_names),
    ("marks", marks),
    ("memory", memory),
    ("names", names),
    ("packages", packages),
    ("policy", policy),
    ("reference", reference),
    ("remote_ctr_config", remote_ctr_config),
    ("rows", rows),
    ("settings", settings),
];
