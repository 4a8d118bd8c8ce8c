//! When an entry cannot be made now, or nobody knows whether it was, that is a status: its client asks again.
//!
//! Each test names the mutation of the product that makes it fail.

use std::time::Duration;

use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Entries, TXN, entry};
use crate::gateway::native::refused;
use crate::harness::money::spawn;
use crate::harness::{Florin, Options, TestDatabase, until};

async fn health(florin: &Florin) -> ServingStatus {
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", florin.address)).unwrap();
    let request = HealthCheckRequest { service: "ledger.LedgerService".into() };
    HealthClient::new(channel.connect().await.unwrap()).check(request).await.unwrap().into_inner().status()
}

// Fails when a standby answers that an entry is wrong, or is not asked about by its service's name.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_makes_no_entries() {
    let florin = Florin::start().await;
    let url = florin.database.url.clone();
    let standby = Florin::standby(florin.database.clone(), &url, Options::default(), "other").await;
    assert_eq!((health(&florin).await, health(&standby).await), (ServingStatus::Serving, ServingStatus::NotServing));
    let entries = Entries::of(&standby).await;
    refused(entries.create(entry(TXN, "a", "b", "1", "USD")).await, Code::Unavailable, &["stands by"]);
    refused(entries.create(entry(TXN, "a", "b", "1", "XYZ")).await, Code::Unavailable, &["stands by"]);
    assert_eq!(entries.refused(&entry(TXN, "a", "a", "1", "USD")).await.split(' ').next(), Some("account_cr"));
    standby.kill().await;
    florin.stop().await;
}

// Fails when entries take no place in the bound of what is in flight, also while their accounts are opened.
#[tokio::test(flavor = "multi_thread")]
async fn at_the_bound_an_entry_is_refused_and_may_be_repeated() {
    let options = Options { in_flight_max: 2, account_share_max: 2, ..Options::default() };
    let florin = Florin::with(TestDatabase::fresh().await, options).await;
    let entries = Entries::of(&florin).await;
    florin.faults.hold("lane.before_commit");
    let first = entry(TXN, "a", "b", "1", "USD");
    let opening = spawn({
        let (entries, first) = (entries.clone(), first.clone());
        async move { entries.inserted(&first).await }
    });
    until("its account is being opened", || async { florin.in_flight.now() == 2 }).await;
    let second = entry(TXN, "c", "d", "1", "USD");
    refused(entries.create(second.clone()).await, Code::ResourceExhausted, &["2 commands are in flight"]);
    florin.faults.release("lane.before_commit");
    opening.await.unwrap();
    entries.inserted(&second).await;
    assert_eq!(florin.transactions().await, 2);
    florin.stop().await;
}

// Fails when an outcome that is not known is told as one, or when a repeat does it twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_is_not_known_is_a_status_and_a_repeat_tells_it() {
    let florin = Florin::start().await;
    let entries = Entries::of(&florin).await;
    entries.inserted(&entry(TXN, "a", "b", "1", "USD")).await;
    florin.faults.hold("lane.before_commit");
    let second = entry(TXN, "a", "b", "2", "USD");
    let mut hasty = Request::new(second.clone());
    hasty.set_timeout(Duration::from_millis(300));
    let late = entries.create(hasty).await.unwrap_err();
    assert!(matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled), "{late:?}");
    let repeat = spawn({
        let (entries, second) = (entries.clone(), second.clone());
        async move { entries.inserted(&second).await }
    });
    until("the repeat waits beside the first", || async { florin.in_flight.now() == 2 }).await;
    florin.faults.release("lane.before_commit");
    repeat.await.unwrap();
    assert_eq!((florin.transactions().await, florin.balance_of("b:USD").await), (2, 3_00));
    florin.stop().await;
}
