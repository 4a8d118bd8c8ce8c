//! The use cases, over whichever wire.

mod exchanges;
mod holds;
mod openings;
mod operators;
mod random;
mod returns;
