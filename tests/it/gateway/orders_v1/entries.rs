//! Entries that are inserted: what they do to the books, and that they do it once.
//!
//! Each test names the mutation of the product that makes it fail.

use florin_wire::florin_v1 as native;
use futures::future::join_all;

use super::{Entries, TXN, entry};
use crate::gateway::native::set_status;
use crate::harness::money::spawn;
use crate::harness::{Florin, Options, until};

// Fails when debit and credit are mixed up, when an account that is opened has a floor, or when the legs of a
// transaction cannot be found by its id.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_opens_its_accounts_and_moves_its_amount() {
    let florin = Florin::start().await;
    let entries = Entries::of(&florin).await;
    entries.inserted(&entry(TXN, "Accounts Receivable", "Revenue", "12.50", "USD")).await;
    for (id, balance) in [("Accounts Receivable:USD", "-12.50"), ("Revenue:USD", "12.50")] {
        let account = florin.account(id).await;
        assert_eq!((account.kind(), account.min_balance), (native::AccountKind::System, None), "{id}");
        assert_eq!((account.balance.as_str(), account.currency.as_str()), (balance, "USD"), "{id}");
    }
    let request = native::ListTransactionsRequest { reference: TXN.into(), ..Default::default() };
    let page = florin.native.clone().list_transactions(request).await.unwrap().into_inner();
    let [transaction] = page.items.as_slice() else { panic!("{page:?}") };
    assert_eq!((transaction.kind.as_str(), transaction.reference.as_str()), ("transfer", TXN));
    assert_eq!(transaction.postings.len(), 1);
    let events =
        "SELECT count(*) FROM journal WHERE id = (SELECT id FROM transactions WHERE kind = 2) AND event IS NOT NULL";
    assert_eq!(florin.database.count(events).await, 1);
    florin.stop().await;
}

/// As the system before took them: numbers of any form, rounded to the cent, in any currency or none.
#[tokio::test(flavor = "multi_thread")]
async fn an_amount_is_rounded_half_away_from_zero_and_a_currency_is_made_when_it_is_first_named() {
    let florin = Florin::start().await;
    let entries = Entries::of(&florin).await;
    for (n, (amount, currency, account, balance)) in [
        ("1e3", "USD", "a:USD", 1_000_00),
        (" 12.5 ", "usd", "b:USD", 12_50),
        ("10.005", "USD", "c:USD", 10_01),
        ("+1", "", "d:XXX", 1_00),
        ("2", "ZZZ", "e:ZZZ", 2_00),
        ("0.5", "JPY", "f:JPY", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let txn = format!("00000000-0000-0000-0000-00000000000{n}");
        let name = account.split(':').next().unwrap();
        for _ in 0..2 {
            entries.inserted(&entry(&txn, "debit", name, amount, currency)).await;
        }
        assert_eq!(florin.balance_of(account).await, balance, "{amount:?} {currency:?}");
    }
    assert_eq!(florin.transactions().await, 6, "a repeat does nothing");
    florin.stop().await;
}

// Fails when the key of a repeat is txn_id alone.
#[tokio::test(flavor = "multi_thread")]
async fn legs_of_one_txn_id_are_each_done() {
    let florin = Florin::start().await;
    let entries = Entries::of(&florin).await;
    let legs = [
        entry(TXN, "ar", "revenue", "100", "USD"),
        entry(TXN, "ar", "tax", "18", "USD"),
        entry(TXN, "ar", "tax", "1.80", "USD"),
        entry(TXN, "tax", "ar", "18", "USD"),
        entry(TXN, "ar", "revenue", "100", "EUR"),
        entry(TXN, "ar", "revenue", "100", "JPY"),
    ];
    for leg in legs.iter().chain(&legs) {
        entries.inserted(leg).await;
    }
    assert_eq!(florin.transactions().await, 6);
    for (account, balance) in [("ar:USD", -101_80), ("revenue:USD", 100_00), ("tax:USD", 1_80), ("ar:EUR", -100_00)] {
        assert_eq!(florin.balance_of(account).await, balance, "{account}");
    }
    assert_eq!(florin.balance_of("revenue:JPY").await, 100);
    let other = "00000000-0000-0000-0000-000000000000";
    entries.inserted(&entry(other, "ar", "revenue", "100", "USD")).await;
    assert_eq!(florin.transactions().await, 7);
    florin.stop().await;
}

// Fails when equal entries do not wait for each other, or when each of those that name a new account opens it.
#[tokio::test(flavor = "multi_thread")]
async fn equal_entries_at_once_have_one_effect_and_others_have_theirs() {
    let florin = Florin::start().await;
    let entries = Entries::of(&florin).await;
    florin.faults.hold("lane.before_commit");
    let same = spawn({
        let entries = entries.clone();
        async move {
            let same = entry(TXN, "cash", "sales", "3", "USD");
            join_all((0..50).map(|_| entries.inserted(&same))).await;
        }
    });
    until("all wait for the one that opens the first account", || async { florin.in_flight.now() == 50 + 1 }).await;
    assert_eq!(florin.tree.node.active().unwrap().journal.depth(), 1);
    florin.faults.release("lane.before_commit");
    same.await.unwrap();
    assert_eq!((florin.transactions().await, florin.balance_of("sales:USD").await), (1, 3_00));

    let others: Vec<_> =
        (0..100).map(|n| entry(&uuid::Uuid::from_u128(n).to_string(), "till", "sales", "1", "EUR")).collect();
    join_all(others.iter().map(|other| entries.inserted(other))).await;
    assert_eq!((florin.transactions().await, florin.balance_of("till:EUR").await), (101, -100_00));
    assert_eq!(florin.database.count("SELECT count(*) FROM accounts").await, 4);
    florin.stop().await;
}

// Fails when the id of an entry is drawn and its fields are a key, which is forgotten, or when their spelling counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_answered_like_the_first_for_ever() {
    let florin = Florin::start().await;
    let entries = Entries::of(&florin).await;
    let first = entry(TXN, "cash", "sales", "12.50", "USD");
    entries.inserted(&first).await;
    for (txn_id, amount) in [(TXN, "12.5"), (TXN, "0012.500"), (&TXN.to_uppercase(), "12.50")] {
        entries.inserted(&entry(txn_id, "cash", "sales", amount, "USD")).await;
    }

    // The journal goes on to another partition, and the keys of this one are forgotten.
    let database = florin.database.clone();
    drop(entries);
    florin.stop().await;
    database.leave_partition().await;
    let florin = Florin::with(database, Options::default()).await;
    let entries = Entries::of(&florin).await;
    entries.inserted(&entry(TXN, "cash", "sales", "1", "USD")).await;
    florin.database.forget_keys().await;
    assert!(florin.database.count("SELECT count(*) FROM journal_partitions WHERE NOT keys").await > 0);
    entries.inserted(&first).await;

    // An account that takes nothing any more takes no repeat either.
    florin.update(set_status("sales:USD", native::AccountStatus::Suspended)).await.unwrap();
    entries.inserted(&first).await;
    let refused = entries.refused(&entry(TXN, "cash", "sales", "2", "USD")).await;
    assert_eq!(refused, "Account sales:USD is not active (current status: suspended)");
    assert_eq!((florin.transactions().await, florin.balance_of("sales:USD").await), (2, 13_50));

    // What was refused is not done: it may be tried again.
    florin.update(set_status("sales:USD", native::AccountStatus::Active)).await.unwrap();
    entries.inserted(&entry(TXN, "cash", "sales", "2", "USD")).await;
    assert_eq!(florin.balance_of("sales:USD").await, 15_50);
    florin.stop().await;
}
