//! Florin's own API as REST, under `/v1`: the same commands, keys and answers as `florin.v1` over gRPC. It reads strictly and shows; what it does
//! stands in [`crate::teller::native`]. A repeat of a request is answered as the first was, with `replayed`.

pub mod accounts;
pub mod exchanges;
pub mod currencies;
pub mod holds;
pub mod operators;
pub mod payouts;
mod reading;
pub mod requests;
pub mod returns;
pub mod sagas;
pub mod transactions;
pub mod views;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, patch, post};

use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{Caller, App};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::post::Posted;
use crate::money::decimal_text;
use crate::protocol::record::DeclineCode;
use crate::store::transactions::TransactionRow;

/// All routes under `/v1`.
pub fn routes() -> Router<App> {
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
        .route("/v1/payouts", post(payouts::payout))
        .route("/v1/card-topups", post(payouts::card_topup))
        .route("/v1/sagas/{id}/retry", post(sagas::retry))
        .route("/v1/sagas/{id}/resolve", post(sagas::resolve))
        .route("/v1/currencies", post(currencies::create))
        .route("/v1/currencies/{code}", patch(currencies::update))
        .route("/v1/operator-actions", get(operators::list))
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

/// What was written, or why it was declined: the code and the words are those of `florin.v1` over gRPC.
fn completed(posted: Posted) -> Result<(TransactionRow, bool), Refusal> {
    let Some(code) = posted.declined else { return Ok((posted.transaction, posted.replayed)) };
    let status = match code {
        DeclineCode::AccountNotFound => StatusCode::NOT_FOUND,
        DeclineCode::RefundExceeded | DeclineCode::HoldExceeded => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    };
    Err(Refusal::new(status, code.name(), posted.transaction.decline.map(|(_, message)| message).unwrap_or_default()))
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
