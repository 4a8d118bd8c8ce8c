//! API keys: made here, shown once, kept as a hash.
//!
//! A key reads `flk_<id>_<secret><mac>`: the id finds the row, the SHA-256 of the whole text proves it. The MAC shows
//! without a look at the database that the key was made here: made-up ones cost no query.

mod scope;

use std::fmt;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use super::operators::{self, Doing};
use super::{StoreError, secrets};
use crate::protocol::record::Operator;

pub use self::scope::{Scope, Scopes};

const PREFIX: &str = "flk_";
const ID_CHARS: usize = 12;
const SECRET_CHARS: usize = 32;
/// 64 bits: who guesses one has a key that is looked up, and not found.
const MAC_CHARS: usize = 16;
/// As the schema has it.
pub const TENANT_BYTES_MAX: usize = 64;
pub const NOTE_BYTES_MAX: usize = 255;
/// As long as an account's id may be.
pub const ACCOUNT_PREFIX_BYTES_MAX: usize = 128;
/// Keys in one list.
pub const LIST_MAX: i64 = 1_000;

/// A key as the database has it: without its secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Names the key in logs and commands; it is no secret.
    pub id: String,
    pub tenant: String,
    pub scopes: Scopes,
    /// It names only accounts whose ids begin so; `None`: any.
    pub account_prefix: Option<String>,
    /// Free text of whoever made it.
    pub note: String,
    pub created_at: DateTime<Utc>,
    /// From then on it opens nothing; `None`: it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// `None`: it is valid.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    pub tenant: &'a str,
    pub scopes: Scopes,
    /// As in [`ApiKey`].
    pub account_prefix: Option<&'a str>,
    /// As in [`ApiKey`].
    pub expires_at: Option<DateTime<Utc>>,
    pub note: &'a str,
}

/// What the MACs of keys are made with: drawn by the database when the schema is made.
pub type MacKey = Vec<u8>;

/// A key's text, well formed. Only the database can say whether the key is valid. `Debug` hides the secret.
#[derive(Clone)]
pub struct KeyText<'a> {
    text: &'a str,
    id: &'a str,
}

/// The SHA-256 of a key's whole text.
pub type KeyHash = [u8; 32];

/// The columns that [`key`] reads.
const COLUMNS: &str = "id, tenant, scopes, account_prefix, note, created_at, expires_at, revoked_at";

/// Makes a key that does not expire, for all accounts. See [`make`].
///
/// # Errors
/// Any failure of the statements.
pub async fn create(pool: &PgPool, tenant: &str, scopes: Scopes, note: &str) -> Result<(ApiKey, String), StoreError> {
    let new = NewKey { tenant, scopes, account_prefix: None, expires_at: None, note };
    let by = Operator { name: "florin".into(), reason: String::new(), address: None };
    make(pool, &new, &by).await
}

/// Makes a key, and writes its hash and who made it. The text that it returns is kept nowhere.
///
/// # Errors
/// Any failure of the statements.
pub async fn make(pool: &PgPool, new: &NewKey<'_>, by: &Operator) -> Result<(ApiKey, String), StoreError> {
    let hex = |chars: usize| Uuid::new_v4().simple().to_string()[..chars].to_owned();
    // The secret is a whole random UUID: 122 bits from a cryptographic generator.
    let text = written(&mac_key(pool).await?, &hex(ID_CHARS), &hex(SECRET_CHARS));
    let mut transaction = pool.begin().await?;
    let sql = format!(
        "INSERT INTO api_keys (id, tenant, hash, scopes, account_prefix, expires_at, note) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(KeyText::parse(&text).map(|key| key.id))
        .bind(new.tenant)
        .bind(hash(&text).as_slice())
        .bind(new.scopes.names())
        .bind(new.account_prefix)
        .bind(new.expires_at)
        .bind(new.note)
        .fetch_one(&mut *transaction)
        .await?;
    let made = key(&row)?;
    let doing = Doing { tenant: &made.tenant, by, correlation: None };
    operators::insert(&mut transaction, &doing, &by.did("key.create", &made.id, None, Some(made.shown()))).await?;
    transaction.commit().await?;
    Ok((made, text))
}

/// What the MACs of keys are made with.
///
/// # Errors
/// As [`secrets::api_keys`].
pub async fn mac_key(pool: &PgPool) -> Result<MacKey, StoreError> {
    Ok(secrets::api_keys(pool).await?.to_vec())
}

/// The text of the key of this id and this secret.
pub fn written(mac_key: &[u8], id: &str, secret: &str) -> String {
    format!("{PREFIX}{id}_{secret}{}", mac(mac_key, id, secret))
}

/// # Panics
/// Never: HMAC takes keys of any length.
fn mac(mac_key: &[u8], id: &str, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(mac_key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}_{secret}").as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().take(MAC_CHARS / 2).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// At most [`LIST_MAX`] keys, the newest first; revoked ones only if `revoked`.
///
/// # Errors
/// Any failure of the statement.
pub async fn list(pool: &PgPool, tenant: Option<&str>, revoked: bool) -> Result<Vec<ApiKey>, sqlx::Error> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM api_keys \
         WHERE ($1::text IS NULL OR tenant = $1) AND ($2 OR revoked_at IS NULL) ORDER BY created_at DESC, id LIMIT $3"
    )))
    .bind(tenant)
    .bind(revoked)
    .bind(LIST_MAX)
    .fetch_all(pool)
    .await?;
    rows.iter().map(key).collect()
}

/// Revokes a key, writes who did, and returns it; `None`: there is no such key. A second time changes nothing.
///
/// # Errors
/// Any failure of the statements.
pub async fn revoke(pool: &PgPool, id: &str, by: &Operator) -> Result<Option<ApiKey>, StoreError> {
    let mut transaction = pool.begin().await?;
    let sql = format!(
        "UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL RETURNING {COLUMNS}"
    );
    let revoked = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *transaction).await?;
    let Some(row) = revoked else {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *transaction).await?;
        return Ok(row.as_ref().map(key).transpose()?);
    };
    let revoked = key(&row)?;
    let doing = Doing { tenant: &revoked.tenant, by, correlation: None };
    operators::insert(&mut transaction, &doing, &by.did("key.revoke", id, Some(revoked.shown()), None)).await?;
    transaction.commit().await?;
    Ok(Some(revoked))
}

/// The key of this id and hash; `None`: there is none, or it is revoked or expired.
///
/// # Errors
/// Any failure of the statement.
pub async fn look_up(pool: &PgPool, id: &str, hash: &KeyHash) -> Result<Option<ApiKey>, sqlx::Error> {
    let sql = format!(
        "SELECT {COLUMNS}, hash FROM api_keys \
         WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(pool).await?;
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
        scopes: names.iter().filter_map(|name| name.parse::<Scope>().ok()).collect(),
        account_prefix: row.try_get("account_prefix")?,
        note: row.try_get("note")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}

impl ApiKey {
    /// What the list of actions shows of it: a JSON object.
    fn shown(&self) -> String {
        let expires_at = self.expires_at.map(|at| at.to_rfc3339());
        serde_json::json!({
            "scopes": self.scopes.names(), "accountPrefix": self.account_prefix, "expiresAt": expires_at, "note": self.note,
        })
        .to_string()
    }
}

impl<'a> KeyText<'a> {
    /// `None`: this text cannot be a key.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let hex =
            |part: &str, chars| part.len() == chars && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (hex(id, ID_CHARS) && hex(secret, SECRET_CHARS + MAC_CHARS)).then_some(Self { text, id })
    }

    /// Whether its MAC was made with this: if not, no database knows the key.
    pub fn is_genuine(&self, mac_key: &[u8]) -> bool {
        let (secret, shown) = self.text[PREFIX.len() + ID_CHARS + 1..].split_at(SECRET_CHARS);
        equal(mac(mac_key, self.id, secret).as_bytes(), shown.as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_key_is_looked_up() {
        let good = written(b"k", &"a".repeat(ID_CHARS), &"0".repeat(SECRET_CHARS));
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

    /// Fails when the MAC leaves out the id, the secret or the key that it is made with.
    #[test]
    fn a_mac_stands_for_id_and_secret_and_no_other_key_makes_it() {
        let (id, secret) = ("a".repeat(ID_CHARS), "0".repeat(SECRET_CHARS));
        let good = written(b"k", &id, &secret);
        assert!(KeyText::parse(&good).unwrap().is_genuine(b"k"));
        assert!(!KeyText::parse(&good).unwrap().is_genuine(b"l"));
        for other in [good.replacen('a', "b", 1), good.replacen("_0", "_1", 1)] {
            assert!(!KeyText::parse(&other).unwrap().is_genuine(b"k"), "{other}");
        }
        let last = if good.ends_with('0') { "1" } else { "0" };
        let other = format!("{}{last}", &good[..good.len() - 1]);
        assert!(!KeyText::parse(&other).unwrap().is_genuine(b"k"));
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
