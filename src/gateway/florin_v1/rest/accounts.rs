//! Accounts: reads one and its entries, changes its limits and its status.

use axum::Extension;
use axum::extract::State;
use axum::response::Json;

use crate::gateway::florin_v1::rest::requests::{
    KEY, LimitsRequest, MAX_BALANCE, MIN_BALANCE, NativeStatusRequest, REASON, STATUS,
};
use crate::gateway::florin_v1::rest::{post_refusal, reading};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::text::AmountText;
use crate::gateway::http::{App, Caller, Id};
use crate::ledger::GuardsChange;
use crate::money::Currency;
use crate::teller::failure::Failure;
use crate::teller::native::accounts::{self, Change};
use crate::teller::native::pages::Token;
use crate::teller::native::views::{Account, Entry, Page};
use crate::teller::native::{fields, names, reads};
use crate::teller::validate::{self, ACCOUNT_MAX};

/// One account.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "native accounts", params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "the account", body = Account))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Account>, Refusal> {
    named(&id)?;
    Ok(Json(accounts::get(&app.ledger, &caller.call(), &id).await?.into()))
}

/// An account's debits and credits with its balance after each, the newest first.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/entries", tag = "native accounts",
    params(
        ("id" = String, Path, description = "the account's id"),
        ("limit" = Option<u32>, Query, description = "50 by default", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "`nextPageToken` of the page before"),
    ),
    responses((status = 200, description = "a page", body = Page<Entry>))
)]
pub async fn entries(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    mut query: Query,
) -> Result<Json<Page<Entry>>, Refusal> {
    named(&id)?;
    let (size, token) = reading::page(&mut query);
    query.end()?;
    let page = (size, Token { field: names::PAGE_TOKEN.rest, text: &token });
    let page = reads::entries(&app.ledger, &caller.call(), &id, page).await?;
    Ok(Json(Page {
        items: page.rows.into_iter().map(|row| Entry::of(row, page.currency)).collect(),
        next_page_token: page.next,
    }))
}

/// Changes an account's limits.
///
/// They bind new movements from then on and move nothing: `withinLimits` says whether the balance keeps to them.
#[utoipa::path(
    patch, path = "/v1/accounts/{id}/limits", tag = "native accounts", params(("id" = String, Path, description = "the account's id")),
    request_body = LimitsRequest, responses((status = 200, description = "the account as it then is", body = Account))
)]
pub async fn change_limits(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<Account>, Refusal> {
    let ledger = &app.ledger;
    let mut fields = body.object()?;
    let (min, max) = (fields.read(&MIN_BALANCE), fields.read(&MAX_BALANCE));
    let (key, reason) = (fields.read(&KEY), fields.read(&REASON));
    if min.is_none() && max.is_none() && fields.is_faultless() {
        fields.fault(format!("one of {} and {} is required", MIN_BALANCE.name, MAX_BALANCE.name));
    }
    fields.end()?;
    named(&id)?;
    let call = caller.call();
    let account = ledger.account(&ledger.active()?, &call.tenant, &id, call.deadline(ledger)).await?;
    let currency = account.identity.currency;
    let (floor, ceiling) = (limit(MIN_BALANCE.name, min, currency)?, limit(MAX_BALANCE.name, max, currency)?);
    let by = caller.operator(&reason)?;
    change(&app, &caller, Change { account: id, key, guards: GuardsChange { status: None, floor, ceiling }, by }).await
}

/// Suspends, closes, or takes up again.
#[utoipa::path(
    patch, path = "/v1/accounts/{id}/status", tag = "native accounts", params(("id" = String, Path, description = "the account's id")),
    request_body = NativeStatusRequest, responses((status = 200, description = "the account as it then is", body = Account))
)]
pub async fn change_status(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<Account>, Refusal> {
    let mut fields = body.object()?;
    let status = fields.read(&STATUS);
    let (key, reason) = (fields.read(&KEY), fields.read(&REASON));
    fields.end()?;
    named(&id)?;
    let by = caller.operator(&reason)?;
    change(&app, &caller, Change { account: id, key, guards: GuardsChange { status, ..GuardsChange::default() }, by })
        .await
}

async fn change(app: &App, caller: &Caller, change: Change) -> Result<Json<Account>, Refusal> {
    // To change twice to the same is to change once: who gave no key may repeat it too.
    let row =
        accounts::change(&app.ledger, &caller.call(), change).await.map_err(|failure| post_refusal(failure, true))?;
    Ok(Json(row.into()))
}

/// An id that cannot be one names no account.
fn named(id: &str) -> Result<(), Refusal> {
    validate::required("id", id, ACCOUNT_MAX).map_err(|_| Refusal::no_account(id))
}

fn limit(field: &str, asked: Option<Option<AmountText>>, currency: Currency) -> Result<Option<Option<i128>>, Failure> {
    let units = |asked: AmountText| fields::amount(field, &asked.text, currency).map(|amount| amount.minor_units());
    asked.map(|asked| asked.map(units).transpose()).transpose()
}
