//! All that an invoice or a credit note says on paper.

use chrono::NaiveDate;
use sqlx::PgPool;

use super::Language;
use crate::billing::registration::full_name;
use crate::store::StoreError;
use crate::store::billing::customers::{self, CustomerRow};
use crate::store::billing::entities::{self, LetterheadRow};
use crate::store::billing::invoices::{self, InvoiceRow};

/// An invoice or a credit note as it is printed.
#[derive(Clone, Debug)]
pub struct Paper {
    pub invoice: InvoiceRow,
    pub seller: LetterheadRow,
    /// The day at the seller's place; of a draft the day on which it was written.
    pub issued_on: NaiveDate,
    /// The number of the invoice that a credit note corrects.
    pub corrects: Option<String>,
    /// As they are now; `None`: nothing is known of them.
    pub customer: Option<CustomerRow>,
    pub language: Language,
}

impl Paper {
    /// The paper of a document, in this language, or else in its customer's, or else in English. `None`: its legal entity
    /// is not there.
    ///
    /// # Errors
    /// Any failure of the statements.
    pub async fn of(
        pool: &PgPool,
        tenant: &str,
        invoice: InvoiceRow,
        language: Option<Language>,
    ) -> Result<Option<Self>, StoreError> {
        let seller = entities::letterhead(pool, tenant, &invoice.entity).await?;
        let entity = entities::get(pool, tenant, &invoice.entity).await?;
        let Some((seller, entity)) = seller.zip(entity) else { return Ok(None) };
        let corrects = match invoice.corrects {
            Some(id) => invoices::get(pool, tenant, id).await?.and_then(|corrected| corrected.number),
            None => None,
        };
        let customer = customers::get(pool, tenant, &invoice.customer).await?;
        let theirs = customer.as_ref().and_then(|customer| Language::of(&customer.language));
        Ok(Some(Self {
            issued_on: entity.today(invoice.issued_at.unwrap_or(invoice.content.ordered_at)),
            language: language.or(theirs).unwrap_or(Language::English),
            invoice,
            seller,
            corrects,
            customer,
        }))
    }

    /// A name for its file, of letters, digits and `. _ -` alone: the document's number, or `draft-ID`.
    pub fn file_name(&self) -> String {
        let id = self.invoice.id;
        let Some(number) = &self.invoice.number else { return format!("draft-{id}.pdf") };
        let safe = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
        let name: String = number.chars().map(safe).collect();
        match name.trim_matches(['.', '-']) {
            "" => format!("invoice-{id}.pdf"),
            name => format!("{name}.pdf"),
        }
    }

    /// Who gets it, as they were called when it was written, or else are called now.
    pub fn customer_name(&self) -> String {
        let then = self.invoice.content.customer.as_ref().map(|party| party.name.clone());
        let now = self.customer.iter().map(|it| full_name([&it.first_name, &it.middle_name, &it.last_name]));
        then.into_iter().chain(now).find(|name| !name.is_empty()).unwrap_or_else(|| self.invoice.customer.clone())
    }
}
