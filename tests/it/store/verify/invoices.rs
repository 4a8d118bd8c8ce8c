//! What is done to invoices behind Florin's back.

/// An invoice of 118 that no record issued, with this number; and more.
macro_rules! invoice {
    ($number:literal, $then:literal) => {
        concat!(
            "INSERT INTO invoices (tenant, entity, document, customer, currency, subtotal, tax, total, content, seq, year, number, number_format, issued_at, book_currency, booked, status) \
               VALUES ('default', 'default', 1, 'c', 'USD', 100, 18, 118, '{}', 5, 2026, ",
            $number,
            ", '{seq}', now(), 'USD', 118, 2); ",
            $then
        )
    };
}

pub const CORRUPTIONS: &[(&str, &str, &str)] = &[
    ("invoice", "expected 118 posted at row 5, found no record", invoice!(1, "")),
    (
        "settlement",
        "expected paid 118, credited 0, returned 0, written off 0, status 3, found paid 0",
        invoice!(
            1,
            "INSERT INTO settlements (invoice, seq, tenant, customer, kind, amount, excess, reinstated, due_after, status_after, at) SELECT id, 7, tenant, customer, 1, 118, 0, 0, 0, 3, now() FROM invoices"
        ),
    ),
    (
        "settlement",
        "at row 7: expected a record, found none",
        invoice!(
            1,
            "INSERT INTO settlements (invoice, seq, tenant, customer, kind, amount, excess, reinstated, due_after, status_after, at) SELECT id, 7, tenant, customer, 6, 0, 0, 0, 118, 2, now() FROM invoices"
        ),
    ),
    (
        "settlement",
        "at row 7: expected customer c of default, found customer d of default",
        invoice!(
            1,
            "INSERT INTO settlements (invoice, seq, tenant, customer, kind, amount, excess, reinstated, due_after, status_after, at) SELECT id, 7, tenant, 'd', 6, 0, 0, 0, 118, 2, now() FROM invoices"
        ),
    ),
    ("invoice number", "series 1 of default, 2026", invoice!(2, "")),
    (
        "invoice number",
        "expected the numbers 1 to 6, found 1 numbers from 1 to 1",
        invoice!(1, "INSERT INTO number_series VALUES ('default', 'default', 1, 2026, 7)"),
    ),
    ("receivable", "customer c, USD: expected 118, found 0", invoice!(1, "")),
];
