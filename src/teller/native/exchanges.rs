//! Exchanges money between currencies, and stores the rates.

use chrono::{TimeDelta, Utc};
use rust_decimal::Decimal;

use super::post::{Posted, Words, answered, request};
use super::{fields, pages};
use crate::money::Currency;
use crate::protocol::admission::Permit;
use crate::protocol::movement;
use crate::protocol::record::{RequestHash, RequestedPosting};
use crate::store::rates::{self, NewRate, RateRow};
use crate::store::transactions::Cursor;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure, unwritten};
use crate::teller::validate::{self, REFERENCE_MAX, cut};

/// The most digits of a rate before the point, and after it.
const WHOLE_MAX: usize = 16;
const DECIMALS_MAX: usize = 12;
/// How far ahead of this node's clock the time of an observation may be.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(1);

#[derive(Clone, Debug)]
pub struct Exchange {
    /// Payer, payee, and the amount that is paid, in `from`.
    pub posting: RequestedPosting,
    /// The currency that is paid.
    pub from: Currency,
    /// The currency that arrives.
    pub to: Currency,
    /// The number of a rate; `None`: the newest.
    pub rate: Option<i64>,
    pub words: Words,
}

/// A rate as it came in: one unit of `base` is `rate` units of `quote`.
#[derive(Clone, Copy, Debug)]
pub struct Quote<'a> {
    /// Currency code.
    pub base: &'a str,
    /// Currency code.
    pub quote: &'a str,
    /// Decimal text.
    pub rate: &'a str,
    /// Who quoted it.
    pub source: &'a str,
    /// The name of the field over this wire, and an RFC 3339 time; empty: now.
    pub observed_at: (&'static str, &'a str),
    /// For the record of operators' actions.
    pub reason: &'a str,
}

/// Exchanges money, and returns when that is durable.
///
/// # Errors
/// `Invalid` where both currencies are one; else as [`Ledger::exchange`].
pub async fn exchange(ledger: &Ledger, call: &Call, asked: Exchange, permit: Permit) -> Result<Posted, Failure> {
    let Exchange { posting, from, to, rate, words } = asked;
    if from == to {
        return Err(Failure::Invalid(format!("both currencies are {}: that is a transfer", from.code)));
    }
    let (reference, metadata) = (words.reference.as_deref(), words.metadata.as_deref());
    let identity = movement::Exchange::request(&posting, to, rate, reference, metadata);
    let key = words.key.clone();
    let work = |call: Call| async move {
        let request = request(&call, call.deadline(ledger), identity, words);
        let (command, answer) = ledger.exchange(request, posting, (from, to), rate, permit).await?;
        answered(ledger, &call, command, answer).await
    };
    call.attempt(ledger, key.as_deref(), work).await
}

/// Stores a rate.
///
/// # Errors
/// `Invalid`, naming the field; what kept it from being stored.
pub async fn add_rate(ledger: &Ledger, call: &Call, asked: Quote<'_>) -> Result<RateRow, Failure> {
    let (base, quote) = pair(ledger, asked.base, asked.quote).await?;
    let rate = rate(asked.rate)?;
    validate::required("source", asked.source, REFERENCE_MAX)?;
    let by = call.operator(asked.reason)?;
    let now = Utc::now();
    let (field, text) = asked.observed_at;
    let observed_at = fields::time(field, text)?.unwrap_or(now);
    if observed_at > now + AHEAD_MAX {
        return Err(Failure::Invalid(format!("{field} {:?} is in the future", cut(text))));
    }
    ledger.active()?;
    let _permit = ledger.enter()?;
    let action = by.did("rate.add", &format!("{base}/{quote}"), None, None);
    let (tenant, source, correlation) = (call.tenant.to_string(), asked.source.to_owned(), call.correlation.clone());
    let new = NewRate { tenant, base, quote, rate, source, observed_at, correlation };
    rates::add(&ledger.parts().pool, &new, &action).await.map_err(|error| unwritten(&error))
}

/// A page of a pair's rates, the newest observation first, and the next page's token; `None` after the last.
///
/// # Errors
/// `Invalid`, naming the field; what kept them from being read.
pub async fn list(
    ledger: &Ledger,
    call: &Call,
    (base, quote): (&str, &str),
    (size, token): (u32, pages::Token<'_>),
) -> Result<(Vec<RateRow>, Option<String>), Failure> {
    let (base, quote) = pair(ledger, base, quote).await?;
    let query = RequestHash::of(&[b"ListRates", call.tenant.as_bytes(), base.as_bytes(), quote.as_bytes()]);
    let seal = pages::seal(ledger).await?;
    let start = seal.open(query, token)?;
    let before = (start != Cursor::START).then_some(start.seq);
    let _place = ledger.enter_read()?;
    let rows = rates::list(&ledger.parts().pool, &call.tenant, (&base, &quote), before, i64::from(size) + 1).await;
    let mut rows = rows.map_err(|error| read_failure(&error))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|row| seal.token(query, &Cursor { seq: row.id, ..Cursor::START }));
    Ok((rows, next))
}

/// The codes of two different currencies of this ledger.
async fn pair(ledger: &Ledger, base: &str, quote: &str) -> Result<(String, String), Failure> {
    ledger.ensure_known([base, quote].into_iter()).await?;
    let currencies = &ledger.parts().currencies;
    let (base, quote) =
        (fields::currency(currencies, "base", base)?.code, fields::currency(currencies, "quote", quote)?.code);
    if base == quote {
        return Err(Failure::Invalid(format!("quote {:?} is the base", quote.as_str())));
    }
    Ok((base.to_string(), quote.to_string()))
}

/// Reads decimal text above zero, without sign and exponent.
fn rate(text: &str) -> Result<Decimal, Failure> {
    validate::required("rate", text, 64)?;
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) {
        return Err(Failure::Invalid(format!("rate {:?} is not a decimal number such as \"0.9215\"", cut(text))));
    }
    let (whole, decimals) = (whole.trim_start_matches('0'), decimals.trim_end_matches('0'));
    if whole.len() > WHOLE_MAX || decimals.len() > DECIMALS_MAX {
        let limit = format!("the limit is {WHOLE_MAX} digits and {DECIMALS_MAX} decimals");
        return Err(Failure::Invalid(format!(
            "rate {:?} has {} digits and {} decimals, {limit}",
            cut(text),
            whole.len(),
            decimals.len()
        )));
    }
    let rate: Decimal = format!("0{whole}.{decimals}0").parse().map_err(|_| Failure::Guard)?; // 28 digits at most
    if rate.is_zero() {
        return Err(Failure::Invalid(format!("rate {:?} is not above zero", cut(text))));
    }
    Ok(rate.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_exactly_or_refused() {
        for (text, read) in [
            ("0.9215", "0.9215"),
            ("1", "1"),
            ("0151.3740", "151.374"),
            ("0.000000000001", "0.000000000001"),
            ("9999999999999999.999999999999", "9999999999999999.999999999999"),
        ] {
            assert_eq!(rate(text).map(|rate| rate.to_string()), Ok(read.to_owned()));
        }
        for text in [
            "",
            "0",
            "0.000",
            "-1",
            "+1",
            "1e3",
            ".5",
            "5.",
            "1,5",
            "NaN",
            "٣",
            "10000000000000000",
            "0.0000000000001",
            " 1",
        ] {
            assert!(matches!(rate(text), Err(Failure::Invalid(message)) if message.starts_with("rate ")), "{text}");
        }
    }
}
