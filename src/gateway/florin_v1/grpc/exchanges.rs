//! Exchanges and rates over gRPC.

use florin_wire::florin_v1 as pb;

use crate::gateway::florin_v1::grpc::post::posting;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::exchanges::{self, Exchange, Quote};
use crate::teller::native::post::{Posted, Words};
use crate::teller::native::views::Rate;
use crate::teller::native::{fields, names, pages};

/// Exchanges money.
pub(super) async fn exchange(ledger: &Ledger, call: &Call, asked: pb::ExchangeRequest) -> Result<Posted, Failure> {
    let permit = ledger.enter()?;
    let known = ledger.ensure_known([asked.currency.as_str(), &asked.destination_currency].into_iter()).await;
    known.map_err(|failure| failure.with_key(!asked.idempotency_key.is_empty()))?;
    let currencies = &ledger.parts().currencies;
    let from = fields::currency(currencies, "currency", &asked.currency)?;
    let to = fields::currency(currencies, names::DESTINATION_CURRENCY.grpc, &asked.destination_currency)?;
    let rate = match asked.rate_id {
        0 => None,
        id @ 1.. => Some(id),
        id => return Err(Failure::Invalid(format!("rate_id {id} is below zero"))),
    };
    let mut words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    words.metadata = fields::metadata(&asked.metadata)?;
    let paid = pb::Posting {
        source_account_id: asked.source_account_id,
        destination_account_id: asked.destination_account_id,
        amount: asked.amount,
        currency: asked.currency,
        ..pb::Posting::default()
    };
    exchanges::exchange(ledger, call, Exchange { posting: posting(ledger, "", paid)?, from, to, rate, words }, permit)
        .await
}

/// Writes a rate down.
pub(super) async fn add_rate(ledger: &Ledger, call: &Call, asked: pb::AddRateRequest) -> Result<pb::Rate, Failure> {
    let quote = Quote {
        base: &asked.base,
        quote: &asked.quote,
        rate: &asked.rate,
        source: &asked.source,
        observed_at: (names::OBSERVED_AT.grpc, &asked.observed_at),
        reason: &asked.reason,
    };
    Ok(Rate::from(exchanges::add_rate(ledger, call, quote).await?).into())
}

/// A page of a pair's rates.
pub(super) async fn list(
    ledger: &Ledger,
    call: &Call,
    asked: &pb::ListRatesRequest,
) -> Result<pb::ListRatesResponse, Failure> {
    let page = (pages::size(asked.limit)?, pages::Token { field: names::PAGE_TOKEN.grpc, text: &asked.page_token });
    let (rows, next) = exchanges::list(ledger, call, (&asked.base, &asked.quote), page).await?;
    Ok(pb::ListRatesResponse {
        items: rows.into_iter().map(|row| Rate::from(row).into()).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}
