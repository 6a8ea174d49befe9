//! What is seen of the databases and of the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::event::{EngineSnapshot, Rows};
use super::group::GroupState;
use super::state::{Controller, Engine};
use crate::domain::{ContainerId, Value};
use crate::{NamedContainer, Snapshot};

impl Controller {
    pub(super) fn see_rows(&mut self, rows: Rows, now: Duration) {
        let was_unreadable = std::mem::take(&mut self.snapshot.unreadable);
        self.take_rows(rows);
        self.has_rows = true;
        if self.snapshot.unreadable.len() < was_unreadable.len() {
            self.publishing.retry.at_once(now);
            self.try_blocked_again(now);
        }
        self.look_for_containers(now);
    }

    fn take_rows(&mut self, Rows { snapshot, policy }: Rows) {
        let old = std::mem::take(&mut self.snapshot);
        self.snapshot = Snapshot {
            images: old.images,
            containers: old.containers,
            refused: old.refused,
            memory_unsaved: old.memory_unsaved,
            stopped: BTreeMap::new(),
            commands: BTreeMap::new(),
            ..snapshot
        };
        self.policy = policy;
        self.is_stale = true;
    }

    /// A row that names a container which no list shows is a reason to read the lists again: the engine's events may be
    /// lost. Once for each.
    fn look_for_containers(&mut self, now: Duration) {
        let named = self.snapshot.state.values().filter_map(|row| match &row.container_id {
            Value::Is(NamedContainer::Prefix(prefix)) => Some(prefix),
            _ => None,
        });
        let missing: BTreeSet<Arc<str>> =
            named.filter(|prefix| self.container(prefix).is_none()).map(Arc::clone).collect();
        if self.engine == Engine::Reachable && !missing.is_subset(&self.looked_for) {
            self.ask_for_lists(now, now);
        }
        self.looked_for = missing;
    }

    fn container(&self, prefix: &str) -> Option<&ContainerId> {
        let from = ContainerId::first_with(prefix)?;
        let (id, _) = self.snapshot.containers.range(from..).next()?;
        id.starts_with(prefix).then_some(id)
    }

    pub(super) fn see_engine(&mut self, lists: EngineSnapshot, now: Duration) {
        if lists.began < self.snapshot_began {
            return;
        }
        if std::mem::replace(&mut self.engine, Engine::Reachable) == Engine::Unreachable {
            self.try_blocked_again(now);
        }
        self.allow_refused(&lists);
        self.snapshot_began = lists.began;
        self.lists_asked = self.lists_asked.filter(|asked| *asked >= lists.began);
        self.newer.take_lists(lists, &mut self.snapshot);
        for group in self.groups.values_mut() {
            if matches!(group.state, GroupState::Settling { since } if since < self.snapshot_began) {
                group.state = GroupState::Idle;
            }
        }
        self.is_stale = true;
    }

    /// What stood in the way of a removal that the engine refused can only be something that is gone by now.
    fn allow_refused(&mut self, lists: &EngineSnapshot) {
        let is_gone = |known: bool| !known;
        let (old, refused) = (&self.snapshot, &self.snapshot.refused);
        if refused.is_empty() {
            return;
        }
        let containers = old.containers.keys().any(|id| is_gone(lists.containers.contains_key(id)));
        let images = old.images.keys().any(|id| is_gone(lists.images.contains_key(id)));
        if containers || images {
            self.snapshot.refused.clear();
        }
    }
}
