//! Messages between actors, domain events and their conversion to the wire.

pub mod events;
