//! Which records of a group find enough left of their holds and payments. Pure.

use hashbrown::HashSet;

use crate::protocol::record::{Record, Rows, TransactionId};
use crate::store::journal::TakenFrom;

/// What is left of holds and payments, less what records before took of it.
pub(super) struct Left {
    taken: TakenFrom,
    /// Payments of which a record gives back less again: how much is left of them is for the database to say.
    undone: HashSet<TransactionId>,
}

impl Left {
    pub(super) fn of(taken: TakenFrom) -> Self {
        Self { taken, undone: HashSet::new() }
    }

    /// Takes what a record takes; `false`: less is left, and nothing is taken. A hold that is not known has enough: it
    /// is another fault.
    pub(super) fn take(&mut self, record: &Record) -> bool {
        let fits = record.rows.iter().all(|row| match row {
            Rows::Take { hold, captured, voided, .. } => {
                let wanted = captured.minor_units() + voided.minor_units();
                self.taken.holds.get(hold).is_none_or(|left| wanted <= *left)
            }
            Rows::Refund { payment, limit, given } => {
                let before = self.taken.given.get(payment).copied().unwrap_or(0);
                self.undone.contains(payment) || before + given.minor_units() <= limit.minor_units()
            }
            _ => true,
        });
        for row in record.rows.iter().filter(|_| fits) {
            match row {
                Rows::Take { hold, captured, voided, .. } => {
                    if let Some(left) = self.taken.holds.get_mut(hold) {
                        *left -= captured.minor_units() + voided.minor_units();
                    }
                }
                Rows::Refund { payment, given, .. } => {
                    *self.taken.given.entry(*payment).or_default() += given.minor_units();
                }
                Rows::Undone { payment, .. } => drop(self.undone.insert(*payment)),
                _ => {}
            }
        }
        fits
    }
}
