//! The actors: thin shells that decide, hand over, settle on commit and reply. The rules are in the pure rooms.

pub mod account;
pub mod accounts;
pub mod auditor;
pub mod bills;
pub mod dispatch;
pub mod expiry;
pub mod exports;
pub mod feed;
pub mod house;
pub mod housekeeping;
pub mod intake;
pub mod invoices;
pub mod issue;
pub mod journal;
pub mod leadership;
pub mod mailer;
pub mod node;
pub mod notices;
pub mod orders;
pub mod outbox;
pub mod overdue;
#[cfg(feature = "pdf")]
pub mod papers;
pub mod posting;
pub mod saga;
pub mod users;
