//! Redis away: the limit holds per process, at once, and no payment waits.

use std::time::{Duration, Instant};

use florin_servers::redis::PrivateRedis;
use florin_wire::payment_v1 as pb;
use tonic::{Code, Request};

use super::florin::Server;
use super::load::{Load, account, open_accounts, quantile};
use super::site::Site;
use crate::harness::until;

const LIMIT: usize = 60;

/// Asks for a balance until it is refused; how often it was not.
async fn greedy(server: &Server, name: &str) -> usize {
    let mut client = server.client();
    for n in 0..LIMIT * 2 {
        let mut request = Request::new(pb::GetAccountBalanceRequest { account_id: account(0) });
        request.metadata_mut().insert("x-client-id", name.parse().unwrap());
        match client.get_account_balance(request).await {
            Ok(_) => {}
            Err(status) if status.code() == Code::ResourceExhausted => return n,
            Err(status) => panic!("{status}"),
        }
    }
    usize::MAX
}

/// Fails when a call to a Redis that hangs is awaited for longer than its timeout, or by every call anew; when no
/// window takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hanging_or_killed_is_not_noticed_by_payers() {
    let home = tempfile::tempdir().unwrap();
    let mut redis = PrivateRedis::start(home.path()).unwrap();
    let site = Site::new()
        .await
        .with("REDIS_URL", &redis.url())
        .with("RATE_LIMIT_ENABLED", "true")
        .with("RATE_LIMIT_MAX_REQUESTS", "10000000");
    open_accounts(&site.database).await;
    let server = site.serve().await;
    let load = Load::start(&[server.grpc], 8);
    load.more(100).await;
    assert_eq!(server.part("limiter").await, "up");
    for fault in ["hangs", "is killed"] {
        if fault == "hangs" {
            redis.pause()
        } else {
            redis.kill()
        }
        let away = Instant::now();
        until("health says so", async || server.part("limiter").await == "degraded").await;
        load.more(300).await;
        let calls = load.calls(away, Instant::now());
        let (p99, refused) = (quantile(&calls, 990), calls.iter().filter(|call| call.code != Code::Ok).count());
        println!("redis {fault}: {} payments, p99 {p99:?}", calls.len());
        assert!(refused == 0 && p99 < Duration::from_millis(250), "{refused} refused, p99 {p99:?}");
        assert_eq!(server.health().await, Some(200), "degraded, not down");
        if fault == "hangs" {
            redis.resume()
        } else {
            redis.restart().unwrap()
        }
        until("the limiter asks Redis again", async || server.part("limiter").await == "up").await;
    }
    load.settle(&site).await;
    assert_eq!(server.terminate(Duration::from_secs(8)).0, 0);

    let site = site.with("RATE_LIMIT_MAX_REQUESTS", &LIMIT.to_string());
    let server = site.serve().await;
    assert_eq!(greedy(&server, "with-redis").await, LIMIT);
    redis.kill();
    assert_eq!(greedy(&server, "without").await, LIMIT);
}
