//! What an action of a group rests on, read again right before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::domain::{Instance, Namespace};

use super::databases::Databases;
use super::error::DatabaseError;
use super::redis_server::{RedisServer, Wanted};
use super::tables::{Database, Place, Table};

/// The rows of a group have been read, and are to be taken over by [`Databases::apply`]. Those rows are then as they were
/// after the call of [`Databases::read_group`], or newer.
#[derive(Debug)]
#[must_use = "the rows are to be applied"]
pub struct GroupRows(());

impl Databases {
    /// Reads again what an action of the group with these instances rests on: whether CONFIG_DB is loaded, the
    /// `KUBERNETES_MASTER` rows, the policy, and the `FEATURE` rows of its instances, of both shapes that those of a
    /// per-ASIC feature may have. One round trip for each server of the host's and of the instances' namespaces, all at the
    /// same time; groups that are read at the same time share them.
    ///
    /// # Errors
    /// If one of these servers cannot be read: then nothing is to be acted on.
    pub fn read_group(
        &self,
        instances: &[Instance],
    ) -> impl Future<Output = Result<GroupRows, DatabaseError>> + Send + 'static + use<> {
        let reads = self.group_rows(instances);
        async move {
            let reads = reads?;
            for outcome in join_all(reads.iter().map(|(server, wanted)| server.read_anew(wanted))).await {
                outcome?;
            }
            Ok(GroupRows(()))
        }
    }

    /// Takes over what was read.
    pub fn apply(&mut self, rows: GroupRows) {
        let GroupRows(()) = rows;
        self.take_over();
    }

    /// What is to be read of each server.
    fn group_rows(&self, instances: &[Instance]) -> Result<Vec<(Arc<RedisServer>, Wanted)>, DatabaseError> {
        let mut keys: BTreeMap<Namespace, Vec<&str>> = BTreeMap::from([(Namespace::Host, Vec::new())]);
        let names: Vec<String> = instances.iter().map(Instance::container_name).collect();
        for (instance, name) in instances.iter().zip(&names) {
            // On the host: the configuration for all ASICs, and the row that an ASIC's instance may have there.
            for (namespace, key) in [
                (instance.namespace, instance.feature.as_str()),
                (Namespace::Host, instance.feature.as_str()),
                (Namespace::Host, name.as_str()),
            ] {
                keys.entry(namespace).or_default().push(key);
            }
        }
        if let Some(unknown) = keys.keys().find(|namespace| self.server_of(**namespace).is_err()) {
            return Err(DatabaseError::NoSuchNamespace(*unknown));
        }
        let of_server = |server: &Arc<RedisServer>| {
            let wanted: Wanted = server
                .places
                .iter()
                .enumerate()
                .filter_map(|(index, place)| Some((index, rows_of(place, keys.get(&place.namespace)?))))
                .collect();
            (!wanted.is_empty()).then(|| (Arc::clone(server), wanted))
        };
        Ok(self.servers.iter().filter_map(of_server).collect())
    }
}

/// The keys of a place that an action rests on, for these keys of features' rows.
fn rows_of(place: &Place, features: &[&str]) -> Vec<String> {
    let of = |table| features.iter().map(move |key| place.key_of(table, key));
    let mut keys: Vec<String> = of(Table::Feature).collect();
    if place.namespace == Namespace::Host {
        keys.extend(place.single_rows().map(|row| place.key(&row)));
        if place.database == Database::Config {
            keys.extend(of(Table::FeaturePolicy));
        }
    }
    keys
}
