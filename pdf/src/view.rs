//! A document as the template gets it: every text final, so that the template only places them.

use std::borrow::Cow;

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

use crate::document::{Buyer, Document, Kind, Line, Seller};
use crate::language::{self, Labels, Language};
use crate::logo;

/// Graphemes of a word after which it may break anywhere: such a word is an id or an attack, and wider than its column.
const WORD_MAX: usize = 24;
/// A zero-width space.
const BREAK: char = '\u{200b}';
const MARKS: &str = "@._/&=?:;,";

#[derive(Serialize)]
pub struct View {
    gst: bool,
    lang: &'static str,
    rtl: bool,
    labels: &'static Labels,
    title: &'static str,
    number: String,
    seller: PartyView,
    buyer: PartyView,
    /// `png`, `svg`, or none.
    logo: Option<&'static str>,
    facts: Vec<Fact>,
    /// Label, amount with its currency, and a date where one is due.
    highlight: (&'static str, String, Option<String>),
    columns: Vec<Column>,
    /// A cell per column.
    rows: Vec<Vec<String>>,
    /// Points of the letters in the table: smaller for wide numbers.
    size: &'static str,
    taxes: Vec<[String; 4]>,
    /// Label and amount.
    sums: Vec<(&'static str, String)>,
    /// The last of the sums, with its currency.
    sum: (&'static str, String),
    terms: Vec<String>,
    note: Vec<String>,
}

#[derive(Serialize)]
struct PartyView {
    name: String,
    address: Vec<String>,
    tax_id: Option<String>,
    customer_id: Option<String>,
    phone: Option<String>,
    email: Option<String>,
}

#[derive(Serialize)]
struct Fact {
    label: &'static str,
    value: String,
    /// A code: from left to right in every language.
    code: bool,
}

#[derive(Serialize)]
struct Column {
    label: &'static str,
    /// Aligned at the right, and from left to right in every language.
    number: bool,
    /// Parts of the width that the columns without parts leave.
    parts: u8,
}

impl View {
    pub fn of(document: &Document) -> Self {
        let gst = document.kind == Kind::GstBill;
        let language = if gst { Language::English } else { document.language };
        let labels = Labels::of(language);
        let (columns, rows) = if gst { gst_table(document) } else { table(document, language, labels) };
        let money = |minor| language::money(language, minor, document.exponent, &clean(&document.currency));
        let due_on = document.due_on.map(|due_on| language::date(language, due_on));
        let (sums, sum) = sums(document, language, labels);
        Self {
            gst,
            lang: language.code(),
            rtl: language.is_right_to_left(),
            labels,
            title: match document.kind {
                Kind::Invoice => labels.invoice,
                Kind::CreditNote => labels.credit_note,
                Kind::GstBill => "TAX INVOICE / BILL OF SUPPLY",
            },
            number: breakable(&document.number),
            seller: seller(&document.seller),
            buyer: buyer(&document.buyer),
            logo: document.seller.logo.as_deref().map(logo::format),
            facts: facts(document, language, labels),
            highlight: match document.kind {
                Kind::CreditNote => (labels.credited, money(document.total), None),
                Kind::Invoice | Kind::GstBill => (labels.due, money(document.due), due_on),
            },
            size: match width(&columns, &rows) {
                0..=48 => "9pt",
                49..=66 => "7pt",
                _ => "5.5pt",
            },
            columns,
            rows,
            taxes: taxes(document, language),
            sums,
            sum,
            terms: paragraphs(document.terms.as_ref()),
            note: paragraphs(document.note.as_ref()),
        }
    }
}

fn facts(document: &Document, language: Language, labels: &'static Labels) -> Vec<Fact> {
    let date = |label, date| Fact { label, value: language::date(language, date), code: false };
    let code = |label, code: &String| Fact { label, value: breakable(code), code: true };
    let mut facts = vec![date(labels.issued_on, document.issued_on)];
    facts.extend(document.due_on.map(|due_on| date(labels.due_on, due_on)));
    facts.extend(document.corrects.as_ref().map(|corrects| code(labels.corrects, corrects)));
    facts.extend(document.buyer.customer_id.as_ref().map(|id| code(labels.customer_id, id)));
    facts
}

/// Columns that no line fills are left out.
fn table(document: &Document, language: Language, labels: &'static Labels) -> (Vec<Column>, Vec<Vec<String>>) {
    let codes = document.lines.iter().any(|line| line.code.is_some());
    let rates = document.lines.iter().any(|line| line.tax_rate.is_some());
    let number = |label| Column { label, number: true, parts: 0 };
    let mut columns = vec![Column { label: labels.description, number: false, parts: 2 }];
    columns.extend(codes.then_some(Column { label: labels.code, number: false, parts: code_parts(document) }));
    columns.extend([number(labels.quantity), number(labels.unit_price)]);
    columns.extend(rates.then(|| number(labels.tax_rate)));
    columns.push(number(labels.amount));

    let row = |line: &Line| {
        let mut cells = vec![breakable(&line.description)];
        cells.extend(codes.then(|| breakable(line.code.as_deref().unwrap_or_default())));
        cells.push(language::decimal(language, &line.quantity, 0));
        cells.push(language::decimal(language, &line.unit_price, document.exponent));
        let rate = line.tax_rate.as_ref().map(|rate| language::percent(language, rate));
        cells.extend(rates.then(|| rate.unwrap_or_default()));
        cells.push(language::amount(language, line.net, document.exponent));
        cells
    };
    (columns, document.lines.iter().map(row).collect())
}

fn gst_table(document: &Document) -> (Vec<Column>, Vec<Vec<String>>) {
    let columns = vec![
        Column { label: "ITEM NAME", number: false, parts: 2 },
        Column { label: "ITEM CODE", number: false, parts: code_parts(document) },
        Column { label: "QTY", number: true, parts: 0 },
        Column { label: "PRICE", number: true, parts: 0 },
    ];
    let row = |line: &Line| {
        let (whole, decimals) = line.unit_price.split_once('.').unwrap_or((&line.unit_price, ""));
        vec![
            breakable(&line.description),
            breakable(line.code.as_deref().unwrap_or_default()),
            line.quantity.clone(),
            format!("{whole}.{decimals:0<2}"),
        ]
    };
    (columns, document.lines.iter().map(row).collect())
}

/// A long code shares the description's width, a short one has its own.
fn code_parts(document: &Document) -> u8 {
    let codes = document.lines.iter().filter_map(|line| line.code.as_ref());
    u8::from(codes.map(|code| code.chars().count()).max() > Some(20))
}

/// Characters of the widest cells of all columns of numbers together.
fn width(columns: &[Column], rows: &[Vec<String>]) -> usize {
    let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let numbers = columns.iter().enumerate().filter(|(_, column)| column.number);
    numbers.map(|(at, _)| widest(at).unwrap_or(0)).sum()
}

fn taxes(document: &Document, language: Language) -> Vec<[String; 4]> {
    let amount = |minor| language::amount(language, minor, document.exponent);
    let rate = |rate: &Option<String>| rate.as_ref().map(|rate| language::percent(language, rate));
    let rows = document.taxes.iter();
    rows.map(|tax| [breakable(&tax.label), rate(&tax.rate).unwrap_or_default(), amount(tax.net), amount(tax.tax)])
        .collect()
}

type Sum = (&'static str, String);

/// The sums above the last, and the last.
fn sums(document: &Document, language: Language, labels: &'static Labels) -> (Vec<Sum>, Sum) {
    let amount = |minor| language::amount(language, minor, document.exponent);
    let money = |minor| language::money(language, minor, document.exponent, &clean(&document.currency));
    let above = vec![(labels.subtotal, amount(document.subtotal)), (labels.tax, amount(document.tax))];
    match document.kind {
        Kind::Invoice => {
            let mut above = above;
            above.push((labels.total, amount(document.total)));
            above.extend((document.paid != 0).then(|| (labels.paid, amount(document.paid))));
            (above, (labels.due, money(document.due)))
        }
        Kind::CreditNote => (above, (labels.total, money(document.total))),
        Kind::GstBill => {
            let plain = |minor| language::plain(minor, document.exponent);
            let above = vec![("Subtotal:", plain(document.subtotal)), ("Tax (GST):", plain(document.tax))];
            (above, ("Grand Total:", plain(document.total)))
        }
    }
}

fn seller(seller: &Seller) -> PartyView {
    PartyView {
        name: breakable(&seller.name),
        address: seller.address.iter().map(|line| breakable(line)).collect(),
        tax_id: seller.tax_id.as_deref().map(breakable),
        customer_id: None,
        phone: seller.phone.as_deref().map(breakable),
        email: seller.email.as_deref().map(breakable),
    }
}

fn buyer(buyer: &Buyer) -> PartyView {
    PartyView {
        name: breakable(&buyer.name),
        address: buyer.address.iter().map(|line| breakable(line)).collect(),
        tax_id: buyer.tax_id.as_deref().map(breakable),
        customer_id: buyer.customer_id.as_deref().map(breakable),
        phone: buyer.phone.as_deref().map(breakable),
        email: buyer.email.as_deref().map(breakable),
    }
}

fn paragraphs(text: Option<&String>) -> Vec<String> {
    text.map(|text| text.lines().map(breakable).collect()).unwrap_or_default()
}

/// Without characters that would reorder the text around them, and with spaces for control characters.
fn clean(text: &str) -> Cow<'_, str> {
    let reorders = |char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.chars().any(|char| char.is_control() || reorders(char)) {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().filter(|char| !reorders(*char));
    Cow::Owned(kept.map(|char| if char.is_control() { ' ' } else { char }).collect())
}

/// Clean, and with spaces of no width in words that are too long: after their marks, and anywhere in what is still too
/// long between two marks.
fn breakable(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        if word.graphemes(true).count() <= WORD_MAX {
            out.push_str(word);
            continue;
        }
        let mut run = 0;
        for grapheme in word.graphemes(true) {
            run += 1;
            if run > WORD_MAX {
                out.push(BREAK);
            }
            out.push_str(grapheme);
            if MARKS.contains(grapheme) {
                out.push(BREAK);
                run = 0;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reorders_text_is_dropped_and_control_characters_are_spaces() {
        assert_eq!(clean("a\u{202e}b\tc\u{2066}d\u{2069}"), "ab cd");
        assert_eq!(clean("नमस्ते \u{200d}"), "नमस्ते \u{200d}", "joiners are part of a spelling");
    }

    #[test]
    fn long_words_may_break_and_short_ones_may_not() {
        assert_eq!(breakable("a word, and another"), "a word, and another");
        assert_eq!(breakable(&"x".repeat(26)), format!("{}\u{200b}x\u{200b}x", "x".repeat(24)));
        assert_eq!(
            breakable("accounts@lindgren-ferreira.example"),
            "accounts@\u{200b}lindgren-ferreira.\u{200b}example"
        );
    }
}
