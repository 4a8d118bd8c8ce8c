//! Authorizes, captures and voids holds.

use chrono::{DateTime, TimeDelta, Utc};
use smallvec::smallvec;
use uuid::Uuid;

use super::{fields, post};
use crate::gateway::call::Call;
use crate::gateway::events;
use crate::gateway::failure::Failure;
use crate::gateway::ledger::{Action, Answer, Command, Ledger, PostingCommand};
use crate::gateway::validate::{self, DESCRIPTION_MAX, KEY_MAX, REFERENCE_MAX, cut};
use crate::money::{Amount, Currency, CurrencyCode, decimal_text};
use crate::protocol::events::timestamp;
use crate::protocol::pb::florin_v1 as pb;
use crate::protocol::record::{Api, DeclineCode, Kind, RequestHash, TransactionId};
use crate::store::holds::HoldRow;

/// How long a hold lasts unless told otherwise.
const LASTS: TimeDelta = TimeDelta::days(7);
/// And at most.
const LASTS_MAX: TimeDelta = TimeDelta::days(366);
/// Bytes of an id's text.
const ID_MAX: usize = 64;

/// Holds money, and answers when that is durable.
pub(super) async fn authorize(ledger: &Ledger, call: &Call, asked: pb::AuthorizeHoldRequest) -> Result<pb::AuthorizeHoldResponse, Failure> {
    let permit = ledger.enter()?;
    ledger.know(std::iter::once(asked.currency.as_str())).await?;
    let expires_at = expiry(&asked.expires_at, Utc::now())?;
    let posting = pb::Posting {
        debit_account_id: asked.debit_account_id,
        credit_account_id: asked.credit_account_id,
        amount: asked.amount,
        currency: asked.currency,
        ..pb::Posting::default()
    };
    let posting = post::posting(ledger, "", posting)?;
    validate::text("description", &asked.description, DESCRIPTION_MAX)?;
    let texts = Texts { key: asked.idempotency_key, reference: asked.reference, description: asked.description };
    let mut command = command(ledger, call, Kind::HOLD, Action::Hold { expires_at }, posting, texts)?;
    command.metadata = fields::metadata(&asked.metadata)?;
    command.request = RequestHash::of(&[post::request_hash(&command).0.as_bytes(), asked.expires_at.as_bytes()]);
    let posting = command.postings[0].clone();
    let answer = ledger.post(&command, permit).await?;
    let response = post::answered(ledger, call, command, answer).await?;
    let completed = response.transaction.as_ref().filter(|transaction| transaction.status() == pb::TransactionStatus::Completed);
    let id = completed.and_then(|transaction| Uuid::parse_str(&transaction.id).ok()).map(TransactionId);
    let hold = match id {
        Some(id) if response.replayed => Some(hold(ledger.hold(&call.tenant, id).await?)),
        Some(id) => {
            let row = authorized(&call.tenant, id, posting, expires_at);
            ledger.remember_hold(row.clone());
            Some(hold(row))
        }
        None => None,
    };
    Ok(pb::AuthorizeHoldResponse { transaction: response.transaction, hold, replayed: response.replayed })
}

/// Pays what is held, whole or in part.
pub(super) async fn capture(ledger: &Ledger, call: &Call, asked: pb::CaptureHoldRequest) -> Result<pb::PostTransactionResponse, Failure> {
    let (permit, id) = (ledger.enter()?, id("hold_id", &asked.hold_id)?);
    // So much of a hold that is known: what is left of it, the database says.
    let recent = if asked.amount.is_empty() || asked.r#final { None } else { ledger.recent_hold(&call.tenant, id) };
    let held = match &recent {
        Some(known) => HoldRow::clone(known),
        None => ledger.hold(&call.tenant, id).await?,
    };
    let left = if recent.is_some() { held.amount } else { held.remaining() };
    let amount = match asked.amount.as_str() {
        "" if left == 0 => minor(held.amount)?, // refused for what it asks, unless it repeats the capture that took it
        "" => minor(left)?,
        text => fields::amount("amount", text, currency(&held)?)?,
    };
    let voided = if asked.r#final { minor((left - amount.minor_units()).max(0))? } else { Amount::ZERO };
    let texts = Texts { key: asked.idempotency_key, reference: asked.reference, description: String::new() };
    let mut command = command(ledger, call, Kind::CAPTURE, Action::Capture { hold: id, voided }, posting(held, amount), texts)?;
    let reference = command.reference.as_deref().unwrap_or_default();
    command.request = RequestHash::of(&[b"capture", id.0.as_bytes(), asked.amount.as_bytes(), &[u8::from(asked.r#final)], reference.as_bytes()]);
    let answer = ledger.post_out_of(&command, left, permit).await?;
    if recent.is_some() && matches!(answer, Answer::Declined { code: DeclineCode::HoldExceeded, .. }) {
        ledger.forget_hold(id);
    }
    post::answered(ledger, call, command, answer).await
}

/// Lets go what a hold has left.
pub(super) async fn void(ledger: &Ledger, call: &Call, asked: pb::VoidHoldRequest) -> Result<pb::PostTransactionResponse, Failure> {
    let (permit, id) = (ledger.enter()?, id("hold_id", &asked.hold_id)?);
    let held = ledger.hold(&call.tenant, id).await?;
    let left = held.remaining();
    let amount = minor(if left == 0 { held.amount } else { left })?;
    let texts = Texts { key: asked.idempotency_key, reference: asked.reference, description: String::new() };
    let mut command = command(ledger, call, Kind::VOID, Action::Void { hold: id }, posting(held, amount), texts)?;
    let reference = command.reference.as_deref().unwrap_or_default();
    command.request = RequestHash::of(&[b"void", id.0.as_bytes(), reference.as_bytes()]);
    let answer = ledger.post_out_of(&command, left, permit).await?;
    post::answered(ledger, call, command, answer).await
}

/// A hold as it stands.
pub(super) async fn get(ledger: &Ledger, call: &Call, asked: &pb::GetHoldRequest) -> Result<pb::Hold, Failure> {
    Ok(hold(ledger.hold(&call.tenant, id("id", &asked.id)?).await?))
}

/// The caller's own words.
struct Texts {
    key: String,
    reference: String,
    description: String,
}

fn command(ledger: &Ledger, call: &Call, kind: Kind, action: Action, posting: PostingCommand, texts: Texts) -> Result<Command, Failure> {
    validate::text("idempotency_key", &texts.key, KEY_MAX)?;
    validate::text("reference", &texts.reference, REFERENCE_MAX)?;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Command {
        tenant: call.tenant.clone(),
        api: Api::FlorinV1,
        kind,
        key: given(texts.key),
        request: RequestHash::of(&[]),
        postings: smallvec![posting],
        reference: given(texts.reference),
        description: given(texts.description),
        metadata: None,
        correlation: call.correlation.clone(),
        deadline: call.deadline(ledger),
        action,
        declines_bind: false,
        with_balances: false,
        on_completed: events::posted,
        on_declined: events::declined,
    })
}

/// What is taken from a hold, from its payer to its payee.
fn posting(held: HoldRow, amount: Amount) -> PostingCommand {
    PostingCommand { debit: held.debit, credit: held.credit, amount, currency: held.currency, exponent: held.exponent }
}

fn expiry(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
    let Some(at) = fields::time("expires_at", text)? else { return Ok(now + LASTS) };
    if at <= now || at > now + LASTS_MAX {
        return Err(Failure::Invalid(format!("expires_at {:?} must be in the future, by at most {} days", cut(text), LASTS_MAX.num_days())));
    }
    Ok(at)
}

fn id(field: &str, text: &str) -> Result<TransactionId, Failure> {
    validate::required(field, text, ID_MAX)?;
    let id = Uuid::parse_str(text).map_err(|_| Failure::NotFound(format!("hold {} not found", cut(text))))?;
    Ok(TransactionId(id))
}

fn minor(units: i128) -> Result<Amount, Failure> {
    Amount::new(units).map_err(|_| Failure::Guard) // the table holds no more
}

fn currency(held: &HoldRow) -> Result<Currency, Failure> {
    Ok(Currency { code: CurrencyCode::parse(&held.currency).ok_or(Failure::Guard)?, exponent: held.exponent })
}

fn hold(row: HoldRow) -> pb::Hold {
    let text = |units: i128| decimal_text(units, row.exponent);
    let status = match (row.remaining(), row.captured) {
        (1.., _) => pb::HoldStatus::Open,
        (_, 1..) => pb::HoldStatus::Captured,
        _ => pb::HoldStatus::Voided,
    };
    pb::Hold {
        id: row.id.to_string(),
        amount: text(row.amount),
        status: status.into(),
        captured: text(row.captured),
        voided: text(row.voided),
        remaining: text(row.remaining()),
        expires_at: timestamp(row.expires_at),
        debit_account_id: row.debit,
        credit_account_id: row.credit,
        currency: row.currency,
    }
}

/// A hold that has just been made.
fn authorized(tenant: &str, id: TransactionId, posting: PostingCommand, expires_at: DateTime<Utc>) -> HoldRow {
    HoldRow {
        id: id.0,
        tenant: tenant.to_owned(),
        debit: posting.debit,
        credit: posting.credit,
        currency: posting.currency,
        exponent: posting.exponent,
        amount: posting.amount.minor_units(),
        captured: 0,
        voided: 0,
        expires_at,
    }
}
