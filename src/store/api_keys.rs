//! API keys: made here, shown once, kept as a hash.
//!
//! A key reads `flk_<id>_<secret>`: the id finds the row, the SHA-256 of the whole text proves it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

const PREFIX: &str = "flk_";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 32;
/// As the schema has it.
pub const TENANT_BYTES_MAX: usize = 64;
pub const NOTE_BYTES_MAX: usize = 255;
/// Keys in one list.
pub const LIST_MAX: i64 = 1_000;

/// What an API key may do. No scope includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Read accounts, transactions and balances.
    Read,
    Write,
    /// Open and change accounts.
    Admin,
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

/// A key as the database has it: without its secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Names the key in logs and commands; it is no secret.
    pub id: String,
    pub tenant: String,
    pub scopes: Scopes,
    /// Free text of whoever made it.
    pub note: String,
    pub created_at: DateTime<Utc>,
    /// `None`: it is valid.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key's text, well formed. Only the database can say whether the key is valid. `Debug` hides the secret.
#[derive(Clone)]
pub struct KeyText<'a> {
    text: &'a str,
    id: &'a str,
}

/// The SHA-256 of a key's whole text.
pub type KeyHash = [u8; 32];

/// Makes a key and writes its hash. The text that it returns is kept nowhere.
///
/// # Errors
/// Any failure of the statement.
pub async fn create(pool: &PgPool, tenant: &str, scopes: Scopes, note: &str) -> Result<(ApiKey, String), sqlx::Error> {
    let hex = |chars: usize| Uuid::new_v4().simple().to_string()[..chars].to_owned();
    // The secret is a whole random UUID: 122 bits from a cryptographic generator.
    let (id, secret) = (hex(ID_CHARS), hex(SECRET_CHARS));
    let text = format!("{PREFIX}{id}_{secret}");
    let row = sqlx::query(
        "INSERT INTO api_keys (id, tenant, hash, scopes, note) VALUES ($1, $2, $3, $4, $5) RETURNING id, tenant, scopes, note, created_at, revoked_at",
    )
    .bind(&id)
    .bind(tenant)
    .bind(hash(&text).as_slice())
    .bind(scopes.names())
    .bind(note)
    .fetch_one(pool)
    .await?;
    Ok((key(&row)?, text))
}

/// At most [`LIST_MAX`] keys, the newest first; revoked ones only if `revoked`.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(pool: &PgPool, tenant: Option<&str>, revoked: bool) -> Result<Vec<ApiKey>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, tenant, scopes, note, created_at, revoked_at FROM api_keys \
         WHERE ($1::text IS NULL OR tenant = $1) AND ($2 OR revoked_at IS NULL) ORDER BY created_at DESC, id LIMIT $3",
    )
    .bind(tenant)
    .bind(revoked)
    .bind(LIST_MAX)
    .fetch_all(pool)
    .await?;
    rows.iter().map(key).collect()
}

/// Revokes a key and returns it; `None`: there is no such key. A second time changes nothing.
///
/// # Errors
/// Any failure of the statement.
pub async fn revoke(pool: &PgPool, id: &str) -> Result<Option<ApiKey>, sqlx::Error> {
    let row = sqlx::query(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = $1 \
         RETURNING id, tenant, scopes, note, created_at, revoked_at",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(key).transpose()
}

/// The key of this id and hash; `None`: there is none, or it is revoked.
///
/// # Errors
/// Any failure of the statement.
pub async fn look_up(pool: &PgPool, id: &str, hash: &KeyHash) -> Result<Option<ApiKey>, sqlx::Error> {
    let row = sqlx::query("SELECT id, tenant, scopes, note, created_at, revoked_at, hash FROM api_keys WHERE id = $1 AND revoked_at IS NULL")
        .bind(id)
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let kept: Vec<u8> = row.try_get("hash")?;
    if equal(&kept, hash) { key(&row).map(Some) } else { Ok(None) }
}

/// The SHA-256 of a key's text. The text has 122 random bits, so a slow hash would add nothing.
pub fn hash(text: &str) -> KeyHash {
    Sha256::digest(text.as_bytes()).into()
}

/// Compares in a time that does not depend on where the difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn key(row: &PgRow) -> Result<ApiKey, sqlx::Error> {
    let names: Vec<String> = row.try_get("scopes")?;
    Ok(ApiKey {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        scopes: names.iter().filter_map(|name| name.parse().ok()).collect(),
        note: row.try_get("note")?,
        created_at: row.try_get("created_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}

impl<'a> KeyText<'a> {
    /// `None`: this text cannot be a key.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let hex =
            |part: &str, chars| part.len() == chars && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (hex(id, ID_CHARS) && hex(secret, SECRET_CHARS)).then_some(Self { text, id })
    }

    pub fn id(&self) -> &'a str {
        self.id
    }

    pub fn hash(&self) -> KeyHash {
        hash(self.text)
    }
}

impl fmt::Debug for KeyText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_***", self.id)
    }
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The name in the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Admin => 4,
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|scope| scope.name() == text);
        named.ok_or_else(|| format!("scope {text:?} is unknown: allowed is read, write, admin"))
    }
}

impl Scopes {
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Always in the order of [`Scope::ALL`].
    pub fn names(self) -> Vec<&'static str> {
        Scope::ALL.into_iter().filter(|scope| self.contains(*scope)).map(Scope::name).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_key_is_looked_up() {
        let good = format!("flk_{}_{}", "a".repeat(ID_CHARS), "0".repeat(SECRET_CHARS));
        assert_eq!(KeyText::parse(&good).unwrap().id(), "a".repeat(ID_CHARS));
        assert!(!format!("{:?}", KeyText::parse(&good).unwrap()).contains("000"));
        for bad in [
            "",
            "flk_",
            "flk_a_b",
            &good[1..],
            &good[..good.len() - 1],
            &good.to_uppercase(),
            &format!("{good}0"),
            &good.replace('a', "é"),
        ] {
            assert!(KeyText::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn comparison_sees_every_byte() {
        let hash = hash("x");
        assert!(equal(&hash, &hash));
        for at in [0, 31] {
            let mut other = hash;
            other[at] ^= 1;
            assert!(!equal(&hash, &other));
        }
        assert!(!equal(&hash, &hash[..31]));
    }
}
