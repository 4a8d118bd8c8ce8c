//! Why a movement was not taken, in the words and statuses of the accounts REST API. The ledger says which rule it was;
//! the figures are looked up here.

use axum::http::StatusCode;

use crate::gateway::accounts_v1::movements::Asked;
use crate::gateway::http::Caller;
use crate::gateway::http::refusal::{Message, Refusal};
use crate::gateway::http::text::stored;
use crate::money::Currency;
use crate::protocol::record::{Api, BalancesAfter, DeclineCode, KeyHash, TransactionId};
use crate::store;
use crate::teller::declines::{Figures, Side, figures, missing};
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, read_failure};
use crate::teller::validate::cut;

/// A refusal of the ledger as this contract tells it.
pub async fn refusal(
    ledger: &Ledger,
    caller: &Caller,
    asked: &Asked,
    code: DeclineCode,
    message: String,
    currency: Currency,
) -> Refusal {
    let side = Side { debit: &asked.debit, credit: &asked.credit, currency: &asked.currency };
    let figures = match figures(ledger, &caller.tenant, &[side], code).await {
        Ok(figures) => figures,
        Err(failure) => return failure.into(),
    };
    match (code, figures) {
        (_, Figures::Missing(id)) => Refusal::no_account(id),
        (_, Figures::Available(units)) => {
            let available = units.map_or_else(|| "unknown".to_owned(), |units| stored(units, currency.exponent));
            let (account, required) = (cut(&asked.debit), &asked.amount.text);
            Refusal::bad(
                "INSUFFICIENT_BALANCE",
                format!("Insufficient balance in account {account}. Available: {available}, Required: {required}"),
            )
        }
        (_, Figures::KeptIn { expected, got }) => {
            Refusal::bad("CURRENCY_MISMATCH", format!("Currency mismatch. Expected: {expected}, Got: {got}"))
        }
        (DeclineCode::SameAccount, _) => Refusal::bad("SAME_ACCOUNT_TRANSFER", "SELF_TRANSFER_NOT_ALLOWED"),
        (DeclineCode::RefundExceeded, _) => Refusal::bad("VALIDATION_FAILED", message),
        (DeclineCode::HoldExceeded, _) => Refusal::new(StatusCode::CONFLICT, code.name(), message),
        (DeclineCode::InsufficientFunds, _) => Refusal::bad("INSUFFICIENT_BALANCE", message),
        (_, _) => Refusal::bad(code.name(), message),
    }
}

/// The currency is none of ours; but an account that is not there is told first.
pub async fn unknown_currency(ledger: &Ledger, caller: &Caller, asked: &Asked) -> Refusal {
    match missing(ledger, &caller.tenant, [asked.debit.as_str(), &asked.credit].into_iter()).await {
        Ok(Some(id)) => Refusal::no_account(id),
        Ok(None) => Refusal::no_currency(&asked.currency),
        Err(failure) => failure.into(),
    }
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
    let message =
        format!("outcome unknown: see /api/v1/sagas/by-correlation/{} before it is tried again", caller.correlation);
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
