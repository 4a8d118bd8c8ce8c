//! Customers, what they pay, and what is paid back to them.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;

use super::requests::billing::{
    ADDRESS, BORN_ON, CUSTOMER_ID, CUSTOMER_REGION, CreateCustomerRequest, EMAIL, EraseCustomerRequest, FIRST_NAME,
    INVOICE_IDS, LANGUAGE, LAST_NAME, MIDDLE_NAME, MOBILE, NEW_CUSTOMER_ID, PAID, PAYEE, PAYER, ReceivePaymentRequest,
    RefundCustomerRequest, TAX_ID, UpdateCustomerRequest,
};
use super::requests::{CURRENCY, DESCRIPTION, REASON};
use crate::gateway::florin_v1::rest::{completed, post_refusal, reading};
use crate::gateway::http::body::{JsonBody, Object};
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::teller::native::customers::{self as native, EMAIL_MAX, Said};
use crate::teller::native::invoices::drafts::CUSTOMER_MAX;
use crate::teller::native::invoices::payments::{self, Paid, PayOut, Payment};
use crate::teller::native::invoices::reads::{self, INVOICE_ID_MAX, WantedPayments};
use crate::teller::native::names::{self, Name};
use crate::teller::native::pages::Token;
use crate::teller::native::post::Words;
use crate::teller::native::views::{Customer, CustomerPayment, Invoice, InvoicePayment, Page, PostedTransaction};

/// Makes a customer.
#[utoipa::path(
    post, path = "/v1/customers", tag = "customers", request_body = CreateCustomerRequest,
    responses((status = 201, description = "made", body = Customer))
)]
pub async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<(StatusCode, Json<Customer>), Refusal> {
    let mut fields = body.object()?;
    let id = fields.read(&NEW_CUSTOMER_ID);
    let (said, reason) = (said(&mut fields), fields.read(&REASON));
    fields.end()?;
    let row = native::create(&app.ledger, &caller.call(), (id, said), (&reason, Name::in_rest)).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// One customer.
#[utoipa::path(
    get, path = "/v1/customers/{id}", tag = "customers", params(("id" = String, Path, description = "the customer's id")),
    responses((status = 200, description = "the customer", body = Customer))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Customer>, Refusal> {
    Ok(Json(native::get(&app.ledger, &caller.call(), &id).await?.into()))
}

/// Customers, the oldest first.
#[utoipa::path(
    get, path = "/v1/customers", tag = "customers",
    params(
        ("email" = Option<String>, Query, description = "the one with this address", min_length = 1, max_length = 320),
        ("limit" = Option<u32>, Query, description = "50 by default", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "`nextPageToken` of the page before"),
    ),
    responses((status = 200, description = "a page", body = Page<Customer>))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<Page<Customer>>, Refusal> {
    let email = query.text("email", EMAIL_MAX);
    let (size, token) = reading::page(&mut query);
    query.end()?;
    let page = (size, Token { field: names::PAGE_TOKEN.rest, text: &token });
    let (rows, next) = native::list(&app.ledger, &caller.call(), email, page).await?;
    Ok(Json(Page::of(rows, next)))
}

/// Changes what is said of a customer.
#[utoipa::path(
    patch, path = "/v1/customers/{id}", tag = "customers", params(("id" = String, Path, description = "the customer's id")),
    request_body = UpdateCustomerRequest, responses((status = 200, description = "the customer as it then is", body = Customer))
)]
pub async fn update(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<Customer>, Refusal> {
    let mut fields = body.object()?;
    let (said, reason) = (said(&mut fields), fields.read(&REASON));
    fields.end()?;
    let row = native::update(&app.ledger, &caller.call(), (&id, said), (&reason, Name::in_rest)).await?;
    Ok(Json(row.into()))
}

/// Erases a customer's personal data for good. The id, the region and the invoices stay.
#[utoipa::path(
    post, path = "/v1/customers/{id}/erase", tag = "customers", params(("id" = String, Path, description = "the customer's id")),
    request_body = EraseCustomerRequest, responses((status = 200, description = "what is left", body = Customer))
)]
pub async fn erase(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<Customer>, Refusal> {
    let mut fields = body.object()?;
    let reason = fields.read(&REASON);
    fields.end()?;
    Ok(Json(native::erase(&app.ledger, &caller.call(), &id, &reason).await?.into()))
}

/// Takes a payment of a customer: the named invoices first, then those that are due first.
///
/// What is left becomes the customer's credit.
#[utoipa::path(
    post, path = "/v1/payments", tag = "customers", request_body = ReceivePaymentRequest,
    responses((status = 201, description = "durable", body = CustomerPayment))
)]
pub async fn pay(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<(StatusCode, Json<CustomerPayment>), Refusal> {
    let permit = app.ledger.enter()?;
    let mut fields = body.object()?;
    let (customer, currency) = (fields.read(&CUSTOMER_ID), fields.read(&CURRENCY));
    let amount = fields.read(&PAID).text;
    let (source, invoices) = (fields.read(&PAYER), fields.read(&INVOICE_IDS).unwrap_or_default());
    let words = reading::all_words(&mut fields);
    fields.end()?;
    let has_key = words.key.is_some();
    let payment = Payment { customer, currency, amount, source, invoices, words };
    let paid = payments::receive(&app.ledger, &caller.call(), (payment, Name::in_rest), permit).await;
    let Paid { posted, invoices, excess, currency } = paid.map_err(|failure| post_refusal(failure, has_key))?;
    let PostedTransaction { transaction, replayed } = completed(&app.ledger, &caller, posted).await?;
    let invoices = invoices.into_iter().map(Invoice::from).collect();
    let excess = excess.map(|excess| excess.text(currency.exponent));
    Ok((StatusCode::CREATED, Json(CustomerPayment { transaction, invoices, excess, replayed })))
}

/// Payments of invoices, the newest first: a payment that paid several is listed once for each of them.
///
/// What only became a customer's credit is a transaction, and is not listed here.
#[utoipa::path(
    get, path = "/v1/payments", tag = "customers",
    params(
        ("customerId" = Option<String>, Query, description = "of this customer", min_length = 1, max_length = 128),
        ("invoiceId" = Option<String>, Query, description = "of this invoice", min_length = 1, max_length = 20),
        ("createdFrom" = Option<String>, Query, description = "made then or later", format = DateTime),
        ("createdTo" = Option<String>, Query, description = "made before", format = DateTime),
        ("limit" = Option<u32>, Query, description = "50 by default", minimum = 1, maximum = 1000),
        ("pageToken" = Option<String>, Query, description = "`nextPageToken` of the page before"),
    ),
    responses((status = 200, description = "a page", body = Page<InvoicePayment>))
)]
pub async fn payments(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<Page<InvoicePayment>>, Refusal> {
    let customer = query.text(names::CUSTOMER_ID.rest, CUSTOMER_MAX);
    let invoice = query.text(names::INVOICE_ID.rest, INVOICE_ID_MAX);
    let times = reading::times(&mut query, (names::CREATED_FROM.rest, names::CREATED_TO.rest));
    let (size, token) = reading::page(&mut query);
    query.end()?;
    let page = (size, Token { field: names::PAGE_TOKEN.rest, text: &token });
    let wanted = WantedPayments { customer, invoice, times };
    let (rows, next) = reads::payments(&app.ledger, &caller.call(), (wanted, Name::in_rest), page).await?;
    Ok(Json(Page::of(rows, next)))
}

/// Pays out of a customer's credit.
#[utoipa::path(
    post, path = "/v1/customers/{id}/refund", tag = "customers", params(("id" = String, Path, description = "the customer's id")),
    request_body = RefundCustomerRequest, responses((status = 201, description = "durable", body = PostedTransaction))
)]
pub async fn refund(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(customer): Id,
    body: JsonBody,
) -> Result<(StatusCode, Json<PostedTransaction>), Refusal> {
    let permit = app.ledger.enter()?;
    let mut fields = body.object()?;
    let currency = fields.read(&CURRENCY);
    let amount = fields.read(&PAID).text;
    let destination = fields.read(&PAYEE);
    let words = reading::words(&mut fields);
    let words = Words { description: fields.read(&DESCRIPTION), ..words };
    let reason = fields.read(&REASON);
    fields.end()?;
    let has_key = words.key.is_some();
    let wanted = PayOut { customer, currency, amount, destination, words, reason };
    let posted = payments::pay_out(&app.ledger, &caller.call(), (wanted, Name::in_rest), permit).await;
    let posted = posted.map_err(|failure| post_refusal(failure, has_key))?;
    Ok((StatusCode::CREATED, Json(completed(&app.ledger, &caller, posted).await?)))
}

/// Takes what is said of a customer.
fn said(fields: &mut Object<'_>) -> Said {
    Said {
        email: fields.read(&EMAIL),
        first_name: fields.read(&FIRST_NAME),
        middle_name: fields.read(&MIDDLE_NAME),
        last_name: fields.read(&LAST_NAME),
        mobile: fields.read(&MOBILE),
        born_on: fields.read(&BORN_ON),
        address: fields.read(&ADDRESS),
        tax_id: fields.read(&TAX_ID),
        region: fields.read(&CUSTOMER_REGION),
        language: fields.read(&LANGUAGE),
    }
}
