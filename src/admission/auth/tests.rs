//! Authentication without a network or a database: a table of calls against a store in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

const PAY: &str = "/payment.v1.PaymentService/AuthorizePayment";
const BALANCE: &str = "/payment.v1.PaymentService/GetAccountBalance";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

#[derive(Clone, Default)]
struct Memory(Arc<Kept>);

#[derive(Default)]
struct Kept {
    keys: Mutex<Vec<(KeyHash, ApiKey)>>,
    asked: AtomicUsize,
    down: AtomicBool,
}

impl Memory {
    fn add(&self, text: &str, tenant: &str, scopes: &[Scope]) {
        self.add_as(text, tenant, scopes, |key| key);
    }

    fn add_as(&self, text: &str, tenant: &str, scopes: &[Scope], change: impl FnOnce(ApiKey) -> ApiKey) {
        let key = ApiKey {
            id: KeyText::parse(text).unwrap().id().into(),
            tenant: tenant.into(),
            scopes: scopes.iter().copied().collect(),
            account_prefix: None,
            note: String::new(),
            created_at: chrono::DateTime::UNIX_EPOCH,
            expires_at: None,
            revoked_at: None,
        };
        self.0.keys.lock().unwrap().push((api_keys::hash(text), change(key)));
    }
}

const MAC_KEY: &[u8] = b"a test's own";

impl KeyStore for Memory {
    fn mac_key(&self) -> BoxFuture<'_, Result<MacKey, String>> {
        let down = self.0.down.load(Ordering::Relaxed);
        Box::pin(async move { if down { Err("down".into()) } else { Ok(MAC_KEY.to_vec()) } })
    }

    fn look_up<'a>(&'a self, _: &'a str, hash: &'a KeyHash) -> BoxFuture<'a, Result<Option<ApiKey>, String>> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let down = self.0.down.load(Ordering::Relaxed);
        let found = self.0.keys.lock().unwrap().iter().find(|(known, _)| known == hash).map(|(_, key)| key.clone());
        Box::pin(async move { if down { Err("down".into()) } else { Ok(found) } })
    }
}

fn text(digit: char) -> String {
    api_keys::written(MAC_KEY, &digit.to_string().repeat(12), &digit.to_string().repeat(32))
}

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn settings(api_keys: bool, client_certificates: bool) -> AuthSettings {
    AuthSettings { api_keys, client_certificates, cache: Duration::from_secs(60), allow_unauthenticated: false }
}

#[tokio::test]
async fn calls_are_let_in_by_what_they_show() {
    let keys = Memory::default();
    keys.add(&text('a'), "shop", &[Scope::Read]);
    keys.add(&text('b'), "shop", &[Scope::Read, Scope::Write]);
    let auth = Authenticator::new(&settings(true, true), Some(Box::new(keys)));
    let bearer = |digit| format!("Bearer {}", text(digit));
    let (a, b, c) = (bearer('a'), bearer('b'), bearer('c'));
    let rights = Rights { is_kept_from_house: true, ..Rights::default() };
    let client =
        |client: &str| Ok(Identity { tenant: "shop".into(), client: Some(client.into()), rights: rights.clone() });
    let lacks = |needed| Err(Denial::Scope { tenant: "shop".into(), client: "key:aaaaaaaaaaaa".into(), needed });
    let nobody = Identity { tenant: DEFAULT_TENANT.into(), client: None, rights: Rights::default() };
    let plain = text('b');
    for (path, shown, want) in [
        (HEALTH, vec![], Ok(nobody)),
        (PAY, vec![], Err(Denial::Missing)),
        (PAY, vec![("authorization", "Basic dTpw")], Err(Denial::Malformed)),
        (PAY, vec![("x-api-key", "secret")], Err(Denial::Malformed)),
        (PAY, vec![("authorization", c.as_str())], Err(Denial::Unknown)),
        (PAY, vec![("authorization", a.as_str())], lacks(Scope::Payments)),
        (BALANCE, vec![("authorization", a.as_str())], client("key:aaaaaaaaaaaa")),
        (PAY, vec![("authorization", b.as_str())], client("key:bbbbbbbbbbbb")),
        (PAY, vec![("x-api-key", plain.as_str())], client("key:bbbbbbbbbbbb")),
        ("/florin.v1.Ledger/UpdateAccount", vec![("authorization", a.as_str())], lacks(Scope::Accounts)),
        ("/unheard.Of/It", vec![("authorization", a.as_str())], lacks(Scope::Admin)),
    ] {
        for round in ["asked", "remembered"] {
            assert_eq!(
                auth.authenticate(access(path), &headers(&shown), None).await,
                want,
                "{path} with {shown:?}, {round}"
            );
        }
    }
    let identity = auth.authenticate(access(PAY), &headers(&[]), Some(b"a certificate")).await.unwrap();
    assert!(identity.client.unwrap().starts_with("cert:"));
    assert_eq!(identity.rights, Rights { sees_makers: true, ..Rights::default() }, "it has all scopes without a table");
    let wrong_key = auth.authenticate(access(PAY), &headers(&[("x-api-key", "secret")]), Some(b"a certificate")).await;
    assert_eq!(wrong_key, Err(Denial::Malformed), "a wrong key is not saved by a certificate");
}

#[tokio::test]
async fn a_certificate_counts_only_where_the_setting_says_so() {
    let auth = Authenticator::new(&settings(true, false), Some(Box::new(Memory::default())));
    assert_eq!(auth.authenticate(access(PAY), &headers(&[]), Some(b"a certificate")).await, Err(Denial::Missing));
    let open = Authenticator::open();
    let identity = open.authenticate(access(PAY), &headers(&[("x-api-key", "anything")]), None).await.unwrap();
    let nobody = Identity { tenant: DEFAULT_TENANT.into(), client: None, rights: Rights::default() };
    assert_eq!(identity, nobody);
}

#[tokio::test]
async fn look_ups_are_remembered_and_failures_are_not() {
    let keys = Memory::default();
    keys.add(&text('a'), "shop", &[Scope::Read]);
    let auth = Authenticator::new(&settings(true, false), Some(Box::new(keys.clone())));
    let shown = headers(&[("x-api-key", text('a').as_str())]);
    keys.0.down.store(true, Ordering::Relaxed);
    let refused = auth.authenticate(access(BALANCE), &shown, None).await.unwrap_err();
    assert_eq!((refused.clone(), refused.status().code()), (Denial::Unavailable, Code::Unavailable));
    keys.0.down.store(false, Ordering::Relaxed);
    for _ in 0..10 {
        auth.authenticate(access(BALANCE), &shown, None).await.unwrap();
    }
    assert_eq!(keys.0.asked.load(Ordering::Relaxed), 1);
}

/// Fails when a key without a right MAC is looked up, or when the MAC stands in for the look-up.
#[tokio::test]
async fn made_up_keys_cost_no_look_up_and_a_right_mac_is_not_enough() {
    let keys = Memory::default();
    let auth = Authenticator::new(&settings(true, false), Some(Box::new(keys.clone())));
    let shown = async |key: &str| auth.authenticate(access(PAY), &headers(&[("x-api-key", key)]), None).await;
    for n in 0..100 {
        let made_up = api_keys::written(b"another", &format!("{n:012x}"), &"0".repeat(32));
        assert_eq!(shown(&made_up).await, Err(Denial::Unknown));
    }
    assert_eq!(keys.0.asked.load(Ordering::Relaxed), 0);
    for _ in 0..2 {
        assert_eq!(shown(&text('a')).await, Err(Denial::Unknown));
    }
    assert_eq!(keys.0.asked.load(Ordering::Relaxed), 1, "that it is unknown is remembered");
}

/// Fails when a grant that is remembered or an open stream outlives its key, or a key's prefix opens calls that do not
/// look at it.
#[tokio::test]
async fn a_key_expires_also_while_it_is_remembered_and_a_prefix_opens_calls_by_account_alone() {
    let keys = Memory::default();
    let soon = now_micros() + chrono::TimeDelta::milliseconds(50);
    keys.add_as(&text('a'), "shop", &Scope::ALL, |key| ApiKey { expires_at: Some(soon), ..key });
    keys.add_as(&text('b'), "shop", &Scope::ALL, |key| ApiKey { account_prefix: Some("shop:".into()), ..key });
    let auth = Authenticator::new(&settings(true, false), Some(Box::new(keys)));
    let shown = async |path: &str, key| auth.authenticate(access(path), &headers(&[("x-api-key", key)]), None).await;
    let (expiring, kept) = (text('a'), text('b'));
    let standing = auth.standing(access(PAY), &headers(&[("x-api-key", expiring.as_str())]), None).unwrap();
    let began = Instant::now();
    while let Ok(identity) = shown(PAY, &expiring).await {
        assert_eq!(identity.rights, Rights { sees_makers: true, ..Rights::default() });
        assert!(began.elapsed() < Duration::from_secs(10), "it is still taken");
        tokio::task::yield_now().await;
    }
    assert_eq!(shown(PAY, &expiring).await, Err(Denial::Unknown));
    assert_eq!(standing.look().await, Err(Denial::Unknown), "a stream that it opened ends");
    assert_eq!(shown(PAY, &kept).await.unwrap().rights.prefix.as_deref(), Some("shop:"));
    for path in ["/florin.v1.Ledger/WatchEvents", "/florin.v1.Billing/ListInvoices", "/unheard.Of/It"] {
        let denial = shown(path, &kept).await.unwrap_err();
        assert!(matches!(denial, Denial::Prefix { .. }), "{path}: {denial:?}");
        assert_eq!(denial.status().code(), Code::PermissionDenied);
    }
}

#[tokio::test]
async fn the_layer_marks_requests_and_answers_in_grpc() {
    use tower::{ServiceBuilder, ServiceExt, service_fn};
    let keys = Memory::default();
    keys.add(&text('a'), "shop", &[Scope::Read]);
    let auth = Authenticator::new(&settings(true, false), Some(Box::new(keys)));
    let service =
        ServiceBuilder::new().layer(auth.layer()).service(service_fn(async |request: http::Request<String>| {
            let tenant = request.extensions().get::<Identity>().map(|identity| identity.tenant.to_string());
            Ok::<_, std::convert::Infallible>(http::Response::new(tenant.unwrap_or_default()))
        }));
    let call = |path: &str, key: Option<String>| {
        let mut request = http::Request::builder().uri(path);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        service.clone().oneshot(request.body(String::new()).unwrap())
    };
    for _ in ["asked", "remembered"] {
        assert_eq!(call(BALANCE, Some(text('a'))).await.unwrap().into_body(), "shop");
    }
    assert_eq!(call(HEALTH, None).await.unwrap().into_body(), DEFAULT_TENANT);
    for (path, key, code) in [(PAY, None, "16"), (PAY, Some(text('a')), "7"), (PAY, Some(text('c')), "16")] {
        let refused = call(path, key).await.unwrap();
        assert_eq!(
            (refused.headers()["grpc-status"].to_str().unwrap(), refused.headers()["content-type"].to_str().unwrap()),
            (code, "application/grpc")
        );
    }
}
