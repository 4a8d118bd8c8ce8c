//! Customers, legal entities and tax rates over gRPC.

use florin_wire::florin_v1 as pb;

use super::given;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::customers::{self, EMAIL_MAX};
use crate::teller::native::names::{self, Name};
use crate::teller::native::tax_rates::{self, NewRate};
use crate::teller::native::views::{Customer, Entity, TaxRate};
use crate::teller::native::{entities, pages};
use crate::teller::validate;

pub(super) async fn create_customer(
    ledger: &Ledger,
    call: &Call,
    asked: pb::CreateCustomerRequest,
) -> Result<pb::CreateCustomerResponse, Failure> {
    let said = customers::Said {
        email: given(asked.email),
        first_name: given(asked.first_name),
        middle_name: given(asked.middle_name),
        last_name: given(asked.last_name),
        mobile: given(asked.mobile),
        born_on: given(asked.born_on),
        address: Some(asked.address),
        tax_id: given(asked.tax_id),
        region: given(asked.region),
        language: given(asked.language),
    };
    let row = customers::create(ledger, call, (given(asked.id), said), (&asked.reason, Name::in_grpc)).await?;
    Ok(pb::CreateCustomerResponse { customer: Some(Customer::from(row).into()) })
}

pub(super) async fn get_customer(
    ledger: &Ledger,
    call: &Call,
    asked: pb::GetCustomerRequest,
) -> Result<pb::GetCustomerResponse, Failure> {
    let row = customers::get(ledger, call, &asked.id).await?;
    Ok(pb::GetCustomerResponse { customer: Some(Customer::from(row).into()) })
}

pub(super) async fn list_customers(
    ledger: &Ledger,
    call: &Call,
    asked: pb::ListCustomersRequest,
) -> Result<pb::ListCustomersResponse, Failure> {
    validate::text("email", &asked.email, EMAIL_MAX)?;
    let page = (pages::size(asked.limit)?, pages::Token { field: names::PAGE_TOKEN.grpc, text: &asked.page_token });
    let (rows, next) = customers::list(ledger, call, given(asked.email), page).await?;
    Ok(pb::ListCustomersResponse {
        items: rows.into_iter().map(|row| Customer::from(row).into()).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

pub(super) async fn update_customer(
    ledger: &Ledger,
    call: &Call,
    asked: pb::UpdateCustomerRequest,
) -> Result<pb::UpdateCustomerResponse, Failure> {
    let said = customers::Said {
        email: asked.email,
        first_name: asked.first_name,
        middle_name: asked.middle_name,
        last_name: asked.last_name,
        mobile: asked.mobile,
        born_on: asked.born_on,
        address: asked.address.map(|address| address.lines),
        tax_id: asked.tax_id,
        region: asked.region,
        language: asked.language,
    };
    let row = customers::update(ledger, call, (&asked.id, said), (&asked.reason, Name::in_grpc)).await?;
    Ok(pb::UpdateCustomerResponse { customer: Some(Customer::from(row).into()) })
}

pub(super) async fn erase_customer(
    ledger: &Ledger,
    call: &Call,
    asked: pb::EraseCustomerRequest,
) -> Result<pb::EraseCustomerResponse, Failure> {
    let row = customers::erase(ledger, call, &asked.id, &asked.reason).await?;
    Ok(pb::EraseCustomerResponse { customer: Some(Customer::from(row).into()) })
}

pub(super) async fn put_entity(
    ledger: &Ledger,
    call: &Call,
    asked: pb::PutEntityRequest,
) -> Result<pb::PutEntityResponse, Failure> {
    let said = entities::Said {
        name: asked.name,
        address: asked.address,
        tax_id: given(asked.tax_id),
        phone: given(asked.phone),
        email: given(asked.email),
        invoice_format: given(asked.invoice_format),
        credit_format: given(asked.credit_format),
        payment_days: asked.payment_days,
        fiscal_month: asked.fiscal_month,
        time_zone: given(asked.time_zone),
        book_currency: given(asked.book_currency),
        region: given(asked.region),
        mails_invoices: Some(asked.mails_invoices),
        logo: asked.logo,
    };
    let row = entities::put(ledger, call, (&asked.id, said), (&asked.reason, Name::in_grpc)).await?;
    Ok(pb::PutEntityResponse { entity: Some(Entity::from(row).into()) })
}

pub(super) async fn get_entity(
    ledger: &Ledger,
    call: &Call,
    asked: pb::GetEntityRequest,
) -> Result<pb::GetEntityResponse, Failure> {
    let row = entities::get(ledger, call, &asked.id).await?;
    Ok(pb::GetEntityResponse { entity: Some(Entity::from(row).into()) })
}

pub(super) async fn list_entities(
    ledger: &Ledger,
    call: &Call,
    _: pb::ListEntitiesRequest,
) -> Result<pb::ListEntitiesResponse, Failure> {
    let rows = entities::list(ledger, call).await?.into_iter();
    Ok(pb::ListEntitiesResponse { items: rows.map(|row| Entity::from(row).into()).collect() })
}

pub(super) async fn add_tax_rate(
    ledger: &Ledger,
    call: &Call,
    asked: pb::AddTaxRateRequest,
) -> Result<pb::AddTaxRateResponse, Failure> {
    let new = NewRate {
        region: given(asked.region),
        category: given(asked.category),
        treatment: given(asked.treatment),
        percent: given(asked.percent),
        effective_from: asked.effective_from,
    };
    let row = tax_rates::add(ledger, call, new, (&asked.reason, Name::in_grpc)).await?;
    Ok(pb::AddTaxRateResponse { tax_rate: Some(TaxRate::from(row).into()) })
}

pub(super) async fn list_tax_rates(
    ledger: &Ledger,
    call: &Call,
    _: pb::ListTaxRatesRequest,
) -> Result<pb::ListTaxRatesResponse, Failure> {
    let rows = tax_rates::list(ledger, call).await?.into_iter();
    Ok(pb::ListTaxRatesResponse { items: rows.map(|row| TaxRate::from(row).into()).collect() })
}
