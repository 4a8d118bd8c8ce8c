//! The journal's rows and their places, as they are written and read back.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::record::{AccountId, TransactionId};

/// Bits of a place in its batch: 2^20 rows at most.
pub const PLACE_BITS: u32 = 20;
/// Bits of a batch's number in its partition: 2^24 batches at most.
pub const BATCH_BITS: u32 = 24;

/// The place of a batch's row; `n` counts from 0.
pub fn place(batch: i64, n: usize) -> i64 {
    (batch << PLACE_BITS) + i64::try_from(n).unwrap_or(0)
}

/// The batch after this one, or the first of the next partition.
pub fn next_batch(batch: i64, in_next_partition: bool) -> i64 {
    if in_next_partition { ((batch >> BATCH_BITS) + 1) << BATCH_BITS } else { batch + 1 }
}

/// The partition of a batch.
pub fn partition_of(batch: i64) -> i64 {
    batch >> BATCH_BITS
}

/// How a row stands; `journal.status`.
pub mod status {
    /// It took effect.
    pub const COMPLETED: i16 = 1;
    /// It was refused.
    pub const DECLINED: i16 = 2;
    /// A key that had no effect and never will.
    pub const RETIRED: i16 = 3;
}

/// A row of the journal. The transaction's own facts stand on its first (`n` is 0); the others have a posting each.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its place.
    pub seq: i64,
    /// Its transaction.
    pub id: TransactionId,
    /// Which posting of its transaction, from 0.
    pub n: i16,
    /// How many postings the transaction has.
    pub postings: i16,
    /// What Kafka hears of the transaction, by number; none: nothing.
    pub event: Option<i16>,
    /// [`super::record::Kind`] by number.
    pub kind: i16,
    /// See [`status`].
    pub status: i16,
    /// [`super::record::Api`] by number.
    pub api: i16,
    /// Whose money leaves or is held, or who is changed.
    pub debit: Option<AccountId>,
    /// Whose money it becomes.
    pub credit: Option<AccountId>,
    /// In minor units; none: nothing is posted.
    pub amount: Option<i128>,
    /// So much more is held on the debited account, or less, in minor units.
    pub held: Option<i128>,
    /// Balances after it, in minor units.
    pub debit_after: Option<i128>,
    /// Of the credited account.
    pub credit_after: Option<i128>,
    /// The hold that it takes from, the transaction that it gives back or undoes.
    pub follows: Option<Uuid>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// Whose it is.
    pub tenant: String,
    /// The caller's key.
    pub key_text: Option<String>,
    /// The caller's reference.
    pub reference: Option<String>,
    /// The caller's words.
    pub description: Option<String>,
    /// A JSON object of texts.
    pub metadata: Option<String>,
    /// The request's correlation id.
    pub correlation: Option<String>,
    /// A JSON object: what no column says.
    pub body: Option<serde_json::Value>,
}

impl Row {
    /// A text of the body.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.body.as_ref()?.get(field)?.as_str()
    }
}
