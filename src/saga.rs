//! What a movement that leaves the ledger is made of: a payout or a card top-up through an external provider, as a workflow of steps.
//!
//! A saga is its facts in their order: [`Saga::replay`] makes the state of them, [`Saga::next`] says what is to be done, [`Saga::fact`] puts
//! what came of it into the next fact. Nothing is done here, and nothing is known of time: whoever runs a saga writes each fact down before
//! it goes on, so that the log can be cut anywhere and what is left leads to the same next step.
//!
//! Forward, each step begins when the one before it is done. A step that failed for good turns the saga round: what is done, or may be, is
//! undone from the last to the first. An undo that fails for good makes it *stuck*: then an operator says how to go on.

mod fact;
mod next;
mod state;
#[cfg(test)]
mod tests;
mod view;

pub use fact::{Fact, Order, Resolution, Step, Workflow, provider_account};
pub use next::{Call, Next, Policy, Reply, Task};
pub use state::{Broken, Saga, Status};
pub use view::{Progress, StepView};
