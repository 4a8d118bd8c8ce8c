//! Opens, captures, voids and lists holds.

use chrono::{DateTime, TimeDelta, Utc};
use smallvec::smallvec;
use uuid::Uuid;

use super::post::{Posted, Words, answered, decided_again, request};
use super::{accounts, fields, pages};
use crate::money::{Amount, Currency, CurrencyCode};
use crate::protocol::admission::Permit;
use crate::protocol::movement::{self, Hold, Void};
use crate::protocol::record::{DeclineCode, Kind, RequestHash, RequestedPosting, TransactionId};
use crate::store;
use crate::store::holds::{HoldRow, HoldState, Listed};
use crate::store::transactions::{Cursor, TransactionRow};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Answer, Command, Deadline, Ledger, covered, read_failure};
use crate::teller::validate::cut;

/// How long a hold lasts when the caller does not say.
const LASTS: TimeDelta = TimeDelta::days(7);
/// The longest that a caller may have a hold last.
const LASTS_MAX: TimeDelta = TimeDelta::days(366);
/// Holds that one page looks at when only those of one state are wanted.
const LOOK_MAX: usize = 10_000;
/// Holds that are read at a time then.
const CHUNK: usize = 1_000;

#[derive(Clone, Debug)]
pub struct Authorize {
    /// Payer, payee and amount.
    pub posting: RequestedPosting,
    /// `None`: after the usual time.
    pub expires_at: Option<Expiry>,
    pub words: Words,
}

#[derive(Clone, Debug)]
pub struct Expiry {
    at: DateTime<Utc>,
    /// The error for a new hold when the time has passed already. A repeat may come after it, and is not refused.
    late: Option<String>,
}

/// The outcome of opening a hold.
#[derive(Clone, Debug)]
pub struct Authorized {
    pub posted: Posted,
    /// The hold as it was opened; `None`: it was declined.
    pub hold: Option<HoldRow>,
}

#[derive(Clone, Debug)]
pub struct Capture {
    pub hold: TransactionId,
    /// Decimal text in the hold's currency; `None`: all that is left.
    pub amount: Option<String>,
    /// Whether what is left afterwards is released.
    pub is_last: bool,
    pub words: Words,
}

/// Reads when a hold is to expire; `None`: the text is empty.
///
/// # Errors
/// `Invalid`: it is no time, or too far in the future.
pub fn expiry(field: &str, text: &str) -> Result<Option<Expiry>, Failure> {
    let Some(at) = fields::time(field, text)? else { return Ok(None) };
    let (now, wrong) = (Utc::now(), || {
        format!("{field} {:?} must be in the future, by at most {} days", cut(text), LASTS_MAX.num_days())
    });
    if at > now + LASTS_MAX {
        return Err(Failure::Invalid(wrong()));
    }
    Ok(Some(Expiry { at, late: (at <= now).then(wrong) }))
}

/// Reads the id of a hold.
///
/// # Errors
/// `NotFound`: the text cannot be an id.
pub fn id(text: &str) -> Result<TransactionId, Failure> {
    Uuid::parse_str(text).map(TransactionId).map_err(|_| Failure::no_hold(text))
}

/// A hold. A caller who is kept to some accounts is shown those of which one side is theirs.
///
/// # Errors
/// `Forbidden`; `NotFound`; what kept it from being read.
pub async fn get(ledger: &Ledger, call: &Call, id: TransactionId) -> Result<HoldRow, Failure> {
    let held = ledger.hold(&call.tenant, id).await?;
    let rights = &call.maker.rights;
    covered(rights, &held.debit).or_else(|_| covered(rights, &held.credit))?;
    Ok(held)
}

/// Opens a hold, and returns when that is durable.
///
/// # Errors
/// `Invalid` for a time that has passed, unless the key was used before; else as [`Ledger::post`].
pub async fn authorize(ledger: &Ledger, call: &Call, asked: Authorize, permit: Permit) -> Result<Authorized, Failure> {
    let key = asked.words.key.clone();
    let work = |call| async move { authorize_as(ledger, &call, asked, permit).await };
    call.attempt(ledger, key.as_deref(), work).await
}

async fn authorize_as(ledger: &Ledger, call: &Call, asked: Authorize, permit: Permit) -> Result<Authorized, Failure> {
    let given = asked.expires_at.as_ref().map(|expiry| expiry.at);
    if let Some(why) = asked.expires_at.and_then(|expiry| expiry.late)
        && !ledger.knows_key(call.attempt.as_deref(), call.deadline(ledger)).await?
    {
        return Err(Failure::Invalid(why));
    }
    let expires_at = given.unwrap_or_else(|| Utc::now() + LASTS);
    let (reference, metadata) = (asked.words.reference.as_deref(), asked.words.metadata.as_deref());
    let identity = Hold::request(&asked.posting, given, reference, metadata);
    let command = Command {
        request: request(call, call.deadline(ledger), identity, asked.words),
        movement: Box::new(Hold { expires_at }),
        postings: smallvec![asked.posting.clone()],
    };
    let answer = ledger.post(&command, permit).await?;
    let posted = answered(ledger, call, command, answer).await?;
    let id = posted.transaction.id;
    let hold = match &posted.transaction.decline {
        Some(_) => None,
        None if posted.replayed => Some(HoldRow { captured: 0, voided: 0, ..ledger.hold(&call.tenant, id).await? }),
        None => {
            let row = authorized(&call.tenant, id, asked.posting, expires_at);
            ledger.remember_hold(row.clone());
            Some(row)
        }
    };
    Ok(Authorized { posted, hold })
}

/// Pays a hold out, in whole or in part. What rests on what is left of it is decided again if that changes meanwhile.
///
/// # Errors
/// `NotFound`; `Invalid` for a text that is no amount; else as [`Ledger::post`]. `Interrupted`: what is left kept changing.
pub async fn capture(ledger: &Ledger, call: &Call, asked: Capture, permit: Permit) -> Result<Posted, Failure> {
    let (key, deadline) = (asked.words.key.clone(), call.deadline(ledger));
    let work = |call| async move {
        if asked.amount.is_some() && !asked.is_last {
            return capture_once(ledger, &call, asked, deadline, permit).await;
        }
        decided_again(ledger, permit, |permit| capture_once(ledger, &call, asked.clone(), deadline, permit)).await
    };
    call.attempt(ledger, key.as_deref(), work).await
}

async fn capture_once(
    ledger: &Ledger,
    call: &Call,
    asked: Capture,
    deadline: Deadline,
    permit: Permit,
) -> Result<Posted, Failure> {
    let (id, is_rest) = (asked.hold, asked.amount.is_none() || asked.is_last);
    // So much of a hold that is known: what is left of it, the database says.
    let recent = if is_rest { None } else { ledger.recent_hold(&call.tenant, id) };
    let held = match &recent {
        Some(known) => HoldRow::clone(known),
        None => ledger.hold(&call.tenant, id).await?,
    };
    let left = if recent.is_some() { held.amount } else { held.remaining() };
    let given = asked.amount.as_deref().map(|text| fields::amount("amount", text, currency(&held)?)).transpose()?;
    let amount = match given {
        Some(amount) => amount,
        // refused for what it asks, unless it repeats the capture that took it
        None if left == 0 => minor(held.amount)?,
        None => minor(left)?,
    };
    let voided = if asked.is_last { minor((left - amount.minor_units()).max(0))? } else { Amount::ZERO };
    let identity = movement::Capture::request(id, given, asked.is_last, asked.words.reference.as_deref());
    let command = Command {
        request: request(call, deadline, identity, asked.words),
        movement: Box::new(movement::Capture { hold: id, voided, is_rest }),
        postings: smallvec![posting(held, amount)],
    };
    let answer = ledger.post_out_of(&command, left, permit).await?;
    if recent.is_some() && matches!(answer, Answer::Declined { code: DeclineCode::HoldExceeded, .. }) {
        ledger.forget_hold(id);
    }
    answered(ledger, call, command, answer).await
}

/// Releases what a hold has left, also if less is left than when it was called. If another void did, or its time has come,
/// that is the answer.
///
/// # Errors
/// `NotFound`; else as [`Ledger::post`]. `Interrupted`: what is left kept changing.
pub async fn void(
    ledger: &Ledger,
    call: &Call,
    id: TransactionId,
    words: Words,
    permit: Permit,
) -> Result<Posted, Failure> {
    let (key, deadline) = (words.key.clone(), call.deadline(ledger));
    let work = |call| async move {
        decided_again(ledger, permit, |permit| void_once(ledger, &call, id, words.clone(), deadline, permit)).await
    };
    call.attempt(ledger, key.as_deref(), work).await
}

async fn void_once(
    ledger: &Ledger,
    call: &Call,
    id: TransactionId,
    words: Words,
    deadline: Deadline,
    permit: Permit,
) -> Result<Posted, Failure> {
    let held = ledger.hold(&call.tenant, id).await?;
    let left = held.remaining();
    let amount = minor(if left == 0 { held.amount } else { left })?;
    let identity = Void::request(id, words.reference.as_deref());
    let command = Command {
        request: request(call, deadline, identity, words),
        movement: Box::new(Void { hold: id }),
        postings: smallvec![posting(held, amount)],
    };
    command.permitted()?;
    if left == 0
        && ledger.repeated(&command.request).await?.is_none()
        && let Some(transaction) = voided(ledger, call, id).await?
    {
        return Ok(Posted { transaction, declined: None, replayed: true });
    }
    let answer = ledger.post_out_of(&command, left, permit).await?;
    answered(ledger, call, command, answer).await
}

/// What released a hold's rest; `None`: captures took all of it.
async fn voided(ledger: &Ledger, call: &Call, id: TransactionId) -> Result<Option<TransactionRow>, Failure> {
    let _place = ledger.enter_read()?;
    let row = store::transactions::last_following(&ledger.parts().pool, &call.tenant, id, Kind::VOID).await;
    row.map_err(|error| read_failure(&error))
}

/// A page of the holds of an account's money, newest first, and the next page's token; `None` after the last. If only
/// those of one state are wanted, a page may be short or even empty while there is a token: it looks at 10,000 holds at
/// most.
///
/// # Errors
/// `NotFound`; `Invalid` for a token of another query; what kept them from being read.
pub async fn list(
    ledger: &Ledger,
    call: &Call,
    account: &str,
    state: Option<HoldState>,
    (size, token): (u32, pages::Token<'_>),
) -> Result<(Vec<HoldRow>, Option<String>), Failure> {
    let query =
        RequestHash::of(&[b"ListHolds", call.tenant.as_bytes(), account.as_bytes(), format!("{state:?}").as_bytes()]);
    let seal = pages::seal(ledger).await?;
    let mut at = seal.open(query, token)?.seq;
    let identity = accounts::get(ledger, call, account).await?.identity;
    let _place = ledger.enter_read()?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let (mut rows, mut looked_at) = (Vec::new(), 0);
    while looked_at < LOOK_MAX {
        let count = if state.is_some() { CHUNK } else { size + 1 };
        let chunk = store::holds::list(&ledger.parts().pool, &identity, at, count)
            .await
            .map_err(|error| read_failure(&error))?;
        let ends = chunk.len() < count;
        looked_at += count;
        for Listed { hold, seq } in chunk {
            if state.is_some_and(|state| state != hold.state()) {
                at = seq;
                continue;
            }
            if rows.len() == size {
                return Ok((rows, Some(seal.token(query, &Cursor { seq: at, ..Cursor::START }))));
            }
            at = seq;
            rows.push(hold);
        }
        if ends {
            return Ok((rows, None));
        }
    }
    Ok((rows, Some(seal.token(query, &Cursor { seq: at, ..Cursor::START }))))
}

/// A posting that takes this amount from a hold, from its payer to its payee.
fn posting(held: HoldRow, amount: Amount) -> RequestedPosting {
    RequestedPosting {
        debit: held.debit,
        credit: held.credit,
        amount,
        currency: held.currency,
        exponent: held.exponent,
    }
}

fn minor(units: i128) -> Result<Amount, Failure> {
    Amount::new(units).map_err(|_| Failure::Guard) // the table holds no more
}

fn currency(held: &HoldRow) -> Result<Currency, Failure> {
    Ok(Currency { code: CurrencyCode::parse(&held.currency).ok_or(Failure::Guard)?, exponent: held.exponent })
}

/// The row of a hold that was just opened.
fn authorized(tenant: &str, id: TransactionId, posting: RequestedPosting, expires_at: DateTime<Utc>) -> HoldRow {
    HoldRow {
        id: id.0,
        tenant: tenant.to_owned(),
        debit: posting.debit,
        credit: posting.credit,
        debit_account: 0, // whoever captures goes by names
        credit_account: 0,
        currency: posting.currency,
        exponent: posting.exponent,
        amount: posting.amount.minor_units(),
        captured: 0,
        voided: 0,
        expires_at,
    }
}
