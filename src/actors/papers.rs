//! Invoices, credit notes and bills as PDF: what the books say, in the form in which `florin_pdf` prints it.

use florin_pdf::{Buyer, Document, Kind, Language, Line, PdfError, Renderer, Seller, TaxLine, check_logo};

use super::bills::InvoiceDocument;
use super::press::{Paper, Printed, Printer};
use crate::billing::invoice::Status;
use crate::money::{Amount, Rounding};
use crate::protocol::content::{self, Content};
use crate::protocol::record::DocumentKind;
use crate::store::billing::entities::LetterheadRow;

/// Prints papers. Made once: it reads its fonts.
pub struct Typesetter(Renderer);

impl Default for Typesetter {
    fn default() -> Self {
        Self(Renderer::new())
    }
}

impl Printer for Typesetter {
    fn bill(&self, bill: &InvoiceDocument) -> Result<Vec<u8>, String> {
        self.0.render(&gst_bill(bill)).map_err(|error| error.to_string())
    }

    fn paper(&self, paper: &Paper) -> Result<Printed, String> {
        let document = document(paper);
        let pdf = self.0.render(&document).map_err(|error| error.to_string())?;
        let language = document.language;
        Ok(Printed {
            pdf,
            issued_on: language.date(document.issued_on),
            due_on: document.due_on.map(|day| language.date(day)),
            total: language.money(document.total, document.exponent, &document.currency),
        })
    }

    fn check_logo(&self, logo: &[u8]) -> Result<(), String> {
        check_logo(logo).map_err(|error| match error {
            PdfError::Field { value, limit, .. } => format!("is {value}: it may be {limit}"),
            PdfError::Typst(_) => error.to_string(),
        })
    }
}

fn document(paper: &Paper) -> Document {
    let (invoice, content) = (&paper.invoice, &paper.invoice.content);
    let (exponent, balance) = (invoice.currency.exponent, &invoice.balance);
    Document {
        kind: match invoice.kind {
            DocumentKind::Invoice => Kind::Invoice,
            DocumentKind::CreditNote => Kind::CreditNote,
        },
        language: Language::from_tag(paper.language.tag()).unwrap_or(Language::English),
        number: invoice.number.clone().unwrap_or_else(|| "DRAFT".into()),
        issued_on: paper.issued_on,
        due_on: invoice.due_on.filter(|_| balance.status == Status::Open),
        seller: seller(&paper.seller, paper.seller.name.clone()),
        buyer: buyer(content, &invoice.customer),
        corrects: paper.corrects.clone(),
        currency: invoice.currency.code.to_string(),
        exponent,
        lines: content.lines.iter().map(|it| line(it, exponent, it.unit_price.clone())).collect(),
        taxes: taxes(content, exponent),
        subtotal: invoice.subtotal.minor_units(),
        tax: invoice.tax.minor_units(),
        total: balance.total.minor_units(),
        paid: balance.paid.minor_units(),
        due: balance.due().minor_units(),
        terms: None,
        note: content.note.clone(),
    }
}

/// A bill of a shop. In another currency than one of two decimals it is an ordinary invoice.
fn gst_bill(invoice: &InvoiceDocument) -> Document {
    let (bill, exponent) = (&invoice.bill, invoice.currency.exponent);
    let content = &bill.content;
    let is_gst = exponent == 2;
    Document {
        kind: if is_gst { Kind::GstBill } else { Kind::Invoice },
        language: Language::English,
        number: invoice.number.trim_start_matches('#').to_owned(),
        issued_on: invoice.issued_on,
        due_on: None,
        seller: seller(&invoice.seller, invoice.seller.name.to_uppercase()),
        buyer: buyer(content, ""),
        corrects: None,
        currency: invoice.currency.code.to_string(),
        exponent,
        lines: content.lines.iter().map(|it| line(it, exponent, two_decimals(&it.unit_price))).collect(),
        taxes: taxes(content, exponent),
        subtotal: bill.subtotal.minor_units(),
        tax: bill.tax.minor_units(),
        total: bill.total.minor_units(),
        paid: 0,
        due: bill.total.minor_units(),
        terms: None,
        note: content.note.clone(),
    }
}

fn seller(letterhead: &LetterheadRow, name: String) -> Seller {
    Seller {
        name,
        address: letterhead.address.clone(),
        tax_id: letterhead.tax_id.clone(),
        phone: letterhead.phone.clone(),
        email: letterhead.email.clone(),
        logo: letterhead.logo.clone(),
    }
}

fn buyer(content: &Content, customer: &str) -> Buyer {
    let Some(party) = &content.customer else {
        return Buyer { name: customer.to_owned(), ..Buyer::default() };
    };
    Buyer {
        name: party.name.clone(),
        customer_id: Some(party.id.clone()),
        address: party.address.clone(),
        tax_id: party.tax_id.clone(),
        phone: party.mobile.clone(),
        email: party.email.clone(),
    }
}

fn line(line: &content::Line, exponent: u8, unit_price: String) -> Line {
    let description = line.description.clone().filter(|text| !text.is_empty());
    Line {
        code: description.is_some().then(|| line.sku.clone()).filter(|sku| !sku.is_empty()),
        description: description.unwrap_or_else(|| line.sku.clone()),
        quantity: line.quantity.clone(),
        unit_price,
        net: units(&line.net, exponent),
        tax_rate: Some(line.tax_percent.clone()),
    }
}

fn taxes(content: &Content, exponent: u8) -> Vec<TaxLine> {
    let tax = |tax: &content::Tax| TaxLine {
        label: tax.treatment.replace('_', " "),
        rate: Some(tax.percent.clone()),
        net: units(&tax.net, exponent),
        tax: units(&tax.tax, exponent),
    };
    content.taxes.iter().map(tax).collect()
}

/// What was written by ourselves is read back as it was.
fn units(text: &str, exponent: u8) -> i128 {
    Amount::parse(text, exponent).map_or(0, Amount::minor_units)
}

/// A price as a bill shows it.
fn two_decimals(price: &str) -> String {
    let exact = price.parse().ok();
    let rounded = exact.and_then(|exact| Rounding::HalfAwayFromZero.amount(&exact, 2).ok());
    rounded.map_or_else(|| price.to_owned(), |amount| amount.text(2))
}
