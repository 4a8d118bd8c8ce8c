//! The outbox against real servers: PostgreSQL and Apache Kafka. Everything that is read from a topic is validated against `schemas/`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by its panic")]

mod dead_letters;
mod exactly_once;
mod housekeeping;
mod lost_data;
mod markers;
mod rig;
mod schemas;
mod servers;
mod speed;
