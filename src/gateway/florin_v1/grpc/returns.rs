//! Refunds and reversals over gRPC.

use florin_wire::florin_v1 as pb;
use uuid::Uuid;

use crate::gateway::florin_v1::grpc::post::posting;
use crate::protocol::admission::Permit;
use crate::protocol::record::TransactionId;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Deadline, Ledger};
use crate::teller::native::fields;
use crate::teller::native::post::{Posted, Words};
use crate::teller::native::returns::{self, Part, Refund};
use crate::teller::validate::{self, cut};

/// Bytes of an id's text.
const ID_MAX: usize = 64;

/// Gives back a payment, or a part of it.
pub(super) async fn refund(
    ledger: &Ledger,
    call: &Call,
    deadline: Deadline,
    asked: pb::PostTransactionRequest,
    permit: Permit,
) -> Result<Posted, Failure> {
    let pb::PostTransactionRequest { idempotency_key, kind, postings, reference, description, metadata, refund_of } =
        asked;
    if !matches!(kind.as_str(), "" | "refund") {
        return Err(Failure::Invalid(format!("kind {:?} is not refund, which is what refund_of asks for", cut(&kind))));
    }
    if postings.len() > 1 {
        return Err(Failure::Invalid(format!("postings has {} entries, the limit of a refund is 1", postings.len())));
    }
    let payment = id("refund_of", &refund_of)?;
    let part = match postings.into_iter().next() {
        Some(asked) => Part::Posting(posting(ledger, "postings[0].", asked)?),
        None => Part::Rest,
    };
    let mut words = Words::checked(idempotency_key, reference, description)?;
    words.metadata = fields::metadata(&metadata)?;
    returns::refund(ledger, call, deadline, Refund { payment, part, words }, permit).await
}

/// Undoes a transaction.
pub(super) async fn reverse(
    ledger: &Ledger,
    call: &Call,
    asked: pb::ReverseTransactionRequest,
) -> Result<Posted, Failure> {
    let permit = ledger.enter()?;
    let original = id("id", &asked.id)?;
    let words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    returns::reverse(ledger, call, original, words, permit).await
}

fn id(field: &str, text: &str) -> Result<TransactionId, Failure> {
    validate::required(field, text, ID_MAX)?;
    let id = Uuid::try_parse(text).map_err(|_| Failure::Invalid(format!("{field} {:?} is not a UUID", cut(text))))?;
    Ok(TransactionId(id))
}
