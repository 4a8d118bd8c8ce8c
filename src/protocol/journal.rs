//! The journal's rows and their places.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::events::EventType;
use super::record::{AccountId, Kind, TransactionId};

/// Bits of a row's position in its batch: a batch has at most 2^20 rows.
pub const PLACE_BITS: u32 = 20;
/// Bits of a batch's number in its partition: a partition has at most 2^24 batches.
pub const BATCH_BITS: u32 = 24;

/// The place of row `n` of a batch, counted from 0.
pub fn place(batch: i64, n: usize) -> i64 {
    (batch << PLACE_BITS) + i64::try_from(n).unwrap_or(0)
}

/// The number of the batch after this one; at a change of partition the first of the next.
pub fn next_batch(batch: i64, in_next_partition: bool) -> i64 {
    if in_next_partition { ((batch >> BATCH_BITS) + 1) << BATCH_BITS } else { batch + 1 }
}

/// The number of the partition that a batch is written to.
pub fn partition_of(batch: i64) -> i64 {
    batch >> BATCH_BITS
}

/// The number of the partition that a place is in.
pub fn partition_of_place(place: i64) -> i64 {
    place >> (PLACE_BITS + BATCH_BITS)
}

/// The first place of a partition.
pub fn first_place(partition: i64) -> i64 {
    partition << (PLACE_BITS + BATCH_BITS)
}

/// Values of the column `journal.status`.
pub mod status {
    pub const COMPLETED: i16 = 1;
    /// It was declined: nothing moved.
    pub const DECLINED: i16 = 2;
    /// A key that was retired: it had no effect and never will.
    pub const RETIRED: i16 = 3;
    pub const ALL: [i16; 3] = [COMPLETED, DECLINED, RETIRED];
}

/// A row of the journal. What belongs to the whole transaction stands on its first row (`n` is 0); each further row has
/// one more posting.
#[derive(Clone, Debug)]
pub struct Row {
    pub seq: i64,
    pub id: TransactionId,
    /// The number of its posting within the transaction, from 0.
    pub n: i16,
    /// How many postings the transaction has; 0: it moves no money.
    pub postings: i16,
    /// `None`: the transaction has no event.
    pub event: Option<EventType>,
    pub kind: Kind,
    /// The account whose money leaves or is held, or whose guards are changed.
    pub debit: Option<AccountId>,
    /// The account at which money arrives, or for which it is held.
    pub credit: Option<AccountId>,
    /// In minor units; `None`: the row posts nothing.
    pub amount: Option<i128>,
    /// By how much the held money of the debited account grows, in minor units; negative: it shrinks.
    pub held: Option<i128>,
    /// The debited account's balance after this row, in minor units.
    pub debit_after: Option<i128>,
    /// The credited account's balance after this row, in minor units.
    pub credit_after: Option<i128>,
    /// The hold that it captures or voids, or the transaction that it refunds or reverses.
    pub follows: Option<Uuid>,
    /// When the request was accepted for processing.
    pub created_at: DateTime<Utc>,
    pub tenant: String,
    /// The idempotency key as the caller gave it.
    pub key_text: Option<String>,
    /// Free text of the caller.
    pub reference: Option<String>,
    /// Free text of the caller.
    pub description: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    pub correlation: Option<String>,
    /// A JSON object of what no column says.
    pub body: Option<serde_json::Value>,
}

impl Row {
    /// A text field of the body; `None` when it is missing or no text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.body.as_ref()?.get(field)?.as_str()
    }
}
