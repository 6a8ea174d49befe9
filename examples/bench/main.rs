//! `make bench`: how fast and how small the agent is, measured on real parts, beside what it is allowed.
//!
//! Private switches are started in temporary folders. `--quick` measures shorter and on smaller ones, `--check` makes a
//! missed budget an error, and names of parts (`idle promotion`) measure only those.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the benchmark prints its table")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks and spawns processes; the agent may not")]
#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot measure has nothing else to say")]
#![allow(clippy::indexing_slicing, reason = "the same")]

mod burst;
mod crowd;
mod deciding;
mod engine_events;
mod hand;
mod hold;
mod idle;
mod process;
mod promotion;
mod start;
mod stuck;
mod table;
mod world;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crowd::{Crowd, Size};
use table::{Table, Unit};
use world::World;

/// How long and how often to measure, and on how large a switch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Seconds of idleness.
    idle: u64,
    /// Starts of each kind.
    starts: usize,
    /// How many images the agent starts with.
    images: usize,
    /// Promotions, and as many by hand.
    promotions: usize,
    /// Promotions beside each thing that hangs.
    stuck: usize,
    /// How long after its deadline a tag is waited for then.
    tag_limit: Duration,
    /// The large switch.
    crowd: Size,
    /// How long the takeovers on it are observed.
    stable_time: Duration,
}

const FULL: Effort = Effort {
    idle: 60,
    starts: 7,
    images: 3_000,
    promotions: 12,
    stuck: 3,
    tag_limit: Duration::from_secs(8),
    crowd: Size { features: 300, images: 2_000, due: 100, limit: Duration::from_secs(120) },
    stable_time: Duration::from_secs(10),
};
const QUICK: Effort = Effort {
    idle: 3,
    starts: 3,
    images: 600,
    promotions: 3,
    stuck: 1,
    tag_limit: Duration::from_secs(3),
    crowd: Size { features: 60, images: 400, due: 20, limit: Duration::from_secs(15) },
    stable_time: Duration::from_secs(3),
};

/// A part: what it is called, and what measures it.
type Part = (&'static str, fn(&Bench<'_>, &mut Table));

/// The parts, in the order in which they are measured: each finds the large switch as the one before it has left it.
const PARTS: [Part; 8] = [
    ("size", size),
    ("deciding", deciding::measure),
    ("idle", idle::measure),
    ("burst", burst::measure),
    ("promotion", promotion::measure),
    ("stuck", stuck::measure),
    ("crowd", crowd::measure),
    ("start", start::measure),
];

/// What the parts measure, and how long.
pub(crate) struct Bench<'a> {
    binary: &'a Path,
    effort: Effort,
    world: OnceCell<World>,
    crowd: OnceCell<Crowd>,
}

impl Bench<'_> {
    /// The switch, started when the first part wants it.
    fn world(&self) -> &World {
        self.world.get_or_init(|| {
            eprintln!("bench: setting up a switch with {} features and {} images", world::FEATURES, world::IMAGES);
            World::new()
        })
    }

    /// The large switch, started when the first part wants it.
    fn crowd(&self) -> &Crowd {
        self.crowd.get_or_init(|| {
            let Size { features, images, .. } = self.effort.crowd;
            eprintln!("bench: setting up a switch with {features} features and {images} images");
            Crowd::new(self.effort.crowd)
        })
    }
}

fn main() -> ExitCode {
    let (flags, parts): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let is_flag = |flag: &String| ["--quick", "--check"].contains(&flag.as_str());
    let is_part = |name: &String| PARTS.iter().any(|(part, _)| part == name);
    let unknown = flags.iter().find(|flag| !is_flag(flag)).or_else(|| parts.iter().find(|name| !is_part(name)));
    if let Some(unknown) = unknown {
        let names = PARTS.map(|(name, _)| name).join(", ");
        eprintln!("bench: unknown argument {unknown}; there are --quick, --check, and the parts {names}");
        return ExitCode::from(2);
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("bench: it starts a private dockerd, which takes root: run `make bench` as root");
        return ExitCode::FAILURE;
    }
    let Some(binary) = binary() else {
        eprintln!("bench: target/release/imgmgrd is not built; `make bench` builds it first");
        return ExitCode::FAILURE;
    };
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let effort = if has("--quick") { QUICK } else { FULL };
    let bench = Bench { binary: &binary, effort, world: OnceCell::new(), crowd: OnceCell::new() };
    let mut table = Table::default();
    for (name, measure) in PARTS.iter().filter(|(part, _)| parts.is_empty() || parts.iter().any(|name| name == part)) {
        eprintln!("bench: {name}");
        measure(&bench, &mut table);
    }
    let over = table.print();
    if over > 0 && has("--check") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The release binary beside this example.
fn binary() -> Option<PathBuf> {
    let example = std::env::current_exe().ok()?;
    let target = example.ancestors().nth(3).map(Path::to_owned)?;
    Some(target.join("release/imgmgrd")).filter(|path| path.is_file())
}

/// The release profile strips the binary.
fn size(bench: &Bench<'_>, table: &mut Table) {
    let size = std::fs::metadata(bench.binary).map_or(0, |metadata| metadata.len());
    table.line("binary, stripped", size as f64 / f64::from(1 << 20), Unit::MiB, 4.0);
}
