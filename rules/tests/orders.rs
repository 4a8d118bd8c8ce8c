//! The corpus of orders: each file of `tests/data/orders` has the fate that `fates.json` there gives it, at 18 % tax.
//! The integration tests send the same files through Kafka.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use chrono::DateTime;
use florin_rules::billing::{BrokenOrder, Order, Per, TaxRate, TaxRates, Taxed};
use florin_rules::money::{COMMON, Currency, CurrencyCode, Rounding};
use serde::Deserialize;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "fate", rename_all = "snake_case", deny_unknown_fields)]
enum Fate {
    /// Amounts with all decimals of the order's currency.
    Billed {
        subtotal: String,
        tax: String,
        total: String,
    },
    Broken {
        code: String,
        reason_contains: String,
    },
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "data", "orders"].iter().collect()
}

fn known(code: &str) -> Option<Currency> {
    let (_, exponent) = COMMON.iter().find(|(it, _)| *it == code)?;
    Some(Currency { code: CurrencyCode::parse(code)?, exponent: *exponent })
}

fn billed(message: &[u8]) -> Result<(Order, Taxed), BrokenOrder> {
    let rates = TaxRates::new(Vec::new(), TaxRate::standard(18.into()).unwrap()).unwrap();
    let order = Order::parse(message, known)?;
    let taxed = order.taxed(&rates, Rounding::default(), Per::default(), DateTime::UNIX_EPOCH)?;
    Ok((order, taxed))
}

fn has_fate(message: &[u8], fate: &Fate) -> Result<(), String> {
    match (billed(message), fate) {
        (Ok((order, taxed)), Fate::Billed { subtotal, tax, total }) => {
            let came = [taxed.subtotal, taxed.tax, taxed.total].map(|amount| amount.text(order.currency.exponent));
            if came == [&**subtotal, tax, total] { Ok(()) } else { Err(format!("comes to {came:?}")) }
        }
        (Err(broken), Fate::Broken { code, reason_contains }) => {
            let (came, reason) = (broken.code(), broken.to_string());
            let is_so = came == code && reason.contains(reason_contains) && reason.chars().count() < 250;
            if is_so { Ok(()) } else { Err(format!("{came}: {reason}")) }
        }
        (Ok((_, taxed)), Fate::Broken { .. }) => Err(format!("is billed: {}", taxed.total)),
        (Err(broken), Fate::Billed { .. }) => Err(format!("{}: {broken}", broken.code())),
    }
}

#[test]
fn every_order_of_the_corpus_has_its_fate() {
    let fates: BTreeMap<String, Fate> =
        serde_json::from_slice(&fs::read(folder().join("fates.json")).unwrap()).unwrap();
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = files.filter(|name| name != "fates.json").collect();
    assert_eq!(files, fates.keys().cloned().collect(), "each file has a fate, and each fate a file");
    let wrong: Vec<String> = fates
        .iter()
        .filter_map(|(name, fate)| Some((name, fate, has_fate(&fs::read(folder().join(name)).unwrap(), fate).err()?)))
        .map(|(name, fate, came)| format!("{name} {came}, and not {fate:?}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), fates.len(), wrong.join("\n"));
}

/// No prefix and no message with one byte changed makes the reader panic.
#[test]
fn a_damaged_order_is_read_or_refused() {
    let whole = fs::read(folder().join("004-several-lines.json")).unwrap();
    for end in 0..whole.trim_ascii_end().len() {
        assert!(billed(&whole[..end]).is_err(), "the first {end} bytes are no order");
    }
    for at in 0..whole.len() {
        for byte in [0, b'"', b'\\', b'{', b'9', b'-', b'e', 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            let _ = billed(&damaged);
        }
    }
}
