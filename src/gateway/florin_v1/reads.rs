//! Reads transactions, entries and the fate of keys, from the primary.

use prost::Message;
use uuid::Uuid;

use super::{accounts, convert, fields, pages};
use crate::gateway::call::Call;
use crate::gateway::failure::Failure;
use crate::gateway::ledger::{Ledger, Operation, read_failure};
use crate::gateway::validate::{self, ACCOUNT_MAX, KEY_MAX, REFERENCE_MAX, cut};
use crate::protocol::pb::florin_v1 as pb;
use crate::protocol::record::{Api, RequestHash, TransactionId};
use crate::store;
use crate::store::transactions::{Cursor, Filter};

/// Bytes of a transaction's id.
const ID_MAX: usize = 64;

/// One transaction.
pub(super) async fn transaction(ledger: &Ledger, call: &Call, asked: &pb::GetTransactionRequest) -> Result<pb::Transaction, Failure> {
    validate::required("id", &asked.id, ID_MAX)?;
    let id = Uuid::try_parse(&asked.id).map_err(|_| Failure::Invalid(format!("id {:?} is not a UUID", cut(&asked.id))))?;
    let _place = ledger.enter_read()?;
    read(ledger, call, TransactionId(id)).await?.ok_or_else(|| Failure::NotFound(format!("transaction {id} not found")))
}

async fn read(ledger: &Ledger, call: &Call, id: TransactionId) -> Result<Option<pb::Transaction>, Failure> {
    let row = store::transactions::get(&ledger.parts().pool, &call.tenant, id).await.map_err(|error| read_failure(&error))?;
    Ok(row.map(convert::transaction))
}

/// A page of transactions.
pub(super) async fn transactions(
    ledger: &Ledger,
    call: &Call,
    asked: &pb::ListTransactionsRequest,
    bytes_max: usize,
) -> Result<pb::ListTransactionsResponse, Failure> {
    validate::text("account_id", &asked.account_id, ACCOUNT_MAX)?;
    validate::text("reference", &asked.reference, REFERENCE_MAX)?;
    let (from, to) = (fields::time("created_from", &asked.created_from)?, fields::time("created_to", &asked.created_to)?);
    if from.is_some_and(|from| to.is_some_and(|to| to <= from)) {
        return Err(Failure::Invalid(format!("created_to {:?} is not after created_from {:?}", cut(&asked.created_to), cut(&asked.created_from))));
    }
    let declined = match pb::TransactionStatus::try_from(asked.status) {
        Ok(pb::TransactionStatus::Unspecified) => None,
        Ok(pb::TransactionStatus::Completed) => Some(false),
        Ok(pb::TransactionStatus::Declined) => Some(true),
        Err(_) => return fields::unknown("status", &asked.status.to_string(), "TRANSACTION_STATUS_COMPLETED (1), TRANSACTION_STATUS_DECLINED (2)"),
    };
    let size = pages::size(asked.page_size)?;
    let query = RequestHash::of(&[
        b"ListTransactions",
        call.tenant.as_bytes(),
        asked.account_id.as_bytes(),
        asked.created_from.as_bytes(),
        asked.created_to.as_bytes(),
        &asked.status.to_le_bytes(),
        asked.reference.as_bytes(),
    ]);
    let start = pages::place(query, &asked.page_token)?;
    let filter = Filter {
        tenant: call.tenant.to_string(),
        account: Some(asked.account_id.clone()).filter(|text| !text.is_empty()),
        from,
        to,
        declined,
        reference: Some(asked.reference.clone()).filter(|text| !text.is_empty()),
        ..Filter::default()
    };
    let _place = ledger.enter_read()?;
    let count = usize::try_from(size).unwrap_or(usize::MAX);
    let page = store::transactions::list(&ledger.parts().pool, &filter, start, count).await.map_err(|error| read_failure(&error))?;
    let (mut transactions, mut next, mut bytes) = (Vec::with_capacity(page.rows.len()), page.next, 0);
    let mut last: Option<Cursor> = None;
    for (row, after) in page.rows {
        let transaction = convert::transaction(row);
        bytes += transaction.encoded_len() + 8; // and its tag and length
        if bytes > bytes_max - 256 && last.is_some() {
            next = last; // the rest would not fit into the answer
            break;
        }
        transactions.push(transaction);
        last = Some(after);
    }
    Ok(pb::ListTransactionsResponse { transactions, next_page_token: next.map(|place| pages::token(query, &place)).unwrap_or_default() })
}

/// A page of an account's entries.
pub(super) async fn entries(ledger: &Ledger, call: &Call, asked: &pb::ListEntriesRequest) -> Result<pb::ListEntriesResponse, Failure> {
    validate::required("account_id", &asked.account_id, ACCOUNT_MAX)?;
    let size = pages::size(asked.page_size)?;
    let query = RequestHash::of(&[b"ListEntries", call.tenant.as_bytes(), asked.account_id.as_bytes()]);
    let start = pages::place(query, &asked.page_token)?;
    let account = accounts::get(ledger, call, &asked.account_id).await?.identity;
    let rows = store::entries::list(&ledger.parts().pool, account.id, start.seq, i64::from(size) + 1).await;
    let mut rows = rows.map_err(|error| read_failure(&error))?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|row| pages::token(query, &Cursor { seq: row.seq, ..Cursor::START }));
    let entries = rows.into_iter().map(|row| convert::entry(row, account.currency.exponent)).collect();
    Ok(pb::ListEntriesResponse { entries, next_page_token: next.unwrap_or_default() })
}

/// What became of a key.
pub(super) async fn operation(ledger: &Ledger, call: &Call, asked: &pb::GetOperationRequest) -> Result<pb::GetOperationResponse, Failure> {
    use pb::get_operation_response::State;
    validate::required("idempotency_key", &asked.idempotency_key, KEY_MAX)?;
    let api = Api::parse(&asked.api).map_or_else(|| fields::unknown("api", &asked.api, "florin.v1, payment.v1"), Ok)?;
    let issued_at = fields::time("issued_at", &asked.issued_at)?;
    let operation = ledger.operation(api, &call.tenant, &asked.idempotency_key, issued_at, call.deadline(ledger)).await?;
    let (state, transaction) = match operation {
        Operation::Done(id) => (State::Done, read(ledger, call, id).await?),
        Operation::Running => (State::Running, None),
        Operation::Never => (State::Never, None),
        Operation::TooOld => (State::TooOld, None),
    };
    Ok(pb::GetOperationResponse { state: state.into(), transaction })
}
