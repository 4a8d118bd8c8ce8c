//! What a reader of the PDF finds in it.

use florin_pdf::{Kind, Language, Line};

use crate::{assert_has, documents, outside, pages, squeezed};

#[test]
fn markup_in_a_name_is_printed_and_not_obeyed() {
    let names =
        ["#image(\"/etc/passwd\")", "*bold* _it_ $x^2$ `raw`", "= Title", "#panic()", "<a> @b \\ // c", "a--b...\"c\""];
    for name in names {
        let mut document = documents::short(Language::English);
        document.buyer.name = name.to_owned();
        document.lines[0].description = name.to_owned();
        document.note = Some(name.to_owned());
        let found = pages(&document).concat();
        assert_eq!(found.matches(&squeezed(name)).count(), 3, "{name} is not in {found} three times");
    }
}

/// Hindi and Arabic are not extracted well enough by this reader; `src/tests.rs` reads all languages before they are a PDF.
#[test]
fn labels_numbers_and_dates_are_the_customers() {
    for (language, texts) in [
        (Language::English, ["Billed to", "Due date 11 April 2026", "Page 1 of 1", "1,237.50", "EUR 1,900.19", "19%"]),
        (
            Language::German,
            ["Rechnung an", "Fällig am 11. April 2026", "Seite 1 von 1", "1.237,50", "1.900,19 EUR", "19 %"],
        ),
        (Language::French, ["Facturé à", "Échéance 11 avril 2026", "Page 1 sur 1", "1 237,50", "1 900,19 EUR", "19 %"]),
        (
            Language::Spanish,
            ["Facturar a", "Vencimiento 11 de abril de 2026", "Página 1 de 1", "1237,50", "1900,19 EUR", "19 %"],
        ),
        (Language::Japanese, ["請求先", "支払期限 2026年4月11日", "1 / 1 ページ", "1,237.50", "EUR 1,900.19", "19%"]),
    ] {
        assert_has(&documents::short(language), &texts);
    }
    assert_has(
        &documents::arabic(),
        &["16,134.50 SAR", "1,850.00", "+966 11 555 0184", "IBAN SA03 8000 0000 6080 1016 7519"],
    );
}

#[test]
fn a_name_in_japanese_and_one_in_arabic_are_in_an_english_document() {
    let from_right_to_left: String = "مكتب النور".chars().rev().collect();
    assert_has(&documents::english(), &["株式会社東京精密機器", &from_right_to_left]);
}

#[test]
fn a_credit_note_names_what_it_corrects_and_nothing_due() {
    let mut note = documents::short(Language::English);
    note.kind = Kind::CreditNote;
    note.corrects = Some("INV-2026-000400".to_owned());
    note.due_on = None;
    assert_has(&note, &["Credit note", "Corrects invoice INV-2026-000400", "Amount credited", "EUR 1,900.19"]);
    assert!(!pages(&note).concat().contains("Amountdue"));
}

#[test]
fn a_gst_bill_has_the_texts_of_its_contract() {
    assert_has(
        &documents::gst_bill(),
        &[
            "MAX STORES",
            "TAX INVOICE / BILL OF SUPPLY",
            "Store Address: 14 Residency Road, Bengaluru 560025",
            "GSTIN: 29AAACM1234F1Z5",
            "Phone: +91 80 5550 1100",
            "Invoice ID: #1042",
            "Bill To:",
            "Name: Asha Devi Raghunathan",
            "Customer ID: 482913",
            "Email: asha@example.in",
            "Phone: 9845012345",
            "ITEM NAME ITEM CODE QTY PRICE",
            "Stainless steel kettle KET-18 2 1249.50",
            "Cotton bedsheet, double BED-02 150 899.00",
            "Subtotal: 137349.00",
            "Tax (GST): 24722.82",
            "Grand Total: 162071.82",
        ],
    );
}

#[test]
fn long_words_and_wide_numbers_stay_on_the_page() {
    let mut document = documents::short(Language::English);
    document.buyer.name = "W".repeat(200);
    document.buyer.email = Some(format!("{}@example.org", "m".repeat(240)));
    document.number = "8".repeat(64);
    let wide = "123456789012345678";
    document.lines = vec![Line {
        description: "x".repeat(400),
        code: Some("K".repeat(64)),
        quantity: wide.to_owned(),
        unit_price: wide.to_owned(),
        net: 10_i128.pow(24) - 1,
        tax_rate: Some("19".to_owned()),
    }];
    assert_eq!(outside(&document), "", "right of the margin");
    assert_has(&document, &[&"W".repeat(200), &"x".repeat(400), "9,999,999,999,999,999,999,999.99"]);
}

#[test]
fn totals_stand_together_on_one_page() {
    for lines in 8..40 {
        let mut document = documents::short(Language::English);
        document.lines = document.lines.iter().cycle().take(lines).cloned().collect();
        let pages = pages(&document);
        let together = |page: &String| ["Subtotal", "Total1", "AmountdueEUR"].iter().all(|sum| page.contains(sum));
        assert!(pages.iter().any(together), "with {lines} lines the sums are torn apart: {pages:?}");
    }
}
