//! What is refused, and what is not.

use std::time::{Duration, Instant};

use florin_pdf::{Buyer, Document, Kind, Language, PdfError, Seller, limits};

use crate::{RENDERER, documents, pages};

fn refused(change: impl FnOnce(&mut Document)) -> (String, String, String) {
    let mut document = documents::short(Language::English);
    change(&mut document);
    match RENDERER.render(&document) {
        Err(PdfError::Field { field, value, limit }) => (field, value, limit),
        Err(PdfError::Typst(message)) => panic!("typst came to see it: {message}"),
        Ok(_) => panic!("it was printed"),
    }
}

type Change = fn(&mut Document);

#[test]
fn an_error_names_the_field_the_value_and_the_limit() {
    let table: &[(Change, &str, &str, &str)] = &[
        (|d| d.number = "9".repeat(257), "number", "257 characters", "at most 256"),
        (|d| d.seller.name = "x".repeat(801), "seller.name", "801 characters", "at most 800"),
        (|d| d.buyer.address = vec![String::new(); 11], "buyer.address", "11 entries", "at most 10"),
        (|d| d.seller.address[1] = "x".repeat(801), "seller.address[1]", "801 characters", "at most 800"),
        (|d| d.buyer.email = Some("x".repeat(321)), "buyer.email", "321 characters", "at most 320"),
        (|d| d.note = Some("x".repeat(4_001)), "note", "4001 characters", "at most 4000"),
        (|d| d.exponent = 13, "exponent", "13", "at most 12"),
        (|d| d.lines[1].description = "x".repeat(1_025), "lines[1].description", "1025 characters", "at most 1024"),
        (
            |d| d.lines[2].quantity = "1e3".into(),
            "lines[2].quantity",
            "\"1e3\"",
            "a decimal number of at most 18 digits, with a point",
        ),
        (
            |d| d.lines[0].unit_price = "1,50".into(),
            "lines[0].unit_price",
            "\"1,50\"",
            "a decimal number of at most 18 digits, with a point",
        ),
        (|d| d.lines[0].net = 10_i128.pow(24), "lines[0].net", "1000000000000000000000000", "of at most 24 digits"),
        (|d| d.total = i128::MIN, "total", "-170141183460469231731687303715884105728", "of at most 24 digits"),
        (|d| d.lines = vec![d.lines[0].clone(); limits::LINES_MAX + 1], "lines", "5001 entries", "at most 5000"),
        (
            |d| {
                d.lines = vec![d.lines[0].clone(); 501];
                d.lines.iter_mut().for_each(|line| line.description = "x".repeat(1_000));
            },
            "lines",
            "501000 characters",
            "at most 500000 in all descriptions",
        ),
        (|d| d.taxes = vec![d.taxes[0].clone(); 101], "taxes", "101 entries", "at most 100"),
        (|d| d.issued_on = documents::day(12_026, 1, 1), "issued_on", "+12026-01-01", "a day of the years 1 to 9999"),
        (|d| d.seller.logo = Some(vec![b'<'; 524_289]), "seller.logo", "524289 bytes", "at most 524288"),
        (|d| d.seller.logo = Some(b"GIF89a".to_vec()), "seller.logo", "neither", "a PNG or an SVG"),
        (|d| d.seller.logo = Some(png(4_000, 1_001)), "seller.logo", "4000 by 1001 pixels", "at most 4000000 pixels"),
    ];
    for (change, field, value, limit) in table {
        assert_eq!(refused(change), ((*field).to_owned(), (*value).to_owned(), (*limit).to_owned()));
    }
    let error = PdfError::Field { field: "number".into(), value: "65 characters".into(), limit: "at most 64".into() };
    assert_eq!(error.to_string(), "number is 65 characters: it may be at most 64");
}

/// The start of a PNG: no decoder comes further than that.
fn png(width: u32, height: u32) -> Vec<u8> {
    [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &width.to_be_bytes(), &height.to_be_bytes(), b"\x08\x06\0\0\0"].concat()
}

#[test]
fn a_picture_that_does_not_decode_leads_elsewhere_or_grows_is_refused() {
    let svg = |inner: &str| format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\">{inner}</svg>");
    for (logo, why) in [
        (png(9, 9), "a broken PNG"),
        (svg("<image href=\"/etc/passwd\"/>").into_bytes(), "<image>"),
        (svg("<use href=\"#a\"/>").into_bytes(), "<use>"),
        (svg("<text>a</text>").into_bytes(), "<text>"),
        (svg("<filter/>").into_bytes(), "<filter>"),
        (svg("<clipPath/>").into_bytes(), "<clipPath>"),
        (svg("<g filter=\"blur(9)\"/>").into_bytes(), "filter"),
        (svg("<g style=\"f\\69lter: blur(9)\"/>").into_bytes(), "filter"),
        (svg("<style>g { filter: blur(9) }</style>").into_bytes(), "filter"),
        (svg(&format!("{}{}", "<g>".repeat(40), "</g>".repeat(40))).into_bytes(), "a deep SVG"),
        (svg(&format!("{}{}", "<g>".repeat(70_000), "</g>".repeat(70_000))).into_bytes(), "SVG"),
        (svg(&"<stop/>".repeat(101)).into_bytes(), "101 stops"),
        ([&png(9, 9)[..], b"\0\0\0\0", b"\0\0\x80\0iCCP"].concat(), "a large colour profile"),
        (svg(&"<g/>".repeat(2_000)).into_bytes(), "a large SVG"),
        (format!("<!DOCTYPE svg [<!ENTITY a \"b\">]>{}", svg("")).into_bytes(), "DTD"),
        (b"<svg".to_vec(), "unreadable"),
        (b"<html/>".to_vec(), "<html>"),
    ] {
        let (field, value, _) = refused(|document| document.seller.logo = Some(logo));
        assert_eq!(field, "seller.logo");
        assert!(value.contains(why), "{value} does not say {why}");
    }
}

#[test]
fn a_gst_bill_has_two_decimals() {
    let mut bill = documents::gst_bill();
    bill.exponent = 3;
    let error = RENDERER.render(&bill).unwrap_err();
    assert_eq!(error, PdfError::Field { field: "exponent".into(), value: "3".into(), limit: "2 on a GST bill".into() });
}

#[test]
fn a_document_of_nothing_is_set() {
    for kind in [Kind::Invoice, Kind::CreditNote, Kind::GstBill] {
        let mut document = documents::short(Language::Arabic);
        document.kind = kind;
        document.number.clear();
        document.currency.clear();
        (document.seller, document.buyer) = (Seller::default(), Buyer::default());
        (document.lines, document.taxes) = (vec![], vec![]);
        (document.terms, document.note) = (Some(String::new()), None);
        assert_eq!(pages(&document).len(), 1, "{kind:?}");
    }
}

#[test]
fn two_thousand_lines_are_set_within_a_minute_on_numbered_pages_with_a_heading_each() {
    let mut document = documents::english();
    document.lines = document.lines.iter().cycle().take(2_000).cloned().collect();
    let started = Instant::now();
    let pages = pages(&document);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert!(pages.len() > 50, "{}", pages.len());
    for (at, page) in pages.iter().enumerate() {
        assert!(page.contains("Unitprice") || at + 1 == pages.len(), "page {} has no heading", at + 1);
        let number = format!("Page{}of{}", at + 1, pages.len());
        assert!(page.contains(&number), "{number}");
    }
}
