//! Events of what posts nothing: holds, and changes of accounts.

use super::*;

#[test]
fn steps_of_a_hold_say_which_they_are() {
    let (time, reference) = (timestamp(at()), Some("ref".to_owned()));
    for kind in [Kind::HOLD, Kind::PAYOUT] {
        let made = unmoved(EventType::HoldAuthorized, kind, json!({ "expires_at": time }));
        let body = told(&[Row { held: Some(150), reference: reference.clone(), ..made }]);
        let expected = json!({
            "hold_id": ID_AS_UUID, "transaction_id": ID_AS_UUID, "debit_account_id": "acc-payer-001", "credit_account_id": "acc-payee-002", "amount": "1.50",
            "currency": "USD", "expires_at": time, "reference": "ref",
        });
        assert_eq!(
            (&body["payload"], &body["aggregate_id"], &body["correlation_id"]),
            (&expected, &json!(ID_AS_UUID), &json!("corr-7"))
        );
    }
    let left = Row {
        held: Some(-40),
        follows: Some(OTHER),
        correlation: None,
        ..unmoved(EventType::HoldVoided, Kind::VOID, json!({}))
    };
    let body = told(std::slice::from_ref(&left));
    let expected = json!({
        "hold_id": OTHER.to_string(), "transaction_id": ID_AS_UUID, "debit_account_id": "acc-payer-001", "credit_account_id": "acc-payee-002", "amount": "0.40",
        "currency": "USD",
    });
    assert_eq!(
        (&body["payload"], &body["aggregate_id"], body.get("correlation_id")),
        (&expected, &json!(OTHER.to_string()), None)
    );
    assert_eq!(tell(&[left]).transaction, TransactionId(ID), "it tells of the step, under the hold's key");
}

#[test]
fn events_of_accounts_say_whose_and_how_it_was_and_is() {
    let usd = currency("USD", 2);
    let opening = json!({
        "name": "acc \u{1F980}", "kind": "user", "normal_side": "credit", "currency": "USD", "owner": "", "owner_type": "", "status": "active", "floor": "0.00",
        "ceiling": null,
    });
    let opened =
        Row { debit: None, credit: None, ..unmoved(EventType::AccountCreated, Kind::ACCOUNT_OPENING, opening.clone()) };
    let body = told(std::slice::from_ref(&opened));
    let mut expected = opening.clone();
    expected.as_object_mut().unwrap().remove("name");
    (expected["tenant"], expected["account_id"]) = (json!("default"), json!("acc \u{1F980}"));
    assert_eq!((&body["payload"], &body["aggregate_id"]), (&expected, &json!("acc \u{1F980}")));
    let event = tell(std::slice::from_ref(&opened));
    assert_eq!(
        (event.transaction, &*event.accounts[0]),
        (TransactionId(Uuid::nil()), "acc \u{1F980}"),
        "an opening is no transaction"
    );
    let mut more = opening;
    (more["subtype"], more["ceiling"]) = (json!("savings"), json!("5.00"));
    let body = told(&[Row { body: Some(more), metadata: Some(r#"{"vip":true}"#.into()), ..opened }]);
    let payload = &body["payload"];
    assert_eq!(
        (&payload["subtype"], &payload["ceiling"], &payload["metadata"]),
        (&json!("savings"), &json!("5.00"), &json!({ "vip": "true" }))
    );

    let (before, after) = (
        GuardsText::of(Guards { floor: Some(0), ..Guards::NONE }, usd),
        GuardsText::of(
            Guards {
                status: Status::Suspended,
                floor: Some(-10_050),
                ceiling: Some(9_999_999_999_999_999_999_999_999_999),
            },
            usd,
        ),
    );
    let guards = |guards: &GuardsText| serde_json::from_str::<Value>(&guards.json()).unwrap();
    let change = json!({ "before": guards(&before), "after": guards(&after) });
    let changed = Row { credit: None, ..unmoved(EventType::AccountChanged, Kind::ACCOUNT_CHANGE, change) };
    let body = told(std::slice::from_ref(&changed));
    assert_eq!(
        (&body["payload"]["account_id"], &body["payload"]["transaction_id"]),
        (&json!("acc-payer-001"), &json!(ID_AS_UUID))
    );
    assert_eq!(body["payload"]["before"], json!({ "status": "active", "floor": "0.00", "ceiling": null }));
    assert_eq!(
        body["payload"]["after"],
        json!({ "status": "suspended", "floor": "-100.50", "ceiling": "99999999999999999999999999.99" })
    );
    assert_eq!(tell(&[changed]).transaction, TransactionId(ID));
}
