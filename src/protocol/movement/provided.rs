//! Movements through the provider. Each starts a saga: the order, the hold and the first facts are rows of one record.

use chrono::{DateTime, Utc};

use super::{Approval, Movement};
use crate::protocol::events::EventType;
use crate::protocol::record::{FactRow, Kind, Posting, RequestHash, Rows, TransactionId};
use crate::saga::{Fact, Order, Status, Step};

/// Money leaves through the provider: it is held, and the saga sends it out. It posts nothing yet.
#[derive(Clone, Debug)]
pub struct Payout {
    pub order: Order,
    /// When what is held is released, whatever has become of the saga.
    pub expires_at: DateTime<Utc>,
}

/// Money comes in through the provider: the saga takes it from a card. Nothing has moved yet.
#[derive(Clone, Debug)]
pub struct CardTopup {
    pub order: Order,
}

impl Movement for Payout {
    fn kind(&self) -> Kind {
        Kind::PAYOUT
    }

    fn rows(&self, id: TransactionId, at: DateTime<Utc>, first: Posting) -> Vec<Rows> {
        let Posting { debit, credit, amount } = first;
        let held = Fact::Done { step: Step::Hold, undo: false, reference: None };
        let hold = Rows::Hold { debit, credit, amount, expires_at: self.expires_at };
        [hold].into_iter().chain(started(id, at, &[Fact::Started(self.order.clone()), held])).collect()
    }

    fn event(&self) -> Option<EventType> {
        Some(EventType::HoldAuthorized)
    }

    fn approval(&self) -> Approval {
        Approval::Payer
    }

    fn moves_outside_first(&self) -> bool {
        true
    }
}

impl Movement for CardTopup {
    fn kind(&self) -> Kind {
        Kind::CARD_TOPUP
    }

    fn rows(&self, id: TransactionId, at: DateTime<Utc>, _: Posting) -> Vec<Rows> {
        started(id, at, &[Fact::Started(self.order.clone())])
    }

    fn event(&self) -> Option<EventType> {
        None
    }

    fn approval(&self) -> Approval {
        Approval::Payee
    }

    fn moves_outside_first(&self) -> bool {
        true
    }
}

impl Payout {
    pub fn request(order: &Order) -> RequestHash {
        request(Kind::PAYOUT, order)
    }
}

impl CardTopup {
    pub fn request(order: &Order) -> RequestHash {
        request(Kind::CARD_TOPUP, order)
    }
}

fn request(kind: Kind, order: &Order) -> RequestHash {
    RequestHash::of(&[
        kind.as_str().as_bytes(),
        order.account.as_bytes(),
        order.currency.as_bytes(),
        &order.amount.minor_units().to_le_bytes(),
        order.instrument.as_bytes(),
        order.reference.as_deref().unwrap_or_default().as_bytes(),
    ])
}

/// The rows of a saga that begins with these facts, the first of which is its order.
fn started(id: TransactionId, at: DateTime<Utc>, facts: &[Fact]) -> Vec<Rows> {
    let Some(Fact::Started(order)) = facts.first() else { return Vec::new() };
    let row = |(n, fact): (i32, &Fact)| {
        let body = serde_json::to_string(fact).unwrap_or_default(); // texts and integers encode
        Rows::Fact(FactRow { saga: id, n, body, status: Status::Processing.code(), wake_at: Some(at), asked: None })
    };
    [Rows::Saga { workflow: order.workflow.code() }].into_iter().chain((1..).zip(facts).map(row)).collect()
}
