//! Gives money back: a refund returns a payment in part or in whole, a reversal undoes any transaction by its opposite.
//! Both count against the same row of the original, so that together they never give back more than there was.

use super::command::Undone;
use super::{Action, Answer, Command, Ledger, PostingCommand, read_failure};
use crate::money::Amount;
use crate::protocol::admission::Permit;
use crate::protocol::record::{Kind, TransactionId};
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

impl Refundable {
    /// The action that refunds it, in part or in whole.
    pub fn action(&self) -> Action {
        Action::Refund { payment: self.payment, limit: self.amount }
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
        let is = |kind: Kind| row.kind == kind.code();
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

    /// Reverses a transaction: each posting the other way round, the last first. The command becomes the transaction
    /// that is posted.
    ///
    /// # Errors
    /// `NotFound`; `FailedPrecondition` for what has no postings; else as [`Ledger::post`].
    pub async fn reverse(
        &self,
        command: &mut Command,
        original: TransactionId,
        permit: Permit,
    ) -> Result<Answer, Failure> {
        let row = self.completed(&command.tenant, original).await?;
        let row = row.ok_or_else(|| Failure::not_completed(original))?;
        let Some(first) = row.postings.first() else {
            let kind = Kind::name(row.kind);
            return Err(Failure::FailedPrecondition(format!(
                "transaction {} is a {kind}: it moved no money that could go back",
                original.0
            )));
        };
        let amount = |units: i128| Amount::new(units).map_err(|_| Failure::Guard); // the table holds no more
        let (limit, left) = (amount(first.amount)?, first.amount - row.refunded.unwrap_or(0));
        let undone = self.undone(original).await?;
        command.postings = row.postings.iter().rev().map(opposite).collect::<Result<_, _>>()?;
        command.action = Action::Reverse { original, limit, undone };
        // Given back in part, what is left is less than the whole that is asked for.
        let left = if left < first.amount { 0 } else { i128::MAX };
        self.post_out_of(command, left, permit).await
    }

    /// How counts change when a refund or reversal is reversed. What it gave back may be given back again; but if that
    /// was itself a reversal, then its own original counts as given back again; and so on along the chain.
    async fn undone(&self, original: TransactionId) -> Result<Undone, Failure> {
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

fn opposite(posting: &PostingRow) -> Result<PostingCommand, Failure> {
    Ok(PostingCommand {
        debit: posting.credit.clone(),
        credit: posting.debit.clone(),
        amount: Amount::new(posting.amount).map_err(|_| Failure::Guard)?,
        currency: posting.currency.clone(),
        exponent: posting.exponent.and_then(|exponent| u8::try_from(exponent).ok()).ok_or(Failure::Guard)?,
    })
}
