//! Florin's own API as REST, under `/v1`: the same commands, keys and answers as `florin.v1` over gRPC. It reads strictly and shows; what it does
//! stands in [`crate::teller::native`]. A repeat of a request is answered as the first was, with `replayed`.

pub mod accounts;
pub mod exchanges;
pub mod holds;
mod reading;
pub mod requests;
pub mod returns;
pub mod transactions;
pub mod views;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, patch, post};

use super::refusal::Refusal;
use super::{Caller, Room, declines};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::post::Posted;
use crate::money::decimal_text;
use crate::protocol::record::DeclineCode;
use crate::store::transactions::TransactionRow;

/// All routes under `/v1`.
pub fn routes() -> Router<Room> {
    Router::new()
        .route("/v1/holds", get(holds::list).post(holds::authorize))
        .route("/v1/holds/{id}", get(holds::read))
        .route("/v1/holds/{id}/capture", post(holds::capture))
        .route("/v1/holds/{id}/void", post(holds::void))
        .route("/v1/accounts/{id}", get(accounts::read))
        .route("/v1/accounts/{id}/entries", get(accounts::entries))
        .route("/v1/accounts/{id}/limits", patch(accounts::change_limits))
        .route("/v1/accounts/{id}/status", patch(accounts::change_status))
        .route("/v1/transactions", get(transactions::list).post(transactions::post))
        .route("/v1/transactions/{id}", get(transactions::read))
        .route("/v1/transactions/{id}/refund", post(returns::refund))
        .route("/v1/transactions/{id}/reverse", post(returns::reverse))
        .route("/v1/exchanges", post(exchanges::exchange))
        .route("/v1/rates", get(exchanges::list).post(exchanges::add_rate))
}

/// What a call names, should it not be there.
#[derive(Clone, Copy)]
enum Named<'a> {
    Account(&'a str),
    Hold,
    Transaction(&'a str),
}

impl Caller {
    /// The call as the native API takes it.
    fn call(&self) -> Call {
        Call::new(self.tenant.clone(), self.maker.clone(), Some(self.correlation.as_str().to_owned()), None)
    }
}

/// A failure in the manners of this API.
fn refused(failure: Failure, named: Named<'_>) -> Refusal {
    match (failure, named) {
        (Failure::NotFound(_), Named::Account(id)) => Refusal::no_account(id),
        (Failure::NotFound(_), Named::Transaction(id)) => Refusal::no_transaction(id),
        (Failure::NotFound(why), Named::Hold) => Refusal::new(StatusCode::NOT_FOUND, "HOLD_NOT_FOUND", why),
        (failure @ (Failure::KeyReused | Failure::KeyRetired), _) => Refusal::new(StatusCode::CONFLICT, failure.reason(), failure.to_string()),
        (failure, _) => failure.into(),
    }
}

/// The same of a command: without a key nobody must be told to repeat what may have been done.
fn unposted(failure: Failure, named: Named<'_>, has_key: bool) -> Refusal {
    let maybe_done = matches!(failure, Failure::Unknown | Failure::Deadline);
    let refusal = refused(failure, named);
    if has_key || !maybe_done {
        return refusal;
    }
    let why = "outcome unknown, and without a key a repeat may do it twice: look it up before it is tried again";
    Refusal::new(refusal.status, refusal.code, why)
}

/// What was written, or why it was declined.
async fn completed(ledger: &Ledger, caller: &Caller, posted: Posted) -> Result<(TransactionRow, bool), Refusal> {
    let Some(code) = posted.declined else { return Ok((posted.transaction, posted.replayed)) };
    let message = posted.transaction.decline.map(|(_, message)| message).unwrap_or_default();
    if code == DeclineCode::RefundExceeded {
        return Err(Refusal::new(StatusCode::CONFLICT, "REFUND_EXCEEDED", message));
    }
    let postings = posted.transaction.postings;
    let exponent = |exponent: Option<i16>| exponent.and_then(|exponent| u8::try_from(exponent).ok()).unwrap_or(0);
    let amounts: Vec<String> = postings.iter().map(|posting| decimal_text(posting.amount, exponent(posting.exponent))).collect();
    let sides: Vec<declines::Side<'_>> = postings
        .iter()
        .zip(&amounts)
        .map(|(posting, amount)| declines::Side {
            debit: &posting.debit,
            credit: &posting.credit,
            amount,
            currency: &posting.currency,
            exponent: exponent(posting.exponent),
        })
        .collect();
    Err(declines::told(ledger, &caller.tenant, &sides, code, message, decimal_text).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_gave_a_key_is_told_to_repeat_what_may_be_done() {
        for (failure, has_key, retry_after) in
            [(Failure::Unknown, true, Some(1)), (Failure::Unknown, false, None), (Failure::DatabaseAway, false, Some(1))]
        {
            let refusal = unposted(failure.clone(), Named::Hold, has_key);
            assert_eq!((refusal.status.as_u16(), refusal.code, refusal.retry_after), (503, failure.reason(), retry_after), "{failure:?}");
        }
        for failure in [Failure::KeyReused, Failure::KeyRetired] {
            let refusal = refused(failure.clone(), Named::Hold);
            assert_eq!((refusal.status.as_u16(), refusal.code), (409, failure.reason()));
        }
    }
}
