//! Figures, not a test: `cargo test --release rate_limit::tests::speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use super::server::RedisServer;
use super::{burst, connected, patient};
use crate::admission::rate_limit::{RateLimitConfig, RateLimiter};

const CHECKS: u32 = 2_000_000;

#[tokio::test]
#[ignore = "prints figures"]
async fn checks_per_second() {
    let minute =
        RateLimitConfig { window: Duration::from_secs(60), requests_max: 1_000_000_000, ..RateLimitConfig::default() };
    sequential("local, one client", &RateLimiter::new(minute.clone()).unwrap(), 1).await;
    sequential("local, 10,000 clients", &RateLimiter::new(minute.clone()).unwrap(), 10_000).await;
    sequential(
        "local, refused",
        &RateLimiter::new(RateLimitConfig { requests_max: 100, ..minute.clone() }).unwrap(),
        1,
    )
    .await;

    let server = RedisServer::start().await;
    let with = |requests_max| RateLimitConfig { window: minute.window, ..patient(requests_max, server.port()) };
    for (what, limit, clients) in [
        ("redis, one client", 1_000_000_000, 1),
        ("redis, 100 clients", 1_000_000_000, 100),
        ("redis, refused", 100, 1),
    ] {
        let limiter = connected(RateLimitConfig { key_prefix: what.into(), ..with(limit) }).await;
        let (calls, started) = (server.calls().await, Instant::now());
        sequential(what, &limiter, clients).await;
        let calls =
            (server.calls().await - calls) * 1_000 / u64::try_from(started.elapsed().as_millis()).unwrap().max(1);
        println!("    {calls} script calls/s");
    }
    let limiter = connected(RateLimitConfig { key_prefix: "waves".into(), ..with(150) }).await;
    let started = Instant::now();
    for n in 0..2_000 {
        burst(&limiter, &format!("c{n}"), 64).await;
    }
    report("redis, 64 at once of a new client each time", 128_000, started);
    let started = Instant::now();
    for n in 0..20_000 {
        limiter.check(&format!("d{n}")).await;
    }
    report("redis, one call per check, one after the other", 20_000, started);
}

async fn sequential(what: &str, limiter: &RateLimiter, clients: usize) {
    let names: Vec<_> = (0..clients).map(|n| format!("client-{n}")).collect();
    let started = Instant::now();
    for name in names.iter().cycle().take(CHECKS as usize) {
        limiter.check(name).await;
    }
    report(what, CHECKS, started);
}

fn report(what: &str, checks: u32, started: Instant) {
    println!(
        "{what}: {} checks/s, {:?} each",
        u128::from(checks) * 1_000_000 / started.elapsed().as_micros(),
        started.elapsed() / checks
    );
}
