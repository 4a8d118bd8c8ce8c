//! The edge against real servers: API keys and schema on PostgreSQL, the metrics listener over HTTP, the binary as a user runs it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod api_keys;
mod binary;
mod events;
mod metrics_endpoint;
mod mutual_tls;
mod postgres;
mod schema;
mod traces;
