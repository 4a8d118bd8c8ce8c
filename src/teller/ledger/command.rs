//! Commands and their answers, in the words of no contract.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use smallvec::SmallVec;

use super::Deadline;
use crate::protocol::admission::Attempt;
use crate::protocol::movement::{Movement, Source};
use crate::protocol::record::{
    Api, BalancesAfter, DeclineCode, KeyHash, Maker, Posting, Record, RequestHash, RequestedPosting, TransactionId,
    now_micros,
};

/// Who asks, under which key, and what is said of it. Every field is within its limits.
#[derive(Clone, Debug)]
pub struct Request {
    pub tenant: Arc<str>,
    pub api: Api,
    /// Its transaction's id where that follows from all that is requested: it is the key, and never forgotten. `None`:
    /// it is drawn.
    pub id: Option<TransactionId>,
    /// The idempotency key as the caller gave it.
    pub key: Option<String>,
    /// This attempt under the key; `None`: there is no key.
    pub attempt: Option<Arc<Attempt>>,
    /// Tells a repeat from another request under the same key.
    pub identity: RequestHash,
    /// Free text of the caller.
    pub reference: Option<String>,
    /// Free text of the caller.
    pub description: Option<String>,
    /// A JSON object.
    pub metadata: Option<String>,
    pub correlation: Option<String>,
    pub maker: Maker,
    /// Those of its accounts that its caller chose: they are what the caller's rights are about. `None`: all that its
    /// postings name.
    pub chosen: Option<SmallVec<[String; 2]>>,
    pub deadline: Deadline,
    /// A decline for an account's own floor or ceiling binds the key: a repeat gets the same decline.
    pub declines_bind: bool,
    /// Whether the answer should have the balances after each posting.
    pub with_balances: bool,
}

/// A movement as requested. Whether it is right in itself, and what its accounts say, is not checked yet.
#[derive(Debug)]
pub struct Command {
    pub request: Request,
    pub movement: Box<dyn Movement>,
    /// At least one.
    pub postings: SmallVec<[RequestedPosting; 1]>,
}

/// A business answer: both kinds are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Completed {
        id: TransactionId,
        /// When it was accepted for processing.
        created_at: DateTime<Utc>,
        /// Whether it was done before, under the same key.
        replayed: bool,
        /// After each posting. `None`: not wanted, or not known without a read.
        balances: Option<Box<[BalancesAfter]>>,
    },
    /// Declined by a rule of money: it moved nothing.
    Declined {
        /// The id of the record of the decline.
        id: TransactionId,
        /// When it was accepted for processing.
        created_at: DateTime<Utc>,
        code: DeclineCode,
        /// For people.
        message: String,
    },
}

impl Request {
    /// One without a key and without words, whose answer is short.
    pub fn new(tenant: Arc<str>, api: Api, identity: RequestHash, maker: Maker, deadline: Deadline) -> Self {
        Self {
            tenant,
            api,
            id: None,
            key: None,
            attempt: None,
            identity,
            reference: None,
            description: None,
            metadata: None,
            correlation: None,
            maker,
            chosen: None,
            deadline,
            declines_bind: false,
            with_balances: false,
        }
    }

    /// `None`: the caller gave no key.
    pub(super) fn key_hash(&self) -> Option<KeyHash> {
        let given = || self.key.as_deref().map(|key| KeyHash::of(self.api, &self.tenant, key));
        self.id.map(KeyHash::own).or_else(given)
    }
}

impl Command {
    /// The record of it between the accounts that its postings name.
    pub(super) fn record(&self, postings: SmallVec<[Posting; 1]>) -> Record {
        self.filled(Record::of(&*self.movement, postings, self.source(self.request.id)))
    }

    /// The record of its decline, under an id of its own: the movement may take effect yet.
    pub(super) fn declined(&self, code: DeclineCode, message: String) -> Record {
        self.filled(Record::of_declined(&*self.movement, (code, message), self.postings.to_vec(), self.source(None)))
    }

    fn source(&self, id: Option<TransactionId>) -> Source {
        let Request { ref tenant, api, identity, deadline, .. } = self.request;
        let id = id.unwrap_or_else(TransactionId::draw);
        Source { id, tenant: tenant.clone(), api, request: identity, at: now_micros(), cutoff: deadline.at }
    }

    fn filled(&self, record: Record) -> Record {
        let request = &self.request;
        Record {
            key: request.key_hash().unwrap_or(record.key),
            key_text: request.key.clone(),
            reference: request.reference.clone(),
            description: request.description.clone(),
            metadata: request.metadata.clone(),
            correlation: request.correlation.clone(),
            maker: request.maker.clone(),
            with_balances: request.with_balances,
            ..record
        }
    }
}
