//! The rules of an account: what is admitted, what waits, what is refused, and what settles. Pure: knows
//! [`crate::money`] only.
//!
//! This is the escrow method. An account's actor is the only one that admits debits on it, against money that is posted
//! and not held. What is admitted and not yet settled is an open leg. Balances are credits less debits.

mod account;
mod rejection;
mod small_map;
#[cfg(test)]
mod tests;

pub use account::{Account, Decision, Guards, GuardsChange, Leg, Status, Totals};
pub use rejection::Rejection;
pub use small_map::SmallMap;
