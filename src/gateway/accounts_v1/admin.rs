//! The audit of the accounts REST API: balances compared with what their postings come to, and set right by them.
//! Balances here are no projection of events: the fold computes them from the journal. So `projection` is the balance
//! row, and the postings are the source.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::text::stored;
use crate::gateway::http::{App, Caller, Id};
use crate::protocol::record::Operator;
use crate::store::audit::{Audited, Reconciled};
use crate::teller::failure::Failure;
use crate::teller::validate::{self, ACCOUNT_MAX};

/// An account's balance beside its postings.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reconciliation {
    account_id: String,
    #[serde(rename = "match")]
    #[schema(rename = "match")]
    agrees: bool,
    /// As the account has it.
    #[schema(example = "100.00000000")]
    projection_balance: String,
    /// As its postings come to.
    #[schema(example = "100.00000000")]
    event_source_balance: String,
    /// The first less the second.
    difference: String,
    projection_version: i64,
    event_source_version: i64,
    version_mismatch: bool,
    /// What disagrees, in words.
    issues: Vec<String>,
}

/// What became of a rebuilt balance.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rebuilt {
    account_id: String,
    success: bool,
    /// Whether it was wrong, and is right now.
    changed: bool,
    /// As it is now.
    balance: String,
}

/// All accounts compared.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reconciliations {
    total: i64,
    matched: i64,
    /// Those that disagree, up to 1,000.
    mismatches: Vec<Reconciliation>,
}

/// What became of all balances.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllRebuilt {
    total: i64,
    successful: i64,
    /// Ids of accounts that could not be rebuilt.
    failed: Vec<String>,
}

/// Whether all accounts together come to nothing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountingEquation {
    valid: bool,
    /// Over all currencies; zero.
    #[schema(example = "0.00000000")]
    total_projection_balance: String,
    account_count: i64,
    currencies: Vec<CurrencyBalance>,
}

/// The accounts of one currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrencyBalance {
    currency: String,
    balance: String,
    account_count: i64,
}

impl From<Reconciled> for Reconciliation {
    fn from(row: Reconciled) -> Self {
        let text = |units: i128| stored(units, row.exponent);
        let mut issues = Vec::new();
        if row.balance != row.posted {
            issues.push(format!("the balance is {}, the postings come to {}", text(row.balance), text(row.posted)));
        }
        if row.held != row.open {
            issues.push(format!("{} is held, the open holds come to {}", text(row.held), text(row.open)));
        }
        if row.version != row.rows {
            issues.push(format!("its version is {}, and {} rows are about it", row.version, row.rows));
        }
        Self {
            agrees: row.agrees(),
            projection_balance: text(row.balance),
            event_source_balance: text(row.posted),
            difference: text(row.balance - row.posted),
            projection_version: row.version,
            event_source_version: row.rows,
            version_mismatch: row.version != row.rows,
            issues,
            account_id: row.name,
        }
    }
}

impl From<Reconciled> for Rebuilt {
    fn from(before: Reconciled) -> Self {
        Self {
            success: true,
            changed: !before.agrees(),
            balance: stored(before.posted, before.exponent),
            account_id: before.name,
        }
    }
}

fn checked(id: &str) -> Result<(), Refusal> {
    validate::required("id", id, ACCOUNT_MAX).map_err(|_| Refusal::no_account(id))
}

fn failed(id: &str, failure: Failure) -> Refusal {
    if matches!(failure, Failure::NotFound(..)) { Refusal::no_account(id) } else { failure.into() }
}

/// Compares an account's balance with its postings.
#[utoipa::path(
    method(get, post), path = "/api/v1/admin/accounts/{id}/reconcile", tag = "admin", params(("id" = String, Path, description = "the account's id")),
    responses((status = 200, description = "how they compare", body = Reconciliation))
)]
pub async fn reconcile(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<Reconciliation>, Refusal> {
    checked(&id)?;
    let row = app.ledger.reconcile(&caller.tenant, &id).await.map_err(|failure| failed(&id, failure))?;
    Ok(Json(row.into()))
}

/// Compares all of them.
#[utoipa::path(
    method(get, post), path = "/api/v1/admin/accounts/reconcile-all", tag = "admin",
    responses((status = 200, description = "those that disagree", body = Reconciliations))
)]
pub async fn reconcile_all(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Reconciliations>, Refusal> {
    let Audited { total, disagreeing, wrong } = app.ledger.reconcile_all(&caller.tenant).await?;
    let mismatches = wrong.into_iter().map(Reconciliation::from).collect();
    Ok(Json(Reconciliations { total, matched: total - disagreeing, mismatches }))
}

/// Sets an account's balance to what its postings come to.
#[utoipa::path(
    post, path = "/api/v1/admin/accounts/{id}/rebuild", tag = "admin", params(
        ("id" = String, Path, description = "the account's id"),
        ("X-Reason" = Option<String>, Header, description = "why: kept with who did it, if it was wrong")
    ),
    responses((status = 200, description = "it is right now", body = Rebuilt))
)]
pub async fn rebuild(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Json<Rebuilt>, Refusal> {
    checked(&id)?;
    let by = caller.operator_by_header(&headers)?;
    let before = app.ledger.rebuild(&id, &caller.doing(&by)).await.map_err(|failure| failed(&id, failure))?;
    Ok(Json(before.into()))
}

/// Sets every balance that disagrees to what its postings come to.
#[utoipa::path(
    post, path = "/api/v1/admin/accounts/rebuild-all", tag = "admin",
    params(("X-Reason" = Option<String>, Header, description = "why: kept with who did it, for each that was wrong")),
    responses((status = 200, description = "what became of it", body = AllRebuilt))
)]
pub async fn rebuild_all(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Json<AllRebuilt>, Refusal> {
    let by = caller.operator_by_header(&headers)?;
    Ok(Json(every(&app, &caller, &by).await?))
}

/// Every account that disagrees, set right.
pub(super) async fn every(app: &App, caller: &Caller, by: &Operator) -> Result<AllRebuilt, Refusal> {
    let Audited { total, disagreeing, wrong } = app.ledger.rebuild_all(&caller.doing(by)).await?;
    Ok(AllRebuilt { total, successful: total - disagreeing, failed: wrong })
}

/// What all accounts come to.
#[utoipa::path(
    method(get, post), path = "/api/v1/admin/accounting-equation", tag = "admin",
    responses((status = 200, description = "nothing, unless something is damaged", body = AccountingEquation))
)]
pub async fn equation(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<AccountingEquation>, Refusal> {
    let rows = app.ledger.equation(&caller.tenant).await?;
    let wrong = rows.iter().find(|row| row.total != 0);
    Ok(Json(AccountingEquation {
        valid: wrong.is_none(),
        total_projection_balance: wrong.map_or_else(|| stored(0, 0), |row| stored(row.total, row.exponent)),
        account_count: rows.iter().map(|row| row.accounts).sum(),
        currencies: rows
            .iter()
            .map(|row| CurrencyBalance {
                currency: row.currency.clone(),
                balance: stored(row.total, row.exponent),
                account_count: row.accounts,
            })
            .collect(),
    }))
}
