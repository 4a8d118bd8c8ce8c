//! Memory damaged on purpose: the fold finds it, keeps the account apart, and nobody else notices.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use florin::protocol::account::Posted;
use florin::protocol::record::Operator;
use florin::store::fold::{self, Quarantine};
use florin::store::operators::Doing;
use florin::store::verify::verify;
use florin::store::{audit, live};
use florin_wire::payment_v1 as pb;
use futures::future::join_all;

use crate::harness::money::reason;
use crate::harness::{Florin, until};

type Damage = fn(&mut Posted, before: Posted);

async fn quarantined(florin: &Florin) -> Vec<Quarantine> {
    fold::quarantines(&florin.database.pool, false, 100).await.unwrap()
}

// Mutations seen failing: `fold_accounts` without the comparison of `s.k` (a cent), or of `last_seq` (a link, a row);
// `Lane::take` without the look into the quarantine (the second payment).
#[tokio::test(flavor = "multi_thread")]
async fn damaged_memory_is_found_within_two_seconds_and_stops_nobody_else() {
    let florin = Florin::start().await;
    for name in ["alice", "bob", "carol", "dave"] {
        florin.database.account(name, 10_00).await;
    }
    let damages: [(&str, &str, Damage); 5] = [
        ("a cent too much", "balance after", |posted, _| posted.totals.credits += 1),
        ("a cent too little", "balance after", |posted, _| posted.totals.debits += 1),
        ("two cents moved from the one side to the other", "balance after", |posted, _| {
            posted.totals.debits += 1;
            posted.totals.credits -= 1;
        }),
        ("a link to a row that is not there", "link", |posted, _| posted.last += 1),
        ("one row missing", "link", |posted, before| *posted = before),
    ];
    let mut cents = 0;
    for (n, (what, found, damage)) in damages.into_iter().enumerate() {
        for (payer, payee) in [("alice", "bob"), ("bob", "alice")] {
            let key = |what: &str| format!("{what}-{n}-{payer}");
            let before = florin.loaded("alice").await.cell.posted();
            florin.pay(&key("one"), "alice", "bob", 1).await.unwrap();
            florin.folded().await;
            let alice = florin.loaded("alice").await;
            let mut posted = alice.cell.posted();
            damage(&mut posted, before);
            alice.cell.damage(&posted);
            let bad = florin.pay(&key("bad"), payer, payee, 3).await.unwrap();
            assert_eq!(bad.status(), pb::PaymentStatus::Authorized, "{what}: memory is believed until it is folded");
            let began = Instant::now();
            until("it is in quarantine", async || !quarantined(&florin).await.is_empty()).await;
            assert!(began.elapsed() < Duration::from_secs(2), "{what}: {:?}", began.elapsed());
            let suspects = quarantined(&florin).await;
            assert_eq!(suspects.len(), 1, "{what}: {suspects:?}");
            assert_eq!((suspects[0].name.as_deref(), suspects[0].reason.as_str()), (Some("alice"), found), "{what}");
            until("the journal knows", async || florin.journal().is_quarantined(alice.identity.id)).await;
            for (payer, payee) in [("alice", "bob"), ("bob", "alice")] {
                let refused = florin.pay(&key(&format!("refused-{payer}")), payer, payee, 1).await.unwrap_err();
                assert_eq!(reason(&refused), "LEDGER_GUARD", "{what}");
            }
            florin.pay(&key("good"), "carol", "bob", 1).await.unwrap();
            let report = verify(&florin.database.pool, |_, _, _| {}).await.unwrap();
            assert!(report.findings.iter().any(|finding| finding.check == "quarantine"), "{what}: {report}");
            // What the suspect rows tell is told to nobody.
            let mut db = florin.database.pool.acquire().await.unwrap();
            let tip = fold::folded(&mut *db).await.unwrap();
            let told = live::read(
                &mut db,
                &mut florin::store::journal_rows::Names::default(),
                suspects[0].first_seq,
                tip,
                10_000,
            )
            .await
            .unwrap()
            .events;
            let (held, shown): (Vec<_>, Vec<_>) = told.into_iter().partition(|event| event.suspect.is_some());
            assert!(held.iter().any(|told| told.transaction.to_string() == id(&bad)), "{what}");
            assert!(shown.iter().all(|told| told.transaction.to_string() != id(&bad)), "{what}");

            let by = Operator { name: "test".into(), reason: what.into(), address: None };
            audit::rebuild(&florin.database.pool, "alice", &Doing { tenant: "default", by: &by, correlation: None })
                .await
                .unwrap()
                .unwrap();
            until("it is released", async || !florin.journal().is_quarantined(alice.identity.id)).await;
            cents += 1 + if payer == "alice" { 3 } else { -3 };
            until("it is loaded anew", async || florin.balance("alice").await == 10_00 - cents).await;
            florin.pay(&key("again"), payer, payee, 1).await.unwrap();
            cents += if payer == "alice" { 1 } else { -1 };
            assert_eq!(florin.balance("alice").await, 10_00 - cents, "{what}");
            let report = verify(&florin.database.pool, |_, _, _| {}).await.unwrap();
            assert!(report.is_clean(), "{what}: {report}");
        }
    }
    assert!(quarantined(&florin).await.is_empty());
    florin.stop().await;
}

fn id(payment: &pb::AuthorizePaymentResponse) -> String {
    uuid::Uuid::from_u128(ulid::Ulid::from_string(&payment.payment_id).unwrap().0).to_string()
}

// Fails when accounts that were ended on purpose count as failures: beyond 1,000 in a minute the directory is started
// again, and every account with it.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_are_ended_to_be_loaded_anew_do_not_take_the_others_with_them() {
    let florin = Florin::start().await;
    let names: Vec<String> = (0..64).map(|n| format!("a{n}")).collect();
    for name in names.iter().map(String::as_str).chain(["bystander"]) {
        florin.database.account(name, 0).await;
    }
    let bystander = florin.loaded("bystander").await;
    let mut ended = HashSet::new();
    while ended.len() < 1_050 {
        for account in join_all(names.iter().map(|name| florin.loaded(name))).await {
            account.cell.bury();
            account.actor.get_cell().kill();
            ended.insert(account.actor.get_id());
        }
        assert!(!bystander.cell.is_dead(), "after {} others", ended.len());
    }
    florin.stop().await;
}
