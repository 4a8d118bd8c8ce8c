//! Florin: payments, ledger and billing as a resilient actor runtime.
//!
//! The rooms, and who may know whom (checked by `tests/tidy.rs`):
//!
//! | room | owns | knows |
//! | --- | --- | --- |
//! | `money` | currencies, amounts, decimal text | nobody |
//! | `ledger` | account rules: decide and apply | money |
//! | `protocol` | messages between actors, records, events, wire conversion | money, ledger |
//! | `store` | SQL, and only SQL | money, protocol |
//! | `messaging` | Kafka in and out, and only that | protocol |
//! | `actors` | one file per kind of actor | the rooms above |
//! | `supervision` | the tree, restart policy, health | actors |
//! | `gateway` | gRPC listeners, authentication, rate limit | talks to actors, reads through store |
//! | `telemetry` | logs, metrics, traces | nobody |
//! | `embedded` | a private PostgreSQL and a development broker | nobody |
//! | `cli` | the command line | everybody |
//! | `settings` | every setting: name, default, limits | nobody |

pub mod actors;
pub mod cli;
pub mod embedded;
pub mod faults;
pub mod gateway;
pub mod ledger;
pub mod messaging;
pub mod money;
pub mod protocol;
pub mod runtime;
pub mod settings;
pub mod store;
pub mod supervision;
pub mod telemetry;
