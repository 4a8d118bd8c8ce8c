//! Legal entities, and tax rates.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;

use super::requests::REASON;
use super::requests::billing::{
    ADDRESS, AddTaxRateRequest, BOOK_CURRENCY, CATEGORY, CREDIT_FORMAT, EFFECTIVE_FROM, ENTITY_EMAIL, ENTITY_NAME,
    ENTITY_REGION, FISCAL_MONTH, INVOICE_FORMAT, LOGO, MAILS_INVOICES, PAYMENT_DAYS, PERCENT, PHONE, PutEntityRequest,
    RATE_REGION, TAX_ID, TIME_ZONE, TREATMENT,
};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::teller::native::entities::{self as native, Said};
use crate::teller::native::names::Name;
use crate::teller::native::tax_rates::{self, NewRate};
use crate::teller::native::views::{All, Entity, TaxRate};

/// Bytes of the body of a legal entity, for the sake of its logo.
const PUT_BYTES_MAX: usize = 512 << 10;

/// Makes a legal entity, or puts this in place of all that was said of it.
///
/// What is issued already keeps its number as it is. A logo stays unless another one is given, or null.
#[utoipa::path(
    put, path = "/v1/entities/{id}", tag = "entities", params(("id" = String, Path, description = "the entity's id")),
    request_body = PutEntityRequest, responses((status = 200, description = "the entity as it then is", body = Entity))
)]
pub async fn put(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody<PUT_BYTES_MAX>,
) -> Result<Json<Entity>, Refusal> {
    let mut fields = body.object()?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let said = Said {
        name: fields.read(&ENTITY_NAME),
        address: fields.read(&ADDRESS).unwrap_or_default(),
        tax_id: given(fields.read(&TAX_ID)),
        phone: given(fields.read(&PHONE)),
        email: given(fields.read(&ENTITY_EMAIL)),
        invoice_format: fields.read(&INVOICE_FORMAT),
        credit_format: fields.read(&CREDIT_FORMAT),
        payment_days: fields.read(&PAYMENT_DAYS),
        fiscal_month: fields.read(&FISCAL_MONTH),
        time_zone: fields.read(&TIME_ZONE),
        book_currency: fields.read(&BOOK_CURRENCY),
        region: fields.read(&ENTITY_REGION),
        mails_invoices: fields.read(&MAILS_INVOICES),
        logo: fields.read(&LOGO),
    };
    let reason = fields.read(&REASON);
    fields.end()?;
    let row = native::put(&app.ledger, &caller.call(), (&id, said), (&reason, Name::in_rest)).await?;
    Ok(Json(row.into()))
}

/// One legal entity.
#[utoipa::path(
    get, path = "/v1/entities/{id}", tag = "entities", params(("id" = String, Path, description = "the entity's id")),
    responses((status = 200, description = "the entity", body = Entity))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Entity>, Refusal> {
    Ok(Json(native::get(&app.ledger, &caller.call(), &id).await?.into()))
}

/// All legal entities, by id.
#[utoipa::path(
    get, path = "/v1/entities", tag = "entities",
    responses((status = 200, description = "all of them", body = All<Entity>))
)]
pub async fn list(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Json<All<Entity>>, Refusal> {
    Ok(Json(All::of(native::list(&app.ledger, &caller.call()).await?)))
}

/// Writes a tax rate down. None ever changes: a new one counts from its day on.
#[utoipa::path(
    post, path = "/v1/tax-rates", tag = "entities", request_body = AddTaxRateRequest,
    responses((status = 201, description = "written down", body = TaxRate))
)]
pub async fn add_tax_rate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<(StatusCode, Json<TaxRate>), Refusal> {
    let mut fields = body.object()?;
    let new = NewRate {
        region: fields.read(&RATE_REGION),
        category: fields.read(&CATEGORY),
        treatment: fields.read(&TREATMENT),
        percent: fields.read(&PERCENT),
        effective_from: fields.read(&EFFECTIVE_FROM),
    };
    let reason = fields.read(&REASON);
    fields.end()?;
    let row = tax_rates::add(&app.ledger, &caller.call(), new, (&reason, Name::in_rest)).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// All tax rates, the first that began first.
#[utoipa::path(
    get, path = "/v1/tax-rates", tag = "entities",
    responses((status = 200, description = "all of them", body = All<TaxRate>))
)]
pub async fn tax_rates(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<All<TaxRate>>, Refusal> {
    Ok(Json(All::of(tax_rates::list(&app.ledger, &caller.call()).await?)))
}
