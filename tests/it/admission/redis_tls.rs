//! The way of the rate limit to a Redis by TLS.

use std::time::Duration;

use florin::admission::rate_limit::{Mode, RateLimitConfig, RateLimiter};

use super::mutual_tls::certificates;
use crate::harness::tls::{Preamble, TlsFront};
use crate::harness::until;

// Fails when `rediss` is not understood, or when a certificate of another authority is taken.
#[tokio::test(flavor = "multi_thread")]
async fn redis_is_reached_by_a_certificate_that_is_trusted_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let url = std::env::var("REDIS_URL").expect("REDIS_URL names the test Redis: run `make up`");
    let address = url.trim_start_matches("redis://").split('/').next().unwrap();
    let front = TlsFront::start(address, folder.path(), Preamble::Nothing).await;
    let limiter = |ca: Option<&str>| {
        let config = RateLimitConfig {
            redis_url: Some(format!("rediss://127.0.0.1:{}", front.port).into()),
            redis_ca: ca.map(|name| std::fs::read(folder.path().join(name)).unwrap()),
            key_prefix: format!("florin:rate:tls:{}", std::process::id()),
            call_timeout: Duration::from_secs(5),
            ..RateLimitConfig::default()
        };
        RateLimiter::new(config).unwrap()
    };
    let trusted = limiter(Some("ca.pem"));
    until("it counts on Redis", async || matches!(trusted.mode(), Mode::Redis)).await;
    for ca in [Some("other.pem"), None] {
        let wary = limiter(ca);
        let refused = async || matches!(wary.mode(), Mode::Local { reason, .. } if reason.contains("certificate"));
        until("it says why it does not", refused).await;
    }
}
