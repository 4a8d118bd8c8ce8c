//! Mails that bring an invoice or a credit note, printed as it is now, in its customer's language.

use bytes::Bytes;
use sqlx::PgPool;

use crate::actors::press::{Paper, Press, PressError, Printed};
use crate::documents::mail::template::{Content, Document, Kind};
use crate::documents::mail::{Attachment, Mail, MailError};
use crate::protocol::record::DocumentKind;
use crate::store::StoreError;
use crate::store::billing::invoices;
use crate::store::mails::DueMail;

/// The mail with the document of this id.
///
/// # Errors
/// Why there is none now, or never.
pub async fn mail(pool: &PgPool, press: &Press, due: &DueMail, id: i64) -> Result<Mail, MailError> {
    let later = |error: StoreError| MailError::Transient { reply: format!("invoice {id} cannot be read: {error}") };
    let never = |reply: String| MailError::Permanent { reply };
    let row = invoices::get(pool, &due.tenant, id).await.map_err(later)?;
    let row = row.ok_or_else(|| never(format!("there is no invoice {id}")))?;
    let paper = Paper::of(pool, &due.tenant, row, None).await.map_err(later)?;
    let paper = paper.ok_or_else(|| never(format!("the legal entity of invoice {id} is not there")))?;
    if paper.customer.as_ref().is_some_and(|customer| customer.erased_at.is_some()) {
        return Err(never("the customer is erased".into()));
    }
    let printed = press.print(paper.clone()).await.map_err(|error| match error {
        PressError::Refused(why) => never(format!("invoice {id} cannot be printed: {why}")),
        PressError::NotBuilt | PressError::Busy { .. } => MailError::Transient { reply: error.to_string() },
    })?;
    let content = content(&paper, &printed);
    let attachment =
        Attachment { name: paper.file_name(), content_type: "application/pdf".into(), bytes: Bytes::from(printed.pdf) };
    Ok(Mail {
        message_id: super::message_id(due),
        to: due.recipient.clone(),
        to_name: paper.customer_name(),
        subject: content.subject,
        text: content.text,
        html: content.html,
        attachment: Some(attachment),
    })
}

/// What the mail says of its paper.
fn content(paper: &Paper, printed: &Printed) -> Content {
    let document = Document {
        seller: &paper.seller.name,
        name: &paper.customer_name(),
        number: paper.invoice.number.as_deref().unwrap_or_default(),
        date: &printed.issued_on,
        total: &printed.total,
        due: printed.due_on.as_deref(),
    };
    let kind = match paper.invoice.kind {
        DocumentKind::Invoice => Kind::Invoice,
        DocumentKind::CreditNote => Kind::CreditNote,
    };
    document.content(kind, paper.language)
}

#[cfg(all(test, feature = "pdf"))]
mod tests;
