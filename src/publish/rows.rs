//! `CONTAINER_IMAGE|<feature>`: what is published of an instance.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use crate::clock;
use crate::planner::{InstanceReport, Stability};

/// The fields of a published row.
pub(super) type ImageRow = BTreeMap<&'static str, String>;

/// What a row needs beside the report.
#[derive(Clone, Debug, Default)]
pub(super) struct RowContext {
    /// How many images of the feature are on the disk.
    pub(super) images: usize,
    /// How many bytes the actions since the last publication gave back.
    pub(super) reclaimed: u64,
    /// When the standing takeover began.
    pub(super) observing_since: Option<DateTime<Utc>>,
    /// When it became, or will become, stable by the clock.
    pub(super) stable_at: Option<DateTime<Utc>>,
}

/// The fields that say when the row was written, not what it says: they change only along with another field.
const WHEN_WRITTEN: [&str; 2] = ["stable_after", "update_time"];

/// Wall-clock times of the same moment, computed from the boot-time clock at different times, may round differently.
const SAME_MOMENT: TimeDelta = TimeDelta::seconds(2);

/// What is published, where an absent field counts as empty.
#[derive(Clone, Copy)]
pub(super) struct Was<'a>(pub(super) Option<&'a BTreeMap<String, String>>);

impl<'a> Was<'a> {
    /// The field's value.
    #[must_use]
    pub(super) fn field(self, name: &str) -> &'a str {
        self.0.and_then(|row| row.get(name)).map_or("", String::as_str)
    }
}

/// The row for a report, or none if it says what `published` says already.
#[must_use]
pub(super) fn image_row(
    report: &InstanceReport,
    context: &RowContext,
    published: Option<&BTreeMap<String, String>>,
    now: DateTime<Utc>,
) -> Option<ImageRow> {
    let was = Was(published);
    let text = |value: Option<&dyn ToString>| value.map_or_else(String::new, |value| value.to_string());
    // STATE_DB is empty after a reboot, so the published sum is the one since boot.
    let reclaimed = was.field("reclaimed").parse::<u64>().unwrap_or(0).saturating_add(context.reclaimed);
    let container_id = report.container.map(|id| id.short()).unwrap_or_default();
    // A takeover that began anew began at another moment, however short the one before was.
    let goes_on = report.ended.is_none() && was.field("container_id") == container_id;
    let published_since = if goes_on { was.field("observing_since") } else { "" };
    let observing_since = context.observing_since.map(|at| same_moment(published_since, at));
    let row = ImageRow::from([
        ("image", text(report.base.as_ref().map(|it| it as _))),
        ("stability", report.stability.to_string()),
        ("reason", reason(report)),
        ("version", text(report.version.as_ref().map(|it| it as _))),
        ("container_id", container_id),
        ("image_id", text(report.image.as_ref().map(|it| it as _))),
        ("stable_version", text(report.stable_version.as_ref().map(|it| it as _))),
        ("last_version", text(report.last_version.as_ref().map(|it| it as _))),
        ("stable_since", stable_since(report, context, observing_since.as_deref(), was, now)),
        ("observing_since", observing_since.unwrap_or_default()),
        ("stable_after", stable_after(report)),
        ("images", context.images.to_string()),
        ("reclaimed", reclaimed.to_string()),
        ("update_time", clock::format(now)),
    ]);
    let says_the_same = published.is_some()
        && row.iter().all(|(field, value)| WHEN_WRITTEN.contains(field) || was.field(field) == value);
    (!says_the_same).then_some(row)
}

/// The reason as published. Seconds left are in a field of their own; in the reason they would be stale at once.
fn reason(report: &InstanceReport) -> String {
    match &report.reason {
        crate::planner::Reason::Observing(_) => "not yet stable".to_owned(),
        reason => reason.to_string(),
    }
}

/// The seconds left, while the takeover is observed.
fn stable_after(report: &InstanceReport) -> String {
    match (&report.observing, report.stability) {
        (Some(observing), Stability::Observing) => observing.remaining.seconds().to_string(),
        _ => String::new(),
    }
}

/// When the version was promoted. An agent that finds it promoted and the row gone says when it became stable.
fn stable_since(
    report: &InstanceReport,
    context: &RowContext,
    observing_since: Option<&str>,
    was: Was<'_>,
    now: DateTime<Utc>,
) -> String {
    if report.stability != Stability::Stable {
        return String::new();
    }
    let is_same_takeover =
        !was.field("observing_since").is_empty() && Some(was.field("observing_since")) == observing_since;
    if is_same_takeover && !was.field("stable_since").is_empty() {
        was.field("stable_since").to_owned()
    } else if is_same_takeover {
        clock::format(now)
    } else {
        context.stable_at.map_or_else(|| clock::format(now), clock::format)
    }
}

/// `at`, unless the published time means the same moment.
fn same_moment(published: &str, at: DateTime<Utc>) -> String {
    let is_same = NaiveDateTime::parse_from_str(published, clock::FORMAT)
        .is_ok_and(|published| (published.and_utc() - at).abs() <= SAME_MOMENT);
    if is_same { published.to_owned() } else { clock::format(at) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Age, Instance, Namespace};
    use crate::planner::{Ended, Ending, LocalReason, Mark, Observing, Reason, TakeoverMark};

    fn report(stability: Stability, reason: Reason) -> InstanceReport {
        let container = "6d051d98400c".repeat(6).get(..64).unwrap().parse().unwrap();
        let instance = Instance { feature: "telemetry".parse().unwrap(), namespace: Namespace::Host };
        let mark = Mark::Takeover(TakeoverMark {
            instance,
            container,
            started_at: "2026-11-21T21:32:29Z".parse().unwrap(),
            oom_kills: 0,
        });
        InstanceReport {
            base: "docker-sonic-telemetry".parse().ok(),
            stability,
            reason,
            version: "20201231.84".parse().ok(),
            container: "6d051d98400c".repeat(6).get(..64).unwrap().parse().ok(),
            image: None,
            stable_version: None,
            last_version: None,
            observing: Some(Observing { mark, age: Age::ZERO, remaining: Age::from_seconds(600) }),
            ended: None,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    fn owned(row: &ImageRow) -> BTreeMap<String, String> {
        row.iter().map(|(field, value)| ((*field).to_owned(), value.clone())).collect()
    }

    #[test]
    fn a_row_that_says_the_same_is_not_written_again() {
        let observing = report(Stability::Observing, Reason::Observing(Age::from_seconds(600)));
        let context = |since| RowContext { images: 2, observing_since: Some(at(since)), ..RowContext::default() };
        let row = image_row(&observing, &context(0), None, at(0)).expect("a first row");
        assert_eq!(row["stable_after"], "600");
        assert_eq!(row["observing_since"], "2026-11-18 11:06:40");
        let published = owned(&row);
        assert_eq!(image_row(&observing, &context(1), Some(&published), at(90)), None, "only the clock went on");
        let again = image_row(&observing, &context(90), Some(&published), at(90)).expect("a new takeover");
        assert_eq!(again["observing_since"], "2026-11-18 11:08:10");
    }

    #[test]
    fn a_takeover_that_starts_over_at_once_has_another_beginning() {
        let mut observing = report(Stability::Observing, Reason::Observing(Age::from_seconds(600)));
        let context = |second| RowContext { observing_since: Some(at(second)), ..RowContext::default() };
        let published = owned(&image_row(&observing, &context(0), None, at(0)).expect("a row"));
        assert_eq!(image_row(&observing, &context(1), Some(&published), at(1)), None, "rounded otherwise");
        let (version, image) = ("2".parse().unwrap(), format!("sha256:{}", "1".repeat(64)).parse().unwrap());
        let container = observing.container.unwrap();
        observing.ended = Some(Ended {
            version,
            image,
            container,
            ending: Ending::Restarted,
            exit_code: None,
            after: Age::from_seconds(1),
        });
        let row = image_row(&observing, &context(1), Some(&published), at(1)).expect("a row");
        assert_eq!(row["observing_since"], clock::format(at(1)));
    }

    #[test]
    fn stable_since_is_when_it_was_promoted_and_stays() {
        let context = RowContext { observing_since: Some(at(0)), stable_at: Some(at(600)), ..RowContext::default() };
        let observing = report(Stability::Observing, Reason::Observing(Age::from_seconds(600)));
        let published = owned(&image_row(&observing, &context, None, at(0)).expect("a row"));
        let stable = report(Stability::Stable, Reason::Promoted);
        let row = image_row(&stable, &context, Some(&published), at(700)).expect("a row");
        assert_eq!(row["stable_since"], clock::format(at(700)));
        assert_eq!(row["stable_after"], "");
        assert_eq!(image_row(&stable, &context, Some(&owned(&row)), at(800)), None);
        let after_a_restart = image_row(&stable, &context, None, at(900)).expect("a row");
        assert_eq!(after_a_restart["stable_since"], clock::format(at(600)));
    }

    #[test]
    fn every_row_is_by_the_schema() {
        let context = RowContext { observing_since: Some(at(0)), stable_at: Some(at(600)), ..RowContext::default() };
        for (stability, reason) in [
            (Stability::Local, Reason::Local(LocalReason::Owner)),
            (Stability::Observing, Reason::Observing(Age::from_seconds(600))),
            (Stability::Stable, Reason::Promoted),
        ] {
            let mut report = report(stability, reason);
            report.image = format!("sha256:{}", "1".repeat(64)).parse().ok();
            report.stable_version = "20201231.84".parse().ok();
            let full = image_row(&report, &context, None, at(700)).expect("a row");
            let bare = InstanceReport { base: None, version: None, container: None, image: None, ..report };
            let bare = image_row(&bare, &RowContext::default(), None, at(700)).expect("a row");
            for row in [full, bare] {
                imgmgrd_test_support::schema::assert_valid("state_db/CONTAINER_IMAGE.json", &serde_json::json!(row));
            }
        }
    }

    #[test]
    fn reclaimed_bytes_add_up() {
        let stable = report(Stability::Stable, Reason::Promoted);
        let published = BTreeMap::from([("reclaimed".to_owned(), "100".to_owned())]);
        let context = RowContext { reclaimed: 11, ..RowContext::default() };
        assert_eq!(image_row(&stable, &context, Some(&published), at(0)).expect("a row")["reclaimed"], "111");
    }
}
