//! Reads one transaction.

use axum::Extension;
use axum::extract::State;
use axum::response::Json;
use uuid::Uuid;

use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::protocol::record::TransactionId;
use crate::store;
use crate::store::transactions::TransactionRow;
use crate::teller::externals::Among;
use crate::teller::failure::Failure;
use crate::teller::ledger::read_failure;

pub use crate::gateway::accounts_v1::views::{Transaction, transaction};

/// A transaction of this tenant with postings; an id that is no UUID is simply not found.
///
/// # Errors
/// None: there is none; else why it could not be read.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Option<TransactionRow>, Failure> {
    let Ok(uuid) = Uuid::try_parse(id) else { return Ok(None) };
    let _place = app.ledger.enter_read()?;
    let row = store::transactions::get(&app.ledger.parts().pool, &caller.tenant, TransactionId(uuid)).await;
    Ok(row.map_err(|error| read_failure(&error))?.filter(|row| !row.postings.is_empty()))
}

/// Which of the accounts in these rows are external.
///
/// # Errors
/// Why that could not be looked up.
pub async fn externals(app: &App, caller: &Caller, rows: &[TransactionRow]) -> Result<Among, Failure> {
    let shown = rows.iter().filter(|row| row.decline.is_none()).filter_map(|row| row.postings.first());
    let names = shown.flat_map(|posting| [posting.debit.as_str(), posting.credit.as_str()]);
    app.ledger.parts().memory.externals.among(&app.ledger, &caller.tenant, names).await
}

/// One transaction.
#[utoipa::path(
    get, path = "/api/v1/transactions/{id}", tag = "transactions", params(("id" = String, Path, description = "the transaction's id")),
    responses((status = 200, description = "the transaction", body = Transaction))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Transaction>, Refusal> {
    let row = get(&app, &caller, &id).await?.ok_or_else(|| Refusal::no_transaction(&id))?;
    let among = externals(&app, &caller, std::slice::from_ref(&row)).await?;
    transaction(row, &among, false).map(Json).ok_or_else(|| Refusal::no_transaction(&id))
}
