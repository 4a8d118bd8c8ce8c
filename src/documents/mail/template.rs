//! The texts of a mail about money, as plain text and as HTML. Values come formatted, amounts with their currency and
//! dates as their reader writes them; each is escaped, short, and stays on its line.

mod phrases;

use self::phrases::Phrases;
use crate::documents::words::{one_line, short};

/// The file that a mail with an invoice has attached.
pub const INVOICE_FILE: &str = "invoice.pdf";

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// A bill of a shop: section 3 of the contracts.
#[derive(Clone, Copy, Debug)]
pub struct ShopInvoice<'a> {
    pub store: &'a str,
    pub name: &'a str,
    /// Such as `#17`.
    pub invoice_id: &'a str,
    pub date: &'a str,
    pub grand_total: &'a str,
    /// Whether the mail has the invoice with it.
    pub is_attached: bool,
}

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Invoice,
    CreditNote,
    /// An invoice that is not paid in time.
    Overdue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    German,
    French,
    Spanish,
    Hindi,
    Arabic,
    Japanese,
}

/// The document that a mail brings.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub seller: &'a str,
    /// Of the customer.
    pub name: &'a str,
    pub number: &'a str,
    pub date: &'a str,
    pub total: &'a str,
    /// A credit note has none.
    pub due: Option<&'a str>,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Invoice, Self::CreditNote, Self::Overdue];
}

impl Language {
    pub const ALL: [Self; 7] =
        [Self::English, Self::German, Self::French, Self::Spanish, Self::Hindi, Self::Arabic, Self::Japanese];

    /// Of a tag such as `de`, `de-AT` or `de_AT`; `None`: one that we do not write.
    pub fn of(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|known| known.tag().eq_ignore_ascii_case(language))
    }

    /// What is said of a tag that is none of ours.
    pub fn unknown(tag: &str) -> String {
        let shown: String = one_line(tag).chars().take(40).collect();
        format!("language {shown:?} is not one of {}", Self::ALL.map(Self::tag).join(", "))
    }

    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Hindi => "hi",
            Self::Arabic => "ar",
            Self::Japanese => "ja",
        }
    }

    const fn direction(self) -> &'static str {
        match self {
            Self::Arabic => "rtl",
            _ => "ltr",
        }
    }
}

impl ShopInvoice<'_> {
    pub fn content(&self) -> Content {
        let store = short(self.store);
        Letter {
            language: Language::English,
            subject: "Invoice".into(),
            greeting: format!("Dear {},", short(self.name)),
            sentence: if self.is_attached {
                format!("Thank you for shopping at {store}. Your invoice is attached.")
            } else {
                format!("Thank you for shopping at {store}.")
            },
            rows: vec![("Invoice ID:", self.invoice_id), ("Date:", self.date), ("Grand Total:", self.grand_total)],
            closing: "",
            sender: store,
        }
        .content()
    }
}

impl Document<'_> {
    pub fn content(&self, kind: Kind, language: Language) -> Content {
        let Phrases { greeting, number, date, due, total, closing, .. } = phrases::of(language);
        let phrases = phrases::of(language).kind(kind);
        let [name, seller, id] = [self.name, self.seller, self.number].map(short);
        let values = [("name", &*name), ("seller", &*seller), ("number", &*id)];
        let mut rows = vec![(*number, self.number), (*date, self.date), (*total, self.total)];
        if let Some(day) = self.due {
            rows.insert(2, (due, day));
        }
        Letter {
            language,
            subject: filled(phrases.subject, &values),
            greeting: filled(greeting, &values),
            sentence: filled(phrases.sentence, &values),
            rows,
            closing,
            sender: seller,
        }
        .content()
    }
}

/// What the bodies of all mails have.
struct Letter<'a> {
    language: Language,
    subject: String,
    greeting: String,
    sentence: String,
    rows: Vec<(&'a str, &'a str)>,
    closing: &'a str,
    sender: String,
}

impl Letter<'_> {
    fn content(self) -> Content {
        Content { text: self.text(), html: self.html(), subject: self.subject }
    }

    fn text(&self) -> String {
        let Self { greeting, sentence, closing, sender, .. } = self;
        let row = |(label, value): &(&str, &str)| format!("{label} {}\n", short(value));
        let rows: String = self.rows.iter().map(row).collect();
        let closing = if closing.is_empty() { String::new() } else { format!("{closing}\n") };
        format!("{greeting}\n\n{sentence}\n\n{rows}\n{closing}{sender}\n")
    }

    fn html(&self) -> String {
        let (tag, direction) = (self.language.tag(), self.language.direction());
        let [subject, greeting, sentence, closing, sender] =
            [&self.subject, &self.greeting, &self.sentence, self.closing, &self.sender].map(escaped);
        // a number keeps its direction among words of the other one
        let row = |(label, value): &(&str, &str)| {
            format!("<tr><td>{}</td><td><bdi>{}</bdi></td></tr>\n", escaped(label), escaped(&short(value)))
        };
        let rows: String = self.rows.iter().map(row).collect();
        let closing = if closing.is_empty() { closing } else { format!("{closing}<br>") };
        format!(
            "<!DOCTYPE html>\n<html lang=\"{tag}\" dir=\"{direction}\">\n<head><meta charset=\"utf-8\"><title>{subject}</title></head>\n\
             <body>\n<h1>{sender}</h1>\n<p>{greeting}</p>\n<p>{sentence}</p>\n<table>\n{rows}</table>\n\
             <p>{closing}{sender}</p>\n</body>\n</html>\n"
        )
    }
}

/// The pattern with each `{name}` of its own replaced once: what a value says is never read as a pattern.
fn filled(pattern: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, (name, after))) = rest.split_once('{').and_then(|(a, b)| Some((a, b.split_once('}')?))) {
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        debug_assert!(value.is_some(), "there is no value {name}: {pattern}");
        text.push_str(before);
        text.push_str(value.unwrap_or_default());
        rest = after;
    }
    text + rest
}

/// As text inside HTML, also inside an attribute.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests;
