//! More in Redis than any switch has: what is read of it stays bounded, and the rest of it works again when it is gone.

use super::*;

/// Far beyond what Redis may answer, and less than what makes Redis itself hang up on who listens to notifications.
const LARGE: usize = 16 << 20;

/// The databases with everything read, and then what the host's CONFIG_DB holds of `FEATURE`.
async fn features(databases: &mut Databases) -> usize {
    databases.read().await.ok();
    observation(databases).configuration.len()
}

async fn away(databases: &mut Databases) {
    until(databases, "away", |databases| databases.away().is_some()).await;
    let why = databases.away().unwrap();
    assert!(why.contains("answers more than 2 MiB"), "{why}");
}

#[tokio::test]
async fn a_value_and_a_row_beyond_all_measure() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full picture", is_filled).await;
    let many: Vec<(String, String)> = (0..200_000).map(|n| (format!("field{n}"), "x".repeat(8))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(field, value)| (field.as_str(), value.as_str())).collect();
    for fields in [&[("ip", "x".repeat(LARGE).as_str())][..], &many] {
        redis.hset(0, CONFIG_DB, "KUBERNETES_MASTER|SERVER", fields);
        away(&mut databases).await;
        assert!(Databases::connect_once(&redis.config()).await.is_err(), "nor does a command take it");
        redis.delete(0, CONFIG_DB, "KUBERNETES_MASTER|SERVER");
        until(&mut databases, "back", |databases| databases.away().is_none() && is_filled(databases)).await;
    }
}

#[tokio::test]
async fn a_key_beyond_all_measure() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full picture", is_filled).await;
    let key = format!("FEATURE|{}", "x".repeat(LARGE));
    redis.hset(0, CONFIG_DB, &key, &[("set_owner", "kube")]);
    away(&mut databases).await;
    redis.delete(0, CONFIG_DB, &key);
    until(&mut databases, "back", |databases| databases.away().is_none() && is_filled(databases)).await;
    // Many notifications are no large one.
    for number in 0..30_000 {
        redis.hset(0, CONFIG_DB, &format!("FEATURE|telemetry{}", "x".repeat(100)), &[("n", &number.to_string())]);
    }
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "1.2")]);
    until(&mut databases, "a change", |d| version(d, Namespace::Host).as_deref() == Some("1.2")).await;
}

#[tokio::test]
async fn more_rows_than_any_switch_has() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut connection = redis.servers[0].connection(CONFIG_DB.into());
    let mut add = |numbers: std::ops::Range<u32>| {
        let mut pipeline = redis::pipe();
        for number in numbers {
            pipeline.hset(format!("FEATURE|f{number}"), "set_owner", "local").ignore();
        }
        pipeline.exec(&mut connection).unwrap();
    };
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full picture", is_filled).await;
    // They come one by one, and then they are there at once.
    add(0..3_000);
    until(&mut databases, "as many as are read", |d| observation(d).configuration.len() > 1_900).await;
    assert!(features(&mut databases).await <= super::super::read::MOST_ROWS);
    add(3_000..20_000);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "read", |databases| databases.full_reads() > 0).await;
    let read = features(&mut databases).await;
    assert!((1_900..=super::super::read::MOST_ROWS).contains(&read), "{read}");
}
