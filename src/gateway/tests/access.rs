//! Who may call what: every route and every method, with a key of each scope.

use std::fmt::Write;

use futures::future::BoxFuture;

use super::*;
use crate::admission::auth::{Denial, KeyStore, TABLE};
use crate::store::api_keys::{self, ApiKey, KeyHash, KeyText, MacKey};

/// Keys of the tenant `default`: one for each scope, and one with all scopes for the accounts below `shop:` alone.
#[derive(Default)]
struct Keys(Vec<(String, ApiKey)>);

const MAC_KEY: &[u8] = b"a test's own";

impl Keys {
    fn of_each_scope() -> Self {
        let mut keys = Self::default();
        for scope in Scope::ALL {
            keys.add(Scopes::from_iter([scope]), None);
        }
        keys.add(Scopes::all(), Some("shop:".into()));
        keys
    }

    fn add(&mut self, scopes: Scopes, account_prefix: Option<String>) {
        let id = format!("{:012x}", self.0.len());
        let key = ApiKey {
            id: id.clone(),
            tenant: "default".into(),
            scopes,
            account_prefix,
            note: String::new(),
            created_at: chrono::DateTime::UNIX_EPOCH,
            expires_at: None,
            revoked_at: None,
        };
        self.0.push((api_keys::written(MAC_KEY, &id, &"0".repeat(32)), key));
    }

    /// The text of each key, and what is let in by it.
    fn texts(&self) -> Vec<(String, ApiKey)> {
        self.0.clone()
    }

    fn authenticator(self) -> Authenticator {
        let settings = AuthSettings {
            api_keys: true,
            client_certificates: false,
            cache: Duration::from_secs(60),
            allow_unauthenticated: false,
        };
        Authenticator::new(&settings, Some(Box::new(self)))
    }
}

impl KeyStore for Keys {
    fn mac_key(&self) -> BoxFuture<'_, Result<MacKey, String>> {
        Box::pin(async { Ok(MAC_KEY.to_vec()) })
    }

    fn look_up<'a>(&'a self, _: &'a str, hash: &'a KeyHash) -> BoxFuture<'a, Result<Option<ApiKey>, String>> {
        let of = |text: &str| KeyText::parse(text).map(|key| key.hash());
        let found = self.0.iter().find(|(text, _)| of(text) == Some(*hash)).map(|(_, key)| key.clone());
        Box::pin(async move { Ok(found) })
    }
}

fn lines() -> Vec<(String, Access)> {
    contracts().iter().flat_map(|(routes, _)| routes.lines().to_vec()).collect()
}

/// What the caller of this key is told; `None`: it is let in.
fn expected(access: Access, key: &ApiKey) -> Option<String> {
    let (Access::Needs(needed) | Access::NeedsByAccount(needed)) = access else { return None };
    let id = &key.id;
    if !key.scopes.contains(needed) {
        return Some(format!("key:{id} lacks the scope {}", needed.name()));
    }
    let is_kept = key.account_prefix.is_some() && matches!(access, Access::Needs(_));
    is_kept.then(|| format!("key:{id} is for accounts whose ids begin with \"shop:\" alone: it may not make this call"))
}

/// Fails when a route does not ask for its scope, asks for another one, or lets a key of some accounts in that does not
/// look at the accounts.
#[tokio::test]
async fn a_key_opens_the_routes_of_its_scope_and_no_other() {
    let keys = Keys::of_each_scope();
    let (texts, router) = (keys.texts(), router(app(keys.authenticator())));
    for (line, access) in lines() {
        let (method, path) = line.split_once(' ').unwrap();
        let path = path.replace("{id}", KEY).replace("{code}", "USD").replace("{*rest}", "index.html");
        for (text, key) in &texts {
            let request = Request::builder().method(method).uri(&path).header("content-type", "application/json");
            let request = request.header("x-api-key", text).body(Body::from("{}")).unwrap();
            let said = send(&router, request).await;
            match expected(access, key) {
                Some(why) => {
                    assert_eq!(said.status, 403, "{line} with {:?}: {}", key.scopes.names(), said.text);
                    assert!(said.text.contains(&why.replace('"', "\\\"")), "{line}: {}", said.text);
                }
                // It is let in; which accounts it may name is the use case's to say.
                None if key.account_prefix.is_some() => {
                    assert!(
                        said.status != 401 && !said.text.contains("may not make this call"),
                        "{line}: {}",
                        said.text
                    );
                }
                None => {
                    let names = key.scopes.names();
                    assert!(![401, 403].contains(&said.status), "{line} with {names:?}: {}", said.text);
                }
            }
        }
    }
}

/// Fails when a method does not ask for its scope, or asks for another one.
#[tokio::test]
async fn a_key_opens_the_methods_of_its_scope_and_no_other() {
    let keys = Keys::of_each_scope();
    let (texts, authenticator) = (keys.texts(), keys.authenticator());
    let unlisted = ("/florin.v1.Ledger/DropEverything", Access::Needs(Scope::Admin));
    for (path, access) in TABLE.iter().chain([&unlisted]) {
        for (text, key) in &texts {
            let headers: HeaderMap = [("x-api-key".parse().unwrap(), text.parse().unwrap())].into_iter().collect();
            let said = authenticator.authenticate(crate::admission::auth::access(path), &headers, None).await;
            let why = said.err().map(|denial: Denial| denial.status().message().to_owned());
            assert_eq!(why, expected(*access, key), "{path} with {:?}", key.scopes.names());
        }
    }
}

/// The page is made from the tables that are asked at each call: who reads it reads what holds.
#[test]
fn the_page_of_who_may_call_what_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/access.md");
    let made = page();
    if std::env::var_os("UPDATE_ACCESS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == made, "docs/access.md is stale: run this test with UPDATE_ACCESS=1");
}

fn page() -> String {
    let mut page = String::from(
        "# Who may call what\n\n\
         Made from the tables that are asked at each call (`UPDATE_ACCESS=1 cargo test --lib access`). The scopes are told in\n\
         [api.md](api.md#who-may-call); `by account` marks the calls that a key with an account prefix may make.\n",
    );
    let methods = TABLE.iter().map(|(path, access)| ((*path).to_owned(), *access)).collect();
    for (title, calls) in [("gRPC", methods), ("REST", lines())] {
        let _ = write!(page, "\n## {title}\n\n| call | scope | in the set | |\n| --- | --- | --- | --- |\n");
        for (call, access) in calls {
            let (scope, by_account) = match access {
                Access::Open => (None, ""),
                Access::Needs(scope) => (Some(scope), ""),
                Access::NeedsByAccount(scope) => (Some(scope), "by account"),
            };
            let named = scope.map_or("open to all", Scope::name);
            let set = scope.map_or("", set);
            let _ = writeln!(page, "| `{call}` | {named} | {set} | {by_account} |");
        }
    }
    page
}

/// The set that a scope belongs to.
fn set(scope: Scope) -> &'static str {
    let sets = [Scope::Read, Scope::Write, Scope::Admin];
    sets.into_iter().find(|set| Scopes::from_iter([*set]).contains(scope)).map_or("", Scope::name)
}
