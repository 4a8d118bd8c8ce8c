//! Makes the PDF of an invoice, a credit note or a GST bill, in-process with typst.
//!
//! It owns the templates, the fonts, the labels of each language and the form of numbers and dates. It decides no
//! amount, knows no other package of ours, and reads neither clock, files nor network: the same [`Document`] gives the
//! same bytes on every machine.
//!
//! | module | what it owns |
//! | --- | --- |
//! | `document` | what a caller hands over: plain data |
//! | `limits` | how much of it is printed, and what is refused |
//! | `logo` | which pictures are taken |
//! | `language` | labels, amounts and dates by language |
//! | `view` | the texts as the template gets them |
//! | `world` | what typst may see: two templates, the texts, the logo, the fonts |
//! | `renderer` | from a document to bytes |

mod document;
mod error;
mod language;
pub mod limits;
mod logo;
mod renderer;
mod view;
mod world;

pub use self::document::{Buyer, Document, Kind, Line, Seller, TaxLine};
pub use self::error::PdfError;
pub use self::language::Language;
pub use self::logo::check as check_logo;
pub use self::renderer::Renderer;

#[cfg(test)]
extern crate self as florin_pdf;
#[cfg(test)]
mod tests;
