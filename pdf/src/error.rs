/// Why there is no PDF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    /// The document is not one that is printed.
    #[error("{field} is {value}: it may be {limit}")]
    Field {
        /// As a path: `lines[3].quantity`.
        field: String,
        /// What it is, or how long it is.
        value: String,
        /// What it may be.
        limit: String,
    },
    /// Typst refused what was checked before: a bug of this package.
    #[error("typst refused the document: {0}")]
    Typst(String),
}

impl PdfError {
    pub(crate) fn field(field: impl Into<String>, value: impl ToString, limit: impl ToString) -> Self {
        Self::Field { field: field.into(), value: value.to_string(), limit: limit.to_string() }
    }
}
