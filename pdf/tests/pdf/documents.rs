//! Documents for tests and examples. Their sums are right.

use chrono::NaiveDate;
use florin_pdf::{Buyer, Document, Kind, Language, Line, Seller, TaxLine};

pub const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48" viewBox="0 0 48 48">
<rect width="48" height="48" rx="12" fill="#0b5d66"/>
<path d="M13 34 V14 H35 V20 H20 V23 H32 V28 H20 V34 Z" fill="#ffffff"/>
<circle cx="34" cy="33" r="4" fill="#f2b84b"/>
</svg>"##;

pub fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Whole units at a price in minor units with two decimals.
pub fn line(description: &str, code: &str, quantity: i128, price: i128, rate: &str) -> Line {
    Line {
        description: description.to_owned(),
        code: some(code),
        quantity: quantity.to_string(),
        unit_price: format!("{}.{:02}", price / 100, price % 100),
        net: quantity * price,
        tax_rate: some(rate),
    }
}

/// One tax for all lines, and nothing paid.
pub fn summed(document: Document, label: &str, rate: i128) -> Document {
    let subtotal = document.lines.iter().map(|line| line.net).sum();
    let tax = (subtotal * rate + 50) / 100;
    let taxes = vec![TaxLine { label: label.to_owned(), rate: Some(rate.to_string()), net: subtotal, tax }];
    let total = subtotal + tax;
    Document { taxes, subtotal, tax, total, paid: 0, due: total, ..document }
}

/// One page.
pub fn short(language: Language) -> Document {
    let document = Document {
        kind: Kind::Invoice,
        language,
        number: "INV-2026-000417".to_owned(),
        issued_on: day(2026, 3, 12),
        due_on: Some(day(2026, 4, 11)),
        seller: Seller {
            name: "Lindgren & Ferreira Logistics GmbH".to_owned(),
            address: lines(&["Speicherstraße 41", "20457 Hamburg", "Germany"]),
            tax_id: some("DE287654321"),
            phone: some("+49 40 5550 1842"),
            email: some("accounts@lindgren-ferreira.example"),
            logo: Some(LOGO.as_bytes().to_vec()),
        },
        buyer: Buyer {
            name: "Northwind Instruments Ltd".to_owned(),
            customer_id: some("C-20418"),
            address: lines(&["Unit 7, Harbour Yard", "12 Quay Road", "Bristol BS1 6XN", "United Kingdom"]),
            tax_id: some("GB 293 4417 08"),
            phone: None,
            email: some("payables@northwind.example"),
        },
        corrects: None,
        currency: "EUR".to_owned(),
        exponent: 2,
        lines: vec![
            line("Air freight, Hamburg to Bristol, 3 pallets", "AF-310", 3, 412_50, "19"),
            line("Customs clearance, import", "CC-100", 1, 185_00, "19"),
            line("Insured storage, per pallet and day", "ST-021", 42, 4_15, "19"),
        ],
        taxes: vec![],
        subtotal: 0,
        tax: 0,
        total: 0,
        paid: 0,
        due: 0,
        terms: some("Payable within 30 days without deduction.\nIBAN DE02 1203 0000 0000 2020 51, BIC BYLADEM1001"),
        note: None,
    };
    summed(document, "VAT", 19)
}

/// Several pages, two rates, a part paid, names of other scripts among the items.
pub fn english() -> Document {
    let services = [
        ("Air freight, Hamburg to Bristol", "AF-310", 412_50),
        ("Sea freight, full container, Rotterdam to Yokohama, consignee 株式会社東京精密機器", "SF-940", 3_180_00),
        ("Road haulage, per kilometre", "RH-007", 1_84),
        ("Customs clearance, import", "CC-100", 185_00),
        ("Insured storage, per pallet and day", "ST-021", 4_15),
        ("Courier, same day, for مكتب النور للاستشارات", "CR-002", 64_90),
        ("Packing in ISPM 15 crates, heat treated and stamped, with desiccant and shock indicators", "PK-115", 96_00),
        ("Documents by courier, for श्री राजेश कुमार", "CR-009", 18_40),
    ];
    let rows = (0_i128..56).zip(services.iter().cycle()).map(|(at, (name, code, price))| {
        line(name, &format!("{code}-{:02}", at + 1), 1 + at * 7 % 12, *price, if at % 5 == 4 { "7" } else { "19" })
    });
    let document = Document { lines: rows.collect(), ..short(Language::English) };
    let net_of = |rate: &str| -> i128 {
        let taxed = document.lines.iter().filter(|line| line.tax_rate.as_deref() == Some(rate));
        taxed.map(|line| line.net).sum()
    };
    let tax = |label: &str, rate: i128| {
        let net = net_of(&rate.to_string());
        TaxLine { label: label.to_owned(), rate: Some(rate.to_string()), net, tax: (net * rate + 50) / 100 }
    };
    let taxes = vec![tax("VAT, standard rate", 19), tax("VAT, reduced rate", 7)];
    let subtotal: i128 = taxes.iter().map(|tax| tax.net).sum();
    let tax: i128 = taxes.iter().map(|tax| tax.tax).sum();
    let paid = 10_000_00;
    let note = some("Thank you for shipping with us. Questions about this invoice: quote its number.");
    Document { taxes, subtotal, tax, total: subtotal + tax, paid, due: subtotal + tax - paid, note, ..document }
}

pub fn arabic() -> Document {
    let document = Document {
        number: "INV-2026-000981".to_owned(),
        seller: Seller {
            name: "شركة النخيل للخدمات اللوجستية".to_owned(),
            address: lines(&["طريق الملك فهد، برج العليا", "الرياض 12214", "المملكة العربية السعودية"]),
            tax_id: some("300123456700003"),
            phone: some("+966 11 555 0184"),
            email: some("billing@alnakheel.example"),
            logo: Some(LOGO.as_bytes().to_vec()),
        },
        buyer: Buyer {
            name: "مؤسسة البحر الأحمر للتجارة".to_owned(),
            customer_id: some("C-30771"),
            address: lines(&["شارع التحلية 88", "جدة 23425"]),
            tax_id: some("310987654300003"),
            phone: some("+966 12 555 0933"),
            email: None,
        },
        currency: "SAR".to_owned(),
        lines: vec![
            line("شحن جوي من الرياض إلى دبي", "AF-120", 4, 1_850_00, "15"),
            line("تخليص جمركي للواردات", "CC-100", 1, 690_00, "15"),
            line("تخزين مؤمَّن لكل منصة في اليوم", "ST-021", 60, 14_50, "15"),
            line("نقل بري — Lindgren & Ferreira GmbH", "RH-007", 840, 3_75, "15"),
            line("تغليف خشبي معتمد وفق المعيار ISPM 15", "PK-115", 6, 320_00, "15"),
        ],
        terms: some("يستحق الدفع خلال 30 يومًا من تاريخ الفاتورة.\nIBAN SA03 8000 0000 6080 1016 7519"),
        note: some("شكرًا لتعاملكم معنا."),
        ..short(Language::Arabic)
    };
    summed(document, "ضريبة القيمة المضافة", 15)
}

pub fn gst_bill() -> Document {
    let document = Document {
        kind: Kind::GstBill,
        number: "1042".to_owned(),
        seller: Seller {
            name: "MAX STORES".to_owned(),
            address: lines(&["14 Residency Road", "Bengaluru 560025"]),
            tax_id: some("29AAACM1234F1Z5"),
            phone: some("+91 80 5550 1100"),
            email: None,
            logo: None,
        },
        buyer: Buyer {
            name: "Asha Devi Raghunathan".to_owned(),
            customer_id: some("482913"),
            address: vec![],
            tax_id: None,
            phone: some("9845012345"),
            email: some("asha@example.in"),
        },
        currency: "INR".to_owned(),
        lines: vec![
            line("Stainless steel kettle", "KET-18", 2, 1_249_50, "18"),
            line("Cotton bedsheet, double", "BED-02", 150, 899_00, "18"),
        ],
        terms: None,
        ..short(Language::English)
    };
    summed(document, "GST", 18)
}
