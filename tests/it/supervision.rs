//! Who leads, and what becomes of whoever does not.

mod lease;
mod takeover;
