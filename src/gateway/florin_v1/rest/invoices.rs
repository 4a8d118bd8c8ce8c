//! Invoices and credit notes: reads and lists them, pays, credits and gives them up.

mod drafts;
mod papers;

use axum::Extension;
use axum::extract::State;
use axum::response::Json;

pub use self::drafts::*;
pub use self::papers::*;
use super::requests::billing::{
    CreditInvoiceRequest, FROM_CREDIT, MarkInvoiceUncollectibleRequest, PAYER, PayInvoiceRequest, VoidInvoiceRequest,
    WriteOffInvoiceRequest,
};
use super::requests::{DESCRIPTION, PART, REASON};
use crate::billing::invoice::Status;
use crate::gateway::florin_v1::rest::{completed, post_refusal, reading};
use crate::gateway::http::body::{JsonBody, Object};
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::protocol::record::DocumentKind;
use crate::teller::native::invoices::credit::{self, Credit};
use crate::teller::native::invoices::drafts::CUSTOMER_MAX;
use crate::teller::native::invoices::reads::{self, NUMBER_MAX, Wanted};
use crate::teller::native::invoices::{self as native, Asked, Do, Settled};
use crate::teller::native::names::Name;
use crate::teller::native::pages::Token;
use crate::teller::native::post::Words;
use crate::teller::native::views::{CreditedInvoice, Invoice, Page, SettledInvoice};
use crate::teller::native::{customers, names};
use crate::teller::validate::REFERENCE_MAX;

/// Bytes of a day's text.
const DAY_MAX: usize = 10;

const STATUSES: [(&str, Status); 5] = [
    ("draft", Status::Draft),
    ("open", Status::Open),
    ("paid", Status::Paid),
    ("void", Status::Void),
    ("uncollectible", Status::Uncollectible),
];
const KINDS: [(&str, DocumentKind); 2] =
    [("invoice", DocumentKind::Invoice), ("credit_note", DocumentKind::CreditNote)];

/// One invoice or credit note, with what became of it.
#[utoipa::path(
    get, path = "/v1/invoices/{id}", tag = "invoices", params(("id" = String, Path, description = "the invoice's id")),
    responses((status = 200, description = "the invoice", body = Invoice))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Invoice>, Refusal> {
    Ok(Json(Invoice::whole(reads::one(&app.ledger, &caller.call(), &id).await?)))
}

/// Invoices and credit notes, the newest first.
#[utoipa::path(
    get, path = "/v1/invoices", tag = "invoices",
    params(
        ("customerId" = Option<String>, Query, description = "of this customer", min_length = 1, max_length = 128),
        ("status" = Option<String>, Query, description = "in this state", pattern = "^(draft|open|paid|void|uncollectible)$"),
        ("kind" = Option<String>, Query, description = "of this kind", pattern = "^(invoice|credit_note)$"),
        ("orderId" = Option<String>, Query, description = "of this order or bill", min_length = 1, max_length = 255),
        ("number" = Option<String>, Query, description = "with this number, as it is written on the document", min_length = 1, max_length = 128),
        ("dueTo" = Option<String>, Query, description = "due on this day or before", format = Date),
        ("limit" = Option<u32>, Query, description = "50 by default", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "`nextPageToken` of the page before"),
    ),
    responses((status = 200, description = "a page", body = Page<Invoice>))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<Page<Invoice>>, Refusal> {
    let customer = query.text(names::CUSTOMER_ID.rest, CUSTOMER_MAX);
    let (status, kind) = (query.choice("status", &STATUSES), query.choice("kind", &KINDS));
    let (order, number) = (query.text(names::ORDER_ID.rest, REFERENCE_MAX), query.text("number", NUMBER_MAX));
    let due_to = query.text(names::DUE_TO.rest, DAY_MAX).unwrap_or_default();
    let due_to = customers::day(names::DUE_TO.rest, &due_to).unwrap_or_else(|failure| {
        query.fault(failure.to_string());
        None
    });
    let (size, token) = reading::page(&mut query);
    query.end()?;
    let page = (size, Token { field: names::PAGE_TOKEN.rest, text: &token });
    let wanted = Wanted { customer, status, kind, order, number, due_to };
    let (rows, next) = reads::list(&app.ledger, &caller.call(), wanted, page).await?;
    Ok(Json(Page::of(rows, next)))
}

/// Pays an invoice, in part or in whole, from an account or from outside.
///
/// What is more than is due becomes the customer's credit.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/pay", tag = "invoices", params(("id" = String, Path, description = "the invoice's id")),
    request_body = PayInvoiceRequest, responses((status = 200, description = "durable", body = SettledInvoice))
)]
pub async fn pay(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<SettledInvoice>, Refusal> {
    let mut fields = body.object()?;
    let source = fields.read(&PAYER);
    let from_credit = fields.read(&FROM_CREDIT).unwrap_or_default();
    let amount = fields.read(&PART).map(|amount| amount.text);
    let words = reading::all_words(&mut fields);
    fields.end()?;
    let what = Do::pay(source, from_credit, amount, Name::in_rest)?;
    settle(&app, &caller, &id, Asked { what, words, reason: String::new() }).await
}

/// Makes an invoice void: all that it posted is undone. Only while nothing is paid or credited.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/void", tag = "invoices", params(("id" = String, Path, description = "the invoice's id")),
    request_body = VoidInvoiceRequest, responses((status = 200, description = "durable", body = SettledInvoice))
)]
pub async fn void(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<SettledInvoice>, Refusal> {
    settle_whole(&app, &caller, &id, &body, Do::Void).await
}

/// Gives up what is due of an invoice as lost, with its tax.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/write-off", tag = "invoices", params(("id" = String, Path, description = "the invoice's id")),
    request_body = WriteOffInvoiceRequest, responses((status = 200, description = "durable", body = SettledInvoice))
)]
pub async fn write_off(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<SettledInvoice>, Refusal> {
    settle_whole(&app, &caller, &id, &body, Do::WriteOff).await
}

/// Notes that nobody expects an invoice to be paid any more. Nothing is posted.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/mark-uncollectible", tag = "invoices", params(("id" = String, Path, description = "the invoice's id")),
    request_body = MarkInvoiceUncollectibleRequest, responses((status = 200, description = "durable", body = SettledInvoice))
)]
pub async fn mark_uncollectible(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<SettledInvoice>, Refusal> {
    settle_whole(&app, &caller, &id, &body, Do::MarkUncollectible).await
}

/// Issues a credit note for an invoice, or for a part of it.
///
/// It takes off what is due; what of it had been paid becomes the customer's credit.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/credit", tag = "invoices", params(("id" = String, Path, description = "the invoice's id")),
    request_body = CreditInvoiceRequest, responses((status = 200, description = "durable", body = CreditedInvoice))
)]
pub async fn credit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<CreditedInvoice>, Refusal> {
    let permit = app.ledger.enter()?;
    let mut fields = body.object()?;
    let amount = fields.read(&PART).map(|amount| amount.text);
    let (words, reason) = why(&mut fields);
    fields.end()?;
    let has_key = words.key.is_some();
    let credited = credit::credit(&app.ledger, &caller.call(), &id, Credit { amount, words, reason }, permit).await;
    Ok(Json(credited.map_err(|failure| post_refusal(failure, has_key))?.into()))
}

/// Takes the caller's words, and why.
fn why(fields: &mut Object<'_>) -> (Words, String) {
    let words = reading::words(fields);
    let description = fields.read(&DESCRIPTION);
    (Words { description, ..words }, fields.read(&REASON))
}

/// What is asked of all that is due, with nothing beside why.
async fn settle_whole(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &JsonBody,
    what: Do,
) -> Result<Json<SettledInvoice>, Refusal> {
    let mut fields = body.object()?;
    let (words, reason) = why(&mut fields);
    fields.end()?;
    settle(app, caller, id, Asked { what, words, reason }).await
}

async fn settle(app: &App, caller: &Caller, id: &str, asked: Asked) -> Result<Json<SettledInvoice>, Refusal> {
    let permit = app.ledger.enter()?;
    let has_key = asked.words.key.is_some();
    let settled = native::settle(&app.ledger, &caller.call(), id, asked, permit).await;
    answered(app, caller, settled.map_err(|failure| post_refusal(failure, has_key))?).await
}

/// The invoice, or why it was declined.
async fn answered(app: &App, caller: &Caller, settled: Settled) -> Result<Json<SettledInvoice>, Refusal> {
    let Settled { invoice, posted, replayed } = settled;
    let transaction = match posted {
        Some(posted) => Some(completed(&app.ledger, caller, posted).await?.transaction),
        None => None,
    };
    Ok(Json(SettledInvoice { invoice: invoice.into(), transaction, replayed }))
}
