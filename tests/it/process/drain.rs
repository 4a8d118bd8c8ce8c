//! SIGTERM under load: accepted work is finished, the standby takes over at once.

use std::time::{Duration, Instant};

use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::load::{Load, open_accounts};
use super::site::Site;

const DRAIN: Duration = Duration::from_secs(5);

/// Fails when the lease is not let go (the standby waits it out, 20 s here), when calls are cut instead of finished,
/// and when a watcher of health, whose stream never ends, holds the drain up until DRAIN_SECONDS are over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_was_accepted_and_the_standby_takes_over_at_once() {
    let site = Site::new().await.with("LEASE_SECONDS", "20");
    open_accounts(&site.database).await;
    let active = site.serve().await;
    let standby = site.start().await;
    assert_eq!(standby.health().await, Some(503));
    let channel = Channel::from_shared(format!("http://{}", active.grpc)).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel)
        .watch(HealthCheckRequest { service: "payment.v1.PaymentService".into() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(health.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    let load = Load::start(&[active.grpc, standby.grpc], 8);
    load.more(200).await;
    let began = Instant::now();
    let (code, took) = active.terminate(DRAIN + Duration::from_secs(1));
    assert_eq!(code, 0, "{}", active.process.said());
    assert_eq!(health.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    standby.serving().await;
    let gap = began.elapsed();
    println!("drained in {took:?}, the standby served after {gap:?}");
    assert!(took < Duration::from_secs(3), "drained in {took:?}");
    assert!(gap < took + Duration::from_secs(3), "the standby served after {gap:?}: it waited for the lease");
    load.more(200).await;
    let payments = load.settle(&site).await;
    assert_eq!(site.assert_events_once().await, payments);
    assert_eq!(standby.terminate(DRAIN + Duration::from_secs(1)).0, 0);
}
