//! The accounts REST API, under `/api/v1`: an adapter. It translates names, defaults and errors, writes amounts with its 8 decimals, and holds no rule
//! of money. Commands go through [`Ledger::post`](crate::teller::ledger::Ledger::post) like everybody's; reads go through the store.

pub mod accounts;
pub mod admin;
pub mod audit;
pub mod currencies;
pub mod declines;
pub mod listing;
pub mod live;
pub mod movements;
pub mod refunds;
pub mod requests;
pub mod sagas;
pub mod text;
pub mod transactions;
pub mod views;

use axum::Router;
use axum::routing::{get, patch, post};

use crate::gateway::http::App;

/// All routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/accounts", get(accounts::list).post(accounts::create))
        .route("/api/v1/accounts/{id}", get(accounts::read))
        .route("/api/v1/accounts/{id}/balance", get(accounts::balance))
        .route("/api/v1/accounts/{id}/status", patch(accounts::change_status))
        .route("/api/v1/transactions", get(listing::list))
        .route("/api/v1/transactions/topup", post(movements::topup))
        .route("/api/v1/transactions/withdraw", post(movements::withdraw))
        .route("/api/v1/transactions/transfer", post(movements::transfer))
        .route("/api/v1/transactions/payment", post(movements::payment))
        .route("/api/v1/transactions/refund", post(refunds::refund))
        .route("/api/v1/transactions/{id}", get(transactions::read))
        .route("/api/v1/events/accounts/{id}", get(live::account))
        .route("/api/v1/events/transactions/{id}", get(live::transaction))
        .route("/api/v1/events/stream", get(live::all))
        .route("/api/v1/currencies", get(currencies::list))
        .route("/api/v1/currencies/{code}", get(currencies::read))
        .route("/api/v1/sagas", get(sagas::list))
        .route("/api/v1/sagas/{id}", get(sagas::read))
        .route("/api/v1/sagas/{id}/complete", get(sagas::complete))
        .route("/api/v1/sagas/by-correlation/{id}", get(sagas::by_correlation))
        .route("/api/v1/admin/transactions/stuck", get(sagas::operate::stuck))
        .route("/api/v1/admin/accounts/{id}/reconcile", post(admin::reconcile))
        .route("/api/v1/admin/accounts/reconcile-all", post(admin::reconcile_all))
        .route("/api/v1/admin/accounts/{id}/rebuild", post(admin::rebuild))
        .route("/api/v1/admin/accounts/rebuild-all", post(admin::rebuild_all))
        .route("/api/v1/admin/accounting-equation", get(admin::equation).post(admin::equation_by_post))
        .route("/api/v1/admin/transactions/{id}/reconcile", post(audit::reconcile))
        .route("/api/v1/admin/transactions/reconcile-all", post(audit::reconcile_all))
        .route("/api/v1/admin/transactions/{id}/rebuild", post(audit::rebuild))
        .route("/api/v1/admin/transactions/rebuild-all", post(audit::rebuild_all))
}
