//! What the largest and the worst inputs cost: memory in proportion to what may be read at all, never more.
//!
//! One test, for what is measured is the whole process.

use imgmgrd_fuzz::{FORMATS, Format};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// Inputs of about this size, each of which is as many, as deep or as long as can be.
fn worst(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let fill = |what: String| what.repeat(size / what.len());
    let unique = |entry: fn(usize) -> String| {
        let entries: Vec<String> = (0..size / entry(1_000_000).len()).map(entry).collect();
        entries.join(",")
    };
    vec![
        ("spaces", fill(" ".to_owned()).into()),
        ("zeros", fill("\0".to_owned()).into()),
        ("no UTF-8", vec![0xff; size]),
        ("one string", format!("\"{}\"", fill("x".to_owned())).into()),
        ("open lists", fill("[".to_owned()).into()),
        ("open objects", fill("{\"a\":".to_owned()).into()),
        ("a list of nothing", format!("[{}0]", fill("0,".to_owned())).into()),
        ("a list of lists", format!("[{}[]]", fill("[],".to_owned())).into()),
        ("many names", format!("{{{}}}", unique(|n| format!("\"f{n}\":\"b{n}\""))).into()),
        ("many bad names", format!("{{{}}}", unique(|n| format!("\"\\n{n}\":0"))).into()),
        ("many packages", format!("{{{}}}", unique(|n| format!("\"f{n}\":{{\"installed\":true}}"))).into()),
        ("many rows", unique(|n| format!("\u{1e}6FEATURE|f{n}\u{1f}current_owner\u{1f}kube")).into()),
        ("many policies", unique(|n| format!("\u{1e}4CONTAINER_IMAGE_FEATURE|f{n}\u{1f}x\u{1f}y")).into()),
        ("one large value", format!("4FEATURE|a\u{1f}set_owner\u{1f}{}", fill("x".to_owned())).into()),
        ("many settings", fill("[redis]\n".to_owned()).into()),
        ("deep settings", format!("a={}", fill("[".to_owned())).into()),
    ]
}

#[test]
fn what_the_worst_inputs_cost() {
    // As much as is read of a file; the files of the agent itself may have sixteen times that.
    let inputs = worst(MIB - 64);
    for (name, function) in FORMATS {
        for (what, bytes) in &inputs {
            let peak = peak((name, function), bytes);
            assert!(peak < 64 * MIB, "{name} takes {} MiB for {what}", peak / MIB);
        }
    }
}

/// How much more was allocated at once while the input was looked at.
fn peak((_, function): Format, bytes: &[u8]) -> usize {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    function(bytes);
    ALLOCATED.peak_usage().saturating_sub(before)
}
