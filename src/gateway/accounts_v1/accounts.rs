//! Opens, reads, lists and changes accounts.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::gateway::accounts_v1::requests::{
    ACCOUNT_TYPE, CURRENCY, CreateAccountRequest, MAX_BALANCE, METADATA, MIN_BALANCE, OWNER, OWNER_MAX, OWNER_TYPE,
    REASON, STATUS, SUBTYPE, StatusRequest, TYPE, TYPE_MAX,
};
use crate::gateway::accounts_v1::text::shown;
use crate::gateway::accounts_v1::views::{Account, status};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::query::Query;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::text;
use crate::gateway::http::text::AmountText;
use crate::gateway::http::text::stored;
use crate::gateway::http::{App, Caller, Id};
use crate::ledger::{GuardsChange, Status};
use crate::money::Currency;
use crate::protocol::record::{AccountKind, Api, NormalSide, RequestHash};
use crate::store::accounts::{AccountRow, NewAccount};
use crate::store::{self, StoreError};
use crate::teller::failure::Failure;
use crate::teller::ledger::{ChangeCommand, outside_the_house, read_failure};
use crate::teller::native::accounts::{LimitFault, limit_fault};
use crate::teller::validate::{self, ACCOUNT_MAX};

/// Accounts of one owner in one answer.
const LIST_MAX: u32 = 1_000;

/// A balance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    #[schema(example = "100.00000000")]
    balance: String,
    currency: String,
    #[schema(value_type = String)]
    status: &'static str,
}

/// Opens an account.
#[utoipa::path(
    post, path = "/api/v1/accounts", tag = "accounts", request_body = CreateAccountRequest,
    responses((status = 201, description = "opened", body = Account))
)]
pub async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let ledger = &app.ledger;
    let mut fields = body.object()?;
    let owner = fields.read(&OWNER);
    let owner_type = fields.read(&OWNER_TYPE);
    let (kind, alias) = (fields.read(&ACCOUNT_TYPE), fields.read(&TYPE));
    if kind.is_some_and(|kind| alias.is_some_and(|alias| alias != kind)) {
        fields.fault("type and accountType are given and differ");
    }
    let kind = kind.or(alias).unwrap_or(AccountKind::User);
    let subtype = fields.read(&SUBTYPE);
    let code = fields.read(&CURRENCY);
    let metadata = fields.read(&METADATA);
    let (min, max) = (fields.read(&MIN_BALANCE), fields.read(&MAX_BALANCE));
    fields.end()?;
    let currency = ledger.currency(&code).await?.ok_or_else(|| Refusal::no_currency(&code))?;
    let (floor, ceiling) =
        (limit(MIN_BALANCE.name, min.as_ref(), currency)?, limit(MAX_BALANCE.name, max.as_ref(), currency)?);
    let floor = (kind != AccountKind::External).then(|| floor.unwrap_or(0));
    match limit_fault(floor, ceiling) {
        None => {}
        Some(LimitFault::FloorAboveCeiling) => {
            return Err(Refusal::faults(vec!["minBalance must not be above maxBalance".into()]));
        }
        Some(LimitFault::CeilingBelowZero) => {
            return Err(Refusal::faults(vec!["maxBalance must not be below zero".into()]));
        }
    }
    let new = NewAccount {
        tenant: caller.tenant.to_string(),
        name: Uuid::now_v7().to_string(),
        kind,
        normal_side: if kind == AccountKind::External { NormalSide::Debit } else { NormalSide::Credit },
        currency: currency.code,
        owner,
        owner_type,
        subtype,
        metadata,
        floor,
        ceiling,
    };
    let row = ledger
        .open(&new, currency, Some(caller.correlation.as_str()), caller.maker.clone())
        .await?
        .map_err(|error| unopened(&error))?;
    // A floor of zero is shown to whoever asked for it, and to nobody later.
    let min_balance = min.and(floor).map(|floor| stored(floor, currency.exponent));
    let answer = Account { min_balance, ..Account::from(row) };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Why an account was not opened.
fn unopened(error: &StoreError) -> Refusal {
    match error {
        // Its id was drawn here: a repeat opens another one.
        StoreError::Lost(_) => {
            let why =
                "outcome unknown: the account may be open, see the accounts of its owner before it is tried again";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Failure::Unknown.reason(), why)
        }
        other => read_failure(other).into(),
    }
}

fn limit(field: &str, asked: Option<&AmountText>, currency: Currency) -> Result<Option<i128>, Refusal> {
    let limit = asked.map(|asked| text::amount(field, &asked.text, currency)).transpose();
    limit.map(|limit| limit.map(|limit| limit.minor_units())).map_err(|fault| Refusal::faults(vec![fault]))
}

/// An account as the primary has it; an id that cannot be one is simply not found.
async fn get(app: &App, caller: &Caller, id: &str) -> Result<AccountRow, Refusal> {
    validate::required("id", id, ACCOUNT_MAX).map_err(|_| Refusal::no_account(id))?;
    let _place = app.ledger.enter_read()?;
    let row = store::accounts::get(&app.ledger.parts().pool, &caller.tenant, id)
        .await
        .map_err(|error| read_failure(&error))?;
    row.ok_or_else(|| Refusal::no_account(id))
}

/// One account.
#[utoipa::path(
    get, path = "/api/v1/accounts/{id}", tag = "accounts", params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "the account", body = Account))
)]
pub async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Account>, Refusal> {
    Ok(Json(get(&app, &caller, &id).await?.into()))
}

/// The accounts of an owner.
#[utoipa::path(
    get, path = "/api/v1/accounts", tag = "accounts",
    params(
        ("ownerId" = String, Query, description = "whose", min_length = 1, max_length = 255),
        ("ownerType" = Option<String>, Query, description = "of which kind of owner", min_length = 1, max_length = 64)
    ),
    responses((status = 200, description = "at most 1000 accounts, in the order in which they were opened", body = Vec<Account>))
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<Vec<Account>>, Refusal> {
    let (owner, owner_type) = (query.required("ownerId", OWNER_MAX), query.text("ownerType", TYPE_MAX));
    query.end()?;
    let _place = app.ledger.enter_read()?;
    let rows =
        store::accounts::by_owner(&app.ledger.parts().pool, &caller.tenant, &owner, owner_type.as_deref(), LIST_MAX)
            .await;
    Ok(Json(rows.map_err(|error| read_failure(&error))?.into_iter().map(Account::from).collect()))
}

/// The balance of an account.
#[utoipa::path(
    get, path = "/api/v1/accounts/{id}/balance", tag = "accounts", params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "the balance", body = Balance))
)]
pub async fn balance(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Balance>, Refusal> {
    let ledger = &app.ledger;
    validate::required("id", &id, ACCOUNT_MAX).map_err(|_| Refusal::no_account(&id))?;
    let (posted, code) = ledger.posted(&caller.tenant, &id).await?.ok_or_else(|| Refusal::no_account(&id))?;
    let exponent = ledger.currency(code.as_str()).await?.map_or(0, |currency| currency.exponent);
    let balance = posted.totals.credits - posted.totals.debits;
    let balance = if posted.guards.floor.is_some() {
        stored(balance, exponent) // an external account has none
    } else {
        let externals =
            ledger.parts().memory.externals.among(ledger, &caller.tenant, std::iter::once(id.as_str())).await?;
        shown(&externals, &id, balance, exponent)
    };
    Ok(Json(Balance { balance, currency: code.to_string(), status: status(posted.guards.status) }))
}

/// Suspends, closes, or takes up again.
#[utoipa::path(
    patch, path = "/api/v1/accounts/{id}/status", tag = "accounts", params(("id" = String, Path, description = "the account's id")),
    request_body = StatusRequest, responses((status = 200, description = "the account as it then is", body = Account))
)]
pub async fn change_status(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<Json<Account>, Refusal> {
    let mut fields = body.object()?;
    let asked = fields.read(&STATUS);
    let reason = fields.read(&REASON);
    fields.end()?;
    validate::required("id", &id, ACCOUNT_MAX).map_err(|_| Refusal::no_account(&id))?;
    let asked = asked.unwrap_or(Status::Active); // it is there: else the fields had a fault
    outside_the_house(&caller.maker.rights, Api::AccountsV1, &id)?;
    let command = ChangeCommand {
        tenant: caller.tenant.clone(),
        api: Api::AccountsV1,
        account: id.clone(),
        key: None,
        request: RequestHash::of(&[b"account_status", id.as_bytes(), status(asked).as_bytes()]),
        guards: GuardsChange::of_status(asked),
        by: caller.operator(&reason)?,
        correlation: Some(caller.correlation.as_str().to_owned()),
        deadline: app.ledger.deadline(None),
    };
    match app.ledger.change(&command).await {
        Ok(()) => {}
        Err(Failure::NotFound(..)) => return Err(Refusal::no_account(&id)),
        Err(Failure::FailedPrecondition(why)) => return Err(Refusal::bad("VALIDATION_FAILED", why)),
        Err(failure) => return Err(failure.into()),
    }
    // It is done; if that cannot be shown now, nothing must say that it was not.
    get(&app, &caller, &id).await.map(|row| Json(row.into())).map_err(|_| Failure::Unknown.into())
}
