//! Reading and following.

use super::*;
use crate::clock::since_boot;
use crate::domain::Value;
use crate::planner::{NamedContainer, Owner, RowKey};

/// What `changed` says now.
async fn is_changed(databases: &mut Databases) -> bool {
    // The follower needs a turn to hear of what was written before: the server has sent it already.
    tokio::time::timeout(Duration::from_millis(200), databases.changed()).await.is_ok()
}

#[tokio::test]
async fn a_full_picture_is_taken_and_single_changes_are_followed() {
    let redis = Redis::start(1);
    redis.fill(0);
    redis.hset(0, CONFIG_DB, "KUBERNETES_MASTER|SERVER", &[("disable", "False"), ("ip", "10.0.0.1")]);
    redis.hset(0, STATE_DB, "KUBERNETES_MASTER|SERVER", &[("connected", "true")]);
    redis.hset(0, CONFIG_DB, "LOGGER|imgmgrd", &[("LOGLEVEL", "DEBUG")]);
    redis.hset(0, CONFIG_DB, "CONTAINER_IMAGE|GLOBAL", &[("stable_time", "60")]);
    redis.hset(0, CONFIG_DB, "CONTAINER_IMAGE_FEATURE|snmp", &[("pin", "7")]);
    redis.hset(0, STATE_DB, "CONTAINER_IMAGE|snmp", &[("stability", "local")]);
    redis.hset(0, STATE_DB, "CONTAINER_IMAGE_HISTORY|snmp|12", &[("event", "promoted")]);
    redis.hset(0, STATE_DB, "CONTAINER_IMAGE_HISTORY|snmp|9", &[("event", "promoted")]);
    let mut databases = Databases::new(&redis.config());
    assert!(unreachable(&databases).unwrap().starts_with("still connecting to Redis at "));
    until(&mut databases, "the full snapshot", is_filled).await;
    assert_eq!(unreachable(&databases), None);

    let seen = snapshot(&databases);
    let telemetry = RowKey { namespace: Namespace::Host, key: "telemetry".parse().unwrap() };
    assert_eq!(seen.configuration[&telemetry].set_owner, Value::Is(Owner::Kube));
    assert_eq!(seen.state[&telemetry].container_id, Value::Is(NamedContainer::Prefix("6d051d98400c".into())));
    assert!(!seen.kubernetes.disabled && seen.kubernetes.connected == Some(true) && seen.asics.is_empty());
    let rows = databases.rows();
    assert_eq!(rows.log_level(), Some("DEBUG"));
    let policy = rows.policy();
    assert_eq!(policy.keys().collect::<Vec<_>>(), ["CONTAINER_IMAGE_FEATURE|snmp", "CONTAINER_IMAGE|GLOBAL"]);
    assert_eq!(policy["CONTAINER_IMAGE|GLOBAL"]["stable_time"], "60");
    assert_eq!(rows.published(Namespace::Host).count(), 1);
    assert_eq!(rows.newest_history(Namespace::Host, "snmp"), Some(12));

    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "1.2")]);
    until(&mut databases, "a change", |d| version(d, Namespace::Host).as_deref() == Some("1.2")).await;
    redis.hset(0, CONFIG_DB, "LOGGER|imgmgrd", &[("LOGLEVEL", "NOTICE")]);
    until(&mut databases, "the level", |d| d.rows().log_level() == Some("NOTICE")).await;
    redis.delete(0, CONFIG_DB, "CONTAINER_IMAGE|GLOBAL");
    until(&mut databases, "a deletion", |d| d.rows().policy().len() == 1).await;
    // What is none of its rows is not even heard of.
    redis.hset(0, CONFIG_DB, "PORT|Ethernet0", &[("mtu", "9100")]);
    redis.hset(0, STATE_DB, "LOGGER|imgmgrd", &[("LOGLEVEL", "NOTICE")]);
    assert!(!is_changed(&mut databases).await);
}

#[tokio::test]
async fn nothing_is_asked_while_nothing_changes_and_one_exchange_reads_all_changes() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    let question = redis.servers[0].commands_processed();
    let question = redis.servers[0].commands_processed() - question;
    let before = redis.servers[0].commands_processed();
    assert!(!is_changed(&mut databases).await);
    assert_eq!(redis.servers[0].commands_processed() - before, question);

    for number in 0..100 {
        redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", &number.to_string())]);
    }
    databases.changed().await;
    // One look later all of them are known: the burst cost one exchange, or two where the first look was early.
    let mut looks = 0;
    until(&mut databases, "the last of a burst", |d| {
        looks += 1;
        version(d, Namespace::Host).as_deref() == Some("99")
    })
    .await;
    assert!(looks <= 4, "{looks}");
    // The same values again are no change.
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "99")]);
    assert!(!is_changed(&mut databases).await);

    let before = redis.servers[0].commands_processed();
    databases.read_again().await.unwrap();
    // SELECT, GET, HGETALL of telemetry and 3 single rows, GET, SELECT, HGETALL of telemetry and a single row.
    assert_eq!(redis.servers[0].commands_processed() - before - question, 10);
}

#[tokio::test]
async fn a_redis_that_was_restarted_empty_is_followed_again_within_a_second() {
    let mut redis = Redis::start(1);
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    redis.servers[0].stop();
    until(&mut databases, "the loss", |d| unreachable(d).is_some()).await;
    assert!(is_filled(&databases), "what was last seen stays");
    assert!(snapshot(&databases).unreadable.contains(&Namespace::Host));
    assert!(matches!(databases.read_group(&[]).await, Err(DatabaseError::Reconnecting(_))));
    redis.servers[0].launch();
    let start = since_boot();
    until(&mut databases, "the empty databases", |d| unreachable(d).is_none() && !is_filled(d)).await;
    assert!((since_boot() - start) < Duration::from_secs(1), "{:?}", (since_boot() - start));
    assert!(snapshot(&databases).state.is_empty());
    redis.fill(0);
    until(&mut databases, "the rows", is_filled).await;
}

#[tokio::test]
async fn a_reload_is_seen_though_nothing_is_notified_of_its_flush() {
    let redis = Redis::start(1);
    redis.fill(0);
    redis.hset(0, CONFIG_DB, "FEATURE|snmp", &[("set_owner", "kube")]);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    redis::cmd("FLUSHDB").exec(&mut redis.servers[0].connection(CONFIG_DB.into())).unwrap();
    assert!(!is_changed(&mut databases).await);
    // What is about to be acted on is read again, and the reload noticed.
    databases.read_again().await.unwrap();
    assert!(!databases.rows().config_initialized());
    assert!(snapshot(&databases).configuration.is_empty());
    redis.hset(0, CONFIG_DB, "FEATURE|telemetry", &[("set_owner", "local")]);
    redis.set(0, CONFIG_DB, "CONFIG_DB_INITIALIZED", "1");
    until(&mut databases, "the end of the reload", |d| d.rows().config_initialized()).await;
    assert_eq!(snapshot(&databases).configuration.len(), 1);

    // The same when only the indicator is heard of.
    redis::cmd("FLUSHDB").exec(&mut redis.servers[0].connection(CONFIG_DB.into())).unwrap();
    redis.set(0, CONFIG_DB, "CONFIG_DB_INITIALIZED", "1");
    until(&mut databases, "the rows to be gone", |d| snapshot(d).configuration.is_empty()).await;
}

#[tokio::test]
async fn a_redis_that_does_not_notify_is_polled_until_it_does() {
    let mut redis = Redis::start_with(1, "");
    redis.fill(0);
    let mut databases = Databases::new(&redis.config());
    databases.servers.iter().for_each(|server| server.poll_every(Duration::from_millis(50)));
    until(&mut databases, "the full snapshot", is_filled).await;
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "1.2")]);
    until(&mut databases, "a poll", |d| version(d, Namespace::Host).as_deref() == Some("1.2")).await;
    redis.servers[0].set_notifications("AKE");
    // The next poll sees it, and is the last one.
    let polls = || redis.servers[0].commands_processed();
    let is_polled = async || {
        let before = polls();
        tokio::time::sleep(Duration::from_millis(200)).await;
        polls() - before > 2
    };
    while is_polled().await {}
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "1.3")]);
    until(&mut databases, "a notification", |d| version(d, Namespace::Host).as_deref() == Some("1.3")).await;
}

#[tokio::test]
async fn hostile_rows_are_refused_and_hide_no_others() {
    let redis = Redis::start(1);
    redis.fill(0);
    redis.set(0, STATE_DB, "FEATURE|snmp", "no hash");
    redis.hset(0, STATE_DB, "FEATURE|$(reboot)\n", &[("current_owner", "kube")]);
    let mut connection = redis.servers[0].connection(STATE_DB.into());
    let _: () = connection.hset("FEATURE|lldp", "container_version", b"1\xff".as_slice()).unwrap();
    let _: () = connection.hset("FEATURE|lldp", b"\xfe".as_slice(), "x").unwrap();
    let _: () = connection.hset("FEATURE|lldp", "current_owner", "x".repeat(1_000_000)).unwrap();
    let _: () = connection.hset(b"FEATURE|\xff".as_slice(), "current_owner", "kube").unwrap();
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    let seen = snapshot(&databases);
    assert_eq!(seen.state.keys().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["lldp", "telemetry"]);
    let lldp = &seen.state[&RowKey { namespace: Namespace::Host, key: "lldp".parse().unwrap() }];
    assert!(matches!(lldp.container_version, Value::Invalid(_)));
    assert!(matches!(lldp.current_owner, Value::Invalid(_)));
    // A row that turns into something else, and back.
    redis.delete(0, STATE_DB, "FEATURE|telemetry");
    redis.set(0, STATE_DB, "FEATURE|telemetry", "no hash");
    until(&mut databases, "the row to be refused", |d| version(d, Namespace::Host).is_none()).await;
    redis.delete(0, STATE_DB, "FEATURE|telemetry");
    redis.fill(0);
    until(&mut databases, "the row", is_filled).await;
}

#[tokio::test]
async fn each_namespace_has_its_rows_and_a_hung_one_hides_no_other() {
    let mut redis = Redis::start(2);
    redis.fill(0);
    redis.fill(1);
    redis.delete(1, CONFIG_DB, "CONFIG_DB_INITIALIZED");
    redis.hset(1, CONFIG_DB, "CONTAINER_IMAGE|GLOBAL", &[("state", "disabled")]);
    redis.hset(1, CONFIG_DB, "KUBERNETES_MASTER|SERVER", &[("disable", "true")]);
    let asic = Namespace::Asic(0);
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "both", |d| version(d, Namespace::Host).is_some() && version(d, asic).is_some()).await;
    let seen = snapshot(&databases);
    assert_eq!(seen.asics.iter().copied().collect::<Vec<_>>(), [asic]);
    assert!(databases.unreadable()[&asic].contains("is being loaded") && seen.unreadable == [asic].into());
    assert!(seen.config_initialized, "an ASIC that is being loaded holds up itself only");
    assert!(!seen.kubernetes.disabled && databases.rows().policy().is_empty(), "policy is the host's");
    redis.set(1, CONFIG_DB, "CONFIG_DB_INITIALIZED", "1");
    until(&mut databases, "both loaded", |d| d.unreadable().is_empty()).await;

    redis.servers[1].pause();
    // What was sent before it stops is of no use: it is found out when it is asked something.
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "2")]);
    databases.mark_everything();
    let start = since_boot();
    until(&mut databases, "the host", |d| version(d, Namespace::Host).as_deref() == Some("2")).await;
    databases.read_group(&[telemetry_in(Namespace::Host)]).await.map(|rows| databases.apply(rows)).unwrap();
    assert!((since_boot() - start) < Duration::from_secs(1), "{:?}", since_boot() - start);
    assert!(databases.unreadable().is_empty(), "nobody knows yet");
    until(&mut databases, "the other's loss", |d| d.unreadable().contains_key(&asic)).await;
    assert!((2.9..3.5).contains(&(since_boot() - start).as_secs_f64()), "{:?}", since_boot() - start);
    assert!(databases.unreadable()[&asic].contains("did not answer") && unreachable(&databases).is_none());
    assert_eq!(snapshot(&databases).unreadable, [asic].into());
    assert!(snapshot(&databases).config_initialized && version(&databases, asic).is_some(), "as last read");
    let error = databases.read_group(&[telemetry_in(asic)]).await.unwrap_err().to_string();
    assert!(error.contains("did not answer"), "{error}");
    redis.servers[1].resume();
    until(&mut databases, "the other's return", |d| d.unreadable().is_empty()).await;
    databases.read_group(&[telemetry_in(asic)]).await.map(|rows| databases.apply(rows)).unwrap();
}

#[tokio::test]
async fn a_server_that_never_came_up_holds_up_its_own_namespace_only() {
    let redis = Redis::start(1);
    redis.fill(0);
    let folder = Workdir::new();
    let mut config = redis.config();
    let asic = Namespace::Asic(0);
    config.insert(asic, databases_at(&folder.path().join("none.sock")));
    let mut databases = Databases::new(&config);
    until(&mut databases, "the host", is_filled).await;
    until(&mut databases, "why not the other", |d| {
        d.unreadable().get(&asic).is_some_and(|why| why.contains("No such file"))
    })
    .await;
    assert_eq!(unreachable(&databases), None);
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "2")]);
    until(&mut databases, "a change", |d| version(d, Namespace::Host).as_deref() == Some("2")).await;
    // A command answers, too.
    let databases = Databases::connect_once(&config).await.unwrap();
    assert!(is_filled(&databases) && databases.unreadable()[&asic].contains("No such file"));
}

#[tokio::test]
async fn namespaces_on_one_server_share_its_connections() {
    let redis = Redis::start(1);
    redis.fill(0);
    let mut config = redis.config();
    let mut other = config[&Namespace::Host].clone();
    (other.config.id, other.state.id) = (1, 2);
    config.insert(Namespace::Asic(0), other);
    redis.hset(0, 2, "FEATURE|telemetry", &[("container_version", "9")]);
    redis.set(0, 1, "CONFIG_DB_INITIALIZED", "1");
    let mut databases = Databases::new(&config);
    until(&mut databases, "both", |d| is_filled(d) && version(d, Namespace::Asic(0)).as_deref() == Some("9")).await;
    let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut redis.servers[0].connection(0)).unwrap();
    assert_eq!(clients.lines().count(), 3, "commands, notifications, and this one:\n{clients}");
}

#[tokio::test]
async fn a_command_connects_once_or_says_why_not() {
    let redis = Redis::start(1);
    redis.fill(0);
    let databases = Databases::connect_once(&redis.config()).await.unwrap();
    assert!(is_filled(&databases));

    let folder = Workdir::new();
    let connect = async |server: Server| {
        let mut config = redis.config();
        let host = config.get_mut(&Namespace::Host).unwrap();
        (host.config.server, host.state.server) = (server.clone(), server);
        Databases::connect_once(&config).await
    };
    let none = folder.path().join("none.sock");
    let gone = folder.path().join("gone.sock");
    drop(std::os::unix::net::UnixListener::bind(&gone).unwrap());
    for (socket, tcp, says) in [
        (Some(none.clone()), None, "No such file"),
        (Some(gone), None, "refused"),
        (Some(none), Some(("127.0.0.1".to_owned(), 1)), "No such file"),
        (None, Some(("127.0.0.1".to_owned(), 1)), "refused"),
    ] {
        let error = connect(Server { socket, tcp }).await.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("systemctl status database"), "{error}");
    }
    // A database that the server does not have.
    let mut config = redis.config();
    config.get_mut(&Namespace::Host).unwrap().state.id = 4000;
    let error = Databases::connect_once(&config).await.unwrap_err().to_string();
    assert!(error.contains("out of range"), "{error}");
}

#[tokio::test]
async fn tcp_is_the_fallback() {
    let folder = Workdir::new();
    let server = RedisServer::start_with(&folder.folder("redis"), "AKE", true);
    let mut host = databases_at(&folder.path().join("none.sock"));
    for address in [&mut host.config, &mut host.state] {
        address.server.tcp = Some(("127.0.0.1".to_owned(), server.port()));
    }
    let mut databases = Databases::new(&[(Namespace::Host, host)].into());
    until(&mut databases, "a connection", |d| unreachable(d).is_none()).await;
}

/// Prints what a burst costs: `cargo test --release -- --ignored --nocapture burst`.
#[tokio::test]
#[ignore = "a measurement"]
async fn burst() {
    let redis = Redis::start(1);
    redis.fill(0);
    let start = since_boot();
    let mut databases = Databases::new(&redis.config());
    until(&mut databases, "the full snapshot", is_filled).await;
    println!("connected, subscribed and read: {:?}", since_boot() - start);
    let start = since_boot();
    redis.hset(0, STATE_DB, "FEATURE|telemetry", &[("container_version", "2")]);
    until(&mut databases, "a change", |d| version(d, Namespace::Host).as_deref() == Some("2")).await;
    println!("from a write (connection included) to the row: {:?}", since_boot() - start);
    let fill = "for i = 1, 50000 do redis.call('HSET', 'PORT|' .. i, 'mtu', i) end";
    redis::cmd("EVAL").arg(fill).arg(0).exec(&mut redis.servers[0].connection(CONFIG_DB.into())).unwrap();
    databases.mark_everything();
    let start = since_boot();
    databases.read_again().await.unwrap();
    println!("full snapshot beside 50000 other keys: {:?}", since_boot() - start);
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
    };
    for distinct in [30, 200, 10_000] {
        let script = "for i = 1, 10000 do redis.call('HSET', 'FEATURE|f' .. (i % ARGV[1]), 'container_version', i) end";
        let mut connection = redis.servers[0].connection(STATE_DB.into());
        let before = cpu();
        redis::cmd("EVAL").arg(script).arg(0).arg(distinct).exec(&mut connection).unwrap();
        let sent = cpu();
        let mut looks = 0;
        let last = RowKey { namespace: Namespace::Host, key: format!("f{}", 10_000 % distinct).parse().unwrap() };
        until(&mut databases, "the last", |d| {
            looks += 1;
            snapshot(d)
                .state
                .get(&last)
                .is_some_and(|row| row.container_version.get().is_some_and(|v| v.as_str() == "10000"))
        })
        .await;
        while is_changed(&mut databases).await {
            looks += 1;
        }
        println!(
            "10000 changes of {distinct} rows: {:?} CPU, {looks} looks ({:?} to send)",
            cpu() - sent,
            sent - before
        );
        let start = since_boot();
        databases.read_again().await.unwrap();
        println!("  read again: {:?}", (since_boot() - start));
        databases.mark_everything();
        let start = since_boot();
        databases.read_again().await.unwrap();
        println!("  full snapshot: {:?}", (since_boot() - start));
    }
}
