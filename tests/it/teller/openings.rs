//! Events of accounts: written with what they tell of, once, and never passed over.
//!
//! Each test names the mutation of the product that makes it fail.

use florin_wire::florin_v1 as pb;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::actors::watch::take;
use crate::gateway::native::{limit, set_status};
use crate::harness::Florin;

fn ada() -> pb::CreateAccountRequest {
    pb::CreateAccountRequest {
        id: "ada".into(),
        kind: 1,
        currency: "USD".into(),
        owner: "Ada".into(),
        metadata: [("vip".to_owned(), "yes".to_owned())].into(),
        ..Default::default()
    }
}

fn payload(event: &pb::WatchEventsResponse) -> Value {
    serde_json::from_str::<Value>(&event.body).unwrap()["payload"].take()
}

// Fails when each of several openings of one account writes an event, or when a change of status and limits is two
// rows.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_told_of_once_and_each_change_once() {
    let florin = Florin::start().await;
    let mut events = florin.watched("ada", "").await;
    let opened = join_all((0..10).map(|_| {
        let mut native = florin.native.clone();
        async move { native.create_account(ada()).await }
    }));
    assert!(opened.await.iter().all(Result::is_ok));
    florin.native.clone().create_account(pb::CreateAccountRequest { id: "bob".into(), ..ada() }).await.unwrap();
    florin
        .update(pb::UpdateAccountRequest {
            min_balance: limit("-5"),
            ..set_status("ada", pb::AccountStatus::Suspended)
        })
        .await
        .unwrap();
    florin.update(set_status("ada", pb::AccountStatus::Suspended)).await.unwrap(); // nothing changes
    florin.update(set_status("ada", pb::AccountStatus::Closed)).await.unwrap();
    let heard = take(&mut events, 3).await;
    assert_eq!(
        heard.iter().map(|event| event.event_type.as_str()).collect::<Vec<_>>(),
        ["AccountCreated", "AccountChanged", "AccountChanged"]
    );
    let created = payload(&heard[0]);
    assert_eq!(
        created,
        json!({ "tenant": "default", "account_id": "ada", "kind": "user", "normal_side": "credit", "currency": "USD", "owner": "Ada", "owner_type": "",
            "status": "active", "floor": "0.00", "ceiling": null, "metadata": { "vip": "yes" } })
    );
    let changed = payload(&heard[1]);
    assert_eq!(
        (&changed["before"]["floor"], &changed["after"]),
        (&json!("0.00"), &json!({ "status": "suspended", "floor": "-5.00", "ceiling": null }))
    );
    let of_the_change = pb::WatchEventsRequest {
        transaction_id: changed["transaction_id"].as_str().unwrap().into(),
        after_event_id: "0".into(),
        ..Default::default()
    };
    let mut again = florin.native.clone().watch_events(of_the_change).await.unwrap().into_inner();
    assert_eq!(take(&mut again, 1).await[0].id, heard[1].id);
    assert_eq!(
        florin.database.count("SELECT count(*) FROM journal WHERE event IS NOT NULL").await,
        4,
        "bob's is the fourth"
    );
    drop((events, again));
    florin.stop().await;
}
