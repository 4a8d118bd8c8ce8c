//! Reads transactions, entries and the fate of keys.

use florin_wire::florin_v1 as pb;
use prost::Message;
use uuid::Uuid;

use crate::protocol::record::{Api, TransactionId};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, Operation};
use crate::teller::native::reads::{ADDRESS_MAX, MAKER_MAX, Wanted};
use crate::teller::native::views::Entry;
use crate::teller::native::{fields, names, pages, reads};
use crate::teller::validate::{self, ACCOUNT_MAX, KEY_MAX, REFERENCE_MAX, cut};

/// Bytes of a transaction's id.
const ID_MAX: usize = 64;
/// Bytes that a page has beside its transactions, at most: its token.
const PAGE_OVERHEAD: usize = 256;
/// Bytes of a transaction's tag and length in a page, at most.
const ITEM_OVERHEAD: usize = 8;

/// One transaction.
pub(super) async fn transaction(
    ledger: &Ledger,
    call: &Call,
    asked: &pb::GetTransactionRequest,
) -> Result<pb::Transaction, Failure> {
    validate::required("id", &asked.id, ID_MAX)?;
    let id =
        Uuid::try_parse(&asked.id).map_err(|_| Failure::Invalid(format!("id {:?} is not a UUID", cut(&asked.id))))?;
    Ok(reads::transaction(ledger, call, TransactionId(id)).await?.into())
}

/// A page of transactions.
pub(super) async fn transactions(
    ledger: &Ledger,
    call: &Call,
    asked: &pb::ListTransactionsRequest,
    bytes_max: usize,
) -> Result<pb::ListTransactionsResponse, Failure> {
    validate::text(names::ACCOUNT_ID.grpc, &asked.account_id, ACCOUNT_MAX)?;
    validate::text("reference", &asked.reference, REFERENCE_MAX)?;
    validate::text("made_by", &asked.made_by, MAKER_MAX)?;
    validate::text("made_from", &asked.made_from, ADDRESS_MAX)?;
    let (from, to) =
        fields::times((names::CREATED_FROM.grpc, &asked.created_from), (names::CREATED_TO.grpc, &asked.created_to))?;
    let declined = match pb::TransactionStatus::try_from(asked.status) {
        Ok(pb::TransactionStatus::Unspecified) => None,
        Ok(pb::TransactionStatus::Completed) => Some(false),
        Ok(pb::TransactionStatus::Declined) => Some(true),
        Err(_) => {
            return fields::unknown(
                "status",
                &asked.status.to_string(),
                "TRANSACTION_STATUS_COMPLETED (1), TRANSACTION_STATUS_DECLINED (2)",
            );
        }
    };
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let wanted = Wanted {
        account: given(&asked.account_id),
        from,
        to,
        declined,
        reference: given(&asked.reference),
        made_by: given(&asked.made_by),
        made_from: given(&asked.made_from),
    };
    let page = reads::transactions(ledger, call, wanted, page(asked.limit, &asked.page_token)?).await?;
    let page = page.fitting(bytes_max - PAGE_OVERHEAD, |transaction| {
        let transaction = pb::Transaction::from(transaction);
        let bytes = transaction.encoded_len() + ITEM_OVERHEAD;
        Ok((transaction, bytes))
    })?;
    Ok(pb::ListTransactionsResponse { items: page.items, next_page_token: page.next_page_token.unwrap_or_default() })
}

/// A page of an account's entries.
pub(super) async fn entries(
    ledger: &Ledger,
    call: &Call,
    asked: &pb::ListEntriesRequest,
) -> Result<pb::ListEntriesResponse, Failure> {
    validate::required(names::ACCOUNT_ID.grpc, &asked.account_id, ACCOUNT_MAX)?;
    let page = reads::entries(ledger, call, &asked.account_id, page(asked.limit, &asked.page_token)?).await?;
    let items = page.rows.into_iter().map(|row| Entry::of(row, page.currency).into()).collect();
    Ok(pb::ListEntriesResponse { items, next_page_token: page.next.unwrap_or_default() })
}

/// What became of a key.
pub(super) async fn operation(
    ledger: &Ledger,
    call: &Call,
    asked: &pb::GetOperationRequest,
) -> Result<pb::GetOperationResponse, Failure> {
    use pb::get_operation_response::State;
    validate::required(names::IDEMPOTENCY_KEY.grpc, &asked.idempotency_key, KEY_MAX)?;
    let api = Api::parse(&asked.api).map_or_else(|| fields::unknown("api", &asked.api, "florin.v1, payment.v1"), Ok)?;
    let issued_at = fields::time("issued_at", &asked.issued_at)?;
    let operation =
        ledger.operation(api, &call.tenant, &asked.idempotency_key, issued_at, call.deadline(ledger)).await?;
    let (state, transaction) = match operation {
        Operation::Done(id) => {
            (State::Done, found(reads::transaction(ledger, call, id).await)?.map(pb::Transaction::from))
        }
        Operation::Running => (State::Running, None),
        Operation::Never => (State::Never, None),
        Operation::TooOld => (State::TooOld, None),
    };
    Ok(pb::GetOperationResponse { state: state.into(), transaction })
}

/// What is not there is none.
fn found<T>(read: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match read {
        Err(Failure::NotFound(..)) => Ok(None),
        read => read.map(Some),
    }
}

fn page(size: u32, token: &str) -> Result<(u32, pages::Token<'_>), Failure> {
    Ok((pages::size(size)?, pages::Token { field: names::PAGE_TOKEN.grpc, text: token }))
}
