//! The calm phase after each round: the desired end is reached, the agent comes to rest, and nothing is left behind.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::expected;
use crate::features::FEATURES;
use crate::journal::Table;
use crate::judge;
use crate::stage::Stage;
use crate::stop::Stop;
use crate::truth;
use crate::view::View;

/// How long reaching the end may take: the agent's pauses after failures grow, and the machine may be busy.
const CONVERGENCE: Duration = Duration::from_secs(60);

/// So long nothing happens once it is at rest ...
const REST: Duration = Duration::from_secs(2);

/// ... which it is by then.
const TO_REST: Duration = Duration::from_secs(60);

/// What may be in the state directory.
const FILES: [&str; 7] =
    ["memory.json", "marks.json", "policy.json", "history.json", "versions.json", "lock", "control.sock"];

impl Stage<'_> {
    /// Waits for the end, and checks everything that holds in calm.
    pub(crate) fn calm(&mut self) -> Result<(), Stop> {
        self.says("soak", "calm");
        let begun = Instant::now();
        let mut left = vec!["it has not been checked yet".to_owned()];
        while !left.is_empty() && begun.elapsed() < CONVERGENCE {
            self.run_until(Instant::now() + Duration::from_millis(50))?;
            left = self.complaints();
        }
        for complaint in &left {
            self.shared.journal.violation(format_args!("did not converge: {complaint}"));
        }
        if left.is_empty() {
            self.says("soak", format_args!("converged after {:.1} s", begun.elapsed().as_secs_f64()));
            self.shared.journal.count(Table::Checks, "calm phases that converged");
        } else {
            self.ask();
        }
        self.rest()?;
        // What has been put right once stays right.
        if left.is_empty() {
            for complaint in self.complaints() {
                self.shared.journal.violation(format_args!("did not stay: {complaint}"));
            }
        }
        self.events.judge(&self.shared);
        self.leftovers();
        if let Some(growth) = self.agent.samples.take() {
            self.shared.journal.violation(growth);
        }
        self.settle();
        Ok(())
    }

    fn complaints(&self) -> Vec<String> {
        let view = View::take(self.switch.engine()).expect("the engine is there");
        let mut record = self.shared.record();
        judge::promoted_without_a_tag(&mut record, &view);
        let mut found = expected::complaints(&self.switch, &record, &view);
        found.extend((0..FEATURES.len()).flat_map(|number| truth::untrue(&self.switch, &record, &view, number)));
        found
    }

    /// Promise 7: no request, no write, no log line.
    fn rest(&mut self) -> Result<(), Stop> {
        let begun = Instant::now();
        let doings = |stage: &Self| (stage.shared.requests.load(Ordering::Relaxed), stage.agent.log().len());
        let mut last = (doings(self), Instant::now());
        while last.1.elapsed() < REST {
            if begun.elapsed() > TO_REST {
                self.shared.journal.violation("promise 7: it does not come to rest");
                return Ok(());
            }
            self.run_until(Instant::now() + Duration::from_millis(20))?;
            let now = doings(self);
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
        self.shared.journal.count(Table::Checks, "calm phases at rest");
        Ok(())
    }

    /// Promise 5: no file of a write that was cut short; promise 3: what is foreign is as it was.
    fn leftovers(&self) {
        let folder = std::fs::read_dir(self.switch.file("state")).expect("the state directory is there");
        for entry in folder.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !FILES.contains(&name.as_str()) {
                self.shared.journal.violation(format_args!("promise 5: {name} is left in the state directory"));
            } else if name.ends_with(".json") {
                let content = std::fs::read(entry.path()).unwrap_or_default();
                if serde_json::from_slice::<serde_json::Value>(&content).is_err() {
                    self.shared.journal.violation(format_args!("promise 5: {name} is not readable"));
                }
            }
        }
        let view = View::take(self.switch.engine()).expect("the engine is there");
        if let Err(what) = self.foreign_is_whole(&view) {
            self.shared.journal.violation(what);
        }
    }

    /// What is on the disk now the agent has seen.
    fn settle(&self) {
        let view = View::take(self.switch.engine()).expect("the engine is there");
        let mut record = self.shared.record();
        for (image, known) in &mut record.images {
            if view.images.contains(image) {
                known.settled.get_or_insert_with(Instant::now);
            }
        }
        // What was still to be done is done.
        record.groups.iter_mut().for_each(|group| group.may_roll_back = false);
    }
}
