//! Gives back: refunds of payments, reversals of anything.

use smallvec::smallvec;
use uuid::Uuid;

use super::post::{Texts, answered, posting};
use crate::gateway::call::Call;
use crate::gateway::failure::Failure;
use crate::gateway::ledger::{Deadline, Ledger, NotRefundable, PostingCommand};
use crate::gateway::validate::{self, cut};
use crate::money::Amount;
use crate::protocol::admission::Permit;
use crate::protocol::pb::florin_v1 as pb;
use crate::protocol::record::{Kind, RequestHash, TransactionId};

/// Bytes of an id's text.
const ID_MAX: usize = 64;

/// Gives back a payment, or a part of it.
pub(super) async fn refund(
    ledger: &Ledger,
    call: &Call,
    deadline: Deadline,
    asked: pb::PostTransactionRequest,
    permit: Permit,
) -> Result<pb::PostTransactionResponse, Failure> {
    let pb::PostTransactionRequest { idempotency_key, kind, postings, reference, description, metadata, refund_of } = asked;
    if !matches!(kind.as_str(), "" | "refund") {
        return Err(Failure::Invalid(format!("kind {:?} is not refund, which is what refund_of asks for", cut(&kind))));
    }
    if postings.len() > 1 {
        return Err(Failure::Invalid(format!("postings has {} entries, the limit of a refund is 1", postings.len())));
    }
    let payment = id("refund_of", &refund_of)?;
    let mut command = Texts { idempotency_key, reference, description, metadata }.command(call, Kind::REFUND, deadline)?;
    let asked = postings.into_iter().next().map(|asked| posting(ledger, "postings[0].", asked)).transpose()?;
    let paid = match ledger.refundable(&call.tenant, payment).await? {
        Ok(paid) => paid,
        Err(NotRefundable::Unknown) => return Err(Failure::NotFound(format!("payment {} not found, or it was declined", payment.0))),
        Err(NotRefundable::IsRefund) => {
            return Err(Failure::FailedPrecondition(format!("transaction {} gives back itself: reverse it instead", payment.0)));
        }
    };
    let units = asked.as_ref().map(|asked| asked.amount.minor_units());
    let refunded = match asked {
        Some(asked) if (asked.debit.as_str(), asked.credit.as_str()) != (paid.posting.credit.as_str(), paid.posting.debit.as_str()) => {
            return Err(Failure::Invalid(format!(
                "postings[0] goes from {:?} to {:?}, a refund of payment {} goes from {:?} to {:?}",
                cut(&asked.debit),
                cut(&asked.credit),
                payment.0,
                cut(&paid.posting.credit),
                cut(&paid.posting.debit)
            )));
        }
        Some(asked) => asked,
        None => PostingCommand {
            debit: paid.posting.credit.clone(),
            credit: paid.posting.debit.clone(),
            // With nothing left it is refused for what it asks, unless it repeats the refund that took it.
            amount: Amount::new(if paid.left > 0 { paid.left } else { paid.posting.amount }).map_err(|_| Failure::Guard)?,
            currency: paid.posting.currency.clone(),
            exponent: paid.posting.exponent.and_then(|exponent| u8::try_from(exponent).ok()).ok_or(Failure::Guard)?,
        },
    };
    command.request = RequestHash::of(&[
        b"refund",
        payment.0.as_bytes(),
        units.map(i128::to_le_bytes).as_ref().map_or(&[], <[u8; 16]>::as_slice),
        command.reference.as_deref().unwrap_or_default().as_bytes(),
        command.metadata.as_deref().unwrap_or_default().as_bytes(),
    ]);
    command.postings = smallvec![refunded];
    command.action = paid.action();
    let answer = ledger.post_out_of(&command, paid.left, permit).await?;
    answered(ledger, call, command, answer).await
}

/// Undoes a transaction.
pub(super) async fn reverse(ledger: &Ledger, call: &Call, asked: pb::ReverseTransactionRequest) -> Result<pb::PostTransactionResponse, Failure> {
    let pb::ReverseTransactionRequest { idempotency_key, id: original, reference, description } = asked;
    let (permit, original) = (ledger.enter()?, id("id", &original)?);
    let texts = Texts { idempotency_key, reference, description, metadata: std::collections::HashMap::new() };
    let mut command = texts.command(call, Kind::REVERSAL, call.deadline(ledger))?;
    let reference = command.reference.as_deref().unwrap_or_default();
    command.request = RequestHash::of(&[b"reverse", original.0.as_bytes(), reference.as_bytes()]);
    let answer = ledger.reverse(&mut command, original, permit).await?;
    answered(ledger, call, command, answer).await
}

fn id(field: &str, text: &str) -> Result<TransactionId, Failure> {
    validate::required(field, text, ID_MAX)?;
    let id = Uuid::try_parse(text).map_err(|_| Failure::Invalid(format!("{field} {:?} is not a UUID", cut(text))))?;
    Ok(TransactionId(id))
}
