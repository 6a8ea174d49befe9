//! `imgmgrd history`: what happened, from the state directory, so that it is told without Redis and the engine, too.

use comfy_table::Cell;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::{CommandError, Selection, table};
use crate::agent::{self, AgentError};
use crate::config::settings::Settings;
use crate::logging::{Logging, plain};
use crate::sonic_db::{self, Databases};
use crate::store::{History, StateDirectory};

/// What `history --json` says of an event.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
pub(super) struct HistoryRow {
    /// The instance: the feature's name, on a multi-ASIC switch followed by the ASIC's number.
    pub(super) instance: String,
    /// The event's number, which only grows.
    pub(super) number: u64,
    /// When, in UTC; the last time, if it happened again and again.
    pub(super) time: String,
    /// How often: what repeats is told once.
    pub(super) count: u64,
    /// When it happened first, if it happened again and again.
    pub(super) first_time: Option<String>,
    /// What: promoted, cleaned, failed, held, rolled back, ...
    pub(super) event: String,
    /// The version.
    pub(super) version: Option<String>,
    /// The id of the image that it is about.
    pub(super) image_id: Option<String>,
    /// Why, as a short word that stays the same from release to release.
    pub(super) reason: Option<String>,
    /// More of it, for people.
    pub(super) detail: String,
    /// The container that it happened to.
    pub(super) container_id: Option<String>,
    /// The exit code of that container.
    pub(super) exit_code: Option<i64>,
}

/// The events of one feature's instances or of all, newest first.
pub(super) fn answer(selection: &Selection, settings: &Settings, runtime: &Runtime) -> Result<String, CommandError> {
    drop(Logging::of_command()?);
    let history = History::load(StateDirectory::read_only(&settings.paths.state_dir));
    let events = events(&history, selection.feature.as_deref());
    if let Some(name) = selection.feature.as_deref().filter(|_| events.is_empty()) {
        runtime.block_on(is_known(name, settings))?;
    }
    selection.answer(|| &events, || render(&events))
}

fn events(history: &History, feature: Option<&str>) -> Vec<HistoryRow> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let is_meant = |instance: &&str| {
        feature.is_none_or(|name| {
            *instance == name || instance.trim_end_matches(|character: char| character.is_ascii_digit()) == name
        })
    };
    let mut events: Vec<HistoryRow> = history
        .instances()
        .filter(is_meant)
        .flat_map(|instance| history.entries(instance).map(move |entry| (instance, entry)))
        .map(|(instance, entry)| HistoryRow {
            instance: instance.to_owned(),
            number: entry.n,
            time: entry.time.clone(),
            count: entry.count,
            first_time: entry.first_time.clone(),
            event: entry.event.event.clone(),
            version: some(&entry.event.version),
            image_id: some(&entry.event.image_id),
            reason: entry.event.reason.clone(),
            detail: entry.event.detail.clone(),
            container_id: entry.event.container_id.clone(),
            exit_code: entry.event.exit_code,
        })
        .collect();
    events.sort_by(|one, other| (&other.time, other.number).cmp(&(&one.time, one.number)));
    events
}

/// A feature to which nothing has happened yet is no error; one that does not exist is.
async fn is_known(name: &str, settings: &Settings) -> Result<(), CommandError> {
    let config = sonic_db::read_config(&settings.redis.database_config, &settings.redis.database_global)
        .map_err(AgentError::from)?;
    let databases = Databases::connect_once(&config).await.map_err(AgentError::from)?;
    let mut snapshot = crate::planner::Snapshot::default();
    databases.rows().fill(&mut snapshot);
    let instances = snapshot.instances(&crate::planner::Memory::default());
    agent::known(name, &instances)?;
    Ok(())
}

fn render(events: &[HistoryRow]) -> String {
    if events.is_empty() {
        return "Nothing has happened yet.\n".to_owned();
    }
    let mut table = table::table(&["TIME", "FEATURE", "EVENT", "VERSION", "COUNT", "DETAIL"]);
    for event in events {
        let version = table::optional(event.version.as_ref());
        let count = match &event.first_time {
            Some(first) => format!("{} since {first}", event.count),
            None => event.count.to_string(),
        };
        let cells = [&event.time, &event.instance, &event.event, &version, &count, &event.detail];
        table.add_row(cells.map(|text| Cell::new(plain(text))));
    }
    table::render(&table)
}
