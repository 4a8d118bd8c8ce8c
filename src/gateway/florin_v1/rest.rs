//! Florin's own API as REST, under `/v1`: the same commands, keys and answers as `florin.v1` over gRPC. It reads
//! strictly and shows; what it does stands in [`crate::teller::native`]. A repeat of a request is answered as the first
//! was, with `replayed`.

pub mod accounts;
pub mod currencies;
pub mod customers;
pub mod entities;
pub mod exchanges;
pub mod holds;
pub mod invoices;
pub mod operators;
pub mod payouts;
mod reading;
pub mod requests;
pub mod returns;
pub mod sagas;
pub mod transactions;

use axum::http::StatusCode;
use utoipa_axum::routes;

use crate::gateway::http::Caller;
use crate::gateway::http::refusal::{ErrorBody, Manners, Refusal};
use crate::gateway::http::routes::Routes;
use crate::money::decimal_text;
use crate::protocol::record::DeclineCode;
use crate::store::api_keys::Scope;
use crate::teller::call::Call;
use crate::teller::declines::{Figures, Side, figures};
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::names;
use crate::teller::native::post::Posted;
use crate::teller::native::views::PostedTransaction;
use crate::teller::validate::cut;

/// How errors are written: in the words of `florin.v1` over gRPC.
pub const MANNERS: Manners = Manners {
    body: |refusal, path, correlation| ErrorBody::written(refusal, refusal.code, path, correlation),
    schema: Some("ErrorBody"),
};

/// All routes under `/v1`.
pub fn routes() -> Routes {
    Routes::default()
        .by_account(Scope::Balances, routes!(holds::list))
        .by_account(Scope::Holds, routes!(holds::authorize))
        .by_account(Scope::Balances, routes!(holds::read))
        .by_account(Scope::Holds, routes!(holds::capture))
        .by_account(Scope::Holds, routes!(holds::void))
        .by_account(Scope::Balances, routes!(accounts::read))
        .by_account(Scope::Balances, routes!(accounts::entries))
        .needs(Scope::Accounts, routes!(accounts::change_limits))
        .needs(Scope::Accounts, routes!(accounts::change_status))
        .by_account(Scope::Balances, routes!(transactions::list))
        .by_account(Scope::Payments, routes!(transactions::post))
        .by_account(Scope::Balances, routes!(transactions::read))
        .by_account(Scope::Payments, routes!(returns::refund))
        .needs(Scope::Corrections, routes!(returns::reverse))
        .by_account(Scope::Payouts, routes!(payouts::payout))
        .by_account(Scope::Payouts, routes!(payouts::card_topup))
        .needs(Scope::Operators, routes!(sagas::retry))
        .needs(Scope::Operators, routes!(sagas::resolve))
        .needs(Scope::Admin, routes!(currencies::create))
        .needs(Scope::Admin, routes!(currencies::update))
        .needs(Scope::Operators, routes!(operators::list))
        .by_account(Scope::Exchange, routes!(exchanges::exchange))
        .needs(Scope::Balances, routes!(exchanges::list))
        .needs(Scope::Rates, routes!(exchanges::add_rate))
        .needs(Scope::Documents, routes!(invoices::list))
        .needs(Scope::Invoices, routes!(invoices::create))
        .needs(Scope::Documents, routes!(invoices::read))
        .needs(Scope::Documents, routes!(invoices::pdf))
        .needs(Scope::Invoices, routes!(invoices::replace))
        .needs(Scope::Invoices, routes!(invoices::delete))
        .needs(Scope::Invoices, routes!(invoices::issue))
        .needs(Scope::Invoices, routes!(invoices::send))
        .needs(Scope::Invoices, routes!(invoices::pay))
        .needs(Scope::Corrections, routes!(invoices::void))
        .needs(Scope::Corrections, routes!(invoices::write_off))
        .needs(Scope::Corrections, routes!(invoices::mark_uncollectible))
        .needs(Scope::Corrections, routes!(invoices::credit))
        .needs(Scope::Invoices, routes!(customers::pay))
        .needs(Scope::Documents, routes!(customers::payments))
        .needs(Scope::Documents, routes!(customers::list))
        .needs(Scope::Customers, routes!(customers::create))
        .needs(Scope::Documents, routes!(customers::read))
        .needs(Scope::Customers, routes!(customers::update))
        .needs(Scope::Admin, routes!(customers::erase))
        .needs(Scope::Corrections, routes!(customers::refund))
        .needs(Scope::Documents, routes!(entities::list))
        .needs(Scope::Documents, routes!(entities::read))
        .needs(Scope::Admin, routes!(entities::put))
        .needs(Scope::Documents, routes!(entities::tax_rates))
        .needs(Scope::Rates, routes!(entities::add_tax_rate))
        .keyed_by_header(names::IDEMPOTENCY_KEY.rest)
}

impl Caller {
    /// The call as the native API takes it.
    fn call(&self) -> Call {
        Call::new(self.tenant.clone(), self.maker.clone(), Some(self.correlation.as_str().to_owned()), None)
    }
}

/// A failure of a command: without a key nobody must be told to repeat what may have been done.
fn post_refusal(failure: Failure, has_key: bool) -> Refusal {
    let maybe_done = matches!(failure, Failure::Unknown | Failure::Deadline);
    let refusal = Refusal::from(failure);
    if has_key || !maybe_done {
        return refusal;
    }
    let why = "outcome unknown, and without a key a repeat may do it twice: look it up before it is tried again";
    Refusal::new(refusal.status, refusal.code, why)
}

/// What was written, or why it was declined.
async fn completed(ledger: &Ledger, caller: &Caller, posted: Posted) -> Result<PostedTransaction, Refusal> {
    let Some(code) = posted.declined else { return Ok(posted.into()) };
    let message = posted.transaction.decline.map(|(_, message)| message).unwrap_or_default();
    let postings = posted.transaction.postings.iter();
    let sides: Vec<_> = postings
        .map(|posting| Side { debit: &posting.debit, credit: &posting.credit, currency: &posting.currency })
        .collect();
    let amount = posted.transaction.postings.first().map_or((0, 0), |posting| {
        (posting.amount, posting.exponent.and_then(|exponent| u8::try_from(exponent).ok()).unwrap_or(0))
    });
    Err(declined(ledger, caller, &sides, amount, code, message).await)
}

/// Why a command was declined, by the codes of `florin.v1` over gRPC; `amount` in minor units, with the decimals of its
/// currency.
async fn declined(
    ledger: &Ledger,
    caller: &Caller,
    sides: &[Side<'_>],
    amount: (i128, u8),
    code: DeclineCode,
    message: String,
) -> Refusal {
    let message = match figures(ledger, &caller.tenant, sides, code).await {
        Ok(Figures::Missing(id)) => return Refusal::no_account(id),
        Ok(Figures::Available(units)) => {
            let available = units.map_or_else(|| "unknown".to_owned(), |units| decimal_text(units, amount.1));
            let account = cut(sides.first().map_or("", |side| side.debit));
            format!(
                "Insufficient funds in account {account}. Available: {available}, Required: {}",
                decimal_text(amount.0, amount.1)
            )
        }
        Ok(Figures::KeptIn { expected, got }) => format!("Currency mismatch. Expected: {expected}, Got: {got}"),
        Ok(Figures::None) => message,
        Err(failure) => return failure.into(),
    };
    let status = match code {
        DeclineCode::RefundExceeded | DeclineCode::HoldExceeded => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    };
    Refusal::new(status, code.name(), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_gave_a_key_is_told_to_repeat_what_may_be_done() {
        for (failure, has_key, retry_after) in [
            (Failure::Unknown, true, Some(1)),
            (Failure::Unknown, false, None),
            (Failure::DatabaseAway, false, Some(1)),
        ] {
            let refusal = post_refusal(failure.clone(), has_key);
            assert_eq!(
                (refusal.status.as_u16(), refusal.code, refusal.retry_after),
                (503, failure.reason(), retry_after),
                "{failure:?}"
            );
        }
    }
}
