//! Entries that are refused: each is an answer that names the field, its value and the limit.

use florin_wire::florin_v1 as native;
use florin_wire::ledger as pb;

use super::{Entries, TXN, entry};
use crate::gateway::native::limit;
use crate::harness::Florin;

// Fails when a check is left out, or when a refusal is a status.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_entry_is_told_and_nothing_is_done() {
    let florin = Florin::start().await;
    let entries = Entries::of(&florin).await;
    let long = "x".repeat(101);
    let not_decimal = |text: &str| format!("amount {text:?} is not a decimal number such as \"12.50\", below 10^20");
    let mut table = vec![
        (entry("", "a", "b", "1", "USD"), "txn_id is required".to_owned()),
        (entry("order-7", "a", "b", "1", "USD"), "txn_id \"order-7\" is not a UUID".into()),
        (entry(&long, "a", "b", "1", "USD"), format!("txn_id \"{}...\" is not a UUID", &long[..40])),
        (entry(TXN, "", "b", "1", "USD"), "account_dr is required".into()),
        (entry(TXN, "a", "", "1", "USD"), "account_cr is required".into()),
        (
            entry(TXN, &long, "b", "1", "USD"),
            format!("account_dr \"{}...\" is 101 bytes long, the limit is 100", &long[..40]),
        ),
        (
            entry(TXN, "a", &"é".repeat(51), "1", "USD"),
            format!("account_cr \"{}...\" is 102 bytes long, the limit is 100", "é".repeat(40)),
        ),
        (entry(TXN, "a\0", "b", "1", "USD"), "account_dr \"a\\0\" contains U+0000, which is not allowed".into()),
        (
            entry(TXN, "a", "a", "1", "USD"),
            "account_cr \"a\" is the account_dr as well: an entry is between two accounts".into(),
        ),
        (entry(TXN, "a", "b", "1", "$"), "currency \"$\" is not 2 to 12 letters and digits".into()),
        (entry(TXN, "a", "b", "1", "a currency"), "currency \"a currency\" is not 2 to 12 letters and digits".into()),
        (entry(TXN, "a", "b", "", "USD"), "amount is required".into()),
        (entry(TXN, "a", "b", "0", "USD"), "amount \"0\" is not above 0".into()),
        (entry(TXN, "a", "b", "-0.00", "USD"), "amount \"-0.00\" is not above 0".into()),
        (entry(TXN, "a", "b", "-5", "USD"), "amount \"-5\" is not above 0".into()),
        (entry(TXN, "a", "b", "0.004", "USD"), "amount \"0.004\" is not above 0".into()),
        (entry(TXN, "  ", "b", "1", "USD"), "account_dr is required".into()),
        (
            entry(TXN, "a", "b", &"0".repeat(65), "USD"),
            format!("amount \"{}...\" is 65 bytes long, the limit is 64", "0".repeat(40)),
        ),
        (pb::CreateEntryRequest { entry: None }, "entry is required".into()),
    ];
    let long = "9".repeat(27);
    for amount in ["NaN", "Infinity", "1,5", ".5", "5.", "--1", "0x10", "1e20", "1 000", &long] {
        table.push((entry(TXN, "a", "b", amount, "USD"), not_decimal(amount)));
    }
    for (entry, message) in &table {
        assert_eq!(entries.refused(entry).await, *message, "{entry:?}");
    }
    assert_eq!(florin.database.count("SELECT count(*) FROM journal").await, 0, "nothing is written");
    assert_eq!(florin.database.count("SELECT count(*) FROM accounts").await, 0, "nothing is opened");

    // What is unusual and right.
    for (debit, credit) in [("a\nb", "c:USD"), (&*"y".repeat(100), "a")] {
        entries.inserted(&entry(TXN, debit, credit, "0.01", "USD")).await;
    }
    florin.stop().await;
}

// Fails when what accounts and currencies say is a status.
#[tokio::test(flavor = "multi_thread")]
async fn what_accounts_and_currencies_refuse_is_told() {
    let florin = Florin::start().await;
    let entries = Entries::of(&florin).await;
    florin.database.account_in("taken:EUR", 0, "USD").await;
    let refused = entries.refused(&entry(TXN, "taken", "b", "1", "EUR")).await;
    assert_eq!(refused, "Account taken:EUR is kept in USD, not in EUR");

    entries.inserted(&entry(TXN, "a", "b", "5", "USD")).await;
    let change = native::UpdateAccountRequest { id: "b:USD".into(), min_balance: limit("0"), ..Default::default() };
    florin.update(change).await.unwrap();
    let refused = entries.refused(&entry(TXN, "b", "a", "5.01", "USD")).await;
    assert_eq!(refused, "amount \"5.01\" is more than account_dr \"b\" has above its floor");

    let mut native = florin.native.clone();
    let retired = native::UpdateCurrencyRequest { code: "GBP".into(), is_active: Some(false), ..Default::default() };
    native.update_currency(retired).await.unwrap();
    let refused = entries.refused(&entry(TXN, "a", "b", "1", "GBP")).await;
    assert_eq!(refused, "currency GBP is not in use: no account can be opened in it");
    assert_eq!(florin.transactions().await, 1);
    florin.stop().await;
}
