//! Balances compared with their rows of the journal while Florin serves, and set right by them.

use florin::protocol::record::Operator;
use florin::store::operators::Doing;
use florin_wire::payment_v1 as pb;
use futures::future::join_all;
use sqlx::Executor;

use crate::harness::{Florin, until};

const TENANT: &str = "default";

async fn damage(florin: &Florin, account: &str, change: &str) {
    florin.folded().await;
    let sql =
        format!("UPDATE balances SET {change} WHERE account = (SELECT id FROM accounts WHERE name = '{account}')");
    florin.database.pool.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
}

// Fails when the actor keeps what it believed before `rebuild`: what it knows may have a higher version than what is
// right.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_balance_is_found_and_set_right_while_payments_go_on() {
    let florin = Florin::start().await;
    florin.database.account("alice", 10_00).await;
    florin.database.account("bob", 0).await;
    assert_eq!(florin.pay("k", "alice", "bob", 1_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
    let ledger = &florin.ledger;
    let by = Operator { name: "key:auditor".into(), reason: "found by the night's audit".into(), address: None };
    let doing = Doing { tenant: TENANT, by: &by, correlation: Some("c-7") };
    for name in ["alice", "bob"] {
        let found = ledger.reconcile(TENANT, name).await.unwrap();
        assert!(found.agrees() && found.name == name, "{found:?}");
    }
    let (accounts, wrong) = ledger.reconcile_all(TENANT).await.unwrap();
    assert!(accounts >= 3 && wrong.is_empty(), "{wrong:?}");
    assert!(ledger.equation(TENANT).await.unwrap().iter().all(|currency| currency.total == 0));
    assert!(ledger.reconcile(TENANT, "nobody").await.is_err() && ledger.rebuild("nobody", &doing).await.is_err());

    damage(&florin, "alice", "credits = credits + 700, version = version + 1").await;
    damage(&florin, "bob", "held = 50").await;
    let found = ledger.reconcile(TENANT, "alice").await.unwrap();
    assert_eq!((found.balance, found.posted, found.agrees()), (16_00, 9_00, false));
    let (_, wrong) = ledger.reconcile_all(TENANT).await.unwrap();
    assert_eq!(
        wrong.iter().map(|row| (row.name.as_str(), row.held, row.open)).collect::<Vec<_>>(),
        [("alice", 0, 0), ("bob", 50, 0)]
    );
    assert_eq!(ledger.equation(TENANT).await.unwrap().iter().map(|currency| currency.total).sum::<i128>(), 7_00);

    // What is paid from a wrong balance has a wrong balance after it, for ever; so nothing is paid from alice before
    // hers is right.
    assert!(!ledger.rebuild("alice", &doing).await.unwrap().agrees());
    assert_eq!((florin.balance("alice").await, florin.database.posted("alice").await), (9_00, 9_00));

    // Beside a load on the same accounts.
    let pay = join_all((0..40).map(|n| {
        let florin = &florin;
        async move { florin.pay(&format!("n{n}"), "alice", "bob", 1).await.unwrap().status() }
    }));
    let (paid, bob) = tokio::join!(pay, ledger.rebuild("bob", &doing));
    assert!(paid.iter().all(|status| *status == pb::PaymentStatus::Authorized) && !bob.unwrap().agrees());
    assert!(ledger.rebuild("alice", &doing).await.unwrap().agrees(), "a second time there is nothing to do");
    assert_eq!((florin.balance("alice").await, florin.database.posted("alice").await), (8_60, 8_60));
    assert_eq!(florin.pay("all", "alice", "bob", 8_61).await.unwrap().status(), pb::PaymentStatus::Declined);
    assert_eq!(florin.pay("most", "alice", "bob", 8_60).await.unwrap().status(), pb::PaymentStatus::Authorized);
    damage(&florin, "bob", "held = 50").await;
    // Memory admits what the database's check refuses to fold: then bob takes nothing until he is set right.
    assert_eq!(florin.pay("held", "bob", "alice", 9_99).await.unwrap().status(), pb::PaymentStatus::Authorized);
    let bob = florin.loaded("bob").await.identity.id;
    until("bob is in quarantine", async || florin.journal().is_quarantined(bob)).await;
    let guard = florin.pay("guarded", "bob", "alice", 1).await.unwrap_err();
    assert_eq!(crate::harness::money::reason(&guard), "LEDGER_GUARD");
    assert!(!ledger.rebuild("bob", &doing).await.unwrap().agrees());
    assert_eq!(
        florin.pay("guarded", "bob", "alice", 1).await.unwrap().status(),
        pb::PaymentStatus::Authorized,
        "nothing is held any more"
    );
    assert!(ledger.equation(TENANT).await.unwrap().iter().all(|currency| currency.total == 0));

    // What is right but for how many rows there are and where they begin, is set right as well.
    damage(&florin, "alice", "version = version + 5").await;
    assert!(!ledger.rebuild("alice", &doing).await.unwrap().agrees());
    damage(&florin, "alice", "last_seq = 7").await;
    assert!(ledger.reconcile(TENANT, "alice").await.is_err(), "its chain breaks off");
    let (_, wrong) = ledger.reconcile_all(TENANT).await.unwrap();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(!ledger.rebuild("alice", &doing).await.unwrap().agrees());
    let found = ledger.reconcile(TENANT, "alice").await.unwrap();
    assert!(found.agrees() && found.version == found.rows, "{found:?}");
    assert_eq!(florin.pay("after", "alice", "bob", 1).await.unwrap().status(), pb::PaymentStatus::Authorized);
    florin.stop().await;
}
