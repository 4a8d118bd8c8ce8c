//! The measuring tool: what Florin does per second, how long each payment takes, what it costs, and the same of what
//! one would build instead.
//!
//! | room | owns |
//! | --- | --- |
//! | [`address`] | loopback only: load goes nowhere else |
//! | [`mix`] | which account pays which, and how much: the n-th payment of a seed is always the same |
//! | [`outcome`] | what became of each payment; nothing is left uncounted |
//! | [`record`] | latencies and counts of one run |
//! | [`run`] | the closed loop and the open loop |
//! | [`grpc`], [`batch`], [`holds`] | the client's side of payment.v1, of florin.v1's batches, and of its holds |
//! | [`rest`] | the client's side of transfers over REST |
//! | [`balances`] | asks for balances |
//! | [`history`] | an account with a long history, and pages of it |
//! | [`database`] | makes databases |
//! | [`seed`] | the accounts that a run pays from |
//! | [`baseline`] | what one would build instead |
//! | [`process`] | CPU time and memory, from `/proc` |
//! | [`bench`] | servers, rounds, one run |
//! | [`report`] | runs, ratios and floors, for programs and for people |
//! | [`cli`] | the command line |
#![expect(clippy::float_arithmetic, reason = "figures of measurements, never money")]

pub mod address;
pub mod balances;
pub mod baseline;
pub mod batch;
pub mod bench;
pub mod cli;
pub mod database;
pub mod grpc;
pub mod history;
pub mod holds;
pub mod mix;
pub mod outcome;
pub mod process;
pub mod record;
pub mod report;
pub mod rest;
pub mod run;
pub mod seed;
