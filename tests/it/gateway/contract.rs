//! payment.v1 as its clients know it: texts, codes, order of checks, limits.

use std::time::{Duration, Instant};

use florin::admission::limits::Limits;
use florin::admission::rate_limit::{RateLimitConfig, RateLimiter};
use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_client::PaymentServiceClient;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::harness::{Florin, Options, TestDatabase, payment};

async fn with_accounts() -> Florin {
    let florin = Florin::start().await;
    florin.database.account("alice", 100_00).await;
    florin.database.account("bob", 0).await;
    florin.database.account_in("kenji", 500, "JPY").await;
    florin
}

fn decline(answer: Result<pb::AuthorizePaymentResponse, Status>) -> (pb::PaymentErrorCode, String) {
    let answer = answer.unwrap();
    assert_eq!((answer.status(), answer.payment_id.as_str()), (pb::PaymentStatus::Declined, ""));
    assert!(answer.processed_at.ends_with("+00:00") && answer.processed_at.len() == 32, "{}", answer.processed_at);
    let error = answer.error.unwrap();
    (error.code(), error.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_and_wrong_fields_are_named() {
    let florin = with_accounts().await;
    let good = payment("k", "alice", "bob", 1, "USD");
    let long = "x".repeat(300);
    for (request, want) in [
        (pb::AuthorizePaymentRequest { idempotency_key: String::new(), ..good.clone() }, "idempotency_key is required"),
        (
            pb::AuthorizePaymentRequest { payer_account_id: String::new(), ..good.clone() },
            "payer_account_id is required",
        ),
        (
            pb::AuthorizePaymentRequest { payee_account_id: String::new(), ..good.clone() },
            "payee_account_id is required",
        ),
        (pb::AuthorizePaymentRequest { currency: String::new(), ..good.clone() }, "currency is required"),
        (pb::AuthorizePaymentRequest { idempotency_key: long.clone(), ..good.clone() }, "the limit is 255"),
        (pb::AuthorizePaymentRequest { payer_account_id: long.clone(), ..good.clone() }, "the limit is 128"),
        (pb::AuthorizePaymentRequest { payee_account_id: "b\0b".into(), ..good.clone() }, "U+0000"),
        (pb::AuthorizePaymentRequest { currency: long.clone(), ..good.clone() }, "the limit is 12"),
        (pb::AuthorizePaymentRequest { description: "d".repeat(1025), ..good.clone() }, "the limit is 1024"),
    ] {
        let refused = florin.client.clone().authorize_payment(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(want) && refused.message().len() < 200, "{}", refused.message());
    }
    // At the limits it is taken.
    florin.database.account(&"p".repeat(128), 1_00).await;
    let longest = florin.pay(&"k".repeat(255), &"p".repeat(128), "bob", 1).await.unwrap();
    assert_eq!(longest.status(), pb::PaymentStatus::Authorized);
    let beyond_128_bits = format!("8{}", &longest.payment_id[1..]);
    for id in ["", "nonsense", "01ARZ3NDEKTSV4RRFFQ69G5FAV", &beyond_128_bits] {
        let missing =
            florin.client.clone().get_payment(pb::GetPaymentRequest { payment_id: id.into() }).await.unwrap_err();
        match id {
            "" => assert_eq!((missing.code(), missing.message()), (Code::InvalidArgument, "payment_id is required")),
            id => assert_eq!(
                (missing.code(), missing.message()),
                (Code::NotFound, format!("Payment {id} not found").as_str())
            ),
        }
    }
    let missing = florin
        .client
        .clone()
        .get_account_balance(pb::GetAccountBalanceRequest { account_id: "nobody".into() })
        .await
        .unwrap_err();
    assert_eq!((missing.code(), missing.message()), (Code::NotFound, "Account balance for nobody not found"));
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_in_the_contracts_order_and_words() {
    use pb::PaymentErrorCode as Error;
    let florin = with_accounts().await;
    for (from, to, cents, currency, code, message) in [
        ("alice", "alice", 0, "USD", Error::InvalidAmount, "Amount must be positive"),
        ("nobody", "bob", -5, "USD", Error::InvalidAmount, "Amount must be positive"),
        ("nobody", "nobody", 1, "USD", Error::SameAccount, "Cannot transfer to same account"),
        ("nobody", "noone", 1, "EUR", Error::AccountNotFound, "Payer account nobody not found"),
        ("alice", "noone", 1_000_00, "USD", Error::AccountNotFound, "Payee account noone not found"),
        ("alice", "bob", 1_000_00, "EUR", Error::CurrencyMismatch, "Account alice is kept in USD, not in EUR"),
        ("alice", "kenji", 1, "USD", Error::CurrencyMismatch, "Account kenji is kept in JPY, not in USD"),
        ("alice", "bob", 1, "XXX", Error::CurrencyMismatch, "Account alice is kept in USD, not in XXX"),
        ("alice", "bob", 100_01, "USD", Error::InsufficientFunds, "Insufficient funds"),
        ("alice", "bob", i64::MAX, "USD", Error::InsufficientFunds, "Insufficient funds"),
    ] {
        assert_eq!(
            decline(florin.pay_in("k", from, to, cents, currency).await),
            (code, message.to_owned()),
            "{from} {to} {cents} {currency}"
        );
    }
    florin.folded().await;
    sqlx::query("UPDATE balances SET ceiling = 5000 WHERE account = (SELECT id FROM accounts WHERE name = 'bob')")
        .execute(&florin.database.pool)
        .await
        .unwrap();
    florin.kill_actors();
    assert_eq!(
        decline(florin.pay("k", "alice", "bob", 50_01).await),
        (Error::LimitExceeded, "Account bob would exceed its limit".into())
    );
    // A refusal does not use up its key: top up, and the same key is authorized.
    florin.database.account("carol", 0).await;
    assert_eq!(decline(florin.pay("again", "carol", "bob", 1_00).await).0, Error::InsufficientFunds);
    florin.pay("top-up", "alice", "carol", 2_00).await.unwrap();
    assert_eq!(florin.pay("again", "carol", "bob", 1_00).await.unwrap().status(), pb::PaymentStatus::Authorized);
    // Each refusal is a row and an event.
    assert_eq!(florin.database.count("SELECT count(*) FROM transactions WHERE status = 2").await, 12);
    assert_eq!(florin.database.count("SELECT count(*) FROM journal WHERE event = 2 AND n = 0").await, 12);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_key_is_a_duplicate_whatever_became_of_the_accounts_and_its_description_is_not_compared() {
    let florin = with_accounts().await;
    let mut request = payment("k", "alice", "bob", 100_00, "USD");
    request.description = "rent\nof\tMay\0".into(); // lines are kept, U+0000 cannot be
    let first = florin.client.clone().authorize_payment(request).await.unwrap().into_inner();
    let again = florin.pay("k", "alice", "bob", 100_00).await.unwrap(); // no description, and no money left
    assert_eq!(
        (again.status(), &again.payment_id, &again.processed_at),
        (pb::PaymentStatus::Duplicate, &first.payment_id, &first.processed_at)
    );
    assert!(again.error.is_none());
    for (from, to, cents, currency) in [
        ("bob", "alice", 100_00, "USD"),
        ("alice", "bob", 1, "USD"),
        ("alice", "bob", 100_00, "EUR"),
        ("alice", "noone", 1, "USD"),
    ] {
        let refused = florin.pay_in("k", from, to, cents, currency).await.unwrap_err();
        assert_eq!(refused.code(), Code::Aborted, "{from} {to} {cents} {currency}: {refused:?}");
        assert!(String::from_utf8_lossy(refused.details()).contains("IDEMPOTENCY_KEY_REUSED"));
    }
    let read = florin
        .client
        .clone()
        .get_payment(pb::GetPaymentRequest { payment_id: first.payment_id })
        .await
        .unwrap()
        .into_inner()
        .payment
        .unwrap();
    assert_eq!((read.description.as_str(), read.created_at.as_str()), ("rent\nof\tMay", first.processed_at.as_str()));
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_reflection_and_compression_are_on_and_deadlines_are_kept() {
    let florin = with_accounts().await;
    let channel =
        tonic::transport::Channel::from_shared(format!("http://{}", florin.address)).unwrap().connect().await.unwrap();
    for service in ["", "payment.v1.PaymentService", "florin.v1.Ledger"] {
        let answer = HealthClient::new(channel.clone())
            .check(HealthCheckRequest { service: service.into() })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let unknown =
        HealthClient::new(channel.clone()).check(HealthCheckRequest { service: "no.such".into() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    let ask = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let listed = format!(
        "{:?}",
        client
            .server_reflection_info(futures::stream::iter([ask]))
            .await
            .unwrap()
            .into_inner()
            .message()
            .await
            .unwrap()
    );
    assert!(
        listed.contains("payment.v1.PaymentService")
            && listed.contains("florin.v1.Ledger")
            && listed.contains("grpc.health.v1.Health"),
        "{listed}"
    );
    use tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest as Alpha;
    let ask = tonic_reflection::pb::v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(Alpha::ListServices(String::new())),
    };
    let mut client =
        tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let listed = format!(
        "{:?}",
        client
            .server_reflection_info(futures::stream::iter([ask]))
            .await
            .unwrap()
            .into_inner()
            .message()
            .await
            .unwrap()
    );
    assert!(listed.contains("payment.v1.PaymentService"), "{listed}");

    let mut zipped = PaymentServiceClient::new(channel.clone())
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    let answer = zipped.authorize_payment(payment("zipped", "alice", "bob", 1, "USD")).await.unwrap();
    assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), "gzip");

    // The lane stands still: the caller's own deadline is what it hears of.
    florin.faults.hold("lane.before_commit");
    let mut request = Request::new(payment("late", "alice", "bob", 1, "USD"));
    request.set_timeout(Duration::from_millis(300));
    let began = Instant::now();
    let late = florin.client.clone().authorize_payment(request).await.unwrap_err();
    // the client's own clock may be first
    assert!(matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled), "{late:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
    florin.faults.release("lane.before_commit");
    let again = florin.pay("late", "alice", "bob", 1).await.unwrap();
    assert!(matches!(again.status(), pb::PaymentStatus::Authorized | pb::PaymentStatus::Duplicate));
    assert_eq!(florin.balance("bob").await, 2);
    florin.stop().await;
}

// Fails when refused calls are let through, when another client's calls count, or when health is limited.
#[tokio::test(flavor = "multi_thread")]
async fn over_the_limit_calls_fail_by_client_and_health_never() {
    let limiter = RateLimiter::new(RateLimitConfig {
        requests_max: 5,
        window: Duration::from_secs(60),
        ..RateLimitConfig::default()
    })
    .unwrap();
    let limits = Limits { payment: Some(limiter), ..Limits::default() };
    let florin = Florin::with(TestDatabase::fresh().await, Options { limits, ..Options::default() }).await;
    florin.database.account("alice", 100_00).await;
    florin.database.account("bob", 0).await;
    let call = async |client: Option<&'static str>, forwarded: Option<&'static str>, n: u32| {
        let mut request = Request::new(payment(&format!("{client:?}{forwarded:?}{n}"), "alice", "bob", 1, "USD"));
        for (name, value) in [("x-client-id", client), ("x-forwarded-for", forwarded)] {
            if let Some(value) = value {
                request.metadata_mut().insert(name, value.parse().unwrap());
            }
        }
        florin.client.clone().authorize_payment(request).await
    };
    for (client, forwarded) in
        [(Some("one"), Some("10.0.0.1")), (Some("two"), None), (None, Some("10.0.0.1, 10.9.9.9")), (None, None)]
    {
        for n in 0..5 {
            assert!(call(client, forwarded, n).await.is_ok(), "{client:?} {forwarded:?} {n}");
        }
        let refused = call(client, forwarded, 5).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        assert!(refused.message().starts_with("rate limit exceeded: try again in "), "{refused:?}");
    }
    let channel =
        tonic::transport::Channel::from_shared(format!("http://{}", florin.address)).unwrap().connect().await.unwrap();
    for _ in 0..20 {
        HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
    }
    florin.native.clone().get_account(florin_wire::florin_v1::GetAccountRequest { id: "alice".into() }).await.unwrap();
    assert_eq!(florin.database.count("SELECT count(*) FROM transactions WHERE key IS NOT NULL").await, 20);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_show_in_the_metrics_that_dashboards_use_and_in_ours() {
    let metrics = florin::telemetry::metrics::install().unwrap();
    let florin = with_accounts().await;
    florin.pay("k", "alice", "bob", 1).await.unwrap();
    florin.pay("k2", "alice", "bob", 1_000_00).await.unwrap();
    florin.pay("k3", "alice", "", 1).await.unwrap_err();
    let shown = metrics.render();
    for line in [
        r#"payment_requests_total{status="authorized",error_code="none"}"#,
        r#"payment_requests_total{status="declined",error_code="PAYMENT_ERROR_CODE_INSUFFICIENT_FUNDS"}"#,
        "payment_duration_seconds_bucket{le=\"0.01\"}",
        r#"grpc_requests_total{method="AuthorizePayment",status_code="OK"}"#,
        r#"grpc_requests_total{method="AuthorizePayment",status_code="INVALID_ARGUMENT"}"#,
        "grpc_request_duration_seconds_count",
        "outbox_pending_events",
        "redis_connections_active",
        "db_connections_active",
        "florin_journal_batch_size_count",
        "florin_journal_commit_seconds_count",
        "florin_journal_queue_depth",
        "florin_active_accounts",
        "florin_outbox_lag_events",
        "florin_outbox_lag_seconds",
        "florin_epoch",
    ] {
        assert!(shown.contains(line), "{line} is not among\n{shown}");
    }
    florin.stop().await;
}
