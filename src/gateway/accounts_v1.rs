//! The accounts REST API, under `/api/v1`: an adapter. It translates names, defaults and errors, writes amounts with
//! its 8 decimals, and holds no rule of money. Commands go through
//! [`Ledger::post`](crate::teller::ledger::Ledger::post) like everybody's; reads go through the store.

pub mod accounts;
pub mod admin;
pub mod audit;
pub mod currencies;
pub mod declines;
pub mod error;
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
use axum::routing::get;
use utoipa_axum::routes;

use crate::admission::auth::Access;
use crate::gateway::http::routes::Routes;
use crate::store::api_keys::Scope;

const COMPLETE: &str = "/api/v1/sagas/{id}/complete";

/// All routes.
pub fn routes() -> Routes {
    Routes::default()
        .needs(Scope::Balances, routes!(accounts::list))
        .needs(Scope::Accounts, routes!(accounts::create))
        .needs(Scope::Balances, routes!(accounts::read))
        .needs(Scope::Balances, routes!(accounts::balance))
        .needs(Scope::Accounts, routes!(accounts::change_status))
        .needs(Scope::Balances, routes!(listing::list))
        .needs(Scope::Payments, routes!(movements::topup))
        .needs(Scope::Payments, routes!(movements::withdraw))
        .needs(Scope::Payments, routes!(movements::transfer))
        .needs(Scope::Payments, routes!(movements::payment))
        .needs(Scope::Payments, routes!(refunds::refund))
        .needs(Scope::Balances, routes!(transactions::read))
        .needs(Scope::Balances, routes!(live::account))
        .needs(Scope::Balances, routes!(live::transaction))
        .needs(Scope::Balances, routes!(live::all))
        .needs(Scope::Balances, routes!(currencies::list))
        .needs(Scope::Balances, routes!(currencies::read))
        .needs(Scope::Balances, routes!(sagas::list))
        .needs(Scope::Balances, routes!(sagas::read))
        // Not described, since no description may have two paths that fit one address: `/sagas/by-correlation/complete`.
        .undescribed(Access::Needs(Scope::Balances), &[COMPLETE], Router::new().route(COMPLETE, get(sagas::complete)))
        .needs(Scope::Balances, routes!(sagas::by_correlation))
        .needs(Scope::Operators, routes!(sagas::stuck))
        .needs(Scope::Operators, routes!(admin::reconcile))
        .needs(Scope::Operators, routes!(admin::reconcile_all))
        .needs(Scope::Operators, routes!(admin::rebuild))
        .needs(Scope::Operators, routes!(admin::rebuild_all))
        .needs(Scope::Operators, routes!(admin::equation))
        .needs(Scope::Operators, routes!(audit::reconcile))
        .needs(Scope::Operators, routes!(audit::reconcile_all))
        .needs(Scope::Operators, routes!(audit::rebuild))
        .needs(Scope::Operators, routes!(audit::rebuild_all))
}
