//! The limiter against a real Redis, and against one that hangs, dies, comes back or never was.
//!
//! "Fails when" names the change of the code that was tried and made the test fail.

mod apart;
mod script;
mod server;
mod speed;

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::join_all;
use nix::sys::signal::Signal;

use self::server::{RedisServer, free_port, url};
use super::{Decision, Mode, RateLimitConfig, RateLimitError, RateLimiter};
use crate::resilience::health::{Condition, Part};

/// Patient with Redis: these tests are about counts, and the machine may be busy.
fn patient(requests_max: u64, port: u16) -> RateLimitConfig {
    RateLimitConfig {
        requests_max,
        window: Duration::from_secs(3_600),
        redis_url: Some(url(port).into()),
        call_timeout: Duration::from_secs(10),
        probe_delay_min: Duration::from_millis(20),
        probe_delay_max: Duration::from_millis(100),
        ..RateLimitConfig::default()
    }
}

async fn on_redis(limiter: &RateLimiter) {
    wait_for(limiter, "redis", |mode| matches!(mode, Mode::Redis)).await;
}

async fn on_its_own(limiter: &RateLimiter) {
    wait_for(limiter, "local", |mode| matches!(mode, Mode::Local { .. })).await;
}

async fn wait_for(limiter: &RateLimiter, wanted: &str, is: impl Fn(&Mode) -> bool) {
    let mut phase = limiter.inner.circuit.watch();
    let reached = tokio::time::timeout(Duration::from_secs(20), phase.wait_for(|phase| is(&phase.mode))).await;
    assert!(reached.is_ok(), "the mode is {:?}, wanted {wanted}", limiter.mode());
}

async fn connected(config: RateLimitConfig) -> RateLimiter {
    let limiter = RateLimiter::new(config).unwrap();
    on_redis(&limiter).await;
    limiter
}

fn allowed(decision: &Decision) -> bool {
    matches!(decision, Decision::Allowed { .. })
}

async fn burst(limiter: &RateLimiter, client: &str, checks: usize) -> usize {
    join_all((0..checks).map(|_| limiter.check(client))).await.iter().filter(|decision| allowed(decision)).count()
}

/// Fails when the script grants `want` without looking at `limit - total`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_at_once_exactly_the_limit_is_allowed() {
    let server = RedisServer::start().await;
    let limiter = connected(patient(100, server.port())).await;
    let checks = (0..1_000).map(|_| {
        let limiter = limiter.clone();
        async move { limiter.check("c").await }
    });
    let mut tasks = tokio::task::JoinSet::new();
    checks.for_each(|check| drop(tasks.spawn(check)));
    let decisions = tasks.join_all().await;
    assert_eq!(decisions.iter().filter(|decision| allowed(decision)).count(), 100);
    assert!(matches!(limiter.mode(), Mode::Redis));
    assert_eq!(server.counted().await, 100, "a refused request must not count");
    assert_eq!(burst(&limiter, "another", 50).await, 50, "clients are counted apart");
}

/// Fails when `flying` is not set, so that every check launches a flight of its own.
#[tokio::test]
async fn checks_that_meet_share_one_call() {
    let server = RedisServer::start().await;
    let limiter = connected(patient(150, server.port())).await;
    limiter.inner.circuit.faults.hold("limiter.call");
    let mut first = Box::pin(limiter.check("c"));
    assert!(first.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await; // the first flight is in the air with one waiter
    let (one, rest, ()) = tokio::join!(first, burst(&limiter, "c", 120), async {
        tokio::task::yield_now().await;
        limiter.inner.circuit.faults.release("limiter.call");
    });
    assert_eq!((one, rest), (Decision::Allowed { remaining: 149 }, 120));
    assert_eq!(server.calls().await, 2, "one for the first, one for all who came meanwhile");
}

/// Fails when `block_max` is 1, and when `refuse` keeps no refusal.
#[tokio::test]
async fn a_large_limit_is_taken_in_blocks_and_a_refusal_is_remembered() {
    let server = RedisServer::start().await;
    let limiter = connected(patient(50_000, server.port())).await;
    let mut count = 0;
    for _ in 0..60_000 {
        count += u64::from(allowed(&limiter.check("c").await));
    }
    assert_eq!(count, 50_000);
    let (calls, started) = (server.calls().await, limiter.inner.started.elapsed());
    let bound = 200 + started.as_millis() / 20;
    assert!(u128::from(calls) <= bound, "{calls} calls, at most {bound}");
    assert_eq!(server.counted().await, 50_000);
}

/// Fails when the script forgets what it granted (no HINCRBY), or when each node has a key of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_together_never_exceed_the_limit_and_waste_at_most_a_block() {
    let server = RedisServer::start().await;
    for limit in [1, 100, 20_000_usize] {
        let config = RateLimitConfig { key_prefix: format!("limit-{limit}"), ..patient(limit as u64, server.port()) };
        let nodes = [connected(config.clone()).await, connected(config).await];
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let node = nodes[task % 2].clone();
            tasks.spawn(async move {
                let mut count = 0;
                for _ in 0..limit.div_ceil(4).max(200) {
                    count += burst(&node, "c", 1 + task % 3).await;
                }
                count
            });
        }
        let total: usize = tasks.join_all().await.into_iter().sum();
        assert!(total <= limit, "{total} of {limit}");
        assert!(total >= limit - limit / 100, "{total} of {limit}: more wasted than one node's block");
        assert!(nodes.iter().all(|node| matches!(node.mode(), Mode::Redis)));
    }
}

/// Fails when `order` gives nothing back.
#[tokio::test]
async fn what_a_node_took_ahead_and_did_not_use_is_given_back() {
    let server = RedisServer::start().await;
    let limiter = connected(patient(1_000, server.port())).await;
    for _ in 0..500 {
        assert!(allowed(&limiter.check("c").await));
    }
    assert!(allowed(&limiter.check_many("c", 11).await), "larger than any block, so a call is made");
    assert_eq!(server.counted().await, 511);
}

/// Fails when the window ends late (`room` one bucket too much) or when refusals count.
#[tokio::test]
async fn after_the_window_the_whole_limit_is_there_again() {
    let server = RedisServer::start().await;
    let limiter =
        connected(RateLimitConfig { window: Duration::from_millis(1_200), ..patient(5, server.port()) }).await;
    let started = Instant::now();
    assert_eq!(burst(&limiter, "c", 50).await, 5);
    let Decision::Refused { retry_after: mut retry } = limiter.check("c").await else { panic!("more than the limit") };
    let again = loop {
        match limiter.check("c").await {
            Decision::Allowed { .. } => break started.elapsed(),
            Decision::Refused { retry_after } => retry = retry.max(retry_after),
        }
        assert!(started.elapsed() < Duration::from_secs(5), "never allowed again");
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert!(again >= Duration::from_millis(1_200), "after {again:?}");
    assert!(retry <= Duration::from_millis(1_220), "{retry:?}: a window and a bucket");
    assert_eq!(burst(&limiter, "c", 50).await, 4);
}

/// Fails when the timeouts of `Inner::call` and `check_many` are many times longer, and when `trip` does not change the
/// epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_costs_each_check_its_budget_once_and_then_nothing() {
    let server = RedisServer::start().await;
    let budget = Duration::from_millis(100);
    let limiter = connected(RateLimitConfig { call_timeout: budget, ..patient(1_000_000, server.port()) }).await;
    assert!(allowed(&limiter.check("warm").await));
    server.signal(Signal::SIGSTOP);
    let waits = join_all((0..200).map(|n| {
        let limiter = limiter.clone();
        async move {
            let started = Instant::now();
            assert!(allowed(&limiter.check(&format!("c{}", n % 20)).await));
            started.elapsed()
        }
    }))
    .await;
    let longest = waits.into_iter().max().unwrap();
    assert!(longest < budget + Duration::from_millis(150), "a check waited {longest:?}");
    on_its_own(&limiter).await;
    for n in 0..1_000 {
        let name = format!("c{}", n % 20);
        let decision = limiter.check(&name).now_or_never();
        assert!(decision.as_ref().is_some_and(allowed), "{decision:?}: while open no check waits");
    }
    server.signal(Signal::SIGCONT);
    on_redis(&limiter).await;
    for n in 0..20 {
        assert!(allowed(&limiter.check(&format!("c{n}")).await));
    }
    // 1 + 200 + 1,000 + 20, and what the hung Redis may have run after all.
    let counted = server.counted().await;
    assert!((1_221..=1_221 + 200).contains(&counted), "{counted} counted");
}

/// Fails when `order` reports nothing, or without `spawn(probe(..))` in `trip`.
#[tokio::test]
async fn a_redis_that_dies_is_done_without_and_found_again() {
    let mut server = RedisServer::start().await;
    let config = patient(10, server.port());
    let health = config.health.clone();
    let limiter = connected(config).await;
    assert_eq!(health.condition(Part::Limiter), Condition::Up);
    assert_eq!(burst(&limiter, "c", 3).await, 3);
    server.kill();
    assert_eq!(burst(&limiter, "c", 20).await, 7, "this node remembers the three");
    assert!(matches!(limiter.mode(), Mode::Local { .. }));
    assert!(matches!(health.condition(Part::Limiter), Condition::Degraded(_)));
    let server = RedisServer::start_on(server.port()).await;
    on_redis(&limiter).await;
    assert_eq!(health.condition(Part::Limiter), Condition::Up);
    // The new Redis is empty: it learns of the seven, and has lost the three.
    assert_eq!(burst(&limiter, "c", 20).await, 3);
    assert_eq!(server.counted().await, 10);
}

/// Fails when `probe` gives up after the first attempt.
#[tokio::test]
async fn it_starts_without_redis_and_finds_it_later() {
    let port = free_port();
    let config = patient(10, port);
    let health = config.health.clone();
    let limiter = RateLimiter::new(config).unwrap();
    assert_eq!(limiter.check("c").now_or_never(), Some(Decision::Allowed { remaining: 9 }));
    assert!(matches!(health.condition(Part::Limiter), Condition::Degraded(_)));
    let server = RedisServer::start_on(port).await;
    on_redis(&limiter).await;
    assert_eq!(limiter.check("c").await, Decision::Allowed { remaining: 8 });
    assert_eq!(server.counted().await, 2, "what was allowed before is added");
}

/// Fails without the `Drop` of `Flight`: both wait out the whole budget, ten seconds.
#[tokio::test]
async fn a_panic_of_the_task_that_calls_redis_hangs_nobody() {
    let server = RedisServer::start().await;
    let limiter = connected(patient(10, server.port())).await;
    limiter.inner.circuit.faults.panic_at("limiter.call", 0, 1);
    let started = Instant::now();
    assert_eq!(burst(&limiter, "c", 2).await, 2);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    on_redis(&limiter).await;
    assert_eq!(burst(&limiter, "c", 20).await, 8);
    assert_eq!(server.counted().await, 10);
}

/// Fails when the probe does not catch panics: the mode stays local.
#[tokio::test]
async fn a_panic_of_the_probe_is_one_more_failure() {
    let server = RedisServer::start().await;
    let config = patient(10, server.port());
    config.faults.panic_at("limiter.probe", 0, 2);
    let limiter = connected(config).await;
    assert_eq!(limiter.inner.circuit.faults.hits("limiter.probe"), 3);
}

/// Fails when `settle` spends a permit on a waiter that is gone.
#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_permit_and_hangs_nobody() {
    let server = RedisServer::start().await;
    let limiter = connected(patient(10, server.port())).await;
    limiter.inner.circuit.faults.hold("limiter.call");
    let mut gone = Box::pin(limiter.check("c"));
    assert!(gone.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await; // in the air
    let mut stays = Box::pin(limiter.check("c"));
    assert!(stays.as_mut().now_or_never().is_none());
    drop(gone);
    limiter.inner.circuit.faults.release("limiter.call");
    assert_eq!(stays.await, Decision::Allowed { remaining: 9 });
    assert_eq!(limiter.check("c").await, Decision::Allowed { remaining: 8 });
    assert_eq!(server.counted().await, 2);
}

/// Fails when the wait for the reply in `check_many` has no timeout of its own: a check that just missed a call would
/// wait for two.
#[tokio::test]
async fn a_check_waits_no_longer_than_the_budget_though_two_calls_take_longer() {
    let server = RedisServer::start().await;
    let budget = Duration::from_millis(500);
    let limiter = connected(RateLimitConfig { call_timeout: budget, ..patient(10, server.port()) }).await;
    let faults = &limiter.inner.circuit.faults;
    faults.hold("limiter.call");
    let mut first = Box::pin(limiter.check("c"));
    assert!(first.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await; // in the air
    let started = Instant::now();
    let mut second = Box::pin(limiter.check("c"));
    assert!(tokio::time::timeout(budget * 6 / 10, second.as_mut()).await.is_err());
    faults.release("limiter.call");
    faults.hold("limiter.call"); // the first call goes on, the second is held
    assert!(allowed(&second.await));
    assert!(started.elapsed() < budget * 13 / 10, "{:?}", started.elapsed());
    assert!(matches!(limiter.mode(), Mode::Local { .. }));
    assert!(allowed(&first.await));
    faults.release("limiter.call");
}

/// Fails when `Inner::call` does not watch the phase: the held call goes on for ten seconds.
#[tokio::test]
async fn when_one_call_opens_the_circuit_all_who_wait_for_another_are_answered_at_once() {
    let server = RedisServer::start().await;
    let limiter = connected(patient(10, server.port())).await;
    limiter.inner.circuit.faults.hold("limiter.call");
    let started = Instant::now();
    let mut held = Box::pin(limiter.check("held"));
    assert!(held.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await; // in the air
    limiter.inner.circuit.faults.panic_at("limiter.call", 0, 1);
    assert!(allowed(&limiter.check("breaks").await));
    assert!(allowed(&held.await));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    limiter.inner.circuit.faults.release("limiter.call");
}

/// Fails when the script is called by EVALSHA alone.
#[tokio::test]
async fn a_redis_that_forgot_the_script_gets_it_again() {
    let server = RedisServer::start().await;
    let limiter = connected(patient(10, server.port())).await;
    redis::cmd("SCRIPT").arg("FLUSH").query_async::<()>(&mut server.connect().await).await.unwrap();
    assert_eq!(limiter.check("c").await, Decision::Allowed { remaining: 9 });
    assert!(matches!(limiter.mode(), Mode::Redis));
}

/// Fails without `evict`.
#[tokio::test]
async fn memory_is_bounded_by_the_number_of_clients() {
    let limiter = RateLimiter::new(RateLimitConfig { clients_max: 100, ..RateLimitConfig::default() }).unwrap();
    for n in 0..5_000 {
        assert!(allowed(&limiter.check(&format!("c{n}")).await));
    }
    assert!(limiter.clients() <= 100, "{} clients", limiter.clients());
}

#[tokio::test]
async fn without_redis_the_window_in_memory_decides_and_health_is_up() {
    let config = RateLimitConfig { requests_max: 3, ..RateLimitConfig::default() };
    let limiter = RateLimiter::new(config.clone()).unwrap();
    assert_eq!(burst(&limiter, "c", 10).await, 3);
    assert!(!allowed(&limiter.check_many("d", 4).await));
    assert!(allowed(&limiter.check_many("d", 3).await));
    assert!(matches!(limiter.mode(), Mode::Local { .. }));
    assert_eq!(config.health.condition(Part::Limiter), Condition::Up);
    let off = RateLimiter::new(RateLimitConfig { enabled: false, ..config }).unwrap();
    assert_eq!(burst(&off, "c", 10).await, 10);
}

#[test]
fn a_wrong_setting_is_named_with_its_value_and_a_url_is_not_shown() {
    let refused = |config| RateLimiter::new(config).err().unwrap().to_string();
    let text = refused(RateLimitConfig { requests_max: 0, ..RateLimitConfig::default() });
    assert_eq!(text, "requests_max is 0, allowed is 1 to 1000000000");
    let text = refused(RateLimitConfig { redis_url: Some("http://u:secret@h".into()), ..RateLimitConfig::default() });
    assert!(text.starts_with("the redis url cannot be used") && !text.contains("secret"), "{text}");
    let outside = RateLimiter::new(patient(1, 1)).err();
    assert!(matches!(outside, Some(RateLimitError::NoRuntime)));
}
