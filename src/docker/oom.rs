//! How often the kernel has killed processes of a container for lack of memory.
//!
//! `State.OOMKilled` of an inspection is a yes or no; the event `oom` comes once for each. Together they count as far
//! as can be known: kills that nobody listened to are one at most.

use std::collections::BTreeMap;

use crate::domain::{ContainerId, StartedAt};

/// The kills of each container since its start.
#[derive(Debug, Default)]
pub(super) struct OomKills {
    /// Events heard since the container's last start.
    heard: BTreeMap<ContainerId, u32>,
    /// Kills that had been when the container was first inspected after its start, without those heard.
    before: BTreeMap<ContainerId, (StartedAt, u32)>,
}

impl OomKills {
    /// An event `oom` was heard.
    pub(super) fn heard(&mut self, id: &ContainerId) {
        let heard = self.heard.entry(*id).or_default();
        *heard = heard.saturating_add(1);
    }

    /// The container was started: what was before does not count any more.
    pub(super) fn started(&mut self, id: &ContainerId) {
        self.heard.remove(id);
    }

    /// The count, after an inspection.
    pub(super) fn count(&mut self, id: &ContainerId, started_at: &StartedAt, oom_killed: bool) -> u32 {
        let heard = self.heard.get(id).copied().unwrap_or_default();
        let known = u32::from(oom_killed);
        let before = match self.before.get(id) {
            Some((start, before)) if start == started_at => *before,
            _ => {
                let before = known.saturating_sub(heard);
                self.before.insert(*id, (started_at.clone(), before));
                before
            }
        };
        heard.saturating_add(before).max(known)
    }

    /// Forgets the containers that are gone.
    pub(super) fn retain(&mut self, exists: impl Fn(&ContainerId) -> bool) {
        self.heard.retain(|id, _| exists(id));
        self.before.retain(|id, _| exists(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_once_each() {
        let id: ContainerId = "a".repeat(64).parse().unwrap();
        let (first, second): (StartedAt, StartedAt) = ("1".parse().unwrap(), "2".parse().unwrap());
        let mut kills = OomKills::default();
        assert_eq!(kills.count(&id, &first, false), 0);
        // Inspected before the event arrives, then after it: the same kill.
        assert_eq!(kills.count(&id, &first, true), 1);
        kills.heard(&id);
        assert_eq!(kills.count(&id, &first, true), 1);
        kills.heard(&id);
        assert_eq!(kills.count(&id, &first, true), 2);
        // Started again.
        kills.started(&id);
        assert_eq!(kills.count(&id, &second, false), 0);
    }

    #[test]
    fn a_kill_that_nobody_listened_to_comes_on_top() {
        let id: ContainerId = "a".repeat(64).parse().unwrap();
        let start: StartedAt = "1".parse().unwrap();
        let mut kills = OomKills::default();
        assert_eq!(kills.count(&id, &start, true), 1);
        kills.heard(&id);
        assert_eq!(kills.count(&id, &start, true), 2);
        kills.retain(|_| false);
        assert_eq!(kills.count(&id, &start, true), 1);
    }
}
