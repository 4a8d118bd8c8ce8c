//! All that an invoice or a credit note says on paper.

use chrono::NaiveDate;
use sqlx::PgPool;

use super::Language;
#[cfg(test)]
use crate::billing::invoice::{Balance, Status};
use crate::billing::registration::full_name;
#[cfg(test)]
use crate::money::{Amount, Currency, CurrencyCode};
#[cfg(test)]
use crate::protocol::record::DocumentKind;
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

#[cfg(test)]
impl Paper {
    /// One of EUR 1,180.00 that Ada Lovelace gets.
    pub fn sample(kind: DocumentKind, language: Language) -> Self {
        let content = r#"{
            "orderedAt": "2026-11-20T10:00:00Z", "pricesIncludeTax": false, "customer": { "id": "c-1", "name": "Ada Lovelace" },
            "lines": [{
                "sku": "", "description": "Consulting", "quantity": "10", "unitPrice": "100", "treatment": "standard",
                "taxPercent": "18", "net": "1000.00", "tax": "180.00"
            }],
            "taxes": [{ "treatment": "standard", "percent": "18", "net": "1000.00", "tax": "180.00" }]
        }"#;
        let units = |units| Amount::new(units).unwrap();
        let is_invoice = kind == DocumentKind::Invoice;
        let balance = Balance::issued(units(1_180_00));
        let invoice = InvoiceRow {
            id: 17,
            entity: "default".into(),
            kind,
            customer: "c-1".into(),
            source: None,
            currency: Currency { code: CurrencyCode::parse("EUR").unwrap(), exponent: 2 },
            subtotal: units(1_000_00),
            tax: units(180_00),
            due_on: NaiveDate::from_ymd_opt(2026, 12, 4).filter(|_| is_invoice),
            content: serde_json::from_str(content).unwrap(),
            corrects: (!is_invoice).then_some(16),
            number: Some(if is_invoice { "INV-2026-000017" } else { "CN-2026-000003" }.into()),
            issued_at: None,
            book_currency: "EUR".into(),
            version: 2,
            balance: if is_invoice { balance } else { Balance { status: Status::Paid, ..balance } },
            overdue_at: None,
        };
        let seller = LetterheadRow {
            name: "Analytical Engines".into(),
            address: vec!["12 St James's Square".into()],
            tax_id: None,
            phone: None,
            email: None,
            logo: None,
        };
        let issued_on = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        Self { invoice, seller, issued_on, corrects: None, customer: None, language }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_numbers_without_what_a_header_or_a_folder_could_mistake() {
        for (number, name) in [
            (Some("INV-2026-000017"), "INV-2026-000017.pdf"),
            (Some("A/2026/7"), "A-2026-7.pdf"),
            (Some("../\"\r\n7"), "7.pdf"),
            (Some("№7"), "7.pdf"),
            (Some("№№"), "invoice-17.pdf"),
            (None, "draft-17.pdf"),
        ] {
            let mut paper = Paper::sample(DocumentKind::Invoice, Language::English);
            paper.invoice.number = number.map(str::to_owned);
            assert_eq!(paper.file_name(), name, "{number:?}");
        }
    }

    #[test]
    fn customers_are_called_as_they_were_then_or_by_their_id() {
        let mut paper = Paper::sample(DocumentKind::Invoice, Language::English);
        assert_eq!(paper.customer_name(), "Ada Lovelace");
        paper.invoice.content.customer = None;
        assert_eq!(paper.customer_name(), "c-1");
    }
}
