//! A payout through the binary: kill -9 while the provider works, and an operator at the command line.

use serde_json::{Value, json};

use super::site::{Site, text};
use crate::gateway::rest::client::Rest;
use crate::harness::provider::{How, SECRET, Simulator};
use crate::harness::until;

/// Fails when what was under way is done again without asking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payout_outlives_kill_9_and_a_stuck_one_is_seen_to_from_the_command_line() {
    let simulator = Simulator::start().await;
    let port = florin_servers::ports::free().unwrap().to_string();
    let site = Site::new()
        .await
        .with("PROVIDER_URL", &simulator.url())
        .with("PROVIDER_SECRET", SECRET)
        .with("HTTP_PORT", &port);
    let site = site.with("PROVIDER_TIMEOUT_MS", "60000").with("SAGA_DELAY_MAX_MS", "200");
    site.database.account("alice", 100_00).await;
    let mut server = site.serve().await;
    let rest = || Rest::new(format!("127.0.0.1:{port}").parse().unwrap());
    let payout =
        |amount: &str| json!({ "accountId": "alice", "amount": amount, "currency": "USD", "instrument": "ba_1" });
    let status = async |id: &str| rest().get(&format!("sagas/{id}")).await.ok(200)["status"].clone();

    simulator.plan("payout", [How::Holds]);
    let id = string(&rest().post("/v1/payouts", &payout("10.00")).await.ok(201)["sagaId"]);
    until("the provider has it", || async { simulator.entry(&format!("{id}.send")).is_some() }).await;
    server.process.kill();
    server = site.serve().await;
    until("it is completed", || async { status(&id).await == "completed" }).await;
    let entry = simulator.entry(&format!("{id}.send")).unwrap();
    assert_eq!((entry.submitted, entry.effects), (1, 1));

    simulator.plan("payout", [How::Holds]);
    simulator.plan("recall", [How::Refuses]);
    let id = string(&rest().post("/v1/payouts", &payout("20.00")).await.ok(201)["sagaId"]);
    until("the provider has it", || async { simulator.entry(&format!("{id}.send")).is_some() }).await;
    rest().patch("accounts/alice/status", &json!({ "status": "suspended" })).await.ok(200);
    simulator.answer_all();
    until("the metric tells that one is stuck", || async { server.metric("florin_sagas_stuck").await == Some(1.0) })
        .await;
    let listed = text(&site.run(&["sagas", "stuck"]).stdout);
    for word in [id.as_str(), "payout", "20.00 USD", "alice", "recall", "account_closed"] {
        assert!(listed.contains(word), "{listed} does not name {word}");
    }
    let shown = text(&site.run(&["sagas", "show", &id]).stdout);
    assert!(
        shown.contains("failed capture: account alice is suspended") && shown.contains("failed recall: account_closed"),
        "{shown}"
    );
    let refused = site.run(&["sagas", "resolve", &id, "--as", "perhaps", "--reason", "x"]);
    assert!(!refused.status.success() && !site.run(&["sagas", "retry", &id]).status.success(), "{refused:?}");
    simulator.undo_by_hand(&format!("{id}.send"));
    let resolved = site.run(&["sagas", "resolve", &id, "--as", "undone", "--reason", "the bank sent it back"]);
    assert!(resolved.status.success(), "{resolved:?}");
    until("it has failed", || async { status(&id).await == "failed" }).await;
    assert!(text(&site.run(&["sagas", "stuck"]).stderr).contains("no saga is stuck"));
    let again = site.run(&["sagas", "retry", &id, "--reason", "x"]);
    assert!(!again.status.success() && text(&again.stderr).contains("not stuck"), "{again:?}");
    assert_eq!(site.database.posted("alice").await, 90_00);
    assert_eq!(
        site.database
            .count("SELECT count(*) FROM operator_actions WHERE action = 'saga.resolve' AND actor LIKE 'cli:%'")
            .await,
        1
    );
    until("the metric tells that none is stuck", || async { server.metric("florin_sagas_stuck").await == Some(0.0) })
        .await;
    simulator.check();
    site.verify();
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
