use super::*;
use crate::billing::TaxRate;
use crate::money::CurrencyCode;

fn known(code: &str) -> Option<Currency> {
    let exponent = crate::money::COMMON.iter().find(|(it, _)| *it == code)?.1;
    Some(Currency { code: CurrencyCode::parse(code)?, exponent })
}

fn parse(message: &str) -> Result<Order, BrokenOrder> {
    Order::parse(message.as_bytes(), known)
}

const WHOLE: &str = r#"{"event_id": "e-1", "order_id": "o-1", "currency": "EUR", "customer_id": "c-1", "region": "DE",
    "tax_inclusive": true, "timestamp": "2026-11-20T02:09:34.076259", "of no interest": {"a": [1, {}, NULL]},
    "lines": [{"sku": "a", "qty": 2.0, "unit_price": "1.50", "tax_category": "food"},
              {"sku": "\u00fc\"", "qty": 0, "unit_price": 1e2, "note": null}]}"#;

#[test]
fn a_whole_order_is_read() {
    let line = |sku: &str, qty, unit_price: &str, category: Option<&str>| OrderLine {
        sku: sku.into(),
        qty,
        unit_price: unit_price.parse().unwrap(),
        tax_category: category.map(str::to_owned),
    };
    let order = Order {
        event_id: "e-1".into(),
        order_id: "o-1".into(),
        currency: known("EUR").unwrap(),
        customer_id: Some("c-1".into()),
        region: Some("DE".into()),
        tax_inclusive: true,
        lines: vec![line("a", 2, "1.5", Some("food")), line("ü\"", 0, "100", None)],
        ordered_at: Some("2026-11-20T02:09:34.076259Z".parse().unwrap()),
    };
    assert_eq!(parse(&WHOLE.replace("NULL", "null")), Ok(order));
    assert_eq!(parse(WHOLE).map_err(|broken| broken.code()), Err("NOT_JSON"));
}

/// A message with one more field.
fn with(field: &str) -> String {
    format!(
        r#"{{"event_id":"e","order_id":"o","currency":"USD","lines":[{{"sku":"s","qty":1,"unit_price":1}}],{field}}}"#
    )
}

#[test]
fn limits_hold_at_their_last_value_and_not_one_beyond() {
    for (field, max) in [("customer_id", 128), ("region", 64)] {
        assert!(parse(&with(&format!(r#""{field}":"{}""#, "x".repeat(max)))).is_ok());
        let long = parse(&with(&format!(r#""{field}":"{}""#, "x".repeat(max + 1)))).unwrap_err();
        assert_eq!(long.code(), "FIELD_TOO_LONG");
        assert!(
            long.to_string().starts_with(&format!("{field} has {} bytes, more than {max}: \"xxx", max + 1)),
            "{long}"
        );
    }
    let order = |event: usize, order: &str, sku: usize| {
        let [event, sku] = [event, sku].map(|count| "x".repeat(count));
        parse(&format!(
            r#"{{"event_id":"{event}","order_id":{order},"currency":"USD","lines":[{{"sku":"{sku}","qty":1,"unit_price":1}}]}}"#
        ))
    };
    assert!(order(128, &"1".repeat(128), 256).is_ok());
    for (event, id, sku) in [(129, 1, 1), (1, 129, 1), (1, 1, 257)] {
        assert_eq!(order(event, &"1".repeat(id), sku).unwrap_err().code(), "FIELD_TOO_LONG");
    }
}

// Fails when an id is read like any text: its account, its invoices and its reference could be asked for by nobody.
#[test]
fn ids_have_no_control_characters_and_other_texts_may() {
    let order = |event: &str, order: &str, customer: &str, sku: &str| {
        let lines = format!(r#"[{{"sku":"{sku}","qty":1,"unit_price":1}}]"#);
        parse(&format!(
            r#"{{"event_id":"{event}","order_id":"{order}","currency":"USD","customer_id":"{customer}","lines":{lines}}}"#
        ))
    };
    assert!(order("e", "o", "c", r"two\nlines\u001b").is_ok());
    for (event, id, customer, field) in
        [(r"e\r", "o", "c", "event_id"), ("e", r"\u001b[2J", "c", "order_id"), ("e", "o", r"c\u0085", "customer_id")]
    {
        let broken = order(event, id, customer, "s").unwrap_err();
        assert_eq!(broken.code(), "CONTROL_CHARACTER");
        assert!(broken.to_string().starts_with(&format!("{field} contains a control character: \"")), "{broken}");
    }
}

#[test]
fn a_message_as_large_as_the_limit_is_read_and_a_larger_one_is_not() {
    let (head, tail) = (with(r#""note":""#), "\"}");
    let head = head.trim_end_matches('}');
    let note = |bytes: usize| format!("{head}{}{tail}", "x".repeat(bytes - head.len() - tail.len()));
    assert!(parse(&note(5_000_000)).is_ok());
    assert!(parse(&note(MESSAGE_BYTES_MAX)).is_ok());
    let long = parse(&note(MESSAGE_BYTES_MAX + 1));
    assert_eq!(long, Err(BrokenOrder::TooLong { bytes: MESSAGE_BYTES_MAX + 1, max: MESSAGE_BYTES_MAX }));
}

#[test]
fn an_order_of_the_most_lines_comes_to_their_sum_and_one_more_line_breaks_it() {
    let message = |lines: usize| {
        let lines = vec![r#"{"sku":"s","qty":3,"unit_price":"0.335"}"#; lines].join(",");
        format!(r#"{{"event_id":"e","order_id":7,"currency":"USD","lines":[{lines}]}}"#)
    };
    let order = parse(&message(LINES_MAX)).unwrap();
    let rates = TaxRates::new(Vec::new(), TaxRate::standard("18".parse().unwrap()).unwrap()).unwrap();
    let taxed = order.taxed(&rates, Rounding::default(), Per::default(), DateTime::UNIX_EPOCH).unwrap();
    assert_eq!([taxed.subtotal, taxed.tax, taxed.total].map(|it| it.text(2)), ["100500.00", "18090.00", "118590.00"]);
    assert_eq!(parse(&message(LINES_MAX + 1)), Err(BrokenOrder::LongList { list: LINES, max: LINES_MAX }));
}

#[test]
fn nesting_of_any_depth_is_ignored_or_refused_without_a_stack() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(500_000), close.repeat(500_000));
    assert!(parse(&with(&format!(r#""note":{}"#, deep("[", "]")))).is_ok());
    assert_eq!(parse(&deep("[", "]")).unwrap_err().code(), "NOT_AN_OBJECT");
    assert_eq!(parse(&with(&format!(r#""region":{}"#, deep("{\"a\":", "}")))).unwrap_err().code(), "WRONG_TYPE");
    let lines = format!(r#"{{"event_id":"e","order_id":"o","currency":"USD","lines":{}}}"#, deep("[", "]"));
    assert_eq!(
        parse(&lines).unwrap_err().to_string(),
        format!("lines[0] must be an object, not {}...", "[".repeat(40))
    );
}
