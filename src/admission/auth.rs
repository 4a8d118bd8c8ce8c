//! Who calls, and whether they may: API keys and client certificates.
//!
//! A layer before all services, which puts an [`Identity`] into the request's extensions. Pure functions decide, over a
//! table of RPC paths. Keys are looked up through the store, and remembered for a short while.

mod cache;
mod layer;
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use crate::protocol::record::DEFAULT_TENANT;
use crate::settings::AuthSettings;
use crate::store::api_keys::{self, ApiKey, KeyHash, KeyText, Scope, Scopes};
use cache::Cache;
pub use layer::{AuthLayer, AuthService, PeerCertificate};
pub use table::{Access, TABLE, access};

/// Look-ups at a time: a flood of made-up keys must not take the connections that reads need.
const LOOK_UPS_MAX: usize = 4;
/// How long a look-up may take, with the wait for its turn.
const LOOK_UP_WAIT_MAX: Duration = Duration::from_secs(5);

/// Who calls. It is in the extensions of every request that passed the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub tenant: Arc<str>,
    /// `key:<id>` or `cert:<fingerprint>`; `None`: no credentials were required.
    pub client: Option<Arc<str>>,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// It has no credentials.
    Missing,
    /// Its credentials are not of the form of a key.
    Malformed,
    /// The key is unknown or revoked.
    Unknown,
    Scope {
        /// As in [`Identity::client`].
        client: Arc<str>,
        /// The scope that the key lacks.
        needed: Scope,
    },
    /// The database did not answer.
    Unavailable,
}

/// Where keys are looked up.
pub trait KeyStore: Send + Sync + 'static {
    /// The key with this id and hash; `None`: there is none, or it is revoked. An error: the store did not answer.
    fn look_up<'a>(&'a self, id: &'a str, hash: &'a KeyHash) -> BoxFuture<'a, Result<Option<ApiKey>, String>>;
}

/// Authenticates calls; clones share the cache.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    api_keys: bool,
    client_certificates: bool,
    keys: Option<Box<dyn KeyStore>>,
    cache: Cache<Option<Grant>>,
    look_ups: Semaphore,
    nobody: Identity,
}

/// What a key grants.
#[derive(Clone, Debug)]
struct Grant {
    identity: Identity,
    scopes: Scopes,
}

/// What is known of a call without asking the store.
enum Verdict<'a> {
    Pass(Identity),
    Deny(Denial),
    Ask(KeyText<'a>, KeyHash, Scope),
}

impl KeyStore for PgPool {
    fn look_up<'a>(&'a self, id: &'a str, hash: &'a KeyHash) -> BoxFuture<'a, Result<Option<ApiKey>, String>> {
        Box::pin(async move { api_keys::look_up(self, id, hash).await.map_err(|e| e.to_string()) })
    }
}

impl Authenticator {
    /// With the methods that the settings switch on. Keys are looked up in `keys`.
    ///
    /// # Panics
    /// When API keys are on and `keys` is `None`: a mistake of the caller.
    pub fn new(settings: &AuthSettings, keys: Option<Box<dyn KeyStore>>) -> Self {
        assert!(keys.is_some() || !settings.api_keys, "api keys need a store");
        Self(Arc::new(Inner {
            api_keys: settings.api_keys,
            client_certificates: settings.client_certificates,
            keys,
            cache: Cache::new(settings.cache),
            look_ups: Semaphore::new(LOOK_UPS_MAX),
            nobody: Identity { tenant: DEFAULT_TENANT.into(), client: None },
        }))
    }

    /// Lets everybody in, as the default tenant.
    pub fn open() -> Self {
        Self::new(
            &AuthSettings {
                api_keys: false,
                client_certificates: false,
                cache: Duration::ZERO,
                allow_unauthenticated: true,
            },
            None,
        )
    }

    pub fn layer(&self) -> AuthLayer {
        AuthLayer::new(self.clone())
    }

    /// Says who calls, if they may. `certificate` is the client's, in DER, checked by the handshake.
    ///
    /// # Errors
    /// Why they may not.
    pub async fn authenticate(
        &self,
        access: Access,
        headers: &HeaderMap,
        certificate: Option<&[u8]>,
    ) -> Result<Identity, Denial> {
        match self.verdict(access, headers, certificate, Instant::now()) {
            Verdict::Pass(identity) => Ok(identity),
            Verdict::Deny(denial) => Err(denial),
            Verdict::Ask(key, hash, needed) => allow(self.look_up(&key, &hash).await?.as_ref(), needed),
        }
    }

    fn verdict<'a>(
        &self,
        access: Access,
        headers: &'a HeaderMap,
        certificate: Option<&[u8]>,
        now: Instant,
    ) -> Verdict<'a> {
        let me = &*self.0;
        let needed = match access {
            Access::Needs(scope) if me.api_keys || me.client_certificates => scope,
            _ => return Verdict::Pass(me.nobody.clone()),
        };
        if let Some(text) = me.api_keys.then(|| presented(headers)).flatten() {
            let Some(key) = KeyText::parse(text) else { return Verdict::Deny(Denial::Malformed) };
            let hash = key.hash();
            return match me.cache.get(&hash, now) {
                Some(grant) => allow(grant.as_ref(), needed).map_or_else(Verdict::Deny, Verdict::Pass),
                None => Verdict::Ask(key, hash, needed),
            };
        }
        match certificate.filter(|_| me.client_certificates) {
            Some(der) => {
                Verdict::Pass(Identity { tenant: me.nobody.tenant.clone(), client: Some(fingerprint(der).into()) })
            }
            None => Verdict::Deny(Denial::Missing),
        }
    }

    async fn look_up(&self, key: &KeyText<'_>, hash: &KeyHash) -> Result<Option<Grant>, Denial> {
        let me = &*self.0;
        let asked = async {
            let _turn = me.look_ups.acquire().await.map_err(|e| e.to_string())?;
            let now = Instant::now();
            if let Some(known) = me.cache.get(hash, now) {
                return Ok(known); // somebody asked for the same key while this call waited
            }
            let found = match &me.keys {
                Some(keys) => keys.look_up(key.id(), hash).await?,
                None => None,
            };
            let grant = found.map(|key| Grant {
                identity: Identity { tenant: key.tenant.into(), client: Some(format!("key:{}", key.id).into()) },
                scopes: key.scopes,
            });
            // Remembered from before it was asked: a key revoked meanwhile is not remembered for longer than promised.
            me.cache.put(*hash, grant.clone(), grant.is_some(), now);
            Ok::<_, String>(grant)
        };
        match tokio::time::timeout(LOOK_UP_WAIT_MAX, asked).await {
            Ok(Ok(grant)) => Ok(grant),
            Ok(Err(error)) => {
                tracing::warn!(key = key.id(), error, "an api key could not be looked up");
                Err(Denial::Unavailable)
            }
            Err(_) => Err(Denial::Unavailable),
        }
    }
}

impl Denial {
    /// The label of metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Scope { .. } => "scope",
            Self::Unavailable => "unavailable",
        }
    }

    /// The answer to the caller.
    pub fn status(&self) -> Status {
        match self {
            Self::Missing => Status::unauthenticated(
                "no credentials: send an API key as `authorization: Bearer flk_...` or `x-api-key: flk_...`",
            ),
            Self::Malformed => Status::unauthenticated("the credentials are no API key: one reads flk_<id>_<secret>"),
            Self::Unknown => Status::unauthenticated("the API key is unknown or revoked"),
            Self::Scope { client, needed } => {
                Status::permission_denied(format!("{client} lacks the scope {}", needed.name()))
            }
            Self::Unavailable => Status::new(Code::Unavailable, "credentials cannot be checked now: try again"),
        }
    }
}

fn allow(grant: Option<&Grant>, needed: Scope) -> Result<Identity, Denial> {
    let grant = grant.ok_or(Denial::Unknown)?;
    if grant.scopes.contains(needed) {
        return Ok(grant.identity.clone());
    }
    let client = grant.identity.client.clone().unwrap_or_else(|| DEFAULT_TENANT.into());
    Err(Denial::Scope { client, needed })
}

/// The credentials that a call shows: a bearer token, else `x-api-key`. Text that is not ASCII counts as shown, but is
/// no key.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(http::header::AUTHORIZATION).map(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim())
    });
    bearer.or_else(|| headers.get("x-api-key").map(|value| value.to_str().unwrap_or_default().trim()))
}

/// The first 16 hexadecimal digits of the certificate's SHA-256, as `cert:...`.
fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().take(8).fold(String::from("cert:"), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests;
