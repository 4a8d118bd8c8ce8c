//! Gives back: refunds of payments, reversals of anything.

use smallvec::{SmallVec, smallvec};

use super::post::{Posted, Words, answered, command};
use crate::gateway::call::Call;
use crate::gateway::failure::Failure;
use crate::gateway::ledger::{Action, Deadline, Ledger, NotRefundable, PostingCommand};
use crate::gateway::validate::cut;
use crate::money::Amount;
use crate::protocol::admission::Permit;
use crate::protocol::record::{Kind, RequestHash, TransactionId};

/// A payment to be given back.
#[derive(Clone, Debug)]
pub struct Refund {
    /// The payment, or a hold's capture.
    pub payment: TransactionId,
    /// From its payee to its payer, up to what is left; none: all that is left.
    pub posting: Option<PostingCommand>,
    /// The caller's words.
    pub words: Words,
}

/// Gives back a payment, or a part of it.
///
/// # Errors
/// `NotFound`, `FailedPrecondition` for what cannot be given back; as [`Ledger::post`].
pub async fn refund(ledger: &Ledger, call: &Call, deadline: Deadline, asked: Refund, permit: Permit) -> Result<Posted, Failure> {
    let Refund { payment, posting: asked, words } = asked;
    let paid = match ledger.refundable(&call.tenant, payment).await? {
        Ok(paid) => paid,
        Err(NotRefundable::Unknown) => return Err(Failure::NotFound(format!("payment {} not found, or it was declined", payment.0))),
        Err(NotRefundable::IsRefund) => {
            return Err(Failure::FailedPrecondition(format!("transaction {} gives back itself: reverse it instead", payment.0)));
        }
    };
    let units = asked.as_ref().map(|asked| asked.amount.minor_units().to_le_bytes());
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
    let mut command = command(call, deadline, Kind::REFUND, paid.action(), smallvec![refunded], words);
    command.request = RequestHash::of(&[
        b"refund",
        payment.0.as_bytes(),
        units.as_ref().map_or(&[], <[u8; 16]>::as_slice),
        command.reference.as_deref().unwrap_or_default().as_bytes(),
        command.metadata.as_deref().unwrap_or_default().as_bytes(),
    ]);
    let answer = ledger.post_out_of(&command, paid.left, permit).await?;
    answered(ledger, call, command, answer).await
}

/// Undoes a transaction.
///
/// # Errors
/// `NotFound`, `FailedPrecondition` for what moved no money; as [`Ledger::post`].
pub async fn reverse(ledger: &Ledger, call: &Call, original: TransactionId, words: Words, permit: Permit) -> Result<Posted, Failure> {
    let mut command = command(call, call.deadline(ledger), Kind::REVERSAL, Action::Post, SmallVec::new(), words);
    let reference = command.reference.as_deref().unwrap_or_default();
    command.request = RequestHash::of(&[b"reverse", original.0.as_bytes(), reference.as_bytes()]);
    let answer = ledger.reverse(&mut command, original, permit).await?;
    answered(ledger, call, command, answer).await
}
