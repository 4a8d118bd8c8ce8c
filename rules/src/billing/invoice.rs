//! What may become of an invoice: its states, what is still due, and what a command does to both.
//!
//! ```text
//! draft -> open -> paid | void | uncollectible        uncollectible -> paid | void
//! ```
//!
//! Paid and void are final. At every time a total is what was paid, credited and written off, and what is due.

use super::tax::NetTax;
use crate::money::{Amount, AmountError, shares};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Not issued: it has no number and no postings, can change, and can be deleted.
    Draft,
    /// Issued, and something is due.
    Open,
    /// Nothing is due: it was paid, or credited in full.
    Paid,
    /// Reversed as a whole.
    Void,
    /// Nobody expects to be paid. Something is due, or written off.
    Uncollectible,
}

impl Status {
    pub const ALL: [Self; 5] = [Self::Draft, Self::Open, Self::Paid, Self::Void, Self::Uncollectible];

    /// The number wherever a status is stored.
    pub fn code(self) -> i16 {
        match self {
            Self::Draft => 1,
            Self::Open => 2,
            Self::Paid => 3,
            Self::Void => 4,
            Self::Uncollectible => 5,
        }
    }

    /// `None`: no status has this number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// The name wherever a status is written as text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Uncollectible => "uncollectible",
        }
    }
}

/// What an invoice came to, and what became of it. No part is below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    pub status: Status,
    pub total: Amount,
    /// Payments applied to it.
    pub paid: Amount,
    /// Of credit notes, what was set against the receivable.
    pub credited: Amount,
    /// Of credit notes, what had been paid and became the customer's credit. It is a part of `paid`.
    pub returned: Amount,
    /// Of the receivable, what was given up as lost and was not paid since.
    pub written_off: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A draft gets its number. A total of zero is paid at once.
    Issue,
    /// Of a payment or of the customer's credit; what is above all that is due becomes the customer's credit.
    Pay { amount: Amount },
    /// A credit note of net and tax together. What is not due any more becomes the customer's credit.
    Credit { amount: Amount },
    /// What is due is lost.
    WriteOff,
    /// Nothing of it was right.
    Void,
    /// Nobody expects to be paid; nothing is booked.
    MarkUncollectible,
}

/// What a command does: how much goes where (see [`super::postings`]), and the invoice after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The change of the receivable: issued, paid, credited, written off or made void; it includes `reinstated`.
    pub applied: Amount,
    /// What becomes the customer's credit.
    pub excess: Amount,
    /// What had been written off and is due again, just before it is paid or made void.
    pub reinstated: Amount,
    pub after: Balance,
}

/// A business answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceRejection {
    #[error("the invoice is {}", status.name())]
    Status { status: Status },
    #[error("an amount of {requested} minor units: it must be above zero")]
    Amount { requested: Amount },
    #[error("{requested} minor units are more than the {limit} that are left of the invoice")]
    AboveLimit { requested: Amount, limit: Amount },
    #[error("the invoice has {paid} minor units paid and {credited} credited, so that it cannot be void")]
    Settled { paid: Amount, credited: Amount },
    #[error("nothing is due of the invoice")]
    NothingDue,
}

impl Balance {
    /// An invoice that is not issued.
    pub fn draft(total: Amount) -> Self {
        let zero = Amount::ZERO;
        Self { status: Status::Draft, total, paid: zero, credited: zero, returned: zero, written_off: zero }
    }

    /// One that was just issued: open, or paid if its total is zero.
    pub fn issued(total: Amount) -> Self {
        Self { status: if total == Amount::ZERO { Status::Paid } else { Status::Open }, ..Self::draft(total) }
    }

    /// What is still to be paid; the sum of it is the receivable. Nothing is due of a draft or of a void invoice.
    pub fn due(&self) -> Amount {
        match self.status {
            Status::Draft | Status::Void => Amount::ZERO,
            Status::Open | Status::Paid | Status::Uncollectible => {
                less(less(less(self.total, self.paid), self.credited), self.written_off)
            }
        }
    }

    /// What a credit note can still be about.
    pub fn creditable(&self) -> Amount {
        less(less(less(self.total, self.credited), self.returned), self.written_off)
    }

    /// As it is once nothing is due and nothing written off any more.
    fn settled(self) -> Self {
        let is_settled = self.due() == Amount::ZERO && self.written_off == Amount::ZERO;
        Self { status: if is_settled { Status::Paid } else { self.status }, ..self }
    }
}

/// What the command does.
///
/// # Errors
/// By what forbids it.
pub fn decide(before: &Balance, command: Command) -> Result<Settlement, InvoiceRejection> {
    let refused = Err(InvoiceRejection::Status { status: before.status });
    let zero = Amount::ZERO;
    let change = |applied, after| Settlement { applied, excess: zero, reinstated: zero, after };
    match (command, before.status) {
        (Command::Issue, Status::Draft) => Ok(change(before.total, Balance::issued(before.total))),
        (Command::Issue, Status::Open | Status::Paid | Status::Void | Status::Uncollectible) => refused,

        (Command::Pay { amount }, Status::Open | Status::Uncollectible) => pay(before, above_zero(amount)?),
        (Command::Pay { .. }, Status::Draft | Status::Paid | Status::Void) => refused,

        (Command::Credit { amount }, Status::Open | Status::Paid | Status::Uncollectible) => {
            credit(before, above_zero(amount)?)
        }
        (Command::Credit { .. }, Status::Draft | Status::Void) => refused,

        (Command::WriteOff, Status::Open | Status::Uncollectible) => match before.due() {
            Amount::ZERO => Err(InvoiceRejection::NothingDue),
            due => {
                let written_off = more(before.written_off, due);
                Ok(change(due, Balance { status: Status::Uncollectible, written_off, ..*before }))
            }
        },
        (Command::WriteOff, Status::Draft | Status::Paid | Status::Void) => refused,

        (Command::Void, Status::Open | Status::Uncollectible) => {
            if before.paid != zero || before.credited != zero {
                return Err(InvoiceRejection::Settled { paid: before.paid, credited: before.credited });
            }
            let after = Balance { status: Status::Void, written_off: zero, ..*before };
            Ok(Settlement { reinstated: before.written_off, ..change(before.total, after) })
        }
        (Command::Void, Status::Draft | Status::Paid | Status::Void) => refused,

        (Command::MarkUncollectible, Status::Open) => {
            Ok(change(zero, Balance { status: Status::Uncollectible, ..*before }))
        }
        (Command::MarkUncollectible, Status::Draft | Status::Paid | Status::Void | Status::Uncollectible) => refused,
    }
}

/// What is due first, then what was written off.
fn pay(before: &Balance, amount: Amount) -> Result<Settlement, InvoiceRejection> {
    let to_due = amount.min(before.due());
    let reinstated = less(amount, to_due).min(before.written_off);
    let applied = more(to_due, reinstated);
    let (paid, written_off) = (more(before.paid, applied), less(before.written_off, reinstated));
    let after = Balance { paid, written_off, ..*before }.settled();
    Ok(Settlement { applied, excess: less(amount, applied), reinstated, after })
}

/// What is due first; the rest was paid, and is the customer's again.
fn credit(before: &Balance, amount: Amount) -> Result<Settlement, InvoiceRejection> {
    let limit = before.creditable();
    if amount > limit {
        return Err(InvoiceRejection::AboveLimit { requested: amount, limit });
    }
    let applied = amount.min(before.due());
    let excess = less(amount, applied);
    let (credited, returned) = (more(before.credited, applied), more(before.returned, excess));
    let after = Balance { credited, returned, ..*before }.settled();
    Ok(Settlement { applied, excess, reinstated: Amount::ZERO, after })
}

/// The net and the tax of each group that an amount with tax is made of, by largest remainder. The groups are what is
/// left of the invoice's after earlier credit notes and write-offs; no part is above what is left, so that the last one
/// takes exactly the rest.
///
/// # Errors
/// `Amount` below zero, `AboveLimit` above what is left.
pub fn split(amount: Amount, left: &[NetTax]) -> Result<Vec<NetTax>, InvoiceRejection> {
    let too_large = |_: AmountError| InvoiceRejection::AboveLimit { requested: amount, limit: Amount::MAX };
    let parts: Vec<Amount> = left.iter().flat_map(|group| [group.net, group.tax]).collect();
    let limit = parts.iter().try_fold(Amount::ZERO, |sum, part| sum.plus(*part)).map_err(too_large)?;
    if amount < Amount::ZERO {
        return Err(InvoiceRejection::Amount { requested: amount });
    }
    if amount > limit {
        return Err(InvoiceRejection::AboveLimit { requested: amount, limit });
    }
    let parts = shares::proportional(amount, &parts).map_err(too_large)?;
    Ok(parts.chunks_exact(2).map(|pair| NetTax { net: pair[0], tax: pair[1] }).collect())
}

fn above_zero(amount: Amount) -> Result<Amount, InvoiceRejection> {
    if amount > Amount::ZERO { Ok(amount) } else { Err(InvoiceRejection::Amount { requested: amount }) }
}

/// Parts of a total neither pass it nor fall below zero.
fn more(a: Amount, b: Amount) -> Amount {
    a.plus(b).expect("the parts of a total are not more than an amount")
}

fn less(a: Amount, b: Amount) -> Amount {
    a.minus(b).expect("the parts of a total are not more than an amount")
}

#[cfg(test)]
mod tests;
