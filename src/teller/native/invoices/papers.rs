//! Invoices and credit notes on paper.

use super::get;
use crate::actors::press::{Language, Paper, PressError};
use crate::teller::call::Call;
use crate::teller::failure::{Failure, Noun};
use crate::teller::ledger::{Ledger, read_failure};

/// A PDF.
#[derive(Clone, Debug)]
pub struct Pdf {
    /// Of letters, digits and `. _ -` alone: the document's number, or `draft-ID`.
    pub file_name: String,
    pub bytes: Vec<u8>,
}

/// The PDF of a document, also of a draft: in the language of this tag, or else in its customer's, or else in English.
///
/// # Errors
/// `NotFound`, also where PDFs are not built in; `Invalid` for a tag that is none; `FailedPrecondition`: it cannot be
/// printed; `AtBound`; what kept it from being read.
pub async fn pdf(ledger: &Ledger, call: &Call, id: &str, language: Option<&str>) -> Result<Pdf, Failure> {
    let language = language.map(|tag| Language::of(tag).ok_or_else(|| Failure::Invalid(Language::unknown(tag))));
    let language = language.transpose()?;
    let paper = {
        let _place = ledger.enter_read()?; // not while it is printed, which has bounds of its own
        let row = get(ledger, &call.tenant, id).await?;
        let entity = row.entity.clone();
        let paper = Paper::of(&ledger.parts().pool, &call.tenant, row, language).await;
        paper.map_err(|error| read_failure(&error))?.ok_or_else(|| super::drafts::no_entity(&entity))?
    };
    let file_name = paper.file_name();
    let printed = ledger.parts().papers.press.print(paper).await.map_err(|error| unprinted(id, error))?;
    Ok(Pdf { file_name, bytes: printed.pdf })
}

pub(super) fn unprinted(id: &str, error: PressError) -> Failure {
    match error {
        PressError::NotBuilt => Failure::NotFound(Noun::Other, error.to_string()),
        PressError::Busy { max } => Failure::AtBound { max },
        PressError::Refused(why) => Failure::FailedPrecondition(format!("invoice {id} cannot be printed: {why}")),
    }
}
