//! Gives money back: a refund returns a payment in part or in whole, a reversal undoes any transaction by its opposite.
//! Both count against the same row of the original, so that together they never give back more than there was.

use smallvec::SmallVec;

use super::{Ledger, read_failure};
use crate::money::Amount;
use crate::protocol::movement::{Refund, Reversal};
use crate::protocol::record::{Kind, RequestedPosting, TransactionId};
use crate::store::transactions::{self, PostingRow, TransactionRow};
use crate::teller::failure::Failure;

/// A payment that can be refunded.
#[derive(Clone, Debug)]
pub struct Refundable {
    pub payment: TransactionId,
    /// The first of its postings, and usually the only one.
    pub posting: PostingRow,
    pub amount: Amount,
    /// What was not given back yet, in minor units.
    pub left: i128,
}

/// Why a transaction cannot be refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRefundable {
    /// There is no such payment, or it was declined.
    Unknown,
    /// It is a refund or reversal itself.
    IsRefund,
}

/// What reverses a transaction, and whether it still can.
#[derive(Clone, Debug)]
pub struct Reversing {
    pub movement: Reversal,
    /// Each posting of the original the other way round, the last first.
    pub postings: SmallVec<[RequestedPosting; 1]>,
    /// For [`Ledger::post_out_of`]: given back in part, less is left than the whole that is asked for.
    pub left: i128,
}

impl Refundable {
    /// What refunds it, in part or in whole.
    pub fn movement(&self) -> Refund {
        Refund { payment: self.payment, limit: self.amount, is_rest: false, is_doubtful: false }
    }
}

impl Ledger {
    /// A payment, or a captured hold, that can be refunded.
    ///
    /// # Errors
    /// What kept it from being read.
    pub async fn refundable(
        &self,
        tenant: &str,
        id: TransactionId,
    ) -> Result<Result<Refundable, NotRefundable>, Failure> {
        let Some(row) = self.completed(tenant, id).await? else { return Ok(Err(NotRefundable::Unknown)) };
        let is = |kind: Kind| row.kind == kind;
        if is(Kind::REFUND) || is(Kind::REVERSAL) {
            return Ok(Err(NotRefundable::IsRefund));
        }
        let given = row.refunded.unwrap_or(0);
        // What a payout has sent is with the bank: it comes back as the saga says, or an operator reverses it.
        let may = is(Kind::PAYMENT) || (is(Kind::CAPTURE) && !row.of_saga);
        let posting = row.postings.into_iter().next().filter(|_| may);
        let Some(posting) = posting else { return Ok(Err(NotRefundable::Unknown)) };
        let amount = Amount::new(posting.amount).map_err(|_| Failure::Guard)?; // the table holds no more
        Ok(Ok(Refundable { payment: id, left: posting.amount - given, amount, posting }))
    }

    /// What reverses a transaction.
    ///
    /// # Errors
    /// `NotFound`; `FailedPrecondition` for what has no postings, and at the end of a chain of undoings; what kept it
    /// from being read.
    pub async fn reversal(&self, tenant: &str, original: TransactionId) -> Result<Reversing, Failure> {
        let row = self.completed(tenant, original).await?;
        let row = row.ok_or_else(|| Failure::not_completed(original))?;
        let Some(first) = row.postings.first() else {
            let kind = row.kind.as_str();
            return Err(Failure::FailedPrecondition(format!(
                "transaction {} is a {kind}: it moved no money that could go back",
                original.0
            )));
        };
        let limit = Amount::new(first.amount).map_err(|_| Failure::Guard)?; // the table holds no more
        let given_in_part = row.refunded.unwrap_or(0) > 0;
        let postings = row.postings.iter().rev().map(opposite).collect::<Result<_, _>>()?;
        let undone = self.undone(original).await?;
        Ok(Reversing {
            movement: Reversal { original, limit, undone },
            postings,
            left: if given_in_part { 0 } else { i128::MAX },
        })
    }

    /// How counts change when a refund or reversal is reversed. What it gave back may be given back again; but if that
    /// was itself a reversal, then its own original counts as given back again; and so on along the chain.
    async fn undone(&self, original: TransactionId) -> Result<SmallVec<[(TransactionId, Amount); 1]>, Failure> {
        let chain =
            transactions::gave_back(&self.parts().pool, original).await.map_err(|error| read_failure(&error))?;
        if i32::try_from(chain.len()).is_ok_and(|links| links >= transactions::CHAIN_MAX) {
            let why = format!(
                "transaction {} is the {}th of a chain of undoings, which is the limit",
                original.0,
                chain.len()
            );
            return Err(Failure::FailedPrecondition(why));
        }
        let sign = |n: usize| if n.is_multiple_of(2) { 1 } else { -1 };
        chain
            .into_iter()
            .enumerate()
            .map(|(n, (id, gave))| Ok((id, Amount::new(sign(n) * gave).map_err(|_| Failure::Guard)?)))
            .collect()
    }

    async fn completed(&self, tenant: &str, id: TransactionId) -> Result<Option<TransactionRow>, Failure> {
        let _place = self.enter_read()?;
        let row = transactions::get(&self.parts().pool, tenant, id).await.map_err(|error| read_failure(&error))?;
        Ok(row.filter(|row| row.decline.is_none()))
    }
}

fn opposite(posting: &PostingRow) -> Result<RequestedPosting, Failure> {
    Ok(RequestedPosting {
        debit: posting.credit.clone(),
        credit: posting.debit.clone(),
        amount: Amount::new(posting.amount).map_err(|_| Failure::Guard)?,
        currency: posting.currency.clone(),
        exponent: posting.exponent.and_then(|exponent| u8::try_from(exponent).ok()).ok_or(Failure::Guard)?,
    })
}
