//! Movements of money: one type each, in a file of its own, with its kind, what makes two requests for it the same, its
//! effect and its event. A movement is complete before a record is made of it.

mod capture;
mod exchange;
mod hold;
mod invoice;
mod provided;
mod recorded;
mod refund;
mod reversal;
mod transfer;
mod void;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use smallvec::SmallVec;

use super::events::EventType;
use super::record::{
    Api, Body, DeclineCode, Follows, Kind, Posting, Record, RequestHash, RequestedPosting, Rows, TransactionId,
};
use crate::money::Amount;

pub use self::capture::Capture;
pub use self::exchange::Exchange;
pub use self::hold::Hold;
pub use self::invoice::{Invoice, Paid, Settlement};
pub use self::provided::{CardTopup, Payout};
pub use self::recorded::Recorded;
pub use self::refund::Refund;
pub use self::reversal::Reversal;
pub use self::transfer::Transfer;
pub use self::void::Void;

/// What sets one movement apart from the others.
pub trait Movement: Debug + Send + Sync {
    fn kind(&self) -> Kind;

    /// The rows that its record brings beside its postings. `id` and `at` are the record's; `first` is its first
    /// posting.
    fn rows(&self, _id: TransactionId, _at: DateTime<Utc>, _first: Posting) -> Vec<Rows> {
        Vec::new()
    }

    /// What its record refers to, whether it is done or declined.
    fn follows(&self) -> Follows {
        Follows::Nothing
    }

    /// The event of one that is done; `None`: nothing has moved yet.
    fn event(&self) -> Option<EventType> {
        Some(EventType::TransactionPosted)
    }

    /// The event of one that is declined. The payment events are a contract.
    fn event_of_decline(&self) -> EventType {
        EventType::TransactionDeclined
    }

    /// What the body of its decline says beside: a JSON object.
    fn facts_of_decline(&self) -> Option<String> {
        None
    }

    /// Whose accounts must approve it.
    fn approval(&self) -> Approval {
        Approval::All
    }

    /// Whether money moves outside before its postings are written. Then all of its accounts say first whether they
    /// would take them, though only some must approve what is written now.
    fn moves_outside_first(&self) -> bool {
        false
    }

    /// The transaction that it gives back, and how much of it; `first` is the amount of its first posting.
    fn gives_back(&self, _first: Amount) -> Option<(TransactionId, Amount)> {
        None
    }

    /// The decline of one that takes more than is left of what it refers to.
    fn exceeded(&self) -> (DeclineCode, String) {
        (DeclineCode::LimitExceeded, "More than there is".into())
    }

    /// Whether its amount may be more than is left by now, so that an account that refuses it is no reason to decline it:
    /// who decided reads again.
    fn is_amount_doubtful(&self) -> bool {
        false
    }

    /// Whether it was decided on rows that may have changed since. Then it is not declined but interrupted: who decided
    /// may decide again.
    fn may_be_stale(&self) -> bool {
        false
    }
}

/// Whose accounts must approve a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Those of all its postings.
    All,
    /// The payer's: nobody is paid yet.
    Payer,
    /// The payee's: nobody pays yet.
    Payee,
}

impl dyn Movement + '_ {
    /// Whether its postings are postings of the ledger. If not, they only say between whom and how much.
    pub fn posts(&self) -> bool {
        !Kind::WITHOUT_POSTINGS.contains(&self.kind())
    }

    /// The event that its record is published as; `None`: none. The payment events are a contract.
    pub fn published(&self, api: Api, is_declined: bool) -> Option<EventType> {
        match (api, is_declined) {
            (Api::PaymentV1, true) => Some(EventType::PaymentDeclined),
            (Api::PaymentV1, false) => Some(EventType::PaymentAuthorized),
            (_, true) => Some(self.event_of_decline()),
            (_, false) => self.event(),
        }
    }
}

/// What the record of a movement is made from, beside the movement.
#[derive(Clone, Debug)]
pub struct Source {
    pub id: TransactionId,
    pub tenant: Arc<str>,
    pub api: Api,
    pub request: RequestHash,
    /// When it was accepted for processing.
    pub at: DateTime<Utc>,
    /// After this it may no longer be written for the first time.
    pub cutoff: Instant,
}

impl Record {
    /// The record of a movement that takes effect, under its own id as its key.
    pub fn of(movement: &dyn Movement, postings: SmallVec<[Posting; 1]>, source: Source) -> Self {
        let rows = postings.first().map_or_else(Vec::new, |first| movement.rows(source.id, source.at, *first));
        let postings = if movement.posts() { postings } else { SmallVec::new() };
        Self { rows, ..Self::about(movement, Body::Postings(postings), source) }
    }

    /// The record of a movement that changes rows and posts nothing, under its own id as its key: a row of the journal,
    /// but no transaction.
    pub fn of_fact(movement: &dyn Movement, kind: Kind, rows: Vec<Rows>, source: Source) -> Self {
        Self { kind, rows, ..Self::about(movement, Body::Postings(SmallVec::new()), source) }
    }

    /// The record of a movement that is declined, under its own id as its key.
    pub fn of_declined(
        movement: &dyn Movement,
        (code, message): (DeclineCode, String),
        postings: Vec<RequestedPosting>,
        source: Source,
    ) -> Self {
        let body = Body::Declined { code, message, postings };
        Self { facts: movement.facts_of_decline(), ..Self::about(movement, body, source) }
    }

    fn about(movement: &dyn Movement, body: Body, source: Source) -> Self {
        let Source { id, tenant, api, request, at, cutoff } = source;
        Self {
            created_at: at,
            event: movement.published(api, matches!(body, Body::Declined { .. })),
            follows: movement.follows(),
            body,
            ..Self::new(id, tenant, api, movement.kind(), request, cutoff)
        }
    }
}
