//! Every record that a test reads from a topic is checked against its schema.

use std::collections::HashMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

const NAMES: [(&str, &str); 17] = [
    ("PaymentAuthorized", "payment-authorized"),
    ("PaymentDeclined", "payment-declined"),
    ("TransactionPosted", "transaction-posted"),
    ("TransactionDeclined", "transaction-declined"),
    ("HoldAuthorized", "hold-authorized"),
    ("HoldVoided", "hold-voided"),
    ("AccountCreated", "account-created"),
    ("AccountChanged", "account-changed"),
    ("InvoiceIssued", "invoice-issued"),
    ("CreditNoteIssued", "credit-note-issued"),
    ("InvoicePaid", "invoice-paid"),
    ("InvoiceVoided", "invoice-voided"),
    ("InvoiceWrittenOff", "invoice-written-off"),
    ("InvoiceUncollectible", "invoice-uncollectible"),
    ("InvoiceOverdue", "invoice-overdue"),
    ("InvoicePaymentFailed", "invoice-payment-failed"),
    ("", "dead-letter"),
];

pub fn check(record: &Value) {
    static SCHEMAS: OnceLock<HashMap<&str, Validator>> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| NAMES.map(|(event, file)| (event, read(file))).into());
    let event = if record.get("failed_at").is_some() { "" } else { record["event_type"].as_str().unwrap() };
    let errors: Vec<String> =
        schemas[event].iter_errors(record).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{errors:?} in {record}");
}

fn read(file: &str) -> Validator {
    let text = std::fs::read_to_string(format!("{}/schemas/{file}.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&serde_json::from_str(&text).unwrap())
        .unwrap()
}
