//! Invoices that are written by hand.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;

use super::{answered, why};
use crate::gateway::florin_v1::rest::post_refusal;
use crate::gateway::florin_v1::rest::requests::billing::{
    CUSTOMER_ID, CreateInvoiceRequest, DISCOUNT, DUE_DAYS, ENTITY_ID, IssueInvoiceRequest, LINE_DESCRIPTION, LINES,
    NOTE, PRICES_INCLUDE_TAX, QUANTITY, REGION, ReplaceInvoiceRequest, SKU, TAX_CATEGORY, UNIT_PRICE, VERSION,
};
use crate::gateway::florin_v1::rest::requests::{CURRENCY, KEY, REASON};
use crate::gateway::http::body::{JsonBody, Object};
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::teller::native::invoices::drafts::{self, NewInvoice, NewLine};
use crate::teller::native::names::Name;
use crate::teller::native::views::{DraftedInvoice, Invoice, SettledInvoice};

/// Drafts an invoice: its taxes are found and computed, but nothing is numbered or posted.
///
/// Without a key every call is another draft.
#[utoipa::path(
    post, path = "/v1/invoices", tag = "invoices", request_body = CreateInvoiceRequest,
    responses((status = 201, description = "drafted", body = DraftedInvoice))
)]
pub async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<(StatusCode, Json<DraftedInvoice>), Refusal> {
    let mut fields = body.object()?;
    let (new, reason) = draft(&mut fields);
    let key = fields.read(&KEY);
    fields.end()?;
    let has_key = key.is_some();
    let drafted = drafts::create(&app.ledger, &caller.call(), (new, Name::in_rest), (key, &reason)).await;
    Ok((StatusCode::CREATED, Json(drafted.map_err(|failure| post_refusal(failure, has_key))?.into())))
}

/// Puts another draft in place of one, all fields anew.
#[utoipa::path(
    put, path = "/v1/invoices/{id}", tag = "invoices", params(("id" = String, Path, description = "the draft's id")),
    request_body = ReplaceInvoiceRequest, responses((status = 200, description = "replaced", body = Invoice))
)]
pub async fn replace(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<Invoice>, Refusal> {
    let mut fields = body.object()?;
    let (new, reason) = draft(&mut fields);
    let version = fields.read(&VERSION).map(|version| i32::try_from(version).unwrap_or(i32::MAX));
    fields.end()?;
    let row = drafts::replace(&app.ledger, &caller.call(), (&id, version), (new, Name::in_rest), &reason).await?;
    Ok(Json(row.into()))
}

/// Deletes a draft. Its reason may stand in the header `X-Reason`.
#[utoipa::path(
    delete, path = "/v1/invoices/{id}", tag = "invoices", params(("id" = String, Path, description = "the draft's id")),
    responses((status = 204, description = "deleted"))
)]
pub async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let by = caller.operator_by_header(&headers)?;
    drafts::delete(&app.ledger, &caller.call(), &id, &by.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Issues a draft: it gets the next number, and is posted.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/issue", tag = "invoices", params(("id" = String, Path, description = "the draft's id")),
    request_body = IssueInvoiceRequest, responses((status = 200, description = "durable", body = SettledInvoice))
)]
pub async fn issue(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<SettledInvoice>, Refusal> {
    let permit = app.ledger.enter()?;
    let mut fields = body.object()?;
    let (words, reason) = why(&mut fields);
    fields.end()?;
    let has_key = words.key.is_some();
    let issued = drafts::issue(&app.ledger, &caller.call(), &id, (words, reason), permit).await;
    answered(&app, &caller, issued.map_err(|failure| post_refusal(failure, has_key))?).await
}

/// Takes a draft, and why it is written.
fn draft(fields: &mut Object<'_>) -> (NewInvoice, String) {
    let mut lines = Vec::new();
    for (n, mut line) in fields.read(&LINES).into_iter().enumerate() {
        lines.push(NewLine {
            description: line.read(&LINE_DESCRIPTION),
            sku: line.read(&SKU),
            quantity: line.read(&QUANTITY),
            unit_price: line.read(&UNIT_PRICE),
            tax_category: line.read(&TAX_CATEGORY),
        });
        fields.absorb(&format!("{}[{n}].", LINES.name), line);
    }
    let new = NewInvoice {
        entity: fields.read(&ENTITY_ID),
        customer: fields.read(&CUSTOMER_ID),
        currency: fields.read(&CURRENCY),
        lines,
        prices_include_tax: fields.read(&PRICES_INCLUDE_TAX).unwrap_or(false),
        discount: fields.read(&DISCOUNT).map(|amount| amount.text),
        due_days: fields.read(&DUE_DAYS),
        note: fields.read(&NOTE),
        region: fields.read(&REGION),
    };
    (new, fields.read(&REASON))
}
