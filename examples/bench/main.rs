//! `make bench`: how fast and how small the agent is, measured on real parts, beside what it is allowed.
//!
//! A private switch with 30 features and 100 images is started in a temporary folder. `--quick` measures shorter,
//! `--check` makes a missed budget an error, and names of parts (`idle promotion`) measure only those. With all parts it
//! also draws docs/benchmarks.svg.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the benchmark prints its table")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks and spawns processes; the agent may not")]
#![allow(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot measure has nothing else to say")]
#![allow(clippy::indexing_slicing, reason = "the same")]

mod burst;
mod chart;
mod deciding;
mod engine_events;
mod hand;
mod idle;
mod latency;
mod looks;
mod process;
mod promotion;
mod start;
mod table;
mod world;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use table::{Table, Unit};
use world::World;

/// How long and how often to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Seconds of idleness.
    pub(crate) idle: u64,
    /// Starts.
    pub(crate) starts: usize,
    /// Takeovers.
    pub(crate) takeovers: usize,
    /// Promotions, and as many by hand.
    pub(crate) promotions: usize,
    /// How long each size of the decision's growth is measured.
    pub(crate) growth: Duration,
    /// How many images a real engine has, growing.
    pub(crate) images: &'static [usize],
}

const FULL: Effort = Effort {
    idle: 60,
    starts: 20,
    takeovers: 300,
    promotions: 12,
    growth: Duration::from_secs(2),
    images: &[100, 300, 1_000, 3_000],
};
const QUICK: Effort = Effort {
    idle: 5,
    starts: 5,
    takeovers: 50,
    promotions: 3,
    growth: Duration::from_millis(200),
    images: &[100, 300],
};

/// A part: what it is called, and what measures it.
type Part = (&'static str, fn(&Bench<'_>, &mut Table));

/// The parts, in the order in which they are measured.
const PARTS: [Part; 9] = [
    ("size", size),
    ("deciding", deciding::measure),
    ("growth", deciding::growth),
    ("start", start::measure),
    ("idle", idle::measure),
    ("takeover", latency::measure),
    ("burst", burst::measure),
    ("promotion", promotion::measure),
    ("looks", looks::measure),
];

/// What the parts measure, and how long.
pub(crate) struct Bench<'a> {
    binary: &'a Path,
    effort: Effort,
    world: OnceCell<World>,
}

impl Bench<'_> {
    /// The switch, started when the first part wants it.
    pub(crate) fn world(&self) -> &World {
        self.world.get_or_init(|| {
            eprintln!("bench: setting up a switch with 30 features and 100 images");
            World::new()
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
    let bench = Bench { binary: &binary, effort, world: OnceCell::new() };
    let mut table = Table::default();
    for (name, measure) in PARTS.iter().filter(|(part, _)| parts.is_empty() || parts.iter().any(|name| name == part)) {
        eprintln!("bench: {name}");
        measure(&bench, &mut table);
    }
    let over = table.print();
    if parts.is_empty() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.svg");
        if let Err(error) = chart::draw(&table, &file) {
            eprintln!("bench: {} cannot be drawn: {error}", file.display());
            return ExitCode::FAILURE;
        }
        println!("\nThe chart is {}.", file.display());
    }
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
    table.line("binary, stripped", size as f64 / f64::from(1 << 20), Unit::MiB, Some(4.0));
}
