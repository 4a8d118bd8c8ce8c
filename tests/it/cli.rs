//! The binary as a user runs it.

mod binary;
mod events;
