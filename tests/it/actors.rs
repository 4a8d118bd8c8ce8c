//! Actors on PostgreSQL and Kafka: accounts, journal, fold, feed, outbox.

mod attempts;
mod changes;
mod clock;
mod crowds;
pub mod faults;
mod fold;
mod memory;
pub mod outbox;
mod own_ids;
mod put_back;
mod read_only;
mod slow_watchers;
pub mod unknown;
mod view;
mod waiting;
mod walk;
pub mod watch;
mod writers;
