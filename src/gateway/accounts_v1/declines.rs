//! Why a movement was not taken, in the words and statuses of the accounts REST API. The ledger says which rule it was; the figures are looked up here.

use axum::http::StatusCode;

use crate::gateway::accounts_v1::movements::Asked;
use crate::gateway::accounts_v1::text::stored;
use crate::gateway::http::Caller;
use crate::gateway::http::refusal::{Message, Refusal};
use crate::money::Currency;
use crate::protocol::account::Posted;
use crate::protocol::record::{Api, BalancesAfter, DeclineCode, KeyHash, TransactionId};
use crate::store;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure};
use crate::teller::validate::cut;

/// What a declined command was to move, as it is told.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Who was to pay.
    pub debit: &'a str,
    /// Who was to be paid.
    pub credit: &'a str,
    /// How much, in decimal text.
    pub amount: &'a str,
    /// In which currency.
    pub currency: &'a str,
    /// Its decimals.
    pub exponent: u8,
}

/// A refusal of the ledger as the accounts REST API tells it.
pub async fn refusal(ledger: &Ledger, caller: &Caller, asked: &Asked, code: DeclineCode, message: String, currency: Currency) -> Refusal {
    let side =
        Side { debit: &asked.debit, credit: &asked.credit, amount: &asked.amount.text, currency: &asked.currency, exponent: currency.exponent };
    told(ledger, &caller.tenant, &[side], code, message, stored).await
}

/// The same of a command with any number of postings; `shown` writes an amount in minor units with so many decimals. Figures are told where
/// there is one posting to which they can belong.
pub async fn told(ledger: &Ledger, tenant: &str, sides: &[Side<'_>], code: DeclineCode, message: String, shown: fn(i128, u8) -> String) -> Refusal {
    match code {
        DeclineCode::AccountNotFound => {
            let names = || sides.iter().flat_map(|side| [side.debit, side.credit]);
            match missing(ledger, tenant, names()).await {
                Ok(Some(id)) => Refusal::no_account(id),
                Ok(None) => Refusal::no_account(names().next().unwrap_or_default()), // opened in this very moment: the first that was looked for
                Err(failure) => failure.into(),
            }
        }
        DeclineCode::InsufficientFunds => {
            let [side] = sides else { return Refusal::bad("INSUFFICIENT_BALANCE", message) };
            let posted = ledger.posted(tenant, side.debit).await.ok().flatten();
            let available = posted.map_or_else(|| "unknown".to_owned(), |(posted, _)| shown(available(&posted), side.exponent));
            Refusal::bad(
                "INSUFFICIENT_BALANCE",
                format!("Insufficient balance in account {}. Available: {available}, Required: {}", cut(side.debit), side.amount),
            )
        }
        DeclineCode::CurrencyMismatch => {
            for side in sides {
                for name in [side.debit, side.credit] {
                    let kept_in = ledger.posted(tenant, name).await.ok().flatten().map(|(_, currency)| currency.to_string());
                    if let Some(expected) = kept_in.filter(|code| code != side.currency) {
                        return Refusal::bad("CURRENCY_MISMATCH", format!("Currency mismatch. Expected: {expected}, Got: {}", side.currency));
                    }
                }
            }
            Refusal::bad("CURRENCY_MISMATCH", message)
        }
        DeclineCode::SameAccount => Refusal::bad("SAME_ACCOUNT_TRANSFER", "SELF_TRANSFER_NOT_ALLOWED"),
        DeclineCode::AccountInactive => Refusal::bad("ACCOUNT_INACTIVE", message),
        DeclineCode::InvalidAmount => Refusal::bad("INVALID_AMOUNT", message),
        DeclineCode::RefundExceeded => Refusal::bad("VALIDATION_FAILED", message),
        DeclineCode::LimitExceeded => Refusal::bad("LIMIT_EXCEEDED", message),
        DeclineCode::HoldExceeded => Refusal::new(StatusCode::CONFLICT, "HOLD_EXCEEDED", message),
    }
}

/// What could be spent.
fn available(posted: &Posted) -> i128 {
    posted.totals.credits - posted.totals.debits - posted.totals.held
}

/// The currency is none of ours; but an account that is not there is told first.
pub async fn unknown_currency(ledger: &Ledger, caller: &Caller, asked: &Asked) -> Refusal {
    match missing(ledger, &caller.tenant, [asked.debit.as_str(), &asked.credit].into_iter()).await {
        Ok(Some(id)) => Refusal::no_account(id),
        Ok(None) => Refusal::no_currency(&asked.currency),
        Err(failure) => failure.into(),
    }
}

/// The first of these accounts that is not there.
async fn missing<'a>(ledger: &Ledger, tenant: &str, names: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>, Failure> {
    for name in names {
        if ledger.posted(tenant, name).await?.is_none() {
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
