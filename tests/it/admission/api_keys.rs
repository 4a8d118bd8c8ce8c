//! API keys on PostgreSQL, and authentication on top of them.

use std::time::Duration;

use florin::admission::auth::{Authenticator, Denial, access};
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

#[tokio::test]
async fn a_key_lives_from_create_to_revoke() {
    let database = TestDatabase::fresh().await;
    let pool = PgPool::connect(&database.url).await.unwrap();

    let (made, text) = api_keys::create(&pool, "shop", scopes(&[Scope::Read]), "till 4").await.unwrap();
    let (_, other) = api_keys::create(&pool, "default", Scopes::all(), "").await.unwrap();
    let key = KeyText::parse(&text).unwrap();
    let kept: Vec<String> = sqlx::query_scalar("SELECT api_keys::text FROM api_keys").fetch_all(&pool).await.unwrap();
    let secret = text.rsplit_once('_').unwrap().1;
    assert!(kept.iter().all(|row| !row.contains(secret)), "the secret is in the database");

    let found = api_keys::look_up(&pool, key.id(), &key.hash()).await.unwrap().unwrap();
    assert_eq!((found.tenant.as_str(), found.scopes, found.note.as_str()), ("shop", scopes(&[Scope::Read]), "till 4"));
    let forged = api_keys::look_up(&pool, key.id(), &KeyText::parse(&other).unwrap().hash()).await.unwrap();
    assert!(forged.is_none(), "the id alone opens nothing");
    assert_eq!(api_keys::list(&pool, None, false).await.unwrap().len(), 2);
    assert_eq!(api_keys::list(&pool, Some("shop"), false).await.unwrap()[0].id, made.id);

    let auth = |cache| {
        let settings = AuthSettings { api_keys: true, client_certificates: false, cache, allow_unauthenticated: false };
        Authenticator::new(&settings, Some(Box::new(pool.clone())))
    };
    let shown: HeaderMap =
        [(http::header::AUTHORIZATION, format!("Bearer {text}").parse().unwrap())].into_iter().collect();
    let (remembering, asking) = (auth(Duration::from_secs(300)), auth(Duration::ZERO));
    for auth in [&remembering, &asking] {
        let identity = auth.authenticate(access(BALANCE), &shown, None).await.unwrap();
        assert_eq!((&*identity.tenant, identity.client.unwrap().to_string()), ("shop", format!("key:{}", made.id)));
        assert!(matches!(
            auth.authenticate(access(PAY), &shown, None).await,
            Err(Denial::Scope { needed: Scope::Write, .. })
        ));
    }

    let revoked = api_keys::revoke(&pool, &made.id).await.unwrap().unwrap().revoked_at.unwrap();
    assert_eq!(
        api_keys::revoke(&pool, &made.id).await.unwrap().unwrap().revoked_at,
        Some(revoked),
        "a second time changes nothing"
    );
    assert!(api_keys::revoke(&pool, "nobody").await.unwrap().is_none());
    assert_eq!(asking.authenticate(access(BALANCE), &shown, None).await, Err(Denial::Unknown));
    assert!(
        remembering.authenticate(access(BALANCE), &shown, None).await.is_ok(),
        "remembered for as long as the setting says"
    );
    assert_eq!(api_keys::list(&pool, Some("shop"), false).await.unwrap().len(), 0);
    assert_eq!(api_keys::list(&pool, Some("shop"), true).await.unwrap().len(), 1);

    pool.close().await;
    assert_eq!(asking.authenticate(access(BALANCE), &shown, None).await, Err(Denial::Unavailable));
}
