//! Lists what operators did: of Florin's own routes.

use axum::Extension;
use axum::extract::State;
use axum::response::Json;

use crate::gateway::florin_v1::rest::reading;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller};
use crate::teller::native::names;
use crate::teller::native::operators::{self, Wanted};
use crate::teller::native::pages::Token;
use crate::teller::native::views::{OperatorAction, Page};
use crate::teller::operator::{ACTION_MAX, SUBJECT_MAX};

/// What operators did, newest first.
#[utoipa::path(
    get, path = "/v1/operator-actions", tag = "admin",
    params(
        ("subject" = Option<String>, Query, description = "done to this: an account's id, a currency's code, a saga's id", min_length = 1, max_length = 255),
        ("action" = Option<String>, Query, description = "of this name, such as `account.status`", min_length = 1, max_length = 64),
        ("from" = Option<String>, Query, description = "not before this time", format = DateTime),
        ("to" = Option<String>, Query, description = "before this time", format = DateTime),
        ("limit" = Option<u32>, Query, description = "50 by default", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "`nextPageToken` of the page before"),
    ),
    responses((status = 200, description = "a page", body = Page<OperatorAction>))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<Page<OperatorAction>>, Refusal> {
    let (subject, action) = (query.text("subject", SUBJECT_MAX), query.text("action", ACTION_MAX));
    let times = reading::times(&mut query, ("from", "to"));
    let (size, token) = reading::page(&mut query);
    query.end()?;
    let page = (size, Token { field: names::PAGE_TOKEN.rest, text: &token });
    let (rows, next) = operators::list(&app.ledger, &caller.call(), Wanted { subject, action, times }, page).await?;
    Ok(Json(Page::of(rows, next)))
}
