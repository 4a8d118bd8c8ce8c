//! Why an account refuses a leg.

use super::account::Status;

/// A business answer, not a failure. The order of the variants is their precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// The account is suspended or closed.
    Inactive {
        /// What it is.
        status: Status,
    },
    /// A debit would take the account below its floor.
    InsufficientFunds {
        /// What could still be debited, in minor units; never negative.
        available: i128,
        /// What was asked for, in minor units.
        requested: i128,
        /// What is available down to zero, whatever the floor is, in minor units.
        before_floor: i128,
    },
    /// A credit would lift the account above its ceiling, or beyond what an amount can carry.
    LimitExceeded {
        /// The highest balance allowed, in minor units.
        ceiling: i128,
    },
    /// The account cannot be closed: money is posted or held.
    NotEmpty {
        /// What is posted, in minor units.
        balance: i128,
        /// What is held, in minor units.
        held: i128,
    },
    /// Closed is final.
    AlreadyClosed,
}
