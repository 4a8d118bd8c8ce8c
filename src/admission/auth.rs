//! Who calls, and whether they may: API keys and client certificates.
//!
//! A layer before all services, which puts an [`Identity`] into the request's extensions. Pure functions decide, over a
//! table of RPC paths. Keys are looked up through the store, and remembered for a short while.

mod cache;
pub mod certificates;
mod layer;
mod refused;
mod standing;
mod table;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use crate::protocol::record::{DEFAULT_TENANT, Rights, now_micros};
use crate::settings::AuthSettings;
use crate::store::api_keys::{self, ApiKey, KeyHash, KeyText, MacKey, Scope, Scopes};
use cache::Cache;
use certificates::Subjects;
pub use layer::{AuthLayer, AuthService};
pub use refused::PERIOD;
pub use standing::Standing;
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
    /// Which accounts it may name.
    pub rights: Rights,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// It has no credentials.
    Missing,
    /// Its credentials are not of the form of a key.
    Malformed,
    /// The key is unknown, revoked or expired.
    Unknown,
    /// The table of subjects does not have the certificate.
    Stranger,
    /// The certificate has expired or was revoked since the connection began.
    Expired,
    Scope {
        tenant: Arc<str>,
        /// As in [`Identity::client`].
        client: Arc<str>,
        /// The scope that the key lacks.
        needed: Scope,
    },
    /// The key is kept to some accounts, and the call is not about accounts by their ids.
    Prefix {
        tenant: Arc<str>,
        /// As in [`Identity::client`].
        client: Arc<str>,
        /// How the ids of the key's accounts begin.
        prefix: Arc<str>,
    },
    /// The database did not answer.
    Unavailable,
}

/// Where keys are looked up.
pub trait KeyStore: Send + Sync + 'static {
    /// What the MACs of keys are made with; it never changes. An error: the store did not answer.
    fn mac_key(&self) -> BoxFuture<'_, Result<MacKey, String>>;

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
    /// Read once, before the first key is looked up.
    mac_key: OnceLock<MacKey>,
    cache: Cache<Option<Grant>>,
    refused: refused::Refusals,
    look_ups: Semaphore,
    nobody: Identity,
    subjects: Subjects,
}

/// What a key or a certificate grants.
#[derive(Clone, Debug)]
struct Grant {
    identity: Identity,
    scopes: Scopes,
    expires_at: Option<DateTime<Utc>>,
}

/// What is known of a call without asking the store.
enum Verdict<'a> {
    Pass(Identity),
    Deny(Denial),
    Ask(KeyText<'a>, KeyHash),
}

impl KeyStore for PgPool {
    fn mac_key(&self) -> BoxFuture<'_, Result<MacKey, String>> {
        Box::pin(async move { api_keys::mac_key(self).await.map_err(|e| e.to_string()) })
    }

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
            mac_key: OnceLock::new(),
            cache: Cache::new(settings.cache),
            refused: refused::Refusals::default(),
            look_ups: Semaphore::new(LOOK_UPS_MAX),
            nobody: Identity { tenant: DEFAULT_TENANT.into(), client: None, rights: Rights::default() },
            subjects: Subjects::default(),
        }))
    }

    /// With what certificates grant. To be called before it is shared.
    #[must_use]
    pub fn granting(mut self, subjects: Subjects) -> Self {
        if let Some(me) = Arc::get_mut(&mut self.0) {
            me.subjects = subjects;
        }
        self
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

    /// Whether callers must show anything.
    fn asks(&self) -> bool {
        self.0.api_keys || self.0.client_certificates
    }

    /// How long a look-up is remembered.
    fn remembers(&self) -> Duration {
        self.0.cache.ttl
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
            Verdict::Ask(key, hash) => allow(self.look_up(&key, &hash).await?.as_ref(), access),
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
        if access == Access::Open || !self.asks() {
            return Verdict::Pass(me.nobody.clone());
        }
        if let Some(text) = me.api_keys.then(|| presented(headers)).flatten() {
            let Some(key) = KeyText::parse(text) else { return Verdict::Deny(Denial::Malformed) };
            let hash = key.hash();
            return match me.cache.get(&hash, now) {
                Some(grant) => allow(grant.as_ref(), access).map_or_else(Verdict::Deny, Verdict::Pass),
                None if me.mac_key.get().is_some_and(|mac_key| !key.is_genuine(mac_key)) => {
                    Verdict::Deny(Denial::Unknown)
                }
                None => Verdict::Ask(key, hash),
            };
        }
        match certificate.filter(|_| me.client_certificates) {
            Some(der) => match me.subjects.find(der) {
                Some((tenant, scopes)) => {
                    let grant = Grant::new((tenant, fingerprint(der)), scopes, None, None);
                    allow(Some(&grant), access).map_or_else(Verdict::Deny, Verdict::Pass)
                }
                None => Verdict::Deny(Denial::Stranger),
            },
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
            let Some(keys) = &me.keys else { return Ok(None) };
            let mac_key = match me.mac_key.get() {
                Some(known) => known,
                None => {
                    let read = keys.mac_key().await?;
                    me.mac_key.get_or_init(|| read)
                }
            };
            if !key.is_genuine(mac_key) {
                return Ok(None);
            }
            let grant = keys.look_up(key.id(), hash).await?.map(Grant::of);
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
            Self::Stranger => "stranger",
            Self::Expired => "expired",
            Self::Scope { .. } => "scope",
            Self::Prefix { .. } => "prefix",
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
            Self::Unknown => Status::unauthenticated("the API key is unknown, revoked or expired"),
            Self::Stranger => {
                Status::unauthenticated("AUTH_CERTIFICATES_FILE grants nothing to the client certificate")
            }
            Self::Expired => Status::unauthenticated("the client certificate has expired or was revoked"),
            Self::Scope { client, needed, .. } => {
                Status::permission_denied(format!("{client} lacks the scope {}", needed.name()))
            }
            Self::Prefix { client, prefix, .. } => Status::permission_denied(format!(
                "{client} is for accounts whose ids begin with {prefix:?} alone: it may not make this call"
            )),
            Self::Unavailable => Status::new(Code::Unavailable, "credentials cannot be checked now: try again"),
        }
    }
}

impl Grant {
    fn of(key: ApiKey) -> Self {
        let who = (key.tenant.into(), format!("key:{}", key.id));
        Self::new(who, key.scopes, key.account_prefix.map(Arc::from), key.expires_at)
    }

    fn new(
        (tenant, client): (Arc<str>, String),
        scopes: Scopes,
        prefix: Option<Arc<str>>,
        expires_at: Option<DateTime<Utc>>,
    ) -> Self {
        let is_admins = scopes.contains(Scope::Admin);
        let rights = Rights { prefix, is_kept_from_house: !is_admins, sees_makers: is_admins };
        Self { identity: Identity { tenant, client: Some(client.into()), rights }, scopes, expires_at }
    }
}

fn allow(grant: Option<&Grant>, access: Access) -> Result<Identity, Denial> {
    let current = |grant: &&Grant| grant.expires_at.is_none_or(|at| at > now_micros());
    let Grant { identity, scopes, .. } = grant.filter(current).ok_or(Denial::Unknown)?;
    let who = || (identity.tenant.clone(), identity.client.clone().unwrap_or_else(|| DEFAULT_TENANT.into()));
    let (Access::Needs(needed) | Access::NeedsByAccount(needed)) = access else { return Ok(identity.clone()) };
    if !scopes.contains(needed) {
        let (tenant, client) = who();
        return Err(Denial::Scope { tenant, client, needed });
    }
    match &identity.rights.prefix {
        Some(prefix) if matches!(access, Access::Needs(_)) => {
            let (tenant, client) = who();
            Err(Denial::Prefix { tenant, client, prefix: prefix.clone() })
        }
        _ => Ok(identity.clone()),
    }
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
