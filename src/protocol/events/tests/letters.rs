//! Dead letters, and what is told of them again.

use super::*;

#[test]
fn a_dead_letter_is_small_and_valid_whatever_died() {
    let long = "x".repeat(5_000_000);
    let whole = tell(&[Row { description: Some(long.clone()), ..row() }]);
    for (event, body) in [(1, &*whole.body), (2, "{\"payload\":[1]}"), (77, "no JSON"), (1, "{}"), (3, "null")] {
        let letter = DeadLetter {
            event: EventNumber(event),
            aggregate: "agg",
            body,
            retry_count: 0,
            failed_at: at(),
            error: &long,
        };
        let record = letter.encode();
        assert!(record.len() < 4096, "{} bytes", record.len());
        let record = check("dead-letter", &record);
        if event == 1 && body.len() > 2 {
            assert_eq!(record["event_id"], event_id(&row()).to_string());
            assert_eq!(record["payload"]["amount_cents"], 1250);
        }
    }
}

#[test]
fn what_is_told_again_is_told_word_for_word_and_to_the_same() {
    let reversal = Row { follows: Some(OTHER), ..own(EventType::TransactionPosted, Kind::REVERSAL) };
    let refusal = declined(EventType::PaymentDeclined, Kind::PAYMENT, DeclineCode::SameAccount, &[asked(1, "USD", 2)]);
    let hold = Row {
        held: Some(1),
        ..unmoved(EventType::HoldAuthorized, Kind::HOLD, json!({ "expires_at": timestamp(at()) }))
    };
    for row in [row(), refusal, reversal, hold] {
        let first = tell(&[row]);
        let facts = json!({ "event": first.event.code(), "key": &*first.key, "event_body": &*first.body });
        let again = Row { seq: SEQ + 9, id: TransactionId(OTHER), ..unmoved(first.event, Kind::REPLAY, facts) };
        let again = tell(&[again]);
        assert_eq!((again.id, again.event, &again.key, &again.body), (SEQ + 9, first.event, &first.key, &first.body));
        assert_eq!(
            (again.transaction, again.reverses, &again.accounts),
            (first.transaction, first.reverses, &first.accounts)
        );
    }
    let again = |heard| {
        let facts = json!({ "event": 3, "key": "agg", "event_body": "{}", "heard": heard });
        tell(&[unmoved(EventType::TransactionPosted, Kind::REPLAY, facts)])
    };
    assert!(again(true).is_repeat && !again(false).is_repeat && !tell(&[row()]).is_repeat);
    let odd = json!({ "event": 3, "key": "agg", "event_body": "no JSON" });
    let odd = tell(&[unmoved(EventType::TransactionPosted, Kind::REPLAY, odd)]);
    assert_eq!(
        (&*odd.body, odd.transaction.0, odd.accounts.len()),
        ("no JSON", Uuid::nil(), 0),
        "what cannot be read concerns nobody"
    );
}
