//! Rows of billing: documents that a record issues, and what it does to those that are issued.

use chrono::NaiveDate;

use crate::billing::invoice::{Settlement, Status};
use crate::money::{Amount, CurrencyCode};

/// What kind of document it is; the number in `invoices.document`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    Invoice = 1,
    CreditNote = 2,
}

impl DocumentKind {
    pub fn code(self) -> i16 {
        self as i16
    }

    /// `None`: no kind of document has this number.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Invoice, Self::CreditNote].into_iter().find(|kind| kind.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit_note",
        }
    }
}

/// A document to be issued, named as the table's columns. Its number is drawn by the batch that issues it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceRow {
    /// The draft that is issued, and its version; of version 0: a new document of this id. `None`: a new one of any id.
    pub draft: Option<(i64, i32)>,
    pub entity: String,
    pub document: DocumentKind,
    pub customer: String,
    /// The id of the order or the bill.
    pub source: Option<String>,
    pub currency: CurrencyCode,
    pub subtotal: Amount,
    pub tax: Amount,
    /// The sum of the two above.
    pub total: Amount,
    /// By when it is to be paid.
    pub due_on: Option<NaiveDate>,
    /// A JSON object: lines, taxes, terms.
    pub content: String,
    /// The invoice that a credit note corrects.
    pub corrects: Option<i64>,
    /// The fiscal year.
    pub year: i32,
    /// How its number is written.
    pub number_format: String,
    /// The currency of the books, and the total in it.
    pub booked: (CurrencyCode, Amount),
    /// Open, or paid if there is nothing to pay.
    pub status: Status,
    /// Whether its customer, if they have an address, gets it by mail.
    pub is_mailed: bool,
}

/// What changes an invoice that is issued; the number in `settlements.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettlementKind {
    Payment = 1,
    CreditNote = 2,
    WriteOff = 3,
    Void = 4,
    Uncollectible = 5,
    Overdue = 6,
}

impl SettlementKind {
    pub fn code(self) -> i16 {
        self as i16
    }

    /// `None`: no kind of change has this number.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Payment, Self::CreditNote, Self::WriteOff, Self::Void, Self::Uncollectible, Self::Overdue]
            .into_iter()
            .find(|kind| kind.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::CreditNote => "credit_note",
            Self::WriteOff => "write_off",
            Self::Void => "void",
            Self::Uncollectible => "uncollectible",
            Self::Overdue => "overdue",
        }
    }
}

/// A change of an invoice. If the invoice is not of this version any more, the record fails as
/// [`Abort::Exceeded`](crate::protocol::slip::Abort::Exceeded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementRow {
    pub invoice: i64,
    /// The version before it.
    pub version: i32,
    pub kind: SettlementKind,
    pub settlement: Settlement,
    /// The credit note that credits it.
    pub credit_note: Option<i64>,
}
