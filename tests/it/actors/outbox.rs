//! The outbox against real servers: PostgreSQL and Apache Kafka. Everything that is read from a topic is validated
//! against `schemas/`.

mod dead_letters;
mod exactly_once;
mod housekeeping;
mod lost_data;
mod order;
mod rig;
pub mod schemas;
mod served;
mod servers;
mod speed;
