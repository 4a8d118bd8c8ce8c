//! Clients and tenants are counted apart: one that is over its limit takes nothing from another, whoever decides.

use tonic::metadata::{MetadataMap, MetadataValue};

use super::server::RedisServer;
use super::{connected, on_its_own, patient};
use crate::admission::limits::{Trusted, limit};
use crate::admission::rate_limit::{Mode, RateLimiter};
use crate::protocol::record::{DEFAULT_TENANT, Maker};
use crate::teller::failure::Failure;

const LIMIT: usize = 5;

/// Calls twice as often as is allowed, one after the other; how often it was let through.
async fn greedy(limiter: &RateLimiter, tenant: &str, client: &str) -> usize {
    let mut metadata = MetadataMap::new();
    metadata.insert("x-client-id", MetadataValue::try_from(client).unwrap());
    let (mut through, maker) = (0, Maker::default());
    for _ in 0..LIMIT * 2 {
        match limit(Some(limiter), &Trusted::default(), (tenant, &maker), metadata.as_ref(), "Method").await {
            Ok(()) => through += 1,
            Err(Failure::RateLimited { retry_after_ms }) => assert!(retry_after_ms > 0),
            Err(other) => panic!("{other}"),
        }
    }
    through
}

/// Everybody has the whole limit, though all before have spent theirs; and nobody's comes back meanwhile.
async fn assert_apart(limiter: &RateLimiter, round: &str) {
    let name = |client: &str| format!("{client} {round}");
    // The last two are names that a client of no tenant, or of another one, gives itself to be taken for a tenant's.
    let callers = [
        (DEFAULT_TENANT, "a"),
        (DEFAULT_TENANT, "b"),
        ("one", "a"),
        ("two", "a"),
        (DEFAULT_TENANT, "one a"),
        ("one a", "a"),
        ("one", "a a"),
    ];
    for (tenant, client) in callers {
        assert_eq!(greedy(limiter, tenant, &name(client)).await, LIMIT, "{client} of {tenant}, {round}");
    }
    for (tenant, client) in callers {
        assert_eq!(greedy(limiter, tenant, &name(client)).await, 0, "{client} of {tenant}, {round}");
    }
}

/// Fails when the tenant is no part of the name, when a client can name itself into a tenant's window (seen: with a
/// blank between the two), when the key in Redis lacks the client, or when the window in memory is one for all.
#[tokio::test]
async fn who_is_over_the_limit_takes_nothing_from_other_clients_and_tenants() {
    let mut server = RedisServer::start().await;
    let limiter = connected(patient(LIMIT as u64, server.port())).await;
    assert_apart(&limiter, "by redis").await;
    assert!(matches!(limiter.mode(), Mode::Redis));
    server.kill();
    limiter.check("finds out").await; // what it asks without an answer may count twice
    on_its_own(&limiter).await;
    assert_apart(&limiter, "alone").await;
    assert!(matches!(limiter.mode(), Mode::Local { .. }));
}
