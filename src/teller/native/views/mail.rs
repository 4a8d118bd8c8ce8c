//! Mails with invoices and credit notes.

use serde::Serialize;
use utoipa::ToSchema;

use super::name;
use crate::protocol::events::timestamp;
use crate::store::mails::documents::{MailRow, MailState};
use crate::teller::native::invoices::mails::Sent;

/// A mail with an invoice or a credit note.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    pub id: String,
    /// What it brings.
    pub invoice_id: String,
    pub to: String,
    /// `due`; `sent`: the mail server took it on; `dead`: it is not tried any more.
    #[serde(serialize_with = "name")]
    #[schema(value_type = String)]
    pub state: MailState,
    /// How often it was tried.
    pub attempts: i32,
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<MailRow> for Mail {
    fn from(row: MailRow) -> Self {
        Self {
            state: row.state(),
            id: row.id,
            invoice_id: row.document.to_string(),
            to: row.recipient,
            attempts: row.attempts,
            created_at: timestamp(row.created_at),
        }
    }
}

/// An invoice that is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentInvoice {
    pub mail: Mail,
    /// Whether the same request used the key before: the mail is as it is now.
    pub replayed: bool,
}

impl From<Sent> for SentInvoice {
    fn from(Sent { mail, replayed }: Sent) -> Self {
        Self { mail: mail.into(), replayed }
    }
}
