//! Whether Redis notifies of what the agent follows.

/// What `notify-keyspace-events` lacks, if anything; SONiC sets `AKE`.
///
/// Needed are the channels by key (`K`) for changes of hashes (`h`: HSET, HDEL), of keys (`g`: DEL, RENAME) and of
/// strings (`$`: SET of `CONFIG_DB_INITIALIZED`); `A` stands for them all. Not needed: expiry (`x`) and eviction (`e`),
/// for SONiC's rows have no time to live and its Redis evicts nothing. (redis.io, "Redis keyspace notifications")
pub(super) fn missing(setting: &str) -> Option<String> {
    let has = |class| setting.contains(class) || (class != 'K' && setting.contains('A'));
    let missing: String = ['K', 'h', 'g', '$'].into_iter().filter(|class| !has(*class)).collect();
    (!missing.is_empty()).then_some(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_told_from_what_is_not() {
        for enough in ["AKE", "AK", "Kgh$", "g$hK"] {
            assert_eq!(missing(enough), None, "{enough}");
        }
        for (setting, lacks) in [("", "Khg$"), ("AE", "K"), ("Kg", "h$"), ("KEx", "hg$")] {
            assert_eq!(missing(setting).as_deref(), Some(lacks), "{setting}");
        }
    }
}
