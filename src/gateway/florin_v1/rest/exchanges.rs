//! Exchange between currencies, and its rates.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};

use crate::gateway::florin_v1::rest::requests::{
    BASE, CURRENCY, DESTINATION_CURRENCY, ExchangeRequest, OBSERVED_AT, QUOTE, QUOTED_BY, RATE, RATE_ID, REASON,
    RateRequest,
};
use crate::gateway::florin_v1::rest::{completed, post_refusal, reading};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller};
use crate::teller::native::exchanges::{self, Exchange, Quote};
use crate::teller::native::pages::Token;
use crate::teller::native::views::{Page, PostedTransaction, Rate};
use crate::teller::native::{fields, names};
use crate::teller::validate::CURRENCY_MAX;

/// Exchanges money of one currency into another, over the house's clearing accounts, at a rate that is pinned.
#[utoipa::path(
    post, path = "/v1/exchanges", tag = "exchange", request_body = ExchangeRequest,
    responses((status = 201, description = "durable", body = PostedTransaction))
)]
pub async fn exchange(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let ledger = &app.ledger;
    let permit = ledger.enter()?;
    let mut fields = body.object()?;
    let asked = reading::posting(&mut fields);
    let to = fields.read(&DESTINATION_CURRENCY);
    let rate = fields.read(&RATE_ID);
    let words = reading::all_words(&mut fields);
    fields.end()?;
    let known = ledger.ensure_known([asked.currency(), &to].into_iter()).await;
    known.map_err(|failure| failure.with_key(words.key.is_some()))?;
    let currency = |field: &str, code: &str| fields::currency(&ledger.parts().currencies, field, code);
    let (from, to) = (currency(CURRENCY.name, asked.currency())?, currency(DESTINATION_CURRENCY.name, &to)?);
    let (posting, has_key) = (asked.checked(ledger, "")?, words.key.is_some());
    let posted = exchanges::exchange(ledger, &caller.call(), Exchange { posting, from, to, rate, words }, permit).await;
    let posted = posted.map_err(|failure| post_refusal(failure, has_key))?;
    Ok((StatusCode::CREATED, Json(completed(ledger, &caller, posted).await?)).into_response())
}

/// Writes a rate down; the newest observation counts from then on.
#[utoipa::path(
    post, path = "/v1/rates", tag = "exchange", request_body = RateRequest, responses((status = 201, description = "durable", body = Rate))
)]
pub async fn add_rate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let mut fields = body.object()?;
    let (base, quote) = (fields.read(&BASE), fields.read(&QUOTE));
    let (rate, source) = (fields.read(&RATE), fields.read(&QUOTED_BY));
    let observed_at = fields.read(&OBSERVED_AT).unwrap_or_default();
    let reason = fields.read(&REASON);
    fields.end()?;
    let quote = Quote {
        base: &base,
        quote: &quote,
        rate: &rate,
        source: &source,
        observed_at: (OBSERVED_AT.name, &observed_at),
        reason: &reason,
    };
    let row = exchanges::add_rate(&app.ledger, &caller.call(), quote).await?;
    Ok((StatusCode::CREATED, Json(Rate::from(row))).into_response())
}

/// The rates of a pair, the newest observation first.
#[utoipa::path(
    get, path = "/v1/rates", tag = "exchange",
    params(
        ("base" = String, Query, description = "one unit of this currency", min_length = 1, max_length = 12),
        ("quote" = String, Query, description = "in units of this", min_length = 1, max_length = 12),
        ("limit" = Option<u32>, Query, description = "50 by default", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "`nextPageToken` of the page before"),
    ),
    responses((status = 200, description = "a page", body = Page<Rate>))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<Page<Rate>>, Refusal> {
    let (base, quote) = (query.required("base", CURRENCY_MAX), query.required("quote", CURRENCY_MAX));
    let (size, token) = reading::page(&mut query);
    query.end()?;
    let page = (size, Token { field: names::PAGE_TOKEN.rest, text: &token });
    let (rows, next_page_token) = exchanges::list(&app.ledger, &caller.call(), (&base, &quote), page).await?;
    Ok(Json(Page::of(rows, next_page_token)))
}
