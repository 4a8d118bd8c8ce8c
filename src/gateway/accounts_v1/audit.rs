//! The audit of transactions: what is written of one compared with itself. It is append-only, so nothing of it can be
//! rebuilt; the accounts that it touches can.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Json;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::gateway::accounts_v1::admin;
use crate::gateway::accounts_v1::admin::{AllRebuilt, Rebuilt, Reconciliation};
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::protocol::record::TransactionId;
use crate::store::audit::{Audited, Mismatch};
use crate::teller::failure::Failure;

/// A transaction beside its rows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionReconciliation {
    transaction_id: String,
    /// Whether nothing disagrees, of it and of the accounts that it touches.
    #[serde(rename = "match")]
    #[schema(rename = "match")]
    agrees: bool,
    /// What of it disagrees, in words; amounts in the currency's smallest unit.
    issues: Vec<String>,
    /// The accounts that it touches.
    accounts: Vec<Reconciliation>,
}

/// A transaction that something is wrong with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionMismatch {
    transaction_id: String,
    /// In words.
    issues: Vec<String>,
}

/// All transactions compared.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionReconciliations {
    total: i64,
    matched: i64,
    /// Those that disagree, up to 1,000.
    mismatches: Vec<TransactionMismatch>,
}

/// What became of a transaction that was to be rebuilt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionRebuilt {
    transaction_id: String,
    /// Whether all is right now: not if something of the transaction itself disagrees.
    success: bool,
    /// Whether an account was wrong.
    changed: bool,
    /// What of it disagrees, and stays so.
    issues: Vec<String>,
    /// The accounts that it touches, right now.
    accounts: Vec<Rebuilt>,
}

/// What became of all of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionsRebuilt {
    total: i64,
    successful: i64,
    /// Ids of transactions that disagree, and stay so; up to 1,000.
    failed: Vec<String>,
    /// The accounts, right now.
    accounts: AllRebuilt,
}

fn parsed(id: &str) -> Result<TransactionId, Refusal> {
    Uuid::try_parse(id).map(TransactionId).map_err(|_| Refusal::no_transaction(id))
}

fn unknown(id: &str, failure: Failure) -> Refusal {
    if matches!(failure, Failure::NotFound(..)) { Refusal::no_transaction(id) } else { failure.into() }
}

/// Compares what is written of a transaction.
#[utoipa::path(
    method(get, post), path = "/api/v1/admin/transactions/{id}/reconcile", tag = "admin", params(("id" = String, Path, description = "the transaction's id")),
    responses((status = 200, description = "how it compares", body = TransactionReconciliation))
)]
pub async fn reconcile(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<TransactionReconciliation>, Refusal> {
    let found = app
        .ledger
        .reconcile_transaction(&caller.tenant, parsed(&id)?)
        .await
        .map_err(|failure| unknown(&id, failure))?;
    Ok(Json(TransactionReconciliation {
        agrees: found.issues.is_empty() && found.accounts.iter().all(|account| account.agrees()),
        transaction_id: id,
        issues: found.issues,
        accounts: found.accounts.into_iter().map(Reconciliation::from).collect(),
    }))
}

/// Compares all of them.
#[utoipa::path(
    method(get, post), path = "/api/v1/admin/transactions/reconcile-all", tag = "admin",
    responses((status = 200, description = "those that disagree", body = TransactionReconciliations))
)]
pub async fn reconcile_all(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<TransactionReconciliations>, Refusal> {
    let Audited { total, disagreeing, wrong } = app.ledger.reconcile_transactions(&caller.tenant).await?;
    let mismatch = |Mismatch { id, issues }| TransactionMismatch { transaction_id: id.to_string(), issues };
    let mismatches = wrong.into_iter().map(mismatch).collect();
    Ok(Json(TransactionReconciliations { total, matched: total - disagreeing, mismatches }))
}

/// Sets the accounts that a transaction touches to what their postings come to.
#[utoipa::path(
    post, path = "/api/v1/admin/transactions/{id}/rebuild", tag = "admin",
    params(
        ("id" = String, Path, description = "the transaction's id"),
        ("X-Reason" = Option<String>, Header, description = "why: kept with who did it, for each account that was wrong")
    ),
    responses((status = 200, description = "what was found, and what is right now", body = TransactionRebuilt))
)]
pub async fn rebuild(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Json<TransactionRebuilt>, Refusal> {
    let by = caller.operator_by_header(&headers)?;
    let ledger = &app.ledger;
    let found =
        ledger.reconcile_transaction(&caller.tenant, parsed(&id)?).await.map_err(|failure| unknown(&id, failure))?;
    let changed = found.accounts.iter().any(|account| !account.agrees());
    let mut accounts = Vec::with_capacity(found.accounts.len());
    for account in found.accounts {
        let before = if account.agrees() { account } else { ledger.rebuild(&account.name, &caller.doing(&by)).await? };
        accounts.push(Rebuilt::from(before));
    }
    Ok(Json(TransactionRebuilt {
        transaction_id: id,
        success: found.issues.is_empty(),
        changed,
        issues: found.issues,
        accounts,
    }))
}

/// Sets every account that disagrees to what its postings come to, and tells which transactions disagree.
#[utoipa::path(
    post, path = "/api/v1/admin/transactions/rebuild-all", tag = "admin",
    params(("X-Reason" = Option<String>, Header, description = "why: kept with who did it, for each account that was wrong")),
    responses((status = 200, description = "what became of it", body = TransactionsRebuilt))
)]
pub async fn rebuild_all(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Json<TransactionsRebuilt>, Refusal> {
    let by = caller.operator_by_header(&headers)?;
    let accounts = admin::every(&app, &caller, &by).await?;
    let Audited { total, disagreeing, wrong } = app.ledger.reconcile_transactions(&caller.tenant).await?;
    let failed = wrong.into_iter().map(|one| one.id.to_string()).collect();
    Ok(Json(TransactionsRebuilt { total, successful: total - disagreeing, failed, accounts }))
}
