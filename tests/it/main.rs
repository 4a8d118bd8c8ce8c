//! Tests against real servers: a database per test. `make test` starts what they need; `make up` lets one run alone.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod actors;
mod admission;
mod billing;
mod cli;
mod documents;
mod gateway;
mod harness;
#[cfg(feature = "kafka-tls")]
mod messaging;
mod process;
mod protocol;
mod provider;
mod sagas;
mod store;
mod supervision;
mod telemetry;
mod teller;
