//! Tests against real servers: a database per test. `make test` starts what they need; `make up` lets one run alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod changes;
mod clock;
mod contract;
mod edge;
mod exchanges;
mod faults;
mod fold;
mod harness;
mod history;
mod holds;
mod keys;
mod lease;
mod memory;
mod native;
mod openings;
mod operators;
mod outbox;
mod own_ids;
mod paging;
mod partitions;
mod payments;
mod process;
mod provider;
mod put_back;
mod random;
mod read_only;
mod rest;
mod returns;
mod sagas;
mod seed;
mod sessions;
mod slow_watchers;
mod takeover;
mod unknown;
mod verify;
mod view;
mod waiting;
mod walk;
mod watch;
mod writers;
