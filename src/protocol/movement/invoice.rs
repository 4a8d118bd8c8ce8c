//! A document is issued, or what was issued is paid, credited, given up or undone.

use chrono::{DateTime, Utc};

use serde::Serialize;

use super::Movement;
use crate::protocol::events::EventType;
use crate::protocol::record::{ExchangeRow, Follows, InvoiceRow, Kind, Posting, Rows, SettlementRow, TransactionId};

/// An invoice is issued: receivable to revenue and to tax.
#[derive(Clone, Debug)]
pub struct Invoice {
    pub row: Box<InvoiceRow>,
    /// The parked order that it bills.
    pub parked: Option<i64>,
}

impl Invoice {
    /// The rows of its record, whether or not it posts anything.
    pub fn all_rows(&self) -> Vec<Rows> {
        let released = self.parked.map(|parked| Rows::Released { parked });
        [Rows::Invoice(self.row.clone())].into_iter().chain(released).collect()
    }
}

impl Movement for Invoice {
    fn kind(&self) -> Kind {
        Kind::INVOICE
    }

    fn rows(&self, _: TransactionId, _: DateTime<Utc>, _: Posting) -> Vec<Rows> {
        self.all_rows()
    }

    fn event(&self) -> Option<EventType> {
        Some(EventType::InvoiceIssued)
    }

    fn may_be_stale(&self) -> bool {
        self.row.draft.is_some()
    }
}

/// Invoices that are issued change.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// What kind of movement that is.
    pub kind: Kind,
    pub event: EventType,
    pub rows: Vec<SettlementRow>,
    /// The credit note that is issued with it.
    pub credit_note: Option<Box<InvoiceRow>>,
    /// The rate at which a payment in another currency than that of the books is exchanged.
    pub rate: Option<ExchangeRow>,
    /// Of a payment: what the event says if it is declined. One for each of `rows`.
    pub paid: Vec<Paid>,
}

/// An invoice that is to be paid.
#[derive(Clone, Debug, Serialize)]
pub struct Paid {
    /// The number in `invoices.id`, as text.
    pub id: String,
    /// As it is written on the document.
    pub number: String,
    pub customer: String,
    /// The id of the order or the bill.
    pub order: Option<String>,
    /// Minor units, as text.
    pub amount: String,
}

impl Settlement {
    /// The rows of its record, whether or not it posts anything.
    pub fn all_rows(&self) -> Vec<Rows> {
        let issued = self.credit_note.iter().map(|row| Rows::Invoice(row.clone()));
        issued.chain(self.rows.iter().map(|row| Rows::Settlement(Box::new(row.clone())))).collect()
    }
}

impl Movement for Settlement {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn rows(&self, _: TransactionId, _: DateTime<Utc>, _: Posting) -> Vec<Rows> {
        self.all_rows()
    }

    fn follows(&self) -> Follows {
        self.rate.map_or(Follows::Nothing, Follows::Exchange)
    }

    fn event(&self) -> Option<EventType> {
        Some(self.event)
    }

    fn event_of_decline(&self) -> EventType {
        if self.paid.is_empty() { EventType::TransactionDeclined } else { EventType::InvoicePaymentFailed }
    }

    fn facts_of_decline(&self) -> Option<String> {
        (!self.paid.is_empty()).then(|| serde_json::json!({ "invoices": self.paid }).to_string())
    }

    fn may_be_stale(&self) -> bool {
        true
    }
}
