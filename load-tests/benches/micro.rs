//! Single functions of the hot path, so that a regression is found by one command: `make bench-micro`.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails")]

use std::hint::black_box;
use std::time::Duration;

use chrono::DateTime;
use criterion::{Criterion, criterion_group, criterion_main};
use florin::admission::rate_limit::{RateLimitConfig, RateLimiter};
use florin::ledger::{Account, Decision, Guards, Leg, Totals};
use florin::protocol::events::{
    Follows, Outcome, Payload, PaymentAuthorized, PostingPayload, TransactionPayload, envelope,
};
use florin::protocol::record::{Api, KeyHash, RequestHash};
use futures::FutureExt;
use ulid::Ulid;

/// An account with so many open legs.
fn account(open: u64) -> Account<u64> {
    let totals = Totals { debits: 5_000, credits: 1_000_000_000, held: 0, version: 7 };
    let mut account = Account::new(totals, Guards { floor: Some(0), ..Guards::NONE });
    (0..open).for_each(|n| account.open(n, Leg::net(10, 0)));
    account
}

fn decide(c: &mut Criterion) {
    for open in [0, 1_000] {
        let account = account(open);
        c.bench_function(&format!("decide, {open} open legs"), |b| {
            b.iter(|| black_box(&account).decide(black_box(Leg::net(10, 0))))
        });
        let mut account = account.clone();
        c.bench_function(&format!("decide, open, see, close, {open} open legs"), |b| {
            let mut n = 1_000_000;
            b.iter(|| {
                n += 1;
                assert_eq!(account.decide(Leg::net(10, 0)), Decision::Admit);
                account.open(n, Leg::net(10, 0));
                let totals = Totals { version: account.totals().version + 1, ..account.totals() };
                account.see(black_box(totals));
                account.close(&n)
            });
        });
    }
}

fn encoding(c: &mut Criterion) {
    let (id, at) =
        (Ulid::from_parts(1_700_000_000_000, 42), DateTime::from_timestamp(1_700_000_000, 123_456_000).unwrap());
    let aggregate = id.to_string();
    let payment = PaymentAuthorized {
        payment_id: &aggregate,
        payer_account_id: "customer-000123",
        payee_account_id: "merchant-000456",
        amount_cents: 12_50,
        currency: "USD",
        description: None,
    };
    c.bench_function("encode PaymentAuthorized", |b| {
        b.iter(|| envelope(id, &aggregate, &Payload::Authorized(black_box(&payment)), at, None))
    });
    let postings = [PostingPayload {
        debit_account_id: "customer-000123",
        credit_account_id: "merchant-000456",
        amount: "12.50",
        currency: "USD",
    }];
    let metadata = [("order".to_owned(), "4711".to_owned())].into();
    let transaction = TransactionPayload {
        transaction_id: "018bcfe5-6800-7000-8000-00000000002a",
        kind: "transfer",
        outcome: Outcome::Posted,
        postings: &postings,
        reference: Some("order-4711"),
        metadata: &metadata,
        follows: Follows::Nothing,
    };
    c.bench_function("encode TransactionPosted", |b| {
        b.iter(|| envelope(id, &aggregate, &Payload::Transaction(black_box(&transaction)), at, None))
    });
    c.bench_function("hash key and request", |b| {
        b.iter(|| {
            let key = KeyHash::of(Api::PaymentV1, "default", black_box("01JD0000000000000000000000-123456"));
            (key, RequestHash::of(&[b"customer-000123", b"merchant-000456", &1_250i64.to_le_bytes(), b"USD"]))
        });
    });
}

/// The limiter without Redis: the whole decision, of 64 clients in turn, allowed and refused.
fn limiter(c: &mut Criterion) {
    let clients: Vec<String> = (0..64).map(|n| format!("client-{n}")).collect();
    for (name, requests_max) in [("allowed", 1_000_000_000), ("refused", 1)] {
        let config = RateLimitConfig {
            requests_max,
            window: Duration::from_secs(60),
            redis_url: None,
            ..RateLimitConfig::default()
        };
        let limiter = RateLimiter::new(config).unwrap();
        let mut n = 0;
        c.bench_function(&format!("limiter without Redis, {name}"), |b| {
            b.iter(|| {
                n += 1;
                limiter.check(black_box(&clients[n % clients.len()])).now_or_never().unwrap()
            });
        });
    }
}

criterion_group! {
    name = micro;
    config = Criterion::default().sample_size(50).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = decide, encoding, limiter
}
criterion_main!(micro);
