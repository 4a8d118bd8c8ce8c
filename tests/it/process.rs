//! The binary as a process against real servers: killed, stopped, starved and abused, while payers pay.
//!
//! `Site` is an installation (a database, topics, settings), `Process` one process of it, `Load` its payers. Whatever
//! happened, at the end every payment that was acknowledged is in the tables once, every other one has been asked for
//! again until it is too, and the books balance.

mod abuse;
mod broker;
mod crash;
mod dev;
mod disk;
mod drain;
mod events;
pub mod florin;
mod keys;
mod load;
mod postgres;
mod redis;
mod refusals;
mod sagas;
mod sessions;
pub mod site;
mod takeover;
mod tls;
mod upgrade;
mod watchers;
