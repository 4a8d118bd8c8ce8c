//! The PDF of a bill: made by whoever can, kept in a folder under a name that is the same each time.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use futures::stream;
use sqlx::PgPool;
use tokio::sync::OnceCell;

use crate::actors::intake::Later;
use crate::actors::press::Printer;
use crate::documents::storage::{Storage, StorageError};
use crate::money::Currency;
use crate::store::billing::bills::IssuedBill;
use crate::store::billing::entities::{self, LetterheadRow};

/// What the PDF of a bill says.
#[derive(Clone, Debug)]
pub struct InvoiceDocument {
    pub seller: LetterheadRow,
    /// Such as `#17`.
    pub number: String,
    /// At the seller's place.
    pub issued_on: NaiveDate,
    pub currency: Currency,
    /// Its sums, its lines, and its customer as they were then.
    pub bill: IssuedBill,
}

/// Where PDFs are made and kept.
pub struct Papers {
    printer: Option<Arc<dyn Printer>>,
    folder: PathBuf,
    storage: OnceCell<Storage>,
}

impl Papers {
    pub fn new(printer: Option<Arc<dyn Printer>>, folder: PathBuf) -> Self {
        Self { printer, folder, storage: OnceCell::new() }
    }

    /// What stands at the head of the seller's papers.
    pub async fn letterhead(&self, pool: &PgPool, tenant: &str, entity: &str) -> Result<LetterheadRow, Later> {
        let found = entities::letterhead(pool, tenant, entity).await?;
        found.ok_or_else(|| Later(format!("legal entity {entity} is not there any more")))
    }

    /// Makes and keeps the PDF of a bill, and returns its path; empty: there is none, which keeps nobody's bill back.
    pub async fn print(&self, invoice: InvoiceDocument) -> Result<String, Later> {
        let Some(printer) = self.printer.clone() else { return Ok(String::new()) };
        let id = invoice.bill.id;
        let made = tokio::task::spawn_blocking(move || printer.bill(&invoice)).await;
        let bytes = match made.unwrap_or_else(|ended| Err(ended.to_string())) {
            Ok(bytes) => Bytes::from(bytes),
            Err(why) => {
                tracing::error!(invoice = id, why, "a bill goes without its PDF");
                return Ok(String::new());
            }
        };
        let later = |error: StorageError| Later(format!("a PDF cannot be kept: {error}"));
        let storage = self.storage.get_or_try_init(|| Storage::folder(&self.folder)).await.map_err(later)?;
        let name = format!("invoice-{id}.pdf");
        let whole = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
        match storage.put_once(&name, "application/pdf", whole).await {
            // one that was printed before is the one that the customer got
            Ok(_) | Err(StorageError::Differs { .. }) => {}
            Err(error) => return Err(later(error)),
        }
        let path = std::path::absolute(self.folder.join(name)).map_err(|error| Later(error.to_string()))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::press::{Paper, Printed};
    use crate::money::{Amount, CurrencyCode};
    use crate::protocol::content::Content;

    struct Writer(Result<&'static str, &'static str>);

    impl Printer for Writer {
        fn bill(&self, bill: &InvoiceDocument) -> Result<Vec<u8>, String> {
            self.0.map(|text| format!("{text} {}", bill.number).into_bytes()).map_err(str::to_owned)
        }

        fn paper(&self, _: &Paper) -> Result<Printed, String> {
            Err("no papers".into())
        }

        fn check_logo(&self, _: &[u8]) -> Result<(), String> {
            Err("no logos".into())
        }
    }

    fn invoice() -> InvoiceDocument {
        let content = r#"{"orderedAt":"2026-11-20T00:00:00Z","pricesIncludeTax":false,"lines":[],"taxes":[]}"#;
        InvoiceDocument {
            seller: LetterheadRow {
                name: "MAX Stores".into(),
                address: Vec::new(),
                tax_id: None,
                phone: None,
                email: None,
                logo: None,
            },
            number: "#17".into(),
            issued_on: NaiveDate::MIN,
            currency: Currency { code: CurrencyCode::parse("INR").unwrap(), exponent: 2 },
            bill: IssuedBill {
                id: 7,
                subtotal: Amount::ZERO,
                tax: Amount::ZERO,
                total: Amount::ZERO,
                issued_at: chrono::DateTime::UNIX_EPOCH,
                content: serde_json::from_str::<Content>(content).unwrap(),
            },
        }
    }

    #[tokio::test]
    async fn what_was_printed_first_stays_and_what_cannot_be_printed_keeps_nobody_back() {
        let folder = tempfile::tempdir().unwrap();
        let print = async |writer: Option<Writer>| {
            let printer = writer.map(|writer| Arc::new(writer) as Arc<dyn Printer>);
            Papers::new(printer, folder.path().join("documents")).print(invoice()).await
        };
        let path = print(Some(Writer(Ok("first")))).await.unwrap();
        assert_eq!(path, folder.path().join("documents/invoice-7.pdf").to_str().unwrap());
        assert_eq!(print(Some(Writer(Ok("second")))).await.unwrap(), path);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "first #17");
        assert_eq!(print(Some(Writer(Err("no font")))).await.unwrap(), "");
        assert_eq!(print(None).await.unwrap(), "");
        std::fs::write(folder.path().join("taken"), "").unwrap();
        let taken = Papers::new(Some(Arc::new(Writer(Ok("x")))), folder.path().join("taken"));
        assert!(taken.print(invoice()).await.is_err(), "the bill waits until there is a folder");
    }
}
