//! The provider over HTTP against one that misbehaves in every way it can: what is certainly not done, what nobody
//! knows, and that a key is done once.

use std::time::Duration;

use florin::money::Amount;
use florin::provider::{Answer, HttpConfig, HttpProvider, Operation, Provider, ProviderError, perform};
use florin::saga::{Call, Order, Reply, Step, Task, Workflow};

use crate::harness::provider::{How, SECRET, Simulator, State};

fn provider(simulator: &Simulator) -> HttpProvider {
    with_secret(simulator, SECRET)
}

fn with_secret(simulator: &Simulator, secret: &str) -> HttpProvider {
    let timeout = Duration::from_millis(400);
    HttpProvider::new(HttpConfig { name: "test".into(), url: simulator.url(), secret: secret.into(), timeout }).unwrap()
}

fn operation(saga: &str, step: Step, undo: bool) -> Operation {
    let workflow = if step == Step::Send { Workflow::Payout } else { Workflow::CardTopup };
    let (account, counter) = ("alice".into(), "provider:test:USD".into());
    let (instrument, reference) = ("ba_1".into(), Some("Jänner".into()));
    let order = Order {
        workflow,
        account,
        counter,
        amount: Amount::from(12_50),
        currency: "USD".into(),
        exponent: 2,
        instrument,
        reference,
    };
    let task = Task { step, undo, attempt: 1, call: Call::Do, round: 0, undoes: 0 };
    Operation::of(saga, &order, &task, Some("corr-1".into())).unwrap()
}

fn payout(saga: &str) -> Operation {
    operation(saga, Step::Send, false)
}

fn done(key: &str) -> Answer {
    Answer::Done { reference: Some(format!("ref-{key}")) }
}

#[tokio::test]
async fn an_operation_is_done_once_and_its_key_tells() {
    let simulator = Simulator::start().await;
    let provider = provider(&simulator);
    let (first, charge) = (payout("a"), operation("b", Step::Charge, false));
    assert_eq!(provider.status(&first).await, Ok(None));
    for _ in 0..3 {
        assert_eq!(provider.submit(&first).await, Ok(done("a.send")));
    }
    assert_eq!(provider.submit(&charge).await, Ok(done("b.charge")));
    assert_eq!(provider.status(&first).await, Ok(Some(done("a.send"))));
    let entry = simulator.entry("a.send").unwrap();
    assert_eq!((entry.effects, entry.submitted), (1, 3));
    assert_eq!(
        entry.body,
        serde_json::json!({
            "key": "a.send", "action": "payout", "amount": "12.50", "currency": "USD", "instrument": "ba_1", "reference": "Jänner"
        })
    );
    let (method, path, correlation) = simulator.calls().pop().unwrap();
    assert_eq!(
        (method.as_str(), path.as_str(), correlation.as_deref()),
        ("GET", "/psp/v1/operations/a.send", Some("corr-1"))
    );
    // Undone, and the undoing names what it undoes.
    assert_eq!(provider.submit(&operation("a", Step::Send, true)).await, Ok(done("a.recall")));
    assert_eq!(simulator.entry("a.send").unwrap().state, State::Undone);
    assert_eq!(simulator.entry("a.recall").unwrap().body["undoes"], "a.send");
    simulator.check();
}

/// Mutations: every failure read as "not done"; a 500 read as "not done"; the key of the answer not compared; an answer
/// without a signature, or with another one, believed.
#[tokio::test]
async fn only_what_certainly_did_nothing_is_called_not_done() {
    let simulator = Simulator::start().await;
    let provider = provider(&simulator);
    let signed = |status, body: &str| How::Answers(status, body.into());
    let raw = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        How::Says(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}"))
    };
    let forged = format!("florin-signature: v1={}\r\n", "0".repeat(64));
    let endless = raw("200 OK", "", &"x".repeat(1_000_000));
    let cases = [
        ("request lost", How::LosesRequest, false),
        ("answer lost", How::LosesAnswer, false),
        ("answer held back", How::Holds, false),
        ("500 before", How::FailsBefore, false),
        ("500 after", How::FailsAfter, false),
        ("garbage", signed(200, "<html>"), false),
        ("another key", signed(200, r#"{"key":"z","status":"done"}"#), false),
        ("redirect", raw("307 Elsewhere", "location: /psp/v1/operations\r\n", ""), false),
        ("endless", endless, false),
        ("no HTTP", How::Says("220 mail.example ESMTP\r\n".into()), false),
        ("unknown", signed(404, r#"{"key":"10.send","status":"unknown"}"#), false),
        ("unauthorised", signed(401, ""), true),
        ("too many", signed(429, "slow down"), true),
        ("done, not signed", raw("200 OK", "", r#"{"key":"13.send","status":"done"}"#), false),
        ("done, forged", raw("200 OK", &forged, r#"{"key":"14.send","status":"done"}"#), false),
        ("refused, not signed", raw("422 No", "", r#"{"key":"15.send","status":"refused"}"#), false),
        ("too many, not signed", raw("429 Too Many Requests", "", "slow down"), false),
    ];
    for (n, (name, how, not_done)) in cases.into_iter().enumerate() {
        let operation = payout(&n.to_string());
        simulator.plan("payout", [how]);
        match provider.submit(&operation).await.unwrap_err() {
            ProviderError::NotDone(why) => assert!(not_done, "{name}: {why}"),
            ProviderError::Unknown(why) => assert!(!not_done, "{name}: {why}"),
        }
        // Whatever it was: asking first, then submitting what is not known, does it once.
        assert_eq!(
            perform(&provider, &operation, Call::AskFirst).await,
            Reply::Done { reference: Some(format!("ref-{n}.send")) },
            "{name}"
        );
        assert_eq!(simulator.entry(&operation.key).unwrap().effects, 1, "{name}");
    }
    simulator.answer_all();
    simulator.check();
}

#[tokio::test]
async fn a_provider_that_is_down_did_nothing_but_what_it_is_asked_about_stays_in_doubt() {
    let simulator = Simulator::start().await;
    let provider = provider(&simulator);
    assert_eq!(provider.submit(&payout("a")).await, Ok(done("a.send"))); // a connection that stays open
    simulator.down().await;
    let down = perform(&provider, &payout("b"), Call::Do).await;
    assert!(
        matches!(&down, Reply::NotDone(why) | Reply::Unknown(why) if why.contains("the connection failed")),
        "{down:?}"
    );
    assert!(matches!(provider.submit(&payout("b")).await, Err(ProviderError::NotDone(_))));
    assert!(matches!(perform(&provider, &payout("a"), Call::AskFirst).await, Reply::Unknown(_)));
    assert!(matches!(perform(&provider, &payout("a"), Call::Poll).await, Reply::Unknown(_)));
    simulator.up().await;
    assert!(matches!(perform(&provider, &payout("a"), Call::AskFirst).await, Reply::Done { .. }));
    assert!(matches!(perform(&provider, &payout("b"), Call::AskFirst).await, Reply::Done { .. }));
    simulator.check();
}

/// The client gives up a connection on which something comes that it did not ask for; were it not to, the key in the
/// answer would tell.
#[tokio::test]
async fn a_second_answer_on_a_connection_is_nobodys() {
    let simulator = Simulator::start().await;
    let provider = provider(&simulator);
    for n in 0..20 {
        simulator.plan("payout", [How::AnswersTwice]);
        let operation = payout(&n.to_string());
        let reply = match provider.submit(&operation).await {
            Ok(answer) => answer.into(),
            Err(_) => perform(&provider, &operation, Call::AskFirst).await,
        };
        let reply = if matches!(reply, Reply::Unknown(_)) {
            perform(&provider, &operation, Call::AskFirst).await
        } else {
            reply
        };
        assert_eq!(reply, Reply::Done { reference: Some(format!("ref-{n}.send")) });
    }
    simulator.check();
}

#[tokio::test]
async fn what_is_pending_is_polled_and_not_submitted_again() {
    let simulator = Simulator::start().await;
    let provider = provider(&simulator);
    simulator.plan("payout", [How::Pends(1), How::PendsThenRefuses(0), How::Refuses]);
    assert_eq!(provider.submit(&payout("a")).await, Ok(Answer::Pending));
    assert_eq!(provider.submit(&payout("b")).await, Ok(Answer::Pending));
    assert_eq!(perform(&provider, &payout("a"), Call::Poll).await, Reply::Pending);
    assert!(matches!(perform(&provider, &payout("a"), Call::Poll).await, Reply::Done { .. }));
    let refused = Reply::Refused("account_closed: the account is closed".into());
    assert_eq!(perform(&provider, &payout("b"), Call::Poll).await, refused);
    assert_eq!(perform(&provider, &payout("c"), Call::Do).await, refused);
    assert_eq!(perform(&provider, &payout("c"), Call::AskFirst).await, refused);
    assert!(matches!(perform(&provider, &payout("d"), Call::Poll).await, Reply::Unknown(_)), "a poll never submits");
    assert_eq!((simulator.entry("a.send").unwrap().submitted, simulator.entry("d.send").is_none()), (1, true));
    simulator.check();
}

#[tokio::test]
async fn what_was_recalled_before_it_came_is_never_done() {
    let simulator = Simulator::start().await;
    let provider = provider(&simulator);
    assert_eq!(provider.submit(&operation("a", Step::Send, true)).await, Ok(done("a.recall")));
    assert!(matches!(provider.submit(&payout("a")).await, Ok(Answer::Refused { .. })));
    assert_eq!(simulator.entry("a.send").unwrap().effects, 0);
    simulator.check();
}

/// Mutation: the body, or the path, is left out of what is signed.
#[tokio::test]
async fn with_another_secret_neither_is_the_request_looked_at_nor_the_answer_believed() {
    let simulator = Simulator::start().await;
    let provider = with_secret(&simulator, "another");
    let why = "an answer of status 401 that is signed wrongly";
    assert_eq!(provider.submit(&payout("a")).await, Err(ProviderError::Unknown(why.into())));
    assert_eq!(provider.status(&payout("a")).await, Err(ProviderError::Unknown(why.into())));
    assert!(simulator.entry("a.send").is_none());
}
