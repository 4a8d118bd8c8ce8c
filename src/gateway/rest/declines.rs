//! Why a movement was not taken, in the words and statuses of the contract. The ledger says which rule it was; the figures are looked up here.

use axum::http::StatusCode;

use super::Caller;
use super::movements::Asked;
use super::refusal::{Message, Refusal};
use super::text::stored;
use crate::gateway::failure::Failure;
use crate::gateway::ledger::{Ledger, read_failure};
use crate::gateway::validate::cut;
use crate::money::Currency;
use crate::protocol::account::Posted;
use crate::protocol::record::{Api, BalancesAfter, DeclineCode, KeyHash, TransactionId};
use crate::store;

/// A refusal of the ledger as this contract tells it.
pub async fn refusal(ledger: &Ledger, caller: &Caller, asked: &Asked, code: DeclineCode, message: String, currency: Currency) -> Refusal {
    match code {
        DeclineCode::AccountNotFound => match missing(ledger, caller, asked).await {
            Ok(Some(id)) => Refusal::no_account(id),
            Ok(None) => Refusal::no_account(&asked.debit), // opened in this very moment: it was the first that was looked for
            Err(failure) => failure.into(),
        },
        DeclineCode::InsufficientFunds => {
            let posted = ledger.posted(&caller.tenant, &asked.debit).await.ok().flatten();
            let available = posted.map_or_else(|| "unknown".to_owned(), |(posted, _)| stored(available(&posted), currency.exponent));
            Refusal::bad(
                "INSUFFICIENT_BALANCE",
                format!("Insufficient balance in account {}. Available: {available}, Required: {}", cut(&asked.debit), asked.amount.text),
            )
        }
        DeclineCode::CurrencyMismatch => {
            let mut expected = None;
            for name in [&asked.debit, &asked.credit] {
                let kept_in = ledger.posted(&caller.tenant, name).await.ok().flatten().map(|(_, currency)| currency.to_string());
                expected = expected.or(kept_in.filter(|code| *code != asked.currency));
            }
            let expected = expected.unwrap_or_else(|| "another".to_owned());
            Refusal::bad("CURRENCY_MISMATCH", format!("Currency mismatch. Expected: {expected}, Got: {}", asked.currency))
        }
        DeclineCode::SameAccount => Refusal::bad("SAME_ACCOUNT_TRANSFER", "SELF_TRANSFER_NOT_ALLOWED"),
        DeclineCode::AccountInactive => Refusal::bad("ACCOUNT_INACTIVE", message),
        DeclineCode::InvalidAmount => Refusal::bad("INVALID_AMOUNT", message),
        DeclineCode::RefundExceeded | DeclineCode::HoldExceeded | DeclineCode::LimitExceeded => Refusal::bad("VALIDATION_FAILED", message),
    }
}

/// What could be spent.
fn available(posted: &Posted) -> i128 {
    posted.totals.credits - posted.totals.debits - posted.totals.held
}

/// The currency is none of ours; but an account that is not there is told first.
pub async fn unknown_currency(ledger: &Ledger, caller: &Caller, asked: &Asked) -> Refusal {
    match missing(ledger, caller, asked).await {
        Ok(Some(id)) => Refusal::no_account(id),
        Ok(None) => Refusal::no_currency(&asked.currency),
        Err(failure) => failure.into(),
    }
}

/// The first of its accounts that is not there.
async fn missing<'a>(ledger: &Ledger, caller: &Caller, asked: &'a Asked) -> Result<Option<&'a str>, Failure> {
    for name in [&asked.debit, &asked.credit] {
        if ledger.posted(&caller.tenant, name).await?.is_none() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The present balances of both accounts.
pub async fn balances(ledger: &Ledger, caller: &Caller, asked: &Asked) -> Option<BalancesAfter> {
    let balance = async |name| {
        let (posted, _) = ledger.posted(&caller.tenant, name).await.ok()??;
        Some(posted.totals.credits - posted.totals.debits)
    };
    Some(BalancesAfter { debit: balance(&asked.debit).await?, credit: balance(&asked.credit).await? })
}

/// Nobody knows what became of a movement without a key; its correlation id tells.
pub fn unknown_outcome(failure: Failure, caller: &Caller) -> Refusal {
    let message = format!("outcome unknown: see /api/v1/sagas/by-correlation/{} before it is tried again", caller.correlation);
    Refusal { message: Message::Text(message), ..failure.into() }
}

/// 409: the key has a transaction already.
pub fn duplicate(key: Option<&str>, id: Option<TransactionId>) -> Refusal {
    let id = id.map_or_else(|| "unknown".to_owned(), |id| id.0.to_string());
    let message = format!("Transaction with idempotency key {} already exists: {id}", key.unwrap_or_default());
    Refusal::new(StatusCode::CONFLICT, "DUPLICATE_TRANSACTION", message)
}

/// 409 for a key that another request used: the ledger says only that it was used.
pub async fn key_reused(ledger: &Ledger, caller: &Caller, asked: &Asked) -> Refusal {
    let key = asked.key.as_deref().unwrap_or_default();
    let keys = [KeyHash::of(Api::AccountsV1, &caller.tenant, key)];
    let used = store::accounts::keys_used(&ledger.parts().pool, &keys).await.map_err(|error| read_failure(&error)).ok();
    duplicate(Some(key), used.and_then(|used| used.first().map(|used| used.transaction)))
}
