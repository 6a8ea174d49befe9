//! Stays connected to one Redis server, marks what its notifications say has changed, and reads that.
//!
//! Each server has a task of its own: one that is down or hangs delays no other. Notifications only mark: they carry no
//! data, get lost, and come once per command, also for values that stay the same. Subscribed first, then everything is
//! read, so that no change falls between.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::PubSubStream;
use tokio::time::{Instant, sleep_until};

use crate::allowance::Allowance;
use crate::backoff::Backoff;
use crate::clock;

use super::connection;
use super::pace::Pace;
use super::redis_server::RedisServer;
use super::tables::{Channels, Place};

/// A Redis that was restarted is back within a second: so many tries before the pauses grow.
const QUICK_TRIES: u32 = 5;
/// A connection that lasted this long was a good one: the next loss begins with quick tries again.
const STEADY: Duration = Duration::from_secs(10);

/// Stays connected, for ever.
pub(super) async fn follow(server: Arc<RedisServer>) {
    let mut backoff = Backoff::new();
    let mut quick = QUICK_TRIES;
    loop {
        let begun = clock::since_boot();
        follow_once(&server).await;
        if clock::since_boot().saturating_sub(begun) >= STEADY && server.was_connected() {
            backoff.reset();
            quick = QUICK_TRIES;
        }
        let pause = if quick > 0 {
            quick -= 1;
            Duration::from_millis(fastrand::u64(100..300))
        } else {
            backoff.next()
        };
        tokio::time::sleep(pause).await;
    }
}

/// Connects, listens and reads until that ends.
async fn follow_once(server: &RedisServer) {
    let channels: Vec<Channels> = server.places.iter().map(Place::channels).collect();
    let connecting = async {
        let (stream, allowance) = connection::subscribe(&server.address, &channels).await?;
        Ok((stream, allowance, server.open().await?))
    };
    match connecting.await {
        Ok((stream, allowance, connection)) => {
            let generation = server.connected(connection);
            tokio::select! {
                () = listen(server, stream, &allowance, generation) => {}
                () = keep_reading(server) => {}
            }
            server.failed(generation, &connection::closed(&server.address, &allowance));
        }
        Err(error) => server.is_unreachable(&error),
    }
}

/// Marks what is notified, until the notifications end or the connection for commands has failed.
async fn listen(server: &RedisServer, mut stream: PubSubStream, allowance: &Allowance, generation: u64) {
    loop {
        tokio::select! {
            biased;
            message = stream.next() => match message {
                Some(message) => {
                    allowance.renew();
                    server.notified(message.get_channel_name());
                }
                None => return,
            },
            () = server.dropped.notified() => {
                if !server.is_connected(generation) {
                    return;
                }
            }
        }
    }
}

/// Reads what is marked, until that fails.
async fn keep_reading(server: &RedisServer) {
    let mut pace = Pace::new();
    loop {
        until_due(server).await;
        if let Some(until) = pace.until() {
            sleep_until(until).await;
        }
        pace.reads();
        if server.read().await.is_err() {
            return;
        }
    }
}

/// Completes when there is something to read. There is a timer only where the server does not notify.
async fn until_due(server: &RedisServer) {
    let begun = Instant::now();
    while !server.is_due() {
        match server.polls_every() {
            None => server.stirred.notified().await,
            Some(pause) => tokio::select! {
                () = server.stirred.notified() => {}
                () = sleep_until(begun + pause) => server.mark_everything(),
            },
        }
    }
}
