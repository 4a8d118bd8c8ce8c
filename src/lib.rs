//! Florin: payments and a ledger as a resilient actor runtime.
//!
//! The rooms, and who may know whom (`tests/tidy` checks it on the imports):
//!
//! | room | owns | knows |
//! | --- | --- | --- |
//! | [`money`] | currencies, amounts, decimal text | nobody |
//! | [`ledger`] | account rules: decide, open, settle | money |
//! | [`billing`] | orders, tax, invoices, their postings: what an order comes to and what becomes of it | money |
//! | [`saga`] | movements that leave the ledger: their steps, their facts, what comes next | money |
//! | [`provider`] | the outside party that does a step of a saga: HTTP out, and only that | money, saga |
//! | [`documents`] | what leaves the house as a document: mails, files of exports, CSV | money |
//! | [`protocol`] | messages between actors, movements, records, events | money, ledger, saga |
//! | [`store`] | SQL, and only SQL | money, ledger, saga, protocol |
//! | [`messaging`] | Kafka in and out, and only that | protocol |
//! | [`resilience`] | restart policy, health, tasks | nobody |
//! | [`actors`] | one file per kind of actor | the rooms above; resilience; the names of metrics |
//! | [`supervision`] | the tree of actors | actors, store, messaging; the names of metrics |
//! | [`teller`] | the use cases without any wire: bounds of fields, commands, reads | actors, saga, protocol, store (to read) |
//! | [`admission`] | who may call, how often, over how many connections | teller (its failures), store, settings, telemetry |
//! | [`gateway`] | the wires, gRPC and REST: listeners, and the adapters of each contract | teller, admission, saga, protocol, store, telemetry |
//! | [`telemetry`] | logs, metrics, traces | settings |
//! | [`settings`] | every setting: name, default, limits | nobody |
//! | [`faults`] | named points at which tests make the product fail | nobody |
//! | [`runtime`] | all of it put together, started and drained | everybody |
//! | [`cli`] | the command line | everybody |
//!
//! The first four are the package `rules/` (florin-rules), so that the compiler keeps them pure. Beside the rooms stand
//! packages that know none:
//!
//! | package | owns | known to |
//! | --- | --- | --- |
//! | `wire/` | the gRPC contracts as Rust, generated from `proto/` | gateway, admission, cli; tests, benchmarks, clients |
//! | `servers/` | a private PostgreSQL, a development broker, a Redis for tests | cli (`florin dev`); tests, benchmarks |

pub mod actors;
pub mod admission;
pub mod cli;
pub mod documents;
pub mod faults;
pub mod gateway;
pub mod messaging;
pub mod protocol;
pub mod provider;
pub mod resilience;
pub mod runtime;
pub mod settings;
pub mod store;
pub mod supervision;
pub mod telemetry;
pub mod teller;

pub use florin_rules::{billing, ledger, money, saga};
