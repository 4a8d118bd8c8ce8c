//! API keys on PostgreSQL, and authentication on top of them.

use std::time::Duration;

use florin::admission::auth::{Authenticator, Denial, access};
use florin::protocol::record::Operator;
use florin::settings::AuthSettings;
use florin::store::api_keys::{self, KeyText, Scope, Scopes};
use http::HeaderMap;
use sqlx::PgPool;

use crate::harness::TestDatabase;

const BALANCE: &str = "/payment.v1.PaymentService/GetAccountBalance";
const PAY: &str = "/payment.v1.PaymentService/AuthorizePayment";

fn scopes(list: &[Scope]) -> Scopes {
    list.iter().copied().collect()
}

fn operator() -> Operator {
    Operator { name: "cli:ops".into(), reason: "left the house".into(), address: None }
}

/// A database with a key of the tenant `shop`, which may read, and one of another tenant.
struct Keys {
    pool: PgPool,
    /// Of the key of `shop`.
    id: String,
    /// As its owner was given it.
    text: String,
    others_text: String,
    _database: TestDatabase,
}

impl Keys {
    async fn made() -> Self {
        let database = TestDatabase::fresh().await;
        let pool = PgPool::connect(&database.url).await.unwrap();
        let (made, text) = api_keys::create(&pool, "shop", scopes(&[Scope::Read]), "till 4").await.unwrap();
        let (_, others_text) = api_keys::create(&pool, "default", Scopes::all(), "").await.unwrap();
        Self { pool, id: made.id, text, others_text, _database: database }
    }

    /// What a caller shows who has the key of `shop`.
    fn shown(&self) -> HeaderMap {
        [(http::header::AUTHORIZATION, format!("Bearer {}", self.text).parse().unwrap())].into_iter().collect()
    }

    fn remembering(&self, cache: Duration) -> Authenticator {
        let settings = AuthSettings { api_keys: true, client_certificates: false, cache, allow_unauthenticated: false };
        Authenticator::new(&settings, Some(Box::new(self.pool.clone())))
    }

    /// How many keys `shop` has.
    async fn of_shop(&self, with_revoked: bool) -> usize {
        api_keys::list(&self.pool, Some("shop"), with_revoked).await.unwrap().len()
    }
}

#[tokio::test]
async fn a_keys_secret_is_not_in_the_database_and_its_id_alone_opens_nothing() {
    let keys = Keys::made().await;
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT api_keys::text FROM api_keys").fetch_all(&keys.pool).await.unwrap();
    let secret = keys.text.rsplit_once('_').unwrap().1;
    assert!(kept.iter().all(|row| !row.contains(secret)), "the secret is in the database");

    let key = KeyText::parse(&keys.text).unwrap();
    let found = api_keys::look_up(&keys.pool, key.id(), &key.hash()).await.unwrap().unwrap();
    assert_eq!((found.tenant.as_str(), found.scopes, found.note.as_str()), ("shop", scopes(&[Scope::Read]), "till 4"));
    let others = KeyText::parse(&keys.others_text).unwrap();
    assert!(api_keys::look_up(&keys.pool, key.id(), &others.hash()).await.unwrap().is_none());
    assert_eq!(api_keys::list(&keys.pool, None, false).await.unwrap().len(), 2);
    assert_eq!(api_keys::list(&keys.pool, Some("shop"), false).await.unwrap()[0].id, keys.id);
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_allow_until_it_is_revoked_and_forgotten() {
    let keys = Keys::made().await;
    let shown = keys.shown();
    let (remembering, asking) = (keys.remembering(Duration::from_secs(300)), keys.remembering(Duration::ZERO));
    for auth in [&remembering, &asking] {
        let identity = auth.authenticate(access(BALANCE), &shown, None).await.unwrap();
        assert_eq!((&*identity.tenant, identity.client.unwrap().to_string()), ("shop", format!("key:{}", keys.id)));
        assert!(matches!(
            auth.authenticate(access(PAY), &shown, None).await,
            Err(Denial::Scope { needed: Scope::Payments, .. })
        ));
    }

    api_keys::revoke(&keys.pool, &keys.id, &operator()).await.unwrap().unwrap();
    assert_eq!(asking.authenticate(access(BALANCE), &shown, None).await, Err(Denial::Unknown));
    assert!(
        remembering.authenticate(access(BALANCE), &shown, None).await.is_ok(),
        "remembered for as long as the setting says"
    );

    keys.pool.close().await;
    assert_eq!(asking.authenticate(access(BALANCE), &shown, None).await, Err(Denial::Unavailable));
}

#[tokio::test]
async fn a_key_is_revoked_once_and_then_listed_only_with_the_revoked() {
    let keys = Keys::made().await;
    assert_eq!((keys.of_shop(false).await, keys.of_shop(true).await), (1, 1));
    let revoked = api_keys::revoke(&keys.pool, &keys.id, &operator()).await.unwrap().unwrap().revoked_at.unwrap();
    assert_eq!(
        api_keys::revoke(&keys.pool, &keys.id, &operator()).await.unwrap().unwrap().revoked_at,
        Some(revoked),
        "a second time changes nothing"
    );
    assert!(api_keys::revoke(&keys.pool, "nobody", &operator()).await.unwrap().is_none());
    assert_eq!((keys.of_shop(false).await, keys.of_shop(true).await), (0, 1));
}
