//! The rules of sagas: payouts and card top-ups through an external provider, as workflows of steps.
//!
//! A saga is the list of its facts: [`Saga::replay`] makes the state of them, [`Saga::next`] says what to do, and
//! [`Saga::fact`] turns the outcome into the next fact. Nothing is done here, and time is an argument. Whoever runs a
//! saga writes each fact down before going on, so that the log can be cut anywhere, and what is left leads to the same
//! next step.
//!
//! Forward, each step begins when the one before it is done. When a step fails for good, the saga turns round: each
//! step that is done, or may be, is undone, from the last to the first. When an undo fails for good, the saga is
//! *stuck*, and an operator says how to go on.

mod fact;
mod next;
mod report;
mod state;
#[cfg(test)]
mod tests;
mod view;

pub use fact::{Fact, Order, PROVIDER_PREFIX, Resolution, Step, Workflow, provider_account};
pub use next::{Call, Next, Policy, Reply, Task};
pub use report::Report;
pub use state::{Broken, Saga, Status};
pub use view::{Progress, StepView};
