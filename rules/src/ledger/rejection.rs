//! Why an account refuses a leg.

use super::account::Status;

/// A business answer, not a failure. The order of the variants is their precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    Inactive {
        /// Suspended or closed.
        status: Status,
    },
    /// A debit would leave less available than the floor.
    InsufficientFunds {
        /// What could still be debited, in minor units; never negative.
        available: i128,
        /// What the leg debits, in minor units.
        requested: i128,
        /// What is available above zero, whatever the floor is, in minor units.
        before_floor: i128,
    },
    /// A credit would lift the balance above the ceiling or the largest amount, or a hold what is held above the latter.
    LimitExceeded {
        /// In minor units.
        ceiling: i128,
    },
    /// The account cannot be closed: it has money.
    NotEmpty {
        /// In minor units.
        balance: i128,
        /// In minor units.
        held: i128,
    },
    /// The account is closed, which is final.
    AlreadyClosed,
}
