//! The messages between actors, and what the journal writes. Holds no rules and no SQL.

pub mod account;
pub mod admission;
pub mod batch;
pub mod content;
pub mod events;
pub mod journal;
pub mod live;
pub mod movement;
pub mod notice;
mod opening;
pub mod record;
pub mod slip;
