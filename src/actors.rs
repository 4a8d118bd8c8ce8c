//! The actors: thin shells around the pure rooms, one file per kind.

pub mod housekeeping;
pub mod outbox;
