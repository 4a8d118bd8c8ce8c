//! Tests against real servers: a database per test. `make test` starts what they need; `make up` lets one run alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod changes;
mod contract;
mod edge;
mod faults;
mod harness;
mod keys;
mod native;
mod outbox;
mod payments;
mod process;
mod seed;
mod takeover;
mod unknown;
mod verify;
mod view;
mod waiting;
mod walk;
