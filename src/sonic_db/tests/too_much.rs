//! More in Redis than any switch has: what is read of it stays bounded, and the rest of it works again when it is gone.

use super::*;

/// Far beyond what Redis may answer, and less than what makes Redis itself hang up on who listens to notifications.
const LARGE: usize = 16 << 20;

async fn is_unreachable(databases: &mut Databases) {
    until(databases, "unreachable", |databases| {
        unreachable(databases).is_some_and(|why| why.contains("answers more than 2 MiB"))
    })
    .await;
}

async fn is_back(databases: &mut Databases) {
    until(databases, "back", |databases| unreachable(databases).is_none() && is_filled(databases)).await;
}

#[tokio::test]
async fn a_value_and_a_row_beyond_all_measure() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    let many: Vec<(String, String)> = (0..200_000).map(|n| (format!("field{n}"), "x".repeat(8))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(field, value)| (field.as_str(), value.as_str())).collect();
    for fields in [&[("ip", "x".repeat(LARGE).as_str())][..], &many] {
        redis.hset(0, CONFIG_DB, "KUBERNETES_MASTER|SERVER", fields);
        is_unreachable(&mut databases).await;
        assert!(Databases::connect_once(&redis.config()).await.is_err(), "nor does a command take it");
        redis.delete(0, CONFIG_DB, "KUBERNETES_MASTER|SERVER");
        is_back(&mut databases).await;
    }
}

#[tokio::test]
async fn a_key_beyond_all_measure() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    let key = format!("FEATURE|{}", "x".repeat(LARGE));
    redis.hset(0, CONFIG_DB, &key, &[("set_owner", "kube")]);
    is_unreachable(&mut databases).await;
    redis.delete(0, CONFIG_DB, &key);
    is_back(&mut databases).await;
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
    until(&mut databases, "the full snapshot", is_filled).await;
    // They come one by one, and then they are there at once.
    add(0..3_000);
    until(&mut databases, "as many as are read", |d| snapshot(d).configuration.len() > 1_900).await;
    assert!(snapshot(&databases).configuration.len() <= super::super::read::MOST_ROWS);
    add(3_000..20_000);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "read", |databases| unreachable(databases).is_none()).await;
    let read = snapshot(&databases).configuration.len();
    assert!((1_900..=super::super::read::MOST_ROWS).contains(&read), "{read}");
}
