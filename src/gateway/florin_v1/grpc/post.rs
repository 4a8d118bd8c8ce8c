//! One transaction over gRPC: checks every field, translates, and answers.

use florin_wire::florin_v1 as pb;

use crate::gateway::florin_v1::grpc::returns;
use crate::protocol::record::Kind;
use crate::protocol::record::RequestedPosting;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Deadline, Ledger};
use crate::teller::native::post::{Transaction, Words};
use crate::teller::native::views::PostedTransaction;
use crate::teller::native::{fields, names, post as native};
use crate::teller::validate::{self, ACCOUNT_MAX};

/// Posts, and answers when the outcome is durable.
pub(super) async fn post(
    ledger: &Ledger,
    call: &Call,
    deadline: Deadline,
    asked: pb::PostTransactionRequest,
) -> Result<pb::PostTransactionResponse, Failure> {
    let permit = ledger.enter()?;
    let known = ledger.ensure_known(asked.postings.iter().map(|posting| posting.currency.as_str())).await;
    known.map_err(|failure| failure.with_key(!asked.idempotency_key.is_empty()))?;
    let posted = if asked.refund_of.is_empty() {
        native::post(ledger, call, deadline, checked(ledger, asked)?, permit).await?
    } else {
        returns::refund(ledger, call, deadline, asked, permit).await?
    };
    Ok(PostedTransaction::from(posted).into())
}

fn checked(ledger: &Ledger, asked: pb::PostTransactionRequest) -> Result<Transaction, Failure> {
    let pb::PostTransactionRequest { idempotency_key, kind, postings, reference, description, metadata, refund_of: _ } =
        asked;
    let kind = match kind.as_str() {
        "" => Kind::TRANSFER,
        name => Kind::parse(name).map_or_else(|| fields::unknown("kind", name, &Kind::names()), Ok)?,
    };
    native::count(postings.len())?;
    let postings = postings
        .into_iter()
        .enumerate()
        .map(|(n, asked)| posting(ledger, &format!("postings[{n}]."), asked))
        .collect::<Result<_, _>>()?;
    let mut words = Words::checked(idempotency_key, reference, description)?;
    words.metadata = fields::metadata(&metadata)?;
    Ok(Transaction { kind, postings, words })
}

pub(super) fn posting(ledger: &Ledger, prefix: &str, asked: pb::Posting) -> Result<RequestedPosting, Failure> {
    let pb::Posting { source_account_id: source, destination_account_id: destination, amount, currency, .. } = asked;
    validate::required(&format!("{prefix}{}", names::SOURCE_ACCOUNT_ID.grpc), &source, ACCOUNT_MAX)?;
    validate::required(&format!("{prefix}{}", names::DESTINATION_ACCOUNT_ID.grpc), &destination, ACCOUNT_MAX)?;
    native::posting(ledger, prefix, (source, destination), &amount, currency)
}
