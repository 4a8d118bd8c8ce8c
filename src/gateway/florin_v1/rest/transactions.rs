//! Transactions of one or more postings: posts, reads and lists them.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde_json::value::{RawValue, to_raw_value};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::gateway::florin_v1::rest::reading::Asked;
use crate::gateway::florin_v1::rest::requests::{KIND, POSTINGS, TransactionRequest};
use crate::gateway::florin_v1::rest::{completed, post_refusal, reading};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::protocol::record::{Kind, TransactionId};
use crate::teller::failure::Failure;
use crate::teller::native::pages::Token;
use crate::teller::native::reads::{self, ADDRESS_MAX, MAKER_MAX, Wanted};
use crate::teller::native::views::{Page, PostedTransaction, Transaction};
use crate::teller::native::{fields, names, post as native};
use crate::teller::validate::{ACCOUNT_MAX, REFERENCE_MAX};

/// Bytes of the transactions of one page: beyond, the rest is left to the next one.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Posts a transaction, whole or not at all.
#[utoipa::path(
    post, path = "/v1/transactions", tag = "native transactions", request_body = TransactionRequest,
    responses((status = 201, description = "durable", body = PostedTransaction))
)]
pub async fn post(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let ledger = &app.ledger;
    let permit = ledger.enter()?;
    let mut fields = body.object()?;
    let kind = fields.read(&KIND);
    let kind = kind.map_or(Ok(Kind::TRANSFER), |name| {
        Kind::parse(&name).map_or_else(|| fields::unknown(KIND.name, &name, &Kind::names()), Ok)
    });
    let kind = fields.checked(kind).unwrap_or(Kind::TRANSFER);
    let mut asked = Vec::new();
    for (n, mut posting) in fields.read(&POSTINGS).into_iter().enumerate() {
        asked.push(reading::posting(&mut posting));
        fields.absorb(&prefix(n), posting);
    }
    let words = reading::all_words(&mut fields);
    fields.end()?;
    let known = ledger.ensure_known(asked.iter().map(Asked::currency)).await;
    known.map_err(|failure| failure.with_key(words.key.is_some()))?;
    let postings = asked.into_iter().enumerate();
    let postings = postings.map(|(n, posting)| posting.checked(ledger, &prefix(n)));
    let postings: SmallVec<_> = postings.collect::<Result<_, _>>()?;
    let (call, has_key) = (caller.call(), words.key.is_some());
    let asked = native::Transaction { kind, postings, words };
    let posted = native::post(ledger, &call, call.deadline(ledger), asked, permit).await;
    let posted = posted.map_err(|failure| post_refusal(failure, has_key))?;
    Ok((StatusCode::CREATED, Json(completed(ledger, &caller, posted).await?)).into_response())
}

/// What stands before the name of a field of the nth posting.
fn prefix(n: usize) -> String {
    format!("{}[{n}].", POSTINGS.name)
}

/// One transaction.
#[utoipa::path(
    get, path = "/v1/transactions/{id}", tag = "native transactions", params(("id" = String, Path, description = "the transaction's id")),
    responses((status = 200, description = "the transaction", body = Transaction))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Transaction>, Refusal> {
    let uuid = Uuid::try_parse(&id).map_err(|_| Refusal::no_transaction(&id))?;
    Ok(Json(reads::transaction(&app.ledger, &caller.call(), TransactionId(uuid)).await?))
}

/// Transactions, the newest first; of an account, the last committed first.
#[utoipa::path(
    get, path = "/v1/transactions", tag = "native transactions",
    params(
        ("accountId" = Option<String>, Query, description = "those of this account", min_length = 1, max_length = 128),
        ("createdFrom" = Option<String>, Query, description = "accepted then or later", format = DateTime),
        ("createdTo" = Option<String>, Query, description = "accepted before", format = DateTime),
        ("status" = Option<String>, Query, description = "in this state", pattern = "^(completed|declined)$"),
        ("reference" = Option<String>, Query, description = "with this reference", min_length = 1, max_length = 255),
        ("madeBy" = Option<String>, Query, description = "made by the API key or the certificate of this name, such as `key:0123456789ab`; needs the scope admin", min_length = 1, max_length = 255),
        ("madeFrom" = Option<String>, Query, description = "made from this IP address; needs the scope admin", min_length = 1, max_length = 64),
        ("limit" = Option<u32>, Query, description = "50 by default; a page may be shorter while there is a next one", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "`nextPageToken` of the page before"),
    ),
    responses((status = 200, description = "a page", body = Page<Transaction>))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<Page<Box<RawValue>>>, Refusal> {
    let (account, reference) =
        (query.text(names::ACCOUNT_ID.rest, ACCOUNT_MAX), query.text("reference", REFERENCE_MAX));
    let (made_by, made_from) = (query.text("madeBy", MAKER_MAX), query.text("madeFrom", ADDRESS_MAX));
    let (from, to) = reading::times(&mut query, (names::CREATED_FROM.rest, names::CREATED_TO.rest));
    let declined = query.choice("status", &[("completed", false), ("declined", true)]);
    let (size, token) = reading::page(&mut query);
    query.end()?;
    let wanted = Wanted { account, from, to, declined, reference, made_by, made_from };
    let page = (size, Token { field: names::PAGE_TOKEN.rest, text: &token });
    let page = reads::transactions(&app.ledger, &caller.call(), wanted, page).await?;
    let page = page.fitting(PAGE_BYTES_MAX, |transaction| {
        let item = to_raw_value(&transaction).map_err(|_| Failure::Guard)?; // texts and numbers encode
        let bytes = item.get().len();
        Ok((item, bytes))
    })?;
    Ok(Json(page))
}
