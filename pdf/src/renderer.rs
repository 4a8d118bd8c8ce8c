use std::fmt::Write;

use chrono::Datelike;
use sha2::{Digest, Sha256};
use typst::diag::SourceDiagnostic;
use typst::foundations::{Bytes, Datetime, Smart};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, Timestamp};

use crate::document::{Document, Kind};
use crate::error::PdfError;
use crate::limits;
use crate::view::View;
use crate::world::{DocumentWorld, Shelf};

/// How many documents ago a result of typst was used last when it is dropped: a logo stays decoded for the next one.
const CACHED_DOCUMENTS_MAX: usize = 4;
/// Lines of a document after which nothing stays: a line is 30 kB in the cache.
const CACHED_LINES_MAX: usize = 200;

/// Holds the parsed fonts. One does for the whole process, from any number of threads.
pub struct Renderer {
    shelf: Shelf,
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new()
    }
}

impl Renderer {
    /// Parses the fonts: some milliseconds.
    pub fn new() -> Self {
        Self { shelf: Shelf::new() }
    }

    /// The PDF of a document. It computes from some milliseconds up to seconds (`limits::LINES_MAX`), so an async
    /// caller needs a thread for it. The same document gives the same bytes.
    ///
    /// # Errors
    /// [`PdfError::Field`] if something in the document is not printed.
    pub fn render(&self, document: &Document) -> Result<Vec<u8>, PdfError> {
        limits::check(document)?;
        let pdf = self.typeset(document);
        comemo::evict(if document.lines.len() > CACHED_LINES_MAX { 0 } else { CACHED_DOCUMENTS_MAX });
        pdf
    }

    fn typeset(&self, document: &Document) -> Result<Vec<u8>, PdfError> {
        let texts = serde_json::to_vec(&View::of(document)).map_err(|error| PdfError::Typst(error.to_string()))?;
        let options = PdfOptions {
            ident: Smart::Custom(identity(&texts, document.seller.logo.as_deref())),
            creator: Smart::Custom(Some("Florin".to_owned())),
            timestamp: timestamp(document),
            ..PdfOptions::default()
        };
        let pages = self.pages(document, texts)?;
        typst_pdf::pdf(&pages, &options).map_err(|errors| refused(&errors))
    }

    pub(crate) fn pages(&self, document: &Document, texts: Vec<u8>) -> Result<PagedDocument, PdfError> {
        let world = DocumentWorld {
            shelf: &self.shelf,
            is_gst_bill: document.kind == Kind::GstBill,
            texts: Bytes::new(texts),
            logo: document.seller.logo.clone().map(Bytes::new),
        };
        typst::compile(&world).output.map_err(|errors| refused(&errors))
    }
}

/// What is printed, as a hash: the PDF's id follows from it.
fn identity(texts: &[u8], logo: Option<&[u8]>) -> String {
    let digest = Sha256::new().chain_update(texts).chain_update(logo.unwrap_or_default()).finalize();
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The day of issue at 00:00 UTC.
fn timestamp(document: &Document) -> Option<Timestamp> {
    let day = document.issued_on;
    let (month, of_month) = (u8::try_from(day.month()).ok()?, u8::try_from(day.day()).ok()?);
    Datetime::from_ymd_hms(day.year(), month, of_month, 0, 0, 0).map(Timestamp::new_utc)
}

fn refused(errors: &[SourceDiagnostic]) -> PdfError {
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    PdfError::Typst(messages.join("; "))
}
