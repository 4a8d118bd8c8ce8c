//! Tests against real servers: a database per test. `make test` starts what they need; `make up` lets one run alone.

#![allow(clippy::inconsistent_digit_grouping, reason = "amounts are written as units and cents")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod edge;
mod harness;
mod payments;
mod process;
mod seed;
mod verify;
