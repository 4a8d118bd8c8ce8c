//! Rate limits of the contracts, and how a client is told from others.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use ipnet::IpNet;

use super::rate_limit::{Decision, RateLimiter};
use crate::protocol::record::{DEFAULT_TENANT, Maker};
use crate::telemetry::metrics::RATE_LIMIT_EXCEEDED;
use crate::teller::failure::Failure;
use crate::teller::validate::cut;

/// Rate limits by contract; `None`: no limit.
#[derive(Clone, Default)]
pub struct Limits {
    pub payment: Option<RateLimiter>,
    /// For the native API, where a batch counts once, and for the accounts REST API.
    pub native: Option<RateLimiter>,
    pub trusted: Trusted,
}

/// A tenant, and who calls for it.
type Caller<'a> = (&'a str, &'a Maker);

impl Limits {
    /// Counts a call of payment.v1.
    ///
    /// # Errors
    /// `RateLimited`.
    pub async fn payment(&self, caller: Caller<'_>, headers: &HeaderMap, method: &'static str) -> Result<(), Failure> {
        limit(self.payment.as_ref(), &self.trusted, caller, headers, method).await
    }

    /// Counts a call of any other API.
    ///
    /// # Errors
    /// `RateLimited`.
    pub async fn native(&self, caller: Caller<'_>, headers: &HeaderMap, method: &'static str) -> Result<(), Failure> {
        limit(self.native.as_ref(), &self.trusted, caller, headers, method).await
    }
}

/// Networks whose callers may say for whom they call. `None`: all, but only who shows no credentials.
#[derive(Clone, Debug, Default)]
pub struct Trusted(Option<Arc<[IpNet]>>);

impl Trusted {
    /// These; none at all is the same as not saying.
    pub fn networks(networks: &[IpNet]) -> Self {
        Self((!networks.is_empty()).then(|| networks.into()))
    }

    fn has(networks: &[IpNet], address: &str) -> bool {
        let address: Option<IpAddr> = address.parse().ok();
        address.is_some_and(|address| networks.iter().any(|network| network.contains(&address.to_canonical())))
    }

    fn may_name(&self, maker: &Maker) -> bool {
        match &self.0 {
            None => maker.name.is_none(),
            Some(networks) => maker.address.as_deref().is_some_and(|address| Self::has(networks, address)),
        }
    }

    /// The address in `x-forwarded-for` that the first proxy saw: the last one that is no proxy itself, since what
    /// stands before it anybody may have written. Without networks it is the first.
    fn forwarded<'a>(&self, addresses: &'a str) -> &'a str {
        let mut all = addresses.split(',').map(str::trim);
        let first = all.clone().next().unwrap_or(addresses);
        let Some(networks) = &self.0 else { return first };
        all.rfind(|address| !Self::has(networks, address)).unwrap_or(first)
    }
}

/// How a client is named, and by what.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    by: &'static str,
    /// The caller's credentials.
    identity: Option<&'a str>,
    /// For whom it calls; empty: for itself.
    client: &'a str,
}

fn named<'a>(trusted: &Trusted, maker: &'a Maker, headers: &'a HeaderMap, method: &'static str) -> Named<'a> {
    let text =
        |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty());
    let identity = maker.name.as_deref();
    let may_name = trusted.may_name(maker);
    let given = || match (text("x-client-id"), text("x-forwarded-for")) {
        (Some(client), _) => Some(("client_id", client)),
        (None, Some(addresses)) => Some(("ip", trusted.forwarded(addresses))),
        (None, None) => None,
    };
    match (may_name.then(given).flatten(), identity, &maker.address) {
        (Some((by, client)), _, _) => Named { by, identity, client },
        (None, Some(_), _) => Named { by: "identity", identity, client: "" },
        (None, None, Some(address)) if !may_name => Named { by: "ip", identity, client: address },
        (None, None, _) => Named { by: "method", identity, client: method },
    }
}

/// Counts a call against its client's limit. A client is its credentials; without them, or beneath them for a caller
/// that is trusted, it is named by `x-client-id`, else by an address of `x-forwarded-for`. Who may not be named so is
/// its own address, and who has no name at all is counted with its like by the method. Each tenant's clients are counted
/// apart.
///
/// # Errors
/// `RateLimited`.
pub(super) async fn limit(
    limiter: Option<&RateLimiter>,
    trusted: &Trusted,
    (tenant, maker): Caller<'_>,
    headers: &HeaderMap,
    method: &'static str,
) -> Result<(), Failure> {
    let Some(limiter) = limiter else { return Ok(()) };
    let Named { by, identity, client } = named(trusted, maker, headers, method);
    // no header has a line's end: none names itself into the window of a tenant or of credentials
    let own = (tenant != DEFAULT_TENANT || identity.is_some())
        .then(|| format!("{tenant}\n{}\n{client}", identity.unwrap_or_default()));
    match limiter.check(own.as_deref().unwrap_or(client)).await {
        Decision::Allowed { .. } => Ok(()),
        Decision::Refused { retry_after } => {
            metrics::counter!(RATE_LIMIT_EXCEEDED, "identifier_type" => by).increment(1);
            tracing::debug!(identity, client = cut(client), named_by = by, "over the rate limit");
            Err(Failure::RateLimited {
                retry_after_ms: u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX).max(1),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker(name: Option<&str>, address: &str) -> Maker {
        Maker { name: name.map(Into::into), address: Some(address.into()), ..Maker::default() }
    }

    /// Fails when `x-client-id` of a caller with credentials, or of one that is not trusted, names the client; when a
    /// trusted proxy's clients are one; when the first address of `x-forwarded-for` is believed.
    #[test]
    fn a_client_is_its_credentials_and_only_the_trusted_say_for_whom_they_call() {
        let proxies = Trusted::networks(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let anybody = Trusted::default();
        let (id, forwarded) = (("x-client-id", "ann"), ("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.1.1"));
        let key = Some("key:a");
        for (trusted, maker, shown, by, identity, client) in [
            (&anybody, maker(None, "127.0.0.1"), vec![id, forwarded], "client_id", None, "ann"),
            (&anybody, maker(None, "127.0.0.1"), vec![forwarded], "ip", None, "6.6.6.6"),
            (&anybody, maker(None, "127.0.0.1"), vec![], "method", None, "Pay"),
            (&anybody, maker(key, "127.0.0.1"), vec![id, forwarded], "identity", key, ""),
            (&proxies, maker(key, "10.9.9.9"), vec![id, forwarded], "client_id", key, "ann"),
            (&proxies, maker(None, "10.9.9.9"), vec![forwarded], "ip", None, "203.0.113.9"),
            (&proxies, maker(None, "::ffff:10.9.9.9"), vec![id], "client_id", None, "ann"),
            (&proxies, maker(None, "10.9.9.9"), vec![("x-forwarded-for", "10.1.1.1")], "ip", None, "10.1.1.1"),
            (&proxies, maker(None, "203.0.113.9"), vec![id, forwarded], "ip", None, "203.0.113.9"),
            (&proxies, maker(key, "203.0.113.9"), vec![id, forwarded], "identity", key, ""),
        ] {
            let headers =
                shown.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
            let headers: HeaderMap = headers.collect();
            assert_eq!(named(trusted, &maker, &headers, "Pay"), Named { by, identity, client }, "{maker:?} {shown:?}");
        }
    }
}
