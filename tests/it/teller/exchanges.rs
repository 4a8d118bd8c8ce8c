//! Exchange between currencies: the rate is pinned, old rates are refused, a repeat hears the first answer whatever the
//! rate is since.
//!
//! Mutations that make these fail: the amount that arrives is part of the request's hash; a stale rate is refused
//! before the key is looked up; the age of a rate counts from when it was written down.

use chrono::{TimeDelta, Utc};
use florin_wire::florin_v1 as pb;
use futures::future::join_all;
use tonic::{Code, Status};

use crate::gateway::native::{code, refused};
use crate::harness::Florin;

impl Florin {
    async fn add_rate(&self, base: &str, quote: &str, rate: &str, age: TimeDelta) -> Result<pb::Rate, Status> {
        let observed_at = (Utc::now() - age).to_rfc3339();
        let request = pb::AddRateRequest {
            base: base.into(),
            quote: quote.into(),
            rate: rate.into(),
            source: "desk".into(),
            observed_at,
            reason: "daily".into(),
        };
        Ok(self.native.clone().add_rate(request).await?.into_inner().rate.unwrap())
    }

    async fn exchange(&self, request: pb::ExchangeRequest) -> Result<pb::ExchangeResponse, Status> {
        Ok(self.native.clone().exchange(request).await?.into_inner())
    }

    async fn open_kept_in(&self, id: &str, kind: pb::AccountKind, currency: &str) {
        let request = pb::CreateAccountRequest {
            id: id.into(),
            kind: kind.into(),
            currency: currency.into(),
            ..pb::CreateAccountRequest::default()
        };
        self.native.clone().create_account(request).await.unwrap();
    }

    async fn stands_at(&self, id: &str) -> String {
        self.account(id).await.balance
    }
}

fn exchange(key: &str, amount: &str) -> pb::ExchangeRequest {
    pb::ExchangeRequest {
        idempotency_key: key.into(),
        source_account_id: "a".into(),
        destination_account_id: "e".into(),
        amount: amount.into(),
        currency: "USD".into(),
        destination_currency: "EUR".into(),
        ..pb::ExchangeRequest::default()
    }
}

async fn started() -> Florin {
    let florin = Florin::start().await;
    florin.database.account("a", 1_000_00).await;
    florin.open_kept_in("e", pb::AccountKind::User, "EUR").await;
    florin
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_exchanged_at_the_rate_that_it_pins() {
    let florin = started().await;
    refused(florin.exchange(exchange("k", "100")).await, Code::FailedPrecondition, &["no rate from USD to EUR"]);
    let first = florin.add_rate("USD", "EUR", "0.92155", TimeDelta::minutes(1)).await.unwrap();
    let done = florin.exchange(exchange("k", "100.10")).await.unwrap();
    let transaction = done.transaction.unwrap();
    let postings: Vec<_> = transaction
        .postings
        .iter()
        .map(|p| (&*p.source_account_id, &*p.destination_account_id, &*p.amount, &*p.currency))
        .collect();
    assert_eq!(postings, [("a", "clearing:USD", "100.10", "USD"), ("clearing:EUR", "e", "92.24", "EUR")]); // 92.247155
    let rate = transaction.rate.unwrap();
    assert_eq!((rate.rate_id, rate.rate.as_str(), rate.rounding.as_str()), (first.id, "0.92155", "down"));
    assert_eq!((florin.stands_at("a").await, florin.stands_at("e").await), ("899.90".into(), "92.24".into()));
    assert_eq!(
        (florin.stands_at("clearing:USD").await, florin.stands_at("clearing:EUR").await),
        ("100.10".into(), "-92.24".into())
    );

    let newer = florin.add_rate("USD", "EUR", "0.5", TimeDelta::zero()).await.unwrap();
    florin.add_rate("USD", "EUR", "7", TimeDelta::minutes(30)).await.unwrap(); // written down last, observed first
    let again = florin.exchange(exchange("k", "100.10")).await.unwrap();
    let read = again.transaction.unwrap();
    assert!(again.replayed && read.id == transaction.id && read.rate == Some(rate), "{read:?}");
    assert_eq!(read.postings[1].amount, "92.24");
    refused(florin.exchange(exchange("k", "100.11")).await, Code::Aborted, &["used before by another request"]);
    assert_eq!(florin.exchange(exchange("", "10")).await.unwrap().transaction.unwrap().rate.unwrap().rate_id, newer.id);
    let quoted = pb::ExchangeRequest { rate_id: first.id, ..exchange("", "10") };
    assert_eq!(florin.exchange(quoted).await.unwrap().transaction.unwrap().rate.unwrap().rate_id, first.id);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_rate_is_refused_but_not_to_a_repeat() {
    let florin = started().await; // rates are good for an hour here
    florin.add_rate("USD", "EUR", "0.9", TimeDelta::minutes(59)).await.unwrap();
    let done = florin.exchange(exchange("k", "10")).await.unwrap().transaction.unwrap();
    // Rates age: by what was observed, not by what was written.
    sqlx::raw_sql("ALTER TABLE rates DISABLE TRIGGER append_only; UPDATE rates SET observed_at = observed_at - interval '2 minutes'; ALTER TABLE rates ENABLE TRIGGER append_only")
        .execute(&florin.database.pool)
        .await
        .unwrap();
    refused(
        florin.exchange(exchange("other", "10")).await,
        Code::FailedPrecondition,
        &["was observed 36", "the limit is 3600 s"],
    );
    let again = florin.exchange(exchange("k", "10")).await.unwrap();
    assert!(again.replayed && again.transaction.unwrap().id == done.id);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_by_name_and_moves_nothing() {
    let florin = started().await;
    let rate = florin.add_rate("USD", "EUR", "0.0049", TimeDelta::zero()).await.unwrap();
    let other = florin.add_rate("EUR", "USD", "1.1", TimeDelta::zero()).await.unwrap();
    let ask = |change: fn(&mut pb::ExchangeRequest)| {
        let mut request = exchange("", "10");
        change(&mut request);
        florin.exchange(request)
    };
    refused(ask(|r| r.destination_currency = "USD".into()).await, Code::InvalidArgument, &["both currencies are USD"]);
    refused(
        ask(|r| r.destination_currency = "XXX".into()).await,
        Code::InvalidArgument,
        &["destination_currency \"XXX\" is not a currency"],
    );
    refused(
        ask(|r| r.amount = "0.001".into()).await,
        Code::InvalidArgument,
        &["amount \"0.001\" has more than the 2 decimals"],
    );
    refused(ask(|r| r.rate_id = -1).await, Code::InvalidArgument, &["rate_id -1"]);
    refused(ask(|r| r.rate_id = i64::MAX).await, Code::FailedPrecondition, &["there is no rate 9223372036854775807"]);
    refused(
        florin.exchange(pb::ExchangeRequest { rate_id: other.id, ..exchange("", "1") }).await,
        Code::FailedPrecondition,
        &["is from EUR to USD"],
    );
    // at 0.0049 that is worth 0.98 of a cent: rounded up, a cent could be had for it as often as one likes
    for amount in ["1", "2"] {
        refused(
            florin.exchange(pb::ExchangeRequest { rate_id: rate.id, ..exchange("", amount) }).await,
            Code::FailedPrecondition,
            &[".00 USD cannot be exchanged to EUR", "comes to nothing"],
        );
    }
    for (amount, debit, credit, refusal) in [
        ("1000.01", "a", "e", pb::DeclineCode::InsufficientFunds),
        ("-1", "a", "e", pb::DeclineCode::InvalidAmount),
        ("10", "nobody", "e", pb::DeclineCode::AccountNotFound),
        ("10", "e", "a", pb::DeclineCode::CurrencyMismatch),
        ("10", "a", "a", pb::DeclineCode::CurrencyMismatch),
    ] {
        let request = pb::ExchangeRequest {
            source_account_id: debit.into(),
            destination_account_id: credit.into(),
            rate_id: rate.id,
            ..exchange("", amount)
        };
        assert_eq!(
            code(&florin.exchange(request).await.unwrap().transaction.unwrap()),
            Some(refusal),
            "{amount} {debit} {credit}"
        );
    }
    assert_eq!((florin.stands_at("a").await, florin.stands_at("e").await), ("1000.00".into(), "0.00".into()));
    refused(
        florin.add_rate("USD", "USD", "1", TimeDelta::zero()).await,
        Code::InvalidArgument,
        &["quote \"USD\" is the base"],
    );
    refused(florin.add_rate("USD", "EUR", "-1", TimeDelta::zero()).await, Code::InvalidArgument, &["rate \"-1\""]);
    refused(
        florin.add_rate("USD", "EUR", "1", TimeDelta::minutes(-5)).await,
        Code::InvalidArgument,
        &["observed_at", "in the future"],
    );
    assert_eq!(
        florin.database.count("SELECT count(*) FROM operator_actions WHERE action = 'rate.add' AND actor = 'anonymous' AND reason = 'daily'").await,
        2
    );
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_at_once_keep_the_books_and_rates_are_listed_newest_first() {
    let florin = started().await;
    for n in 1..=5 {
        florin.add_rate("USD", "EUR", &format!("0.{n}"), TimeDelta::minutes(30 - n)).await.unwrap();
    }
    let keys: Vec<String> = (0..60).map(|n| format!("k{}", n % 40)).collect();
    let answers = join_all(keys.iter().map(|key| florin.exchange(exchange(key, "20")))).await;
    let fits =
        answers.iter().filter(|answer| code(answer.as_ref().unwrap().transaction.as_ref().unwrap()).is_none()).count();
    assert_eq!(fits, 60, "of 1000, 40 times 20");
    assert_eq!((florin.stands_at("a").await, florin.stands_at("e").await), ("200.00".into(), "400.00".into()));
    let (mut listed, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListRatesRequest { base: "USD".into(), quote: "EUR".into(), limit: 2, page_token };
        let page = florin.native.clone().list_rates(request).await.unwrap().into_inner();
        listed.extend(page.items.into_iter().map(|rate| rate.rate));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, ["0.5", "0.4", "0.3", "0.2", "0.1"]);
    florin.stop().await;
}
