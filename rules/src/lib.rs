//! The rules of money: rooms that are plain functions of their arguments. They know no server, no clock, no chance and
//! no other package of ours; `florin` shows them under its own name (`florin::money`).

pub mod billing;
pub mod ledger;
pub mod money;
pub mod saga;
