//! Tests against real servers: a database per test. `make test` starts what they need; `make up` lets one run alone.

mod faults;
mod harness;
mod keys;
mod payments;
mod takeover;
mod unknown;
mod view;
mod walk;
