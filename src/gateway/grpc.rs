//! gRPC for every contract: the listener, what a call carries beside its message, and how failures become statuses.

pub mod call;
mod deadline;
pub mod server;
pub mod status;
mod uncredited;
