//! What mails with invoices and credit notes say, as their readers see them.

use super::*;
use crate::actors::papers::Typesetter;
use crate::actors::press::{Language, Printer};

/// Subject, text and HTML, with dates and amounts as the language has them.
fn mail(kind: DocumentKind, language: Language) -> String {
    let paper = Paper::sample(kind, language);
    let printed = Typesetter::default().paper(&paper).expect("the sample is printed");
    assert!(printed.pdf.starts_with(b"%PDF-"));
    let Content { subject, text, html } = content(&paper, &printed);
    format!("{subject}\n---\n{text}---\n{html}")
}

#[test]
fn an_invoice_is_mailed_in_english() {
    insta::assert_snapshot!(mail(DocumentKind::Invoice, Language::English), @r#"
    Invoice INV-2026-000017 from Analytical Engines
    ---
    Dear Ada Lovelace,

    Please find your invoice INV-2026-000017 attached.

    Number: INV-2026-000017
    Date: 20 November 2026
    Due by: 4 December 2026
    Total: EUR 1,180.00

    Kind regards
    Analytical Engines
    ---
    <!DOCTYPE html>
    <html lang="en" dir="ltr">
    <head><meta charset="utf-8"><title>Invoice INV-2026-000017 from Analytical Engines</title></head>
    <body>
    <h1>Analytical Engines</h1>
    <p>Dear Ada Lovelace,</p>
    <p>Please find your invoice INV-2026-000017 attached.</p>
    <table>
    <tr><td>Number:</td><td><bdi>INV-2026-000017</bdi></td></tr>
    <tr><td>Date:</td><td><bdi>20 November 2026</bdi></td></tr>
    <tr><td>Due by:</td><td><bdi>4 December 2026</bdi></td></tr>
    <tr><td>Total:</td><td><bdi>EUR 1,180.00</bdi></td></tr>
    </table>
    <p>Kind regards<br>Analytical Engines</p>
    </body>
    </html>
    "#);
}

#[test]
fn an_invoice_is_mailed_in_german() {
    insta::assert_snapshot!(mail(DocumentKind::Invoice, Language::German), @r#"
    Rechnung INV-2026-000017 von Analytical Engines
    ---
    Guten Tag Ada Lovelace,

    anbei erhalten Sie Ihre Rechnung INV-2026-000017.

    Nummer: INV-2026-000017
    Datum: 20. November 2026
    Fällig am: 4. Dezember 2026
    Gesamtbetrag: 1.180,00 EUR

    Mit freundlichen Grüßen
    Analytical Engines
    ---
    <!DOCTYPE html>
    <html lang="de" dir="ltr">
    <head><meta charset="utf-8"><title>Rechnung INV-2026-000017 von Analytical Engines</title></head>
    <body>
    <h1>Analytical Engines</h1>
    <p>Guten Tag Ada Lovelace,</p>
    <p>anbei erhalten Sie Ihre Rechnung INV-2026-000017.</p>
    <table>
    <tr><td>Nummer:</td><td><bdi>INV-2026-000017</bdi></td></tr>
    <tr><td>Datum:</td><td><bdi>20. November 2026</bdi></td></tr>
    <tr><td>Fällig am:</td><td><bdi>4. Dezember 2026</bdi></td></tr>
    <tr><td>Gesamtbetrag:</td><td><bdi>1.180,00 EUR</bdi></td></tr>
    </table>
    <p>Mit freundlichen Grüßen<br>Analytical Engines</p>
    </body>
    </html>
    "#);
}

#[test]
fn an_invoice_is_mailed_in_arabic() {
    insta::assert_snapshot!(mail(DocumentKind::Invoice, Language::Arabic), @r#"
    فاتورة INV-2026-000017 من Analytical Engines
    ---
    مرحبًا Ada Lovelace،

    تجدون مرفقًا فاتورتكم رقم INV-2026-000017.

    الرقم: INV-2026-000017
    التاريخ: 20 نوفمبر 2026
    تاريخ الاستحقاق: 4 ديسمبر 2026
    المبلغ الإجمالي: 1,180.00 EUR

    مع أطيب التحيات
    Analytical Engines
    ---
    <!DOCTYPE html>
    <html lang="ar" dir="rtl">
    <head><meta charset="utf-8"><title>فاتورة INV-2026-000017 من Analytical Engines</title></head>
    <body>
    <h1>Analytical Engines</h1>
    <p>مرحبًا Ada Lovelace،</p>
    <p>تجدون مرفقًا فاتورتكم رقم INV-2026-000017.</p>
    <table>
    <tr><td>الرقم:</td><td><bdi>INV-2026-000017</bdi></td></tr>
    <tr><td>التاريخ:</td><td><bdi>20 نوفمبر 2026</bdi></td></tr>
    <tr><td>تاريخ الاستحقاق:</td><td><bdi>4 ديسمبر 2026</bdi></td></tr>
    <tr><td>المبلغ الإجمالي:</td><td><bdi>1,180.00 EUR</bdi></td></tr>
    </table>
    <p>مع أطيب التحيات<br>Analytical Engines</p>
    </body>
    </html>
    "#);
}

#[test]
fn a_credit_note_is_mailed_in_english() {
    insta::assert_snapshot!(mail(DocumentKind::CreditNote, Language::English), @r#"
    Credit note CN-2026-000003 from Analytical Engines
    ---
    Dear Ada Lovelace,

    Please find your credit note CN-2026-000003 attached.

    Number: CN-2026-000003
    Date: 20 November 2026
    Total: EUR 1,180.00

    Kind regards
    Analytical Engines
    ---
    <!DOCTYPE html>
    <html lang="en" dir="ltr">
    <head><meta charset="utf-8"><title>Credit note CN-2026-000003 from Analytical Engines</title></head>
    <body>
    <h1>Analytical Engines</h1>
    <p>Dear Ada Lovelace,</p>
    <p>Please find your credit note CN-2026-000003 attached.</p>
    <table>
    <tr><td>Number:</td><td><bdi>CN-2026-000003</bdi></td></tr>
    <tr><td>Date:</td><td><bdi>20 November 2026</bdi></td></tr>
    <tr><td>Total:</td><td><bdi>EUR 1,180.00</bdi></td></tr>
    </table>
    <p>Kind regards<br>Analytical Engines</p>
    </body>
    </html>
    "#);
}

#[test]
fn a_credit_note_is_mailed_in_german() {
    insta::assert_snapshot!(mail(DocumentKind::CreditNote, Language::German), @r#"
    Gutschrift CN-2026-000003 von Analytical Engines
    ---
    Guten Tag Ada Lovelace,

    anbei erhalten Sie Ihre Gutschrift CN-2026-000003.

    Nummer: CN-2026-000003
    Datum: 20. November 2026
    Gesamtbetrag: 1.180,00 EUR

    Mit freundlichen Grüßen
    Analytical Engines
    ---
    <!DOCTYPE html>
    <html lang="de" dir="ltr">
    <head><meta charset="utf-8"><title>Gutschrift CN-2026-000003 von Analytical Engines</title></head>
    <body>
    <h1>Analytical Engines</h1>
    <p>Guten Tag Ada Lovelace,</p>
    <p>anbei erhalten Sie Ihre Gutschrift CN-2026-000003.</p>
    <table>
    <tr><td>Nummer:</td><td><bdi>CN-2026-000003</bdi></td></tr>
    <tr><td>Datum:</td><td><bdi>20. November 2026</bdi></td></tr>
    <tr><td>Gesamtbetrag:</td><td><bdi>1.180,00 EUR</bdi></td></tr>
    </table>
    <p>Mit freundlichen Grüßen<br>Analytical Engines</p>
    </body>
    </html>
    "#);
}

#[test]
fn a_credit_note_is_mailed_in_arabic() {
    insta::assert_snapshot!(mail(DocumentKind::CreditNote, Language::Arabic), @r#"
    إشعار دائن CN-2026-000003 من Analytical Engines
    ---
    مرحبًا Ada Lovelace،

    تجدون مرفقًا الإشعار الدائن رقم CN-2026-000003.

    الرقم: CN-2026-000003
    التاريخ: 20 نوفمبر 2026
    المبلغ الإجمالي: 1,180.00 EUR

    مع أطيب التحيات
    Analytical Engines
    ---
    <!DOCTYPE html>
    <html lang="ar" dir="rtl">
    <head><meta charset="utf-8"><title>إشعار دائن CN-2026-000003 من Analytical Engines</title></head>
    <body>
    <h1>Analytical Engines</h1>
    <p>مرحبًا Ada Lovelace،</p>
    <p>تجدون مرفقًا الإشعار الدائن رقم CN-2026-000003.</p>
    <table>
    <tr><td>الرقم:</td><td><bdi>CN-2026-000003</bdi></td></tr>
    <tr><td>التاريخ:</td><td><bdi>20 نوفمبر 2026</bdi></td></tr>
    <tr><td>المبلغ الإجمالي:</td><td><bdi>1,180.00 EUR</bdi></td></tr>
    </table>
    <p>مع أطيب التحيات<br>Analytical Engines</p>
    </body>
    </html>
    "#);
}
