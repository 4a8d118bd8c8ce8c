//! Invoices on paper and by mail.

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use utoipa::ToSchema;

use crate::gateway::florin_v1::rest::post_refusal;
use crate::gateway::florin_v1::rest::requests::billing::{SendInvoiceRequest, TO};
use crate::gateway::florin_v1::rest::requests::{KEY, REASON};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::teller::native::customers::LANGUAGE_MAX;
use crate::teller::native::invoices::mails::{self, Send};
use crate::teller::native::invoices::papers;
use crate::teller::native::views::SentInvoice;

/// The bytes of a PDF.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct Pdf(Vec<u8>);

impl IntoResponse for Pdf {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/pdf")], self.0).into_response()
    }
}

/// An invoice or a credit note as a PDF; a draft says that it is one.
#[utoipa::path(
    get, path = "/v1/invoices/{id}/pdf", tag = "invoices",
    params(
        ("id" = String, Path, description = "the invoice's id"),
        ("language" = Option<String>, Query, description = "en, de, fr, es, hi, ar or ja; the customer's unless given, or else en", min_length = 2, max_length = 35),
    ),
    responses((status = 200, description = "the PDF", body = Pdf, content_type = "application/pdf"))
)]
pub async fn pdf(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    mut query: Query,
) -> Result<([(HeaderName, String); 1], Pdf), Refusal> {
    let language = query.text("language", LANGUAGE_MAX);
    query.end()?;
    let pdf = papers::pdf(&app.ledger, &caller.call(), &id, language.as_deref()).await?;
    let disposition = format!("attachment; filename=\"{}\"", pdf.file_name);
    Ok(([(CONTENT_DISPOSITION, disposition)], Pdf(pdf.bytes)))
}

/// Sends an issued document by mail, with its PDF, to its customer or to another address.
#[utoipa::path(
    post, path = "/v1/invoices/{id}/send", tag = "invoices", params(("id" = String, Path, description = "the invoice's id")),
    request_body = SendInvoiceRequest, responses((status = 202, description = "the mail is among those that are due", body = SentInvoice))
)]
pub async fn send(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<(StatusCode, Json<SentInvoice>), Refusal> {
    let mut fields = body.object()?;
    let asked = Send { to: fields.read(&TO), key: fields.read(&KEY), reason: fields.read(&REASON) };
    fields.end()?;
    let has_key = asked.key.is_some();
    let sent = mails::send(&app.ledger, &caller.call(), &id, asked).await;
    Ok((StatusCode::ACCEPTED, Json(sent.map_err(|failure| post_refusal(failure, has_key))?.into())))
}
