//! Makes the event of one transaction from its rows in the journal. No other place writes the body of an event.

mod billing;

use smallvec::SmallVec;
use ulid::Ulid;
use uuid::Uuid;

use super::payloads::{
    Follows, HoldPayload, Outcome, PaymentAuthorized, PaymentDeclined, PostingPayload, RatePayload, TransactionPayload,
};
use super::{AccountChanged, AccountCreated, BillingFacts, EventType, GuardsText, Payload, envelope, metadata_texts};
use crate::money::{Currency, decimal_text};
use crate::protocol::journal::Row;
use crate::protocol::live::LiveEvent;
use crate::protocol::record::{AccountId, DeclineCode, Kind, TransactionId};

/// What an event says of an account: its id as callers use it, and the currency for its decimals.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: Box<str>,
    pub currency: Currency,
}

/// Why a row cannot be shown as an event: it is damaged, or was written by another version of Florin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No event has this number.
    #[error("there is no event {0}")]
    Event(i16),
    /// No kind of transaction has this number.
    #[error("there is no kind {0}")]
    Kind(i16),
    /// The row at this place names no account, or one that does not exist.
    #[error("row {0} names an account that is not there")]
    Account(i64),
    /// The row at this place lacks this field.
    #[error("row {0} has no {1}")]
    Missing(i64, &'static str),
}

/// The id of a transaction's event. It is the same each time, differs from the transaction's id, and sorts by time like
/// it.
pub fn event_id(row: &Row) -> Ulid {
    const LOW: u128 = (1 << 80) - 1;
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39d; // an odd factor loses nothing
    let ms = u128::from(u64::try_from(row.created_at.timestamp_millis()).unwrap_or(0)) & ((1 << 48) - 1);
    Ulid((ms << 80) | ((row.id.0.as_u128() & LOW).wrapping_mul(ODD) & LOW))
}

/// The event of a transaction; `rows` are all of its rows, in order. `billing` is what the tables of billing say of the
/// record whose first row is at a place.
///
/// # Errors
/// [`Unreadable`] when the rows are damaged, or of another version of Florin.
pub fn render<'a>(
    rows: &[Row],
    named: impl Fn(AccountId) -> Option<&'a Named>,
    billing: impl Fn(i64) -> Option<&'a BillingFacts>,
) -> Result<LiveEvent, Unreadable> {
    let row = rows.first().ok_or(Unreadable::Missing(0, "rows"))?;
    if row.kind == Kind::REPLAY {
        return replay(row);
    }
    let event = row.event.ok_or(Unreadable::Event(0))?;
    let look = |row: &Row, id: Option<AccountId>| id.and_then(&named).ok_or(Unreadable::Account(row.seq));
    match event {
        EventType::PaymentAuthorized => {
            let (payer, payee) = (look(row, row.debit)?, look(row, row.credit)?);
            let payment_id = ulid(row.id.0);
            let payload = PaymentAuthorized {
                payment_id: &payment_id,
                payer_account_id: &payer.name,
                payee_account_id: &payee.name,
                amount_cents: cents(row.amount.ok_or(Unreadable::Missing(row.seq, "amount"))?),
                currency: payer.currency.code.as_str(),
                description: row.description.as_deref(),
            };
            Ok(live_event(row, event, &payment_id, &Payload::Authorized(&payload), None, [&*payer.name, &payee.name]))
        }
        EventType::PaymentDeclined => {
            let asked = Asked::of(row)?;
            let posting = asked.postings.first().ok_or(Unreadable::Missing(row.seq, "postings"))?;
            let payload = PaymentDeclined {
                payment_id: None,
                payer_account_id: posting.debit,
                payee_account_id: posting.credit,
                amount_cents: cents(posting.amount),
                currency: posting.currency,
                error_code: asked.code.name(),
                error_message: asked.message,
            };
            Ok(live_event(
                row,
                event,
                &ulid(row.id.0),
                &Payload::Declined(&payload),
                None,
                [posting.debit, posting.credit],
            ))
        }
        EventType::TransactionPosted => {
            let mut postings: SmallVec<[Posted<'_>; 2]> = SmallVec::new();
            for posting in rows.iter().filter(|row| row.amount.is_some()) {
                let (debit, credit) = (look(posting, posting.debit)?, look(posting, posting.credit)?);
                let amount = decimal_text(posting.amount.unwrap_or_default(), debit.currency.exponent);
                postings.push(Posted {
                    debit: &debit.name,
                    credit: &credit.name,
                    amount,
                    currency: debit.currency.code.as_str(),
                });
            }
            if postings.is_empty() || i16::try_from(postings.len()) != Ok(row.postings) {
                return Err(Unreadable::Missing(row.seq, "postings")); // half a transaction is none
            }
            Ok(transaction(row, event, Outcome::Posted, &postings))
        }
        EventType::TransactionDeclined => {
            let asked = Asked::of(row)?;
            let mut postings: SmallVec<[Posted<'_>; 2]> = SmallVec::new();
            for AskedPosting { debit, credit, amount, currency, exponent } in &asked.postings {
                postings.push(Posted { debit, credit, amount: decimal_text(*amount, *exponent), currency });
            }
            Ok(transaction(
                row,
                event,
                Outcome::Declined { code: asked.code.name(), message: asked.message },
                &postings,
            ))
        }
        EventType::HoldAuthorized | EventType::HoldVoided => {
            let (payer, payee) = (look(row, row.debit)?, look(row, row.credit)?);
            let is_new = event == EventType::HoldAuthorized;
            let hold = if is_new { row.id.0 } else { row.follows.ok_or(Unreadable::Missing(row.seq, "hold"))? };
            let (hold_id, transaction_id) = (hold.to_string(), row.id.0.to_string());
            let held = row.held.ok_or(Unreadable::Missing(row.seq, "held"))?;
            let payload = HoldPayload {
                hold_id: &hold_id,
                transaction_id: &transaction_id,
                debit_account_id: &payer.name,
                credit_account_id: &payee.name,
                amount: &decimal_text(if is_new { held } else { -held }, payer.currency.exponent),
                currency: payer.currency.code.as_str(),
                expires_at: if is_new {
                    Some(row.text("expires_at").ok_or(Unreadable::Missing(row.seq, "expires_at"))?)
                } else {
                    None
                },
                reference: row.reference.as_deref(),
            };
            Ok(live_event(
                row,
                event,
                &hold_id,
                &Payload::Hold(&payload),
                row.correlation.as_deref(),
                [&*payer.name, &payee.name],
            ))
        }
        EventType::InvoiceIssued
        | EventType::CreditNoteIssued
        | EventType::InvoicePaid
        | EventType::InvoiceVoided
        | EventType::InvoiceWrittenOff
        | EventType::InvoiceUncollectible
        | EventType::InvoiceOverdue => {
            let facts = billing(row.seq).ok_or(Unreadable::Missing(row.seq, "invoice"))?;
            let accounts = rows.iter().flat_map(|row| [row.debit, row.credit]).flatten().filter_map(named);
            billing::render(row, event, facts, accounts.map(|account| &*account.name))
        }
        EventType::InvoicePaymentFailed => billing::failed(row, &Asked::of(row)?),
        EventType::AccountCreated => {
            let text = |field| row.text(field).ok_or(Unreadable::Missing(row.seq, field));
            let (name, guards) =
                (text("name")?, GuardsText::read(row.body.as_ref()).ok_or(Unreadable::Missing(row.seq, "status"))?);
            let payload = AccountCreated {
                tenant: &row.tenant,
                account_id: name,
                kind: text("kind")?,
                normal_side: text("normal_side")?,
                currency: text("currency")?,
                owner: text("owner")?,
                owner_type: text("owner_type")?,
                subtype: row.text("subtype"),
                guards: &guards,
                metadata: &metadata_texts(row.metadata.as_deref()),
            };
            Ok(live_event(row, event, name, &Payload::AccountCreated(&payload), row.correlation.as_deref(), [name]))
        }
        EventType::AccountChanged => {
            let account = look(row, row.debit)?;
            let guards = |field| {
                GuardsText::read(row.body.as_ref().and_then(|body| body.get(field)))
                    .ok_or(Unreadable::Missing(row.seq, field))
            };
            let payload = AccountChanged {
                tenant: &row.tenant,
                account_id: &account.name,
                transaction_id: &row.id.0.to_string(),
                currency: account.currency.code.as_str(),
                before: &guards("before")?,
                after: &guards("after")?,
            };
            Ok(live_event(
                row,
                event,
                &account.name,
                &Payload::AccountChanged(&payload),
                row.correlation.as_deref(),
                [&*account.name],
            ))
        }
    }
}

struct Posted<'a> {
    debit: &'a str,
    credit: &'a str,
    amount: String,
    currency: &'a str,
}

/// The request of a declined transaction, from the row's body.
struct Asked<'a> {
    code: DeclineCode,
    message: &'a str,
    postings: SmallVec<[AskedPosting<'a>; 1]>,
}

struct AskedPosting<'a> {
    debit: &'a str,
    credit: &'a str,
    amount: i128,
    currency: &'a str,
    exponent: u8,
}

impl<'a> Asked<'a> {
    fn of(row: &'a Row) -> Result<Self, Unreadable> {
        let missing = |what| Unreadable::Missing(row.seq, what);
        let body = row.body.as_ref().ok_or(missing("body"))?;
        let code = body["code"]
            .as_i64()
            .and_then(|code| i16::try_from(code).ok())
            .and_then(DeclineCode::from_code)
            .ok_or(missing("code"))?;
        let posting = |posting: &'a serde_json::Value| {
            Some(AskedPosting {
                debit: posting["debit"].as_str()?,
                credit: posting["credit"].as_str()?,
                amount: posting["amount"].as_str()?.parse().ok()?,
                currency: posting["currency"].as_str()?,
                exponent: posting["exponent"].as_u64().and_then(|exponent| u8::try_from(exponent).ok())?,
            })
        };
        let postings = body["postings"].as_array().ok_or(missing("postings"))?;
        let postings = postings.iter().map(posting).collect::<Option<_>>().ok_or(missing("postings"))?;
        Ok(Self { code, message: row.text("message").ok_or(missing("message"))?, postings })
    }
}

fn transaction(row: &Row, event: EventType, outcome: Outcome<'_>, postings: &[Posted<'_>]) -> LiveEvent {
    let (id, original) = (row.id.0.to_string(), row.follows.map(|id| id.to_string()).unwrap_or_default());
    let follows = match row.follows {
        Some(_) if row.kind == Kind::REFUND => Follows::RefundOf(&original),
        Some(_) if row.kind == Kind::REVERSAL => Follows::Reverses(&original),
        Some(_) if row.kind == Kind::CAPTURE => Follows::Hold(&original),
        _ => row
            .body
            .as_ref()
            .and_then(|body| body.get("exchange"))
            .and_then(rate)
            .map_or(Follows::Nothing, Follows::Exchange),
    };
    let mut payloads: SmallVec<[PostingPayload<'_>; 4]> = SmallVec::new();
    for Posted { debit, credit, amount, currency } in postings {
        payloads.push(PostingPayload { debit_account_id: debit, credit_account_id: credit, amount, currency });
    }
    let payload = TransactionPayload {
        transaction_id: &id,
        kind: row.kind.as_str(),
        outcome,
        postings: &payloads,
        reference: row.reference.as_deref(),
        metadata: &metadata_texts(row.metadata.as_deref()),
        follows,
    };
    let accounts = postings.iter().flat_map(|posting| [posting.debit, posting.credit]);
    live_event(row, event, &id, &Payload::Transaction(&payload), row.correlation.as_deref(), accounts)
}

fn rate(exchange: &serde_json::Value) -> Option<RatePayload<'_>> {
    let text = |field| exchange.get(field)?.as_str();
    Some(RatePayload {
        rate_id: exchange.get("rate_id")?.as_i64()?,
        base: text("base")?,
        quote: text("quote")?,
        rate: text("rate")?,
    })
}

/// A dead letter's event, published again word for word. The accounts and ids that it concerns are read from its own
/// text.
fn replay(row: &Row) -> Result<LiveEvent, Unreadable> {
    let number = row
        .body
        .as_ref()
        .and_then(|body| body["event"].as_i64())
        .and_then(|number| i16::try_from(number).ok())
        .unwrap_or_default();
    let event = EventType::from_code(number).ok_or(Unreadable::Event(number))?;
    let text = |field| row.text(field).ok_or(Unreadable::Missing(row.seq, field));
    let (key, body) = (text("key")?, text("event_body")?);
    let told: serde_json::Value = serde_json::from_str(body).unwrap_or_default(); // what cannot be read concerns nobody
    let payload = &told["payload"];
    let id = |field: &str| payload[field].as_str().and_then(|text| Uuid::parse_str(text).ok());
    let payment =
        || Ulid::from_string(payload["payment_id"].as_str().unwrap_or(key)).ok().map(|ulid| Uuid::from_u128(ulid.0));
    let transaction = if event.aggregate_type() == "Payment" { payment() } else { id("transaction_id") };
    let postings = payload["postings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pairs = [payload]
        .into_iter()
        .chain(postings)
        .flat_map(|object| [&object["debit_account_id"], &object["credit_account_id"]]);
    let single = ["account_id", "payer_account_id", "payee_account_id"].map(|field| &payload[field]);
    Ok(LiveEvent {
        id: row.seq,
        event,
        tenant: row.tenant.as_str().into(),
        transaction: TransactionId(transaction.unwrap_or_default()),
        reverses: id("reverses").map(TransactionId),
        accounts: distinct(single.into_iter().chain(pairs).filter_map(serde_json::Value::as_str)),
        key: key.into(),
        body: body.into(),
        copies: Vec::new(),
        is_repeat: row.body.as_ref().is_some_and(|body| body["heard"] == true),
    })
}

/// Each name once, in the order of first use.
fn distinct<'n>(accounts: impl IntoIterator<Item = &'n str>) -> SmallVec<[Box<str>; 2]> {
    let mut names: SmallVec<[Box<str>; 2]> = SmallVec::new();
    for name in accounts {
        if names.iter().all(|known| **known != *name) {
            names.push(name.into());
        }
    }
    names
}

fn live_event<'n>(
    row: &Row,
    event: EventType,
    key: &str,
    payload: &Payload<'_>,
    correlation: Option<&str>,
    accounts: impl IntoIterator<Item = &'n str>,
) -> LiveEvent {
    LiveEvent {
        id: row.seq,
        event,
        tenant: row.tenant.as_str().into(),
        // an opening is no transaction
        transaction: if event == EventType::AccountCreated { TransactionId(Uuid::nil()) } else { row.id },
        reverses: row.follows.filter(|_| row.kind == Kind::REVERSAL).map(TransactionId),
        accounts: distinct(accounts),
        key: key.into(),
        body: envelope(event_id(row), key, payload, row.created_at, correlation).into(),
        copies: Vec::new(),
        is_repeat: false,
    }
}

/// Always within 64 bits: payment.v1 takes amounts of 64 bits.
fn cents(minor_units: i128) -> i64 {
    i64::try_from(minor_units).unwrap_or(i64::MAX)
}

fn ulid(id: Uuid) -> String {
    Ulid(id.as_u128()).to_string()
}
