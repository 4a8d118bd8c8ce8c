//! What the mails say, as their readers see it.

use super::*;

const SHOP: ShopInvoice<'_> = ShopInvoice {
    store: "MAX Stores",
    name: "Ada Lovelace",
    invoice_id: "#17",
    date: "2026-11-20",
    grand_total: "118.00",
    is_attached: true,
};

const DOCUMENT: Document<'_> = Document {
    seller: "Analytical Engines",
    name: "Ada Lovelace",
    number: "2026-0017",
    date: "20 Nov 2026",
    total: "EUR 118.00",
    due: Some("4 Dec 2026"),
};

#[test]
fn a_shop_sends_its_invoice() {
    let mail = SHOP.content();
    assert_eq!(mail.subject, "Invoice");
    insta::assert_snapshot!(mail.text, @"
    Dear Ada Lovelace,

    Thank you for shopping at MAX Stores. Your invoice is attached.

    Invoice ID: #17
    Date: 2026-11-20
    Grand Total: 118.00

    MAX Stores
    ");
    insta::assert_snapshot!(mail.html, @r#"
    <!DOCTYPE html>
    <html lang="en" dir="ltr">
    <head><meta charset="utf-8"><title>Invoice</title></head>
    <body>
    <h1>MAX Stores</h1>
    <p>Dear Ada Lovelace,</p>
    <p>Thank you for shopping at MAX Stores. Your invoice is attached.</p>
    <table>
    <tr><td>Invoice ID:</td><td><bdi>#17</bdi></td></tr>
    <tr><td>Date:</td><td><bdi>2026-11-20</bdi></td></tr>
    <tr><td>Grand Total:</td><td><bdi>118.00</bdi></td></tr>
    </table>
    <p>MAX Stores</p>
    </body>
    </html>
    "#);
}

// Fails when a value is not cut: whoever writes to the topic of notices makes mails of any length.
#[test]
fn a_value_of_any_length_makes_a_short_mail() {
    let long = "\u{fc}".repeat(3_000_000);
    let shop = ShopInvoice { store: &long, name: &long, invoice_id: &long, grand_total: &long, ..SHOP };
    let document = Document { seller: &long, name: &long, number: &long, total: &long, ..DOCUMENT };
    for mail in [shop.content(), document.content(Kind::Overdue, Language::German)] {
        assert!(mail.text.len() < 5_000 && mail.html.len() < 10_000 && mail.subject.len() < 2_000);
    }
}

#[test]
fn an_invoice_is_written_in_the_language_of_its_reader() {
    let subjects_and_texts: Vec<String> = Language::ALL
        .into_iter()
        .map(|language| DOCUMENT.content(Kind::Invoice, language))
        .map(|mail| format!("{}\n\n{}", mail.subject, mail.text))
        .collect();
    insta::assert_snapshot!(subjects_and_texts.join("--\n"), @"
    Invoice 2026-0017 from Analytical Engines

    Dear Ada Lovelace,

    Please find your invoice 2026-0017 attached.

    Number: 2026-0017
    Date: 20 Nov 2026
    Due by: 4 Dec 2026
    Total: EUR 118.00

    Kind regards
    Analytical Engines
    --
    Rechnung 2026-0017 von Analytical Engines

    Guten Tag Ada Lovelace,

    anbei erhalten Sie Ihre Rechnung 2026-0017.

    Nummer: 2026-0017
    Datum: 20 Nov 2026
    Fällig am: 4 Dec 2026
    Gesamtbetrag: EUR 118.00

    Mit freundlichen Grüßen
    Analytical Engines
    --
    Facture 2026-0017 de Analytical Engines

    Bonjour Ada Lovelace,

    veuillez trouver ci-joint votre facture 2026-0017.

    Numéro : 2026-0017
    Date : 20 Nov 2026
    À régler avant le : 4 Dec 2026
    Montant total : EUR 118.00

    Cordialement
    Analytical Engines
    --
    Factura 2026-0017 de Analytical Engines

    Hola, Ada Lovelace:

    Adjuntamos su factura 2026-0017.

    Número: 2026-0017
    Fecha: 20 Nov 2026
    Fecha de vencimiento: 4 Dec 2026
    Importe total: EUR 118.00

    Atentamente
    Analytical Engines
    --
    Analytical Engines का इनवॉइस 2026-0017

    प्रिय Ada Lovelace,

    आपका इनवॉइस 2026-0017 संलग्न है।

    संख्या: 2026-0017
    दिनांक: 20 Nov 2026
    देय तिथि: 4 Dec 2026
    कुल राशि: EUR 118.00

    सादर
    Analytical Engines
    --
    فاتورة 2026-0017 من Analytical Engines

    مرحبًا Ada Lovelace،

    تجدون مرفقًا فاتورتكم رقم 2026-0017.

    الرقم: 2026-0017
    التاريخ: 20 Nov 2026
    تاريخ الاستحقاق: 4 Dec 2026
    المبلغ الإجمالي: EUR 118.00

    مع أطيب التحيات
    Analytical Engines
    --
    【Analytical Engines】請求書 2026-0017

    Ada Lovelace 様

    請求書 2026-0017 を添付いたします。

    番号： 2026-0017
    日付： 20 Nov 2026
    お支払期限： 4 Dec 2026
    合計金額： EUR 118.00

    よろしくお願いいたします。
    Analytical Engines
    ");
}

#[test]
fn a_credit_note_has_no_day_by_which_to_pay() {
    let mail = Document { due: None, ..DOCUMENT }.content(Kind::CreditNote, Language::German);
    insta::assert_snapshot!(format!("{}\n\n{}", mail.subject, mail.text), @"
    Gutschrift 2026-0017 von Analytical Engines

    Guten Tag Ada Lovelace,

    anbei erhalten Sie Ihre Gutschrift 2026-0017.

    Nummer: 2026-0017
    Datum: 20 Nov 2026
    Gesamtbetrag: EUR 118.00

    Mit freundlichen Grüßen
    Analytical Engines
    ");
}

#[test]
fn a_reminder_says_what_is_missing() {
    let mail = DOCUMENT.content(Kind::Overdue, Language::English);
    insta::assert_snapshot!(format!("{}\n\n{}", mail.subject, mail.text), @"
    Reminder: invoice 2026-0017 from Analytical Engines is overdue

    Dear Ada Lovelace,

    We have not yet received your payment of invoice 2026-0017. If you have paid it in the meantime, please disregard this message.

    Number: 2026-0017
    Date: 20 Nov 2026
    Due by: 4 Dec 2026
    Total: EUR 118.00

    Kind regards
    Analytical Engines
    ");
}

#[test]
fn arabic_runs_from_right_to_left_and_its_numbers_do_not() {
    insta::assert_snapshot!(DOCUMENT.content(Kind::Overdue, Language::Arabic).html, @r#"
    <!DOCTYPE html>
    <html lang="ar" dir="rtl">
    <head><meta charset="utf-8"><title>تذكير: الفاتورة 2026-0017 من Analytical Engines متأخرة السداد</title></head>
    <body>
    <h1>Analytical Engines</h1>
    <p>مرحبًا Ada Lovelace،</p>
    <p>لم نستلم بعد سداد الفاتورة رقم 2026-0017. إذا كنتم قد سددتموها في هذه الأثناء، فيرجى تجاهل هذه الرسالة.</p>
    <table>
    <tr><td>الرقم:</td><td><bdi>2026-0017</bdi></td></tr>
    <tr><td>التاريخ:</td><td><bdi>20 Nov 2026</bdi></td></tr>
    <tr><td>تاريخ الاستحقاق:</td><td><bdi>4 Dec 2026</bdi></td></tr>
    <tr><td>المبلغ الإجمالي:</td><td><bdi>EUR 118.00</bdi></td></tr>
    </table>
    <p>مع أطيب التحيات<br>Analytical Engines</p>
    </body>
    </html>
    "#);
}

#[test]
fn html_shows_every_value_and_runs_none() {
    let evil = "<script>alert('1' & \"2\")</script>\r\n{number}";
    let shop =
        ShopInvoice { store: evil, name: evil, invoice_id: evil, date: evil, grand_total: evil, is_attached: true }
            .content();
    let values = Document { seller: evil, name: evil, number: evil, date: evil, total: evil, due: Some(evil) };
    let native = Kind::ALL.iter().flat_map(|kind| Language::ALL.map(|language| values.content(*kind, language)));
    for mail in native.chain([shop]) {
        assert!(!mail.html.contains("<script") && !mail.html.contains("</script"), "{}", mail.html);
        let shown = "&lt;script&gt;alert(&#39;1&#39; &amp; &quot;2&quot;)&lt;/script&gt; {number}";
        assert!(mail.html.matches(shown).count() >= 5, "{}", mail.html);
        assert!(!mail.subject.contains(['\r', '\n']) && !mail.text.contains('\r'), "{mail:?}");
    }
}

#[test]
fn every_pattern_has_its_values() {
    for language in Language::ALL {
        for kind in Kind::ALL {
            let mail = DOCUMENT.content(kind, language); // debug builds panic at a name that is none
            for value in [DOCUMENT.seller, DOCUMENT.number] {
                assert!(mail.subject.contains(value), "{language:?} {kind:?}: {}", mail.subject);
            }
            assert!(mail.text.contains(DOCUMENT.name) && mail.text.contains(DOCUMENT.total), "{language:?} {kind:?}");
        }
    }
}

#[test]
fn a_language_is_found_by_its_tag() {
    for (tag, language) in [
        ("de", Some(Language::German)),
        ("de-AT", Some(Language::German)),
        ("JA_jp", Some(Language::Japanese)),
        ("de1", None),
        ("it", None),
        ("", None),
    ] {
        assert_eq!(Language::of(tag), language, "{tag}");
    }
}
