//! Balances compared with their rows of the journal while Florin serves, and set right by them.

use florin::protocol::record::Operator;
use florin::store::operators::Doing;
use florin::teller::failure::Failure;
use florin_wire::payment_v1 as pb;
use futures::future::join_all;
use sqlx::Executor;

use crate::harness::money::reason;
use crate::harness::{Florin, until};

const TENANT: &str = "default";

/// With 9 dollars on `alice`, and on `bob` the one that she paid him.
async fn started() -> Florin {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    assert_eq!(pay(&florin, "k", "alice", "bob", 1_00).await, pb::PaymentStatus::Authorized);
    florin
}

async fn pay(florin: &Florin, key: &str, from: &str, to: &str, cents: i64) -> pb::PaymentStatus {
    florin.pay(key, from, to, cents).await.unwrap().status()
}

async fn damage(florin: &Florin, account: &str, change: &str) {
    florin.folded().await;
    let sql =
        format!("UPDATE balances SET {change} WHERE account = (SELECT id FROM accounts WHERE name = '{account}')");
    florin.database.pool.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
}

async fn damage_both(florin: &Florin) {
    damage(florin, "alice", "credits = credits + 700, version = version + 1").await;
    damage(florin, "bob", "held = 50").await;
}

/// Sets it right; whether it was wrong.
async fn rebuilt(florin: &Florin, account: &str) -> Result<bool, Failure> {
    let by = Operator { name: "key:auditor".into(), reason: "found by the night's audit".into(), address: None };
    let doing = Doing { tenant: TENANT, by: &by, correlation: Some("c-7") };
    florin.ledger.rebuild(account, &doing).await.map(|found| !found.agrees())
}

/// By how much the balances of each currency miss zero; none that do not.
async fn out_of_balance(florin: &Florin) -> Vec<i128> {
    let currencies = florin.ledger.equation(TENANT).await.unwrap();
    currencies.iter().map(|currency| currency.total).filter(|total| *total != 0).collect()
}

/// In memory, and posted.
async fn balances(florin: &Florin, account: &str) -> (i64, i64) {
    (florin.balance(account).await, florin.database.posted(account).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_names_the_damaged_accounts_and_no_others() {
    let florin = started().await;
    let ledger = &florin.ledger;
    for name in ["alice", "bob"] {
        let found = ledger.reconcile(TENANT, name).await.unwrap();
        assert!(found.agrees() && found.name == name, "{found:?}");
    }
    let found = ledger.reconcile_all(TENANT).await.unwrap();
    assert!(found.total >= 3 && found.wrong.is_empty(), "{found:?}");
    assert!(out_of_balance(&florin).await.is_empty());
    assert!(ledger.reconcile(TENANT, "nobody").await.is_err() && rebuilt(&florin, "nobody").await.is_err());

    damage_both(&florin).await;
    let found = ledger.reconcile(TENANT, "alice").await.unwrap();
    assert_eq!((found.balance, found.posted, found.agrees()), (16_00, 9_00, false));
    let wrong = ledger.reconcile_all(TENANT).await.unwrap().wrong;
    assert_eq!(
        wrong.iter().map(|row| (row.name.as_str(), row.held, row.open)).collect::<Vec<_>>(),
        [("alice", 0, 0), ("bob", 50, 0)]
    );
    assert_eq!(out_of_balance(&florin).await, [7_00]);
    let _ = florin.database.clone().damaged();
    florin.stop().await;
}

// Fails when the actor keeps what it believed before `rebuild`: what it knows may have a higher version than what is
// right.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_balance_is_set_right_while_payments_go_on() {
    let florin = started().await;
    damage_both(&florin).await;
    // What is paid from a wrong balance has a wrong balance after it, for ever; so nothing is paid from alice before
    // hers is right.
    assert_eq!(rebuilt(&florin, "alice").await, Ok(true));
    assert_eq!(balances(&florin, "alice").await, (9_00, 9_00));

    let load = join_all((0..40).map(|n| {
        let florin = &florin;
        async move { pay(florin, &format!("n{n}"), "alice", "bob", 1).await }
    }));
    let (paid, bob) = tokio::join!(load, rebuilt(&florin, "bob"));
    assert!(paid.iter().all(|status| *status == pb::PaymentStatus::Authorized));
    assert_eq!(bob, Ok(true));
    assert_eq!(rebuilt(&florin, "alice").await, Ok(false), "a second time there is nothing to do");
    assert_eq!(balances(&florin, "alice").await, (8_60, 8_60));
    assert_eq!(pay(&florin, "all", "alice", "bob", 8_61).await, pb::PaymentStatus::Declined);
    assert_eq!(pay(&florin, "most", "alice", "bob", 8_60).await, pb::PaymentStatus::Authorized);
    assert!(out_of_balance(&florin).await.is_empty());
    florin.stop().await;
}

// Fails when only those accounts are set right that one answer lists (`Ledger::rebuild_all` without its loop).
#[tokio::test(flavor = "multi_thread")]
async fn all_that_disagree_are_set_right_however_many_they_are() {
    let florin = started().await;
    let many = "WITH made AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) SELECT 'default', 'm' || n, 1, 1, 'USD' FROM generate_series(1, 1010) n RETURNING id) \
                INSERT INTO balances (account, held) SELECT id, 5 FROM made";
    florin.folded().await;
    florin.database.pool.execute(many).await.unwrap();
    let found = florin.ledger.reconcile_all(TENANT).await.unwrap();
    assert_eq!((found.disagreeing, found.wrong.len()), (1_010, 1_000));
    let by = Operator { name: "key:auditor".into(), reason: String::new(), address: None };
    let rebuilt = florin.ledger.rebuild_all(&Doing { tenant: TENANT, by: &by, correlation: None }).await.unwrap();
    assert!(rebuilt.disagreeing == 0 && rebuilt.wrong.is_empty(), "{rebuilt:?}");
    assert_eq!(florin.ledger.reconcile_all(TENANT).await.unwrap().disagreeing, 0);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_quarantine_pays_again_once_it_is_set_right() {
    let florin = started().await;
    damage(&florin, "bob", "held = 50").await;
    // Memory admits what the database's check refuses to fold: then bob takes nothing until he is set right.
    assert_eq!(pay(&florin, "held", "bob", "alice", 99).await, pb::PaymentStatus::Authorized);
    let bob = florin.loaded("bob").await.identity.id;
    until("bob is in quarantine", async || florin.journal().is_quarantined(bob)).await;
    assert_eq!(reason(&florin.pay("guarded", "bob", "alice", 1).await.unwrap_err()), "LEDGER_GUARD");
    assert_eq!(rebuilt(&florin, "bob").await, Ok(true));
    assert_eq!(
        pay(&florin, "guarded", "bob", "alice", 1).await,
        pb::PaymentStatus::Authorized,
        "nothing is held any more"
    );
    assert!(out_of_balance(&florin).await.is_empty());
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_but_for_how_many_rows_there_are_and_where_they_begin_is_set_right_as_well() {
    let florin = started().await;
    damage(&florin, "alice", "version = version + 5").await;
    assert_eq!(rebuilt(&florin, "alice").await, Ok(true));
    damage(&florin, "alice", "last_seq = 7").await;
    assert!(florin.ledger.reconcile(TENANT, "alice").await.is_err(), "its chain breaks off");
    let wrong = florin.ledger.reconcile_all(TENANT).await.unwrap().wrong;
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(rebuilt(&florin, "alice").await, Ok(true));
    let found = florin.ledger.reconcile(TENANT, "alice").await.unwrap();
    assert!(found.agrees() && found.version == found.rows, "{found:?}");
    assert_eq!(pay(&florin, "after", "alice", "bob", 1).await, pb::PaymentStatus::Authorized);
    florin.stop().await;
}
