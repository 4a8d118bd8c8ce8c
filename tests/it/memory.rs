//! Memory damaged on purpose: what the journal lays out from it is compared with the database's own books before it is committed.

use florin::protocol::account::Posted;
use florin::protocol::pb::payment_v1 as pb;
use florin::store::verify::verify;

use crate::faults::{background, named_by};
use crate::harness::money::{Order, reason};
use crate::harness::{Florin, until};

type Damage = fn(&mut Posted);

// Fails when `apply_deltas` does not compare the balance after the batch (a cent), or the newest row before it (a link).
#[tokio::test(flavor = "multi_thread")]
async fn damaged_memory_never_gets_into_the_journal_and_stops_nobody_else() {
    let florin = Florin::start().await;
    for name in ["alice", "bob", "carol", "dave"] {
        florin.database.account(name, 10_00).await;
    }
    florin.pay("first", "alice", "bob", 1_00).await.unwrap();
    florin.pay("second", "carol", "dave", 1_00).await.unwrap();
    let damages: [(&str, Damage); 4] = [
        ("a cent too much", |posted| posted.totals.credits += 1),
        ("a cent too little", |posted| posted.totals.debits += 1),
        ("a cent moved from the one side to the other", |posted| {
            posted.totals.debits += 1;
            posted.totals.credits -= 1;
        }),
        ("a link to a row that is not there", |posted| posted.last += 1),
    ];
    let mut cents = 0;
    for (n, (what, damage)) in damages.into_iter().enumerate() {
        for (payer, payee) in [("alice", "bob"), ("bob", "alice")] {
            let key = |what: &str| format!("{what}-{n}-{payer}");
            let hits = florin.faults.hits("lane.before_commit");
            florin.faults.hold("lane.before_commit");
            let ahead = background(&florin, Order::new(key("ahead"), "carol", "dave", 1));
            until("a batch is being written", async || florin.faults.hits("lane.before_commit") > hits).await;
            // The next batch has both: a payment that touches damaged memory and one that does not.
            let alice = florin.loaded("alice").await;
            let mut posted = alice.cell.posted();
            damage(&mut posted);
            alice.cell.renew(&posted);
            let bad = background(&florin, Order::new(key("bad"), payer, payee, 1));
            let good = background(&florin, Order::new(key("good"), "dave", "carol", 1));
            named_by(&florin, "alice", 1).await;
            named_by(&florin, "carol", 2).await;
            florin.faults.release("lane.before_commit");
            assert!(ahead.await.unwrap().is_ok(), "{what}");
            assert_eq!(good.await.unwrap().unwrap().status(), pb::PaymentStatus::Authorized, "{what}");
            assert_eq!(reason(&bad.await.unwrap().unwrap_err()), "LEDGER_GUARD", "{what}");
            // It was read anew: the same call is done now.
            assert_eq!(florin.pay(&key("bad"), payer, payee, 1).await.unwrap().status(), pb::PaymentStatus::Authorized, "{what}");
            cents += if payer == "alice" { 1 } else { -1 };
            assert_eq!(florin.balance("alice").await, 9_00 - cents, "{what}");
        }
    }
    let report = verify(&florin.database.pool, |_, _, _| {}).await.unwrap();
    assert!(report.is_clean(), "{report}");
    florin.stop().await;
}
