//! Reads one transaction.

use axum::Extension;
use axum::extract::State;
use axum::response::Json;
use uuid::Uuid;

use super::externals::Among;
use super::refusal::Refusal;
use super::{Caller, Id, Room};
use crate::teller::failure::Failure;
use crate::teller::ledger::read_failure;
use crate::protocol::record::TransactionId;
use crate::store;
use crate::store::transactions::TransactionRow;

pub use super::views::{Transaction, transaction};

/// A transaction of this tenant with postings; an id that is no UUID is simply not found.
///
/// # Errors
/// None: there is none; else why it could not be read.
pub async fn get(room: &Room, caller: &Caller, id: &str) -> Result<Option<TransactionRow>, Failure> {
    let Ok(uuid) = Uuid::try_parse(id) else { return Ok(None) };
    let _place = room.0.ledger.enter_read()?;
    let row = store::transactions::get(&room.0.ledger.parts().pool, &caller.tenant, TransactionId(uuid)).await;
    Ok(row.map_err(|error| read_failure(&error))?.filter(|row| !row.postings.is_empty()))
}

/// Which of the accounts in these rows are external.
///
/// # Errors
/// Why that could not be looked up.
pub async fn externals(room: &Room, caller: &Caller, rows: &[TransactionRow]) -> Result<Among, Failure> {
    let shown = rows.iter().filter(|row| row.decline.is_none()).filter_map(|row| row.postings.first());
    let names = shown.flat_map(|posting| [posting.debit.as_str(), posting.credit.as_str()]);
    room.0.externals.among(&room.0.ledger, &caller.tenant, names).await
}

/// One transaction.
#[utoipa::path(
    get, path = "/api/v1/transactions/{id}", tag = "transactions", params(("id" = String, Path, description = "the transaction's id")),
    responses((status = 200, description = "the transaction", body = Transaction))
)]
pub async fn read(State(room): State<Room>, Extension(caller): Extension<Caller>, Id(id): Id) -> Result<Json<Transaction>, Refusal> {
    let row = get(&room, &caller, &id).await?.ok_or_else(|| Refusal::no_transaction(&id))?;
    let among = externals(&room, &caller, std::slice::from_ref(&row)).await?;
    transaction(row, &among, false).map(Json).ok_or_else(|| Refusal::no_transaction(&id))
}
