//! Rate limits of the contracts, and how a client is told from others.

use http::HeaderMap;

use super::rate_limit::{Decision, RateLimiter};
use crate::protocol::record::DEFAULT_TENANT;
use crate::telemetry::metrics::RATE_LIMIT_EXCEEDED;
use crate::teller::failure::Failure;
use crate::teller::validate::cut;

/// Rate limits by contract; `None`: no limit.
#[derive(Clone, Default)]
pub struct Limits {
    pub payment: Option<RateLimiter>,
    /// For the native API, where a batch counts once, and for the accounts REST API.
    pub native: Option<RateLimiter>,
}

/// Counts a call against its client's limit. The client is named by `x-client-id`, else by the first address of
/// `x-forwarded-for`, else by the method. Each tenant's clients are counted apart.
///
/// # Errors
/// `RateLimited`.
pub async fn limit(
    limiter: Option<&RateLimiter>,
    tenant: &str,
    headers: &HeaderMap,
    method: &'static str,
) -> Result<(), Failure> {
    let Some(limiter) = limiter else { return Ok(()) };
    let text =
        |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty());
    let (named_by, client) = match (text("x-client-id"), text("x-forwarded-for")) {
        (Some(client), _) => ("client_id", client),
        (None, Some(addresses)) => ("ip", addresses.split(',').next().unwrap_or(addresses).trim()),
        (None, None) => ("method", method),
    };
    // no header has a line's end: none names itself into a tenant's window
    let own = (tenant != DEFAULT_TENANT).then(|| format!("{tenant}\n{client}"));
    match limiter.check(own.as_deref().unwrap_or(client)).await {
        Decision::Allowed { .. } => Ok(()),
        Decision::Refused { retry_after } => {
            metrics::counter!(RATE_LIMIT_EXCEEDED, "identifier_type" => named_by).increment(1);
            tracing::debug!(client = cut(client), named_by, "over the rate limit");
            Err(Failure::RateLimited {
                retry_after_ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX).max(1),
            })
        }
    }
}
