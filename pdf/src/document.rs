//! What a caller hands over: amounts are counted, texts are chosen. Labels, separators and the order of a date are not.

use chrono::NaiveDate;

use crate::language::Language;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Invoice,
    CreditNote,
    /// The tax invoice of an Indian store: its texts are English, and its sums plain with two decimals.
    GstBill,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub kind: Kind,
    pub language: Language,
    /// As the books have it: a GST bill puts `#` before it.
    pub number: String,
    /// The PDF's date of creation as well.
    pub issued_on: NaiveDate,
    pub due_on: Option<NaiveDate>,
    pub seller: Seller,
    pub buyer: Buyer,
    /// The number of the invoice that a credit note corrects.
    pub corrects: Option<String>,
    /// Printed as it is: `EUR`.
    pub currency: String,
    /// Decimals of the currency.
    pub exponent: u8,
    pub lines: Vec<Line>,
    pub taxes: Vec<TaxLine>,
    /// Minor units, as all sums.
    pub subtotal: i128,
    pub tax: i128,
    pub total: i128,
    /// An invoice alone prints what is paid and due.
    pub paid: i128,
    pub due: i128,
    /// Terms of payment. Lines end with `\n`.
    pub terms: Option<String>,
    /// Lines end with `\n`.
    pub note: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seller {
    pub name: String,
    pub address: Vec<String>,
    pub tax_id: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    /// A PNG, or an SVG of shapes: `limits` says of which.
    pub logo: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buyer {
    pub name: String,
    pub customer_id: Option<String>,
    pub address: Vec<String>,
    pub tax_id: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub description: String,
    pub code: Option<String>,
    /// Decimal text: `-1.5`. All its decimals are printed, of a price at least those of the currency.
    pub quantity: String,
    pub unit_price: String,
    /// Minor units. A GST bill does not print it.
    pub net: i128,
    /// Per cent, as decimal text.
    pub tax_rate: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxLine {
    /// The category, in the customer's words.
    pub label: String,
    /// Per cent, as decimal text.
    pub rate: Option<String>,
    /// Minor units.
    pub net: i128,
    pub tax: i128,
}
