//! The table at the end, and what is kept when something was wrong.

use std::fs;
use std::path::PathBuf;

use crate::journal::Table;
use crate::stage::Stage;

/// Prints the table; whether no promise was broken.
pub(crate) fn print(stage: &Stage<'_>, seed: u64) -> bool {
    let journal = &stage.shared.journal;
    let sections = [
        ("FAULTS", Table::Faults),
        ("WHAT OTHERS DID", Table::Events),
        ("WHAT THE AGENT DID", Table::Agent),
        ("WHAT WAS CHECKED", Table::Checks),
    ];
    for (heading, table) in sections {
        let counts = journal.counts(table);
        println!("\n{heading:<52} {:>8}", counts.iter().map(|(_, count)| count).sum::<u64>());
        counts.iter().for_each(|(what, count)| println!("  {what:<50} {count:>8}"));
    }
    memory(stage);
    let violations = journal.violations();
    println!("\nseed {seed}, {:.0} s", journal.elapsed().as_secs_f64());
    println!("VIOLATIONS {:>42}", violations.len());
    if violations.is_empty() {
        return true;
    }
    violations.iter().for_each(|violation| println!("  {}", violation.what));
    match keep(stage, seed) {
        Ok(folder) => println!("What happened is in {}", folder.display()),
        Err(error) => println!("What happened cannot be kept: {error}"),
    }
    false
}

fn memory(stage: &Stage<'_>) {
    println!(
        "\nEACH AGENT THAT LIVED THROUGH SEVERAL ROUNDS        calm phases  own KiB first settled    last    most   files"
    );
    for life in stage.agent.samples.long_lives() {
        let (Some(first), Some(last)) = (life.samples.first(), life.samples.last()) else { continue };
        let most = life.samples.iter().map(|sample| sample.anonymous).max().unwrap_or_default();
        println!(
            "  process {:<40} {:>13} {:>14} {:>7} {:>7} {most:>7} {:>3}-{}",
            life.pid,
            life.samples.len(),
            first.anonymous,
            life.settled().map_or_else(|| "-".to_owned(), |sample| sample.anonymous.to_string()),
            last.anonymous,
            first.files,
            last.files
        );
    }
    println!("  {} processes in all", stage.agent.samples.processes().len());
}

/// Keeps the journal, the agent's log, and the last lines before each violation.
fn keep(stage: &Stage<'_>, seed: u64) -> std::io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("imgmgrd-soak-{seed}-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let journal = &stage.shared.journal;
    fs::write(folder.join("journal.log"), journal.lines().join("\n"))?;
    fs::write(folder.join("agent.log"), stage.agent.log())?;
    for (number, violation) in journal.violations().iter().enumerate() {
        let text = format!("{}\n\n{}\n", violation.what, violation.before.join("\n"));
        fs::write(folder.join(format!("violation-{}.log", number + 1)), text)?;
    }
    Ok(folder)
}
