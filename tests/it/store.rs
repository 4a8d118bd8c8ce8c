//! The tables: what is read from them, and what keeps them right.

mod audit;
mod history;
mod keys;
mod paging;
mod partitions;
mod schema;
mod seed;
mod sessions;
mod verify;
