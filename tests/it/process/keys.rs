//! API keys, from `florin keys create` to a call that is refused.

use std::time::{Duration, Instant};

use florin_wire::payment_v1 as pb;
use serde_json::Value;
use tonic::{Code, Request, Status};

use super::florin::Server;
use super::load::{account, open_accounts};
use super::site::Site;
use crate::harness::payment;

const CACHE: Duration = Duration::from_secs(1);

/// The id of a new key, and the key.
fn create(site: &Site, scope: &str) -> (String, String) {
    let made = site.run(&["keys", "create", "--scope", scope, "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{made:?}"));
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn pay(server: &Server, api_key: Option<&str>, key: &str) -> Result<pb::PaymentStatus, Status> {
    let mut request = Request::new(payment(key, &account(0), &account(1), 1, "USD"));
    if let Some(api_key) = api_key {
        request.metadata_mut().insert("authorization", format!("Bearer {api_key}").parse().unwrap());
    }
    Ok(server.client().authorize_payment(request).await?.into_inner().status())
}

/// Fails when the layer is left out of the listener, when scopes are not asked for, when look-ups are remembered for
/// ever, and when health or reflection ask for a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_opens_what_its_scope_says_until_it_is_revoked() {
    let site = Site::new()
        .await
        .with("AUTH_API_KEYS", "true")
        .with("AUTH_CACHE_SECONDS", "1")
        .with("GRPC_HOST", "0.0.0.0")
        .with("ALLOW_PLAINTEXT", "yes, anyone may listen in");
    open_accounts(&site.database).await;
    let mut server = site.serve().await;
    server.grpc.set_ip([127, 0, 0, 1].into());
    let ((read, reads), (write, writes)) = (create(&site, "read"), create(&site, "write"));
    let code = async |api_key: Option<&str>| pay(&server, api_key, "k").await.map_err(|status| status.code());
    assert_eq!(code(None).await, Err(Code::Unauthenticated));
    assert_eq!(code(Some("flk_nobody_nothing")).await, Err(Code::Unauthenticated));
    assert_eq!(code(Some(&reads)).await, Err(Code::PermissionDenied));
    assert_eq!(code(Some(&writes)).await, Ok(pb::PaymentStatus::Authorized));
    assert_eq!(code(Some(&writes)).await, Ok(pb::PaymentStatus::Duplicate));
    assert!(site.run(&["keys", "revoke", &read]).status.success());
    assert!(site.run(&["keys", "revoke", &write]).status.success());
    let revoked = Instant::now();
    while code(Some(&writes)).await != Err(Code::Unauthenticated) {
        assert!(revoked.elapsed() < CACHE * 2, "a revoked key still opens");
    }
    println!("the revoked key was refused after {:?}", revoked.elapsed());
    let channel =
        tonic::transport::Channel::from_shared(format!("http://{}", server.grpc)).unwrap().connect().await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    health.check(tonic_health::pb::HealthCheckRequest { service: String::new() }).await.unwrap();
    site.verify();
}
