//! Exchanges money between currencies, and keeps the rates.

use chrono::{TimeDelta, Utc};
use rust_decimal::Decimal;
use smallvec::smallvec;

use super::post::{Texts, answered, posting, request_hash};
use super::{fields, pages};
use crate::gateway::call::Call;
use crate::gateway::failure::Failure;
use crate::gateway::ledger::{Ledger, read_failure};
use crate::gateway::validate::{self, DESCRIPTION_MAX, REFERENCE_MAX, cut};
use crate::protocol::events::timestamp;
use crate::protocol::pb::florin_v1 as pb;
use crate::protocol::record::{Kind, OperatorAction, RequestHash};
use crate::store::rates::{self, NewRate, RateRow};
use crate::store::transactions::Cursor;

/// Digits of a rate before its point, and after it.
const WHOLE_MAX: usize = 16;
const DECIMALS_MAX: usize = 12;
/// How far ahead of ours a clock may be that observed a rate.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(1);

/// Exchanges, and answers when that is durable.
pub(super) async fn exchange(ledger: &Ledger, call: &Call, asked: pb::ExchangeRequest) -> Result<pb::PostTransactionResponse, Failure> {
    let permit = ledger.enter()?;
    let pb::ExchangeRequest {
        idempotency_key,
        debit_account_id,
        credit_account_id,
        amount,
        currency,
        credit_currency,
        rate_id,
        reference,
        description,
        metadata,
    } = asked;
    let currencies = &ledger.parts().currencies;
    let from = fields::currency(currencies, "currency", &currency)?;
    let to = fields::currency(currencies, "credit_currency", &credit_currency)?;
    if from == to {
        return Err(Failure::Invalid(format!("credit_currency {credit_currency:?} is the currency that is paid: that is a transfer")));
    }
    let rate = match rate_id {
        0 => None,
        1.. => Some(rate_id),
        _ => return Err(Failure::Invalid(format!("rate_id {rate_id} is below zero"))),
    };
    let asked = pb::Posting { debit_account_id, credit_account_id, amount, currency, ..pb::Posting::default() };
    let asked = posting(ledger, "", asked)?;
    let mut command = Texts { idempotency_key, reference, description, metadata }.command(call, Kind::FX, call.deadline(ledger))?;
    command.postings = smallvec![asked];
    // What arrives is not part of what was asked: a repeat hears what arrived then.
    command.request = RequestHash::of(&[request_hash(&command).0.as_bytes(), to.code.as_str().as_bytes(), &rate_id.to_le_bytes()]);
    let answer = ledger.exchange(&mut command, from, to, rate, permit).await?;
    answered(ledger, call, command, answer).await
}

/// Writes a rate down.
pub(super) async fn add_rate(ledger: &Ledger, call: &Call, asked: pb::AddRateRequest) -> Result<pb::Rate, Failure> {
    let (base, quote) = pair(ledger, &asked.base, &asked.quote)?;
    let rate = rate(&asked.rate)?;
    validate::required("source", &asked.source, REFERENCE_MAX)?;
    validate::text("reason", &asked.reason, DESCRIPTION_MAX)?;
    let now = Utc::now();
    let observed_at = fields::time("observed_at", &asked.observed_at)?.unwrap_or(now);
    if observed_at > now + AHEAD_MAX {
        return Err(Failure::Invalid(format!("observed_at {:?} is in the future", cut(&asked.observed_at))));
    }
    ledger.active()?;
    let _permit = ledger.enter()?;
    let subject = format!("{base}/{quote}");
    let correlation = call.correlation.clone();
    let new = NewRate { tenant: call.tenant.to_string(), base, quote, rate, source: asked.source, observed_at, correlation };
    let actor = call.client.as_deref().unwrap_or("anonymous").to_owned();
    let action = OperatorAction { actor, action: "rate.add", subject, reason: asked.reason, before: None, after: None };
    let row = rates::add(&ledger.parts().pool, &new, &action).await.map_err(|error| read_failure(&error))?;
    Ok(message(row))
}

/// A page of a pair's rates.
pub(super) async fn list(ledger: &Ledger, call: &Call, asked: &pb::ListRatesRequest) -> Result<pb::ListRatesResponse, Failure> {
    let (base, quote) = pair(ledger, &asked.base, &asked.quote)?;
    let size = pages::size(asked.page_size)?;
    let query = RequestHash::of(&[b"ListRates", call.tenant.as_bytes(), base.as_bytes(), quote.as_bytes()]);
    let start = pages::place(query, &asked.page_token)?;
    let before = (start != Cursor::START).then_some(start.seq);
    let _place = ledger.enter_read()?;
    let rows = rates::list(&ledger.parts().pool, &call.tenant, (&base, &quote), before, i64::from(size) + 1).await;
    let mut rows = rows.map_err(|error| read_failure(&error))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|row| pages::token(query, &Cursor { seq: row.id, ..Cursor::START }));
    Ok(pb::ListRatesResponse { rates: rows.into_iter().map(message).collect(), next_page_token: next.unwrap_or_default() })
}

/// Two currencies of this ledger.
fn pair(ledger: &Ledger, base: &str, quote: &str) -> Result<(String, String), Failure> {
    let currencies = &ledger.parts().currencies;
    let (base, quote) = (fields::currency(currencies, "base", base)?.code, fields::currency(currencies, "quote", quote)?.code);
    if base == quote {
        return Err(Failure::Invalid(format!("quote {:?} is the base", quote.as_str())));
    }
    Ok((base.to_string(), quote.to_string()))
}

/// Decimal text above zero: no sign, no exponent.
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
        return Err(Failure::Invalid(format!("rate {:?} has {} digits and {} decimals, {limit}", cut(text), whole.len(), decimals.len())));
    }
    let rate: Decimal = format!("0{whole}.{decimals}0").parse().map_err(|_| Failure::Guard)?; // 28 digits at most
    if rate.is_zero() {
        return Err(Failure::Invalid(format!("rate {:?} is not above zero", cut(text))));
    }
    Ok(rate.normalize())
}

fn message(row: RateRow) -> pb::Rate {
    pb::Rate {
        id: row.id,
        base: row.base,
        quote: row.quote,
        rate: row.rate.0.to_string(),
        source: row.source,
        observed_at: timestamp(row.observed_at),
        created_at: timestamp(row.created_at),
    }
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
        for text in ["", "0", "0.000", "-1", "+1", "1e3", ".5", "5.", "1,5", "NaN", "٣", "10000000000000000", "0.0000000000001", " 1"] {
            assert!(matches!(rate(text), Err(Failure::Invalid(message)) if message.starts_with("rate ")), "{text}");
        }
    }
}
