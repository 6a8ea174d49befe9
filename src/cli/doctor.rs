//! `imgmgrd doctor`: is this switch fit to run the agent, and what to do where it is not.
//!
//! Gathering ([`seen`]) and judging are apart: the judges are pure functions from facts to findings. Whatever fails is a
//! finding and hides no other; every check has a deadline; nothing on the switch is changed, not even for a moment.
//!
//! | module | idea |
//! | --- | --- |
//! | `finding` | levels, checks, findings |
//! | `seen` | everything that is gathered, at the same time, each part for itself |
//! | `deadline`, `places`, `processes`, `storage` | what gathering takes |
//! | the others | one judge each |

mod deadline;
mod disk;
mod engine;
pub(super) mod finding;
mod image_names;
mod kubelet;
mod places;
mod processes;
mod redis;
mod rows;
mod second_manager;
mod seen;
mod started_from;
mod state_dir;
mod storage;
mod wall_clock;

use clap::Args;
use comfy_table::{Cell, Color};

use super::{CommandError, table};
use crate::clock;
use crate::config::settings::Settings;
use crate::docker::EngineHost;
use crate::domain::Base;
use deadline::within_deadline;
use finding::{Check, Finding, Level};
use places::Places;
use seen::Seen;
use started_from::Expected;

/// How to say it, and where to look.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: Places,
}

impl Doctor {
    /// Examines the switch. An answer with an error among its findings comes as [`CommandError::Unfit`].
    pub(super) fn answer(
        &self,
        settings: &Settings,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<String, CommandError> {
        // Without logging: what would be logged is found here, with its remedy.
        let findings = runtime.block_on(examine(settings, &self.places));
        let answer = if self.json { serde_json::to_string_pretty(&findings)? + "\n" } else { render(&findings) };
        if count(&findings, Level::Error) > 0 { Err(CommandError::Unfit(answer)) } else { Ok(answer) }
    }
}

/// Examines everything and judges it.
async fn examine(settings: &Settings, places: &Places) -> Vec<Finding> {
    let seen = Seen::take(settings, places).await;
    let mut findings = of_databases(&seen);
    findings.extend(of_engine(&seen));
    findings.extend(match &seen.state_dir {
        Some(facts) => state_dir::judge(facts),
        None => vec![overdue(Check::StateDir, &settings.paths.state_dir.display().to_string())],
    });
    findings.extend(of_files(&seen));
    findings.push(of_clock(&seen));
    findings.extend(of_disk(&seen, settings, places).await);
    findings.extend(of_others(&seen));
    findings.extend(of_containers(&seen));
    findings
}

fn of_databases(seen: &Seen) -> Vec<Finding> {
    let mut findings = match &seen.databases.servers {
        None => vec![overdue(Check::Redis, "database_config.json")],
        Some(Err(error)) => vec![redis::judge_config(error)],
        Some(Ok(servers)) => servers.iter().flat_map(redis::judge).collect(),
    };
    if seen.databases.rows.is_none() {
        findings.extend([Check::ConfigDb, Check::Notifications].map(|check| Finding::unchecked(check, Check::Redis)));
    }
    findings
}

fn of_engine(seen: &Seen) -> Vec<Finding> {
    let mut findings = engine::judge(&seen.engine.version);
    if seen.engine.version.is_err() {
        findings.push(Finding::unchecked(Check::ImageStore, Check::Engine));
    }
    if let Some(Err(error)) = &seen.engine.snapshot {
        findings.push(engine::unreachable(error));
    }
    findings
}

fn of_files(seen: &Seen) -> Vec<Finding> {
    let Some(files) = &seen.files else {
        return [Check::ImageNames, Check::Packages].map(|check| overdue(check, "its file")).into();
    };
    let kube = seen.features_of_kube();
    let mut findings = image_names::judge(&files.image_names, &kube);
    findings.extend(image_names::judge_packages(&files.packages, &kube));
    findings
}

fn of_clock(seen: &Seen) -> Finding {
    let starts = seen
        .snapshot
        .containers
        .values()
        .filter_map(|container| Some((&*container.name, container.details.as_ref()?.started_at.as_str())));
    wall_clock::judge(clock::wall(), starts)
}

async fn of_disk(seen: &Seen, settings: &Settings, places: &Places) -> Vec<Finding> {
    let checks = [Check::Disk, Check::RamDisk];
    let Ok(version) = &seen.engine.version else {
        return checks.map(|check| Finding::unchecked(check, Check::Engine)).into();
    };
    if let EngineHost::Tcp(address) = &settings.engine.host {
        let not_here =
            format!("not checked: {} may be on another machine than the engine at {address}", version.data_root);
        return checks
            .map(|check| Finding::note(check, &not_here, "use the engine's unix socket (engine.host)"))
            .into();
    }
    let (data_root, places) = (version.data_root.clone(), places.clone());
    match within_deadline(move || disk::examine(&data_root, &places)).await {
        Some(facts) => disk::judge(&facts, seen.on_engine().map(|_| feature_images(seen))),
        None => checks.map(|check| overdue(check, &version.data_root)).into(),
    }
}

/// The images with a reference in a feature's repositories.
fn feature_images(seen: &Seen) -> disk::Images {
    let decided = seen.decision.iter().flat_map(|decision| decision.report.groups.keys());
    let bases: Vec<&Base> = seen.snapshot.image_names.values().chain(decided).collect();
    let is_of_feature = |image: &&crate::planner::Image| {
        image.references.iter().any(|reference| bases.contains(&reference.repository.base()))
    };
    let images = seen.snapshot.images.values().filter(is_of_feature);
    images.fold(disk::Images::default(), |sum, image| disk::Images {
        count: sum.count + 1,
        size: sum.size.saturating_add(image.size),
    })
}

fn of_others(seen: &Seen) -> Vec<Finding> {
    let others = seen.others.as_ref();
    let processes = others.and_then(|others| others.processes.as_deref().ok());
    let mut findings = match &seen.files {
        Some(files) => second_manager::judge_daemon(&files.remote_ctr_config, processes),
        None => vec![overdue(Check::Ctrmgrd, "remote_ctr.config.json")],
    };
    let images = &seen.snapshot.images;
    let containers = seen.snapshot.containers.values().map(|container| (container, images.get(&container.image)));
    findings.extend(second_manager::judge_collectors(processes, containers));
    if seen.on_engine().is_none() {
        findings.push(Finding::unchecked(Check::Collectors, Check::Engine));
    }
    findings.push(match others {
        Some(others) => kubelet::judge(&others.kubelet),
        None => overdue(Check::Kubelet, "its configuration"),
    });
    findings
}

/// What only rows and engine together tell.
fn of_containers(seen: &Seen) -> Vec<Finding> {
    let cause = if seen.databases.rows.is_none() { Check::Redis } else { Check::Engine };
    let mut findings = Vec::new();
    match &seen.decision {
        Some(decision) => {
            let instances = || decision.report.instances.iter();
            // Packages start from an image id, and have a check of their own.
            let expected = instances().filter(|(instance, _)| !seen.snapshot.packages.contains_key(&instance.feature));
            let expected: Vec<_> = expected
                .filter_map(|(instance, of)| {
                    Some(Expected { name: instance.container_name(), base: of.base.as_ref()? })
                })
                .collect();
            findings.extend(started_from::judge(&expected, seen.snapshot.containers.values()));
            let reasons = instances().map(|(instance, of)| (instance, &of.reason));
            findings.extend(rows::judge_local_reports(reasons, &seen.snapshot.state));
        }
        None => {
            findings.extend([Check::StartedFrom, Check::ReportsLocal].map(|check| Finding::unchecked(check, cause)));
        }
    }
    findings.extend(match &seen.databases.rows {
        Some(_) => rows::judge_container_ids(&seen.snapshot.state),
        None => vec![Finding::unchecked(Check::ContainerId, Check::Redis)],
    });
    findings
}

/// The file system did not answer.
fn overdue(check: Check, what: &str) -> Finding {
    let found = format!("{what} could not be read within {} s: its file system hangs", deadline::DEADLINE.as_secs());
    Finding::error(check, found, "see dmesg for errors of the disk, and mount for what is mounted there")
}

fn count(findings: &[Finding], level: Level) -> usize {
    findings.iter().filter(|finding| finding.level == level).count()
}

/// The findings as a table, and what they come to.
fn render(findings: &[Finding]) -> String {
    let mut table = table::table(&["LEVEL", "CHECK", "FOUND", "REMEDY"]);
    for finding in findings {
        let level = Cell::new(finding.level);
        let level = match finding.level {
            Level::Ok => level.fg(Color::Green),
            Level::Note => level.fg(Color::Cyan),
            Level::Warning => level.fg(Color::Yellow),
            Level::Error => level.fg(Color::Red),
        };
        let remedy = table::optional(finding.remedy.as_ref());
        table.add_row([level, Cell::new(finding.check), Cell::new(&finding.found), Cell::new(remedy)]);
    }
    let (errors, warnings) = (count(findings, Level::Error), count(findings, Level::Warning));
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let fit = if errors == 0 { "Fit to run imgmgrd" } else { "Not fit to run imgmgrd" };
    format!("{}\n{fit}: {}, {}.\n", table::render(&table), many(errors, "error"), many(warnings, "warning"))
}
