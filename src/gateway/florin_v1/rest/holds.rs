//! Holds: authorizes, captures, voids, reads and lists them.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};

use crate::gateway::florin_v1::rest::requests::{CaptureRequest, EXPIRES_AT, FINAL, HoldRequest, PART, VoidRequest};
use crate::gateway::florin_v1::rest::{completed, post_refusal, reading};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::store::holds::HoldState;
use crate::teller::native::holds::{self, Authorize, Capture};
use crate::teller::native::names;
use crate::teller::native::pages::Token;
use crate::teller::native::views::{Hold, HoldMade, Page, PostedTransaction};
use crate::teller::validate::ACCOUNT_MAX;

const STATES: [(&str, HoldState); 3] = [
    (HoldState::Open.name(), HoldState::Open),
    (HoldState::Captured.name(), HoldState::Captured),
    (HoldState::Voided.name(), HoldState::Voided),
];

/// Holds money of one account for another: it stays posted, and is no longer available.
#[utoipa::path(
    post, path = "/v1/holds", tag = "holds", request_body = HoldRequest,
    responses((status = 201, description = "durable", body = HoldMade))
)]
pub async fn authorize(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let ledger = &app.ledger;
    let permit = ledger.enter()?;
    let mut fields = body.object()?;
    let posting = reading::posting(&mut fields);
    let expires_at = fields.read(&EXPIRES_AT).unwrap_or_default();
    let expires_at = fields.checked(holds::expiry(EXPIRES_AT.name, &expires_at)).flatten();
    let words = reading::all_words(&mut fields);
    fields.end()?;
    let has_key = words.key.is_some();
    let known = ledger.ensure_known(std::iter::once(posting.currency())).await;
    known.map_err(|failure| failure.with_key(has_key))?;
    let posting = posting.checked(ledger, "")?;
    let made = holds::authorize(ledger, &caller.call(), Authorize { posting, expires_at, words }, permit).await;
    let made = made.map_err(|failure| post_refusal(failure, has_key))?;
    let PostedTransaction { transaction, replayed } = completed(ledger, &caller, made.posted).await?;
    let answer = HoldMade { transaction, hold: made.hold.map(Hold::from), replayed };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Pays what is held, whole or in part; several captures may take up to what the hold has left.
#[utoipa::path(
    post, path = "/v1/holds/{id}/capture", tag = "holds", params(("id" = String, Path, description = "the hold's id")),
    request_body = CaptureRequest, responses((status = 201, description = "durable", body = PostedTransaction))
)]
pub async fn capture(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let ledger = &app.ledger;
    let permit = ledger.enter()?;
    let mut fields = body.object()?;
    let amount = fields.read(&PART).map(|amount| amount.text);
    let is_last = fields.read(&FINAL).unwrap_or(false);
    let words = reading::words(&mut fields);
    fields.end()?;
    let (hold, has_key) = (holds::id(&id)?, words.key.is_some());
    let posted = holds::capture(ledger, &caller.call(), Capture { hold, amount, is_last, words }, permit).await;
    let posted = posted.map_err(|failure| post_refusal(failure, has_key))?;
    Ok((StatusCode::CREATED, Json(completed(ledger, &caller, posted).await?)).into_response())
}

/// Lets go what a hold has left.
#[utoipa::path(
    post, path = "/v1/holds/{id}/void", tag = "holds", params(("id" = String, Path, description = "the hold's id")),
    request_body = VoidRequest, responses((status = 201, description = "durable", body = PostedTransaction))
)]
pub async fn void(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let ledger = &app.ledger;
    let permit = ledger.enter()?;
    let mut fields = body.object()?;
    let words = reading::words(&mut fields);
    fields.end()?;
    let (hold, has_key) = (holds::id(&id)?, words.key.is_some());
    let posted = holds::void(ledger, &caller.call(), hold, words, permit).await;
    let posted = posted.map_err(|failure| post_refusal(failure, has_key))?;
    Ok((StatusCode::CREATED, Json(completed(ledger, &caller, posted).await?)).into_response())
}

/// A hold as it stands.
#[utoipa::path(
    get, path = "/v1/holds/{id}", tag = "holds", params(("id" = String, Path, description = "the hold's id")),
    responses((status = 200, description = "the hold", body = Hold))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Hold>, Refusal> {
    Ok(Json(holds::get(&app.ledger, &caller.call(), holds::id(&id)?).await?.into()))
}

/// The holds on an account's money, the newest first.
#[utoipa::path(
    get, path = "/v1/holds", tag = "holds",
    params(
        ("accountId" = String, Query, description = "whose money", min_length = 1, max_length = 128),
        ("status" = Option<String>, Query, description = "in this state; a page may then be short, even empty, while there is a next one",
            pattern = "^(open|captured|voided)$"),
        ("limit" = Option<u32>, Query, description = "50 by default", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "`nextPageToken` of the page before"),
    ),
    responses((status = 200, description = "a page", body = Page<Hold>))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<Page<Hold>>, Refusal> {
    let account = query.required(names::ACCOUNT_ID.rest, ACCOUNT_MAX);
    let state = query.choice("status", &STATES);
    let (size, token) = reading::page(&mut query);
    query.end()?;
    let page = (size, Token { field: names::PAGE_TOKEN.rest, text: &token });
    let (rows, next_page_token) = holds::list(&app.ledger, &caller.call(), &account, state, page).await?;
    Ok(Json(Page::of(rows, next_page_token)))
}
