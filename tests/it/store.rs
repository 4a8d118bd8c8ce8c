//! The tables: what is read from them, and what keeps them right.

mod audit;
mod beside;
mod history;
mod keys;
mod owner;
mod paging;
mod partitions;
mod rates;
mod received;
mod schema;
mod seed;
mod sessions;
mod tls;
mod verify;
