//! Refunds payments, and reverses any transaction.

use std::sync::{Mutex, PoisonError};

use smallvec::smallvec;

use super::fields;
use super::post::{Posted, Words, answered, decided_again, request};
use crate::money::{Amount, Currency, CurrencyCode};
use crate::protocol::admission::Permit;
use crate::protocol::movement::{self, Reversal};
use crate::protocol::record::{RequestedPosting, TransactionId};
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Command, Deadline, Ledger, NotRefundable, Reversing};
use crate::teller::validate::cut;

#[derive(Clone, Debug)]
pub struct Refund {
    /// The payment, or a hold's capture.
    pub payment: TransactionId,
    pub part: Part,
    pub words: Words,
}

/// How much of a payment is refunded.
#[derive(Clone, Debug)]
pub enum Part {
    /// All that was not given back yet.
    Rest,
    /// Decimal text in the payment's currency.
    Amount(String),
    /// A posting from the payment's payee to its payer; it is checked against the payment.
    Posting(RequestedPosting),
}

/// Refunds a payment, in part or in whole. The rest of it is read again if it changes meanwhile.
///
/// # Errors
/// `NotFound`; `FailedPrecondition` for what cannot be refunded; else as [`Ledger::post`]. `Interrupted`: what is left
/// kept changing.
pub async fn refund(
    ledger: &Ledger,
    call: &Call,
    deadline: Deadline,
    asked: Refund,
    permit: Permit,
) -> Result<Posted, Failure> {
    let key = asked.words.key.clone();
    let work = |call| async move {
        if !matches!(asked.part, Part::Rest) {
            return refund_once(ledger, &call, deadline, (asked, None), permit).await;
        }
        let left = Mutex::new(None);
        let once = |permit| refund_once(ledger, &call, deadline, (asked.clone(), Some(&left)), permit);
        decided_again(ledger, permit, once).await
    };
    call.attempt(ledger, key.as_deref(), work).await
}

/// `known`: of the rest, how much was left when it was read before.
async fn refund_once(
    ledger: &Ledger,
    call: &Call,
    deadline: Deadline,
    (asked, known): (Refund, Option<&Mutex<Option<i128>>>),
    permit: Permit,
) -> Result<Posted, Failure> {
    let Refund { payment, part, words } = asked;
    let paid = match ledger.refundable(&call.tenant, payment).await? {
        Ok(paid) => paid,
        Err(NotRefundable::Unknown) => {
            return Err(Failure::not_completed(payment));
        }
        Err(NotRefundable::IsRefund) => {
            return Err(Failure::FailedPrecondition(format!(
                "transaction {} gives back itself: reverse it instead",
                payment.0
            )));
        }
    };
    let exponent = paid.posting.exponent.and_then(|exponent| u8::try_from(exponent).ok()).ok_or(Failure::Guard)?;
    let back = |amount| RequestedPosting {
        debit: paid.posting.credit.clone(),
        credit: paid.posting.debit.clone(),
        amount,
        currency: paid.posting.currency.clone(),
        exponent,
    };
    let asks_for_rest = matches!(part, Part::Rest);
    let before = known.map(|known| known.lock().unwrap_or_else(PoisonError::into_inner).replace(paid.left));
    let is_doubtful = before.is_some_and(|before| before != Some(paid.left));
    let refunded = match part {
        Part::Posting(asked)
            if (asked.debit.as_str(), asked.credit.as_str())
                != (paid.posting.credit.as_str(), paid.posting.debit.as_str()) =>
        {
            return Err(Failure::Invalid(format!(
                "postings[0] goes from {:?} to {:?}, a refund of payment {} goes from {:?} to {:?}",
                cut(&asked.debit),
                cut(&asked.credit),
                payment.0,
                cut(&paid.posting.credit),
                cut(&paid.posting.debit)
            )));
        }
        Part::Posting(asked) => asked,
        Part::Amount(text) => {
            let code = CurrencyCode::parse(&paid.posting.currency).ok_or(Failure::Guard)?;
            back(fields::amount("amount", &text, Currency { code, exponent })?)
        }
        // With nothing left it is refused for what it asks, unless it repeats the refund that took it.
        Part::Rest => {
            back(Amount::new(if paid.left > 0 { paid.left } else { paid.posting.amount }).map_err(|_| Failure::Guard)?)
        }
    };
    let amount = (!asks_for_rest).then_some(refunded.amount);
    let (reference, metadata) = (words.reference.as_deref(), words.metadata.as_deref());
    let identity = movement::Refund::request(payment, amount, reference, metadata);
    let command = Command {
        request: request(call, deadline, identity, words),
        movement: Box::new(movement::Refund { is_rest: asks_for_rest, is_doubtful, ..paid.movement() }),
        postings: smallvec![refunded],
    };
    let answer = ledger.post_out_of(&command, paid.left, permit).await?;
    answered(ledger, call, command, answer).await
}

/// Reverses a transaction.
///
/// # Errors
/// `NotFound`; `FailedPrecondition` for what moved no money; else as [`Ledger::post`].
pub async fn reverse(
    ledger: &Ledger,
    call: &Call,
    original: TransactionId,
    words: Words,
    permit: Permit,
) -> Result<Posted, Failure> {
    let key = words.key.clone();
    let work = |call| async move { reverse_as(ledger, &call, original, words, permit).await };
    call.attempt(ledger, key.as_deref(), work).await
}

async fn reverse_as(
    ledger: &Ledger,
    call: &Call,
    original: TransactionId,
    words: Words,
    permit: Permit,
) -> Result<Posted, Failure> {
    let identity = Reversal::request(original, words.reference.as_deref());
    let request = request(call, call.deadline(ledger), identity, words);
    let Reversing { movement, postings, left } = ledger.reversal(&call.tenant, original).await?;
    let command = Command { request, movement: Box::new(movement), postings };
    let answer = ledger.post_out_of(&command, left, permit).await?;
    answered(ledger, call, command, answer).await
}
