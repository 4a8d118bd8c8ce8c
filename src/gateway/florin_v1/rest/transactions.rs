//! Transactions of one or more postings: posts, reads and lists them.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde_json::value::to_raw_value;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::gateway::florin_v1::rest::requests::TransactionRequest;
use crate::gateway::florin_v1::rest::views::{NativeTransaction, PostedTransaction, TransactionPage};
use crate::gateway::florin_v1::rest::{Named, completed, reading, refused, unposted};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::protocol::record::{Kind, TransactionId};
use crate::teller::failure::Failure;
use crate::teller::native::pages::{self, Token};
use crate::teller::native::post::Transaction;
use crate::teller::native::reads::{self, Wanted};
use crate::teller::native::{fields, post as native};
use crate::teller::validate::{ACCOUNT_MAX, POSTINGS_MAX, REFERENCE_MAX};

/// Bytes of a kind's name.
const KIND_MAX: usize = 32;
/// Bytes of a time's text.
const TIME_MAX: usize = 64;
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
    let kind = fields.optional("kind", KIND_MAX);
    let kind = kind.map_or(Ok(Kind::TRANSFER), |name| {
        Kind::parse(&name).map_or_else(|| fields::unknown("kind", &name, &Kind::names()), Ok)
    });
    let kind = fields.checked(kind).unwrap_or(Kind::TRANSFER);
    let mut asked = Vec::new();
    for (n, mut posting) in fields.objects("postings", POSTINGS_MAX).into_iter().enumerate() {
        asked.push(reading::posting(&mut posting));
        fields.absorb(&format!("postings[{n}]."), posting);
    }
    let words = reading::all_words(&mut fields);
    fields.end()?;
    let mut postings = SmallVec::with_capacity(asked.len());
    for (n, posting) in asked.into_iter().enumerate() {
        postings.push(posting.checked(ledger, &format!("postings[{n}].")).await?);
    }
    let (call, has_key) = (caller.call(), words.key.is_some());
    let posted =
        native::post(ledger, &call, call.deadline(ledger), Transaction { kind, postings, words }, permit).await;
    let posted = posted.map_err(|failure| unposted(failure, Named::Transaction(""), has_key))?;
    let (transaction, replayed) = completed(ledger, &caller, posted).await?;
    Ok((StatusCode::CREATED, Json(PostedTransaction { transaction: transaction.into(), replayed })).into_response())
}

/// One transaction.
#[utoipa::path(
    get, path = "/v1/transactions/{id}", tag = "native transactions", params(("id" = String, Path, description = "the transaction's id")),
    responses((status = 200, description = "the transaction", body = NativeTransaction))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<NativeTransaction>, Refusal> {
    let uuid = Uuid::try_parse(&id).map_err(|_| Refusal::no_transaction(&id))?;
    let row = reads::transaction(&app.ledger, &caller.call(), TransactionId(uuid)).await;
    row.map(|row| Json(row.into())).map_err(|failure| refused(failure, Named::Transaction(&id)))
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
        ("limit" = Option<u32>, Query, description = "50 by default; a page may be shorter while there is a next one", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "`nextPageToken` of the page before"),
    ),
    responses((status = 200, description = "a page", body = TransactionPage))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<TransactionPage>, Refusal> {
    let (account, reference) = (query.text("accountId", ACCOUNT_MAX), query.text("reference", REFERENCE_MAX));
    let (from, to) = (
        query.text("createdFrom", TIME_MAX).unwrap_or_default(),
        query.text("createdTo", TIME_MAX).unwrap_or_default(),
    );
    let (from, to) = fields::times(("createdFrom", &from), ("createdTo", &to)).unwrap_or_else(|failure| {
        query.fault(failure.to_string());
        (None, None)
    });
    let declined = query.choice("status", &[("completed", false), ("declined", true)]);
    let (size, token) = reading::page(&mut query);
    query.end()?;
    let page = (size, Token { field: "pageToken", text: &token });
    let page =
        reads::transactions(&app.ledger, &caller.call(), Wanted { account, from, to, declined, reference }, page)
            .await?;
    let (mut items, mut next, mut bytes, mut last) = (Vec::with_capacity(page.rows.len()), page.next, 0, None);
    for (row, after) in page.rows {
        let item = to_raw_value(&NativeTransaction::from(row)).map_err(|_| Failure::Guard)?; // texts and numbers encode
        bytes += item.get().len();
        if bytes > PAGE_BYTES_MAX && last.is_some() {
            next = last;
            break;
        }
        items.push(item);
        last = Some(after);
    }
    Ok(Json(TransactionPage { items, next_page_token: next.map(|place| pages::token(page.query, &place)) }))
}
