//! Lists what operators did: of Florin's own routes.

use axum::Extension;
use axum::extract::State;
use axum::response::Json;

use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller};
use crate::protocol::record::RequestHash;
use crate::store::operators::ActionFilter;
use crate::store::transactions::Cursor;
use crate::teller::native::names;
use crate::teller::native::pages::{self, Token};
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
    let (from, to) = (query.time("from"), query.time("to"));
    if from.is_some_and(|from| to.is_some_and(|to| to <= from)) {
        query.fault("to must be after from");
    }
    let limit = query.number("limit", 1..=1_000, 50, "");
    let token = query.text(names::PAGE_TOKEN.rest, pages::TOKEN_LENGTH).unwrap_or_default();
    let hash = RequestHash::of(&[
        b"GET /operator-actions",
        caller.tenant.as_bytes(),
        subject.as_deref().unwrap_or_default().as_bytes(),
        action.as_deref().unwrap_or_default().as_bytes(),
        format!("{from:?} {to:?}").as_bytes(),
    ]);
    let start = Token { field: names::PAGE_TOKEN.rest, text: &token }.place(hash).unwrap_or_else(|failure| {
        query.fault(failure.to_string());
        Cursor::START
    });
    query.end()?;
    let filter = ActionFilter { tenant: caller.tenant.to_string(), subject, action, from, to };
    let (rows, next) = app.ledger.operator_actions(&filter, start, limit).await?;
    Ok(Json(Page::of(rows, next.map(|next| pages::token(hash, &next)))))
}
