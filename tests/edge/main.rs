//! The edge against real servers: API keys and schema on PostgreSQL, the metrics listener over HTTP, the binary as a user runs it.

mod api_keys;
mod binary;
mod events;
mod metrics_endpoint;
mod postgres;
mod schema;
mod traces;
