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

use utoipa_axum::routes;

use crate::gateway::http::routes::Routes;
use crate::store::api_keys::Scope;

/// All routes.
pub fn routes() -> Routes {
    Routes::default()
        .needs(Scope::Read, routes!(accounts::list))
        .needs(Scope::Admin, routes!(accounts::create))
        .needs(Scope::Read, routes!(accounts::read))
        .needs(Scope::Read, routes!(accounts::balance))
        .needs(Scope::Admin, routes!(accounts::change_status))
        .needs(Scope::Read, routes!(listing::list))
        .needs(Scope::Write, routes!(movements::topup))
        .needs(Scope::Write, routes!(movements::withdraw))
        .needs(Scope::Write, routes!(movements::transfer))
        .needs(Scope::Write, routes!(movements::payment))
        .needs(Scope::Write, routes!(refunds::refund))
        .needs(Scope::Read, routes!(transactions::read))
        .needs(Scope::Read, routes!(live::account))
        .needs(Scope::Read, routes!(live::transaction))
        .needs(Scope::Read, routes!(live::all))
        .needs(Scope::Read, routes!(currencies::list))
        .needs(Scope::Read, routes!(currencies::read))
        .needs(Scope::Read, routes!(sagas::list))
        .needs(Scope::Read, routes!(sagas::read))
        .needs(Scope::Read, routes!(sagas::complete))
        .needs(Scope::Read, routes!(sagas::by_correlation))
        .needs(Scope::Admin, routes!(sagas::stuck))
        .needs(Scope::Admin, routes!(admin::reconcile))
        .needs(Scope::Admin, routes!(admin::reconcile_all))
        .needs(Scope::Admin, routes!(admin::rebuild))
        .needs(Scope::Admin, routes!(admin::rebuild_all))
        .needs(Scope::Admin, routes!(admin::equation))
        .needs(Scope::Admin, routes!(admin::equation_by_post))
        .needs(Scope::Admin, routes!(audit::reconcile))
        .needs(Scope::Admin, routes!(audit::reconcile_all))
        .needs(Scope::Admin, routes!(audit::rebuild))
        .needs(Scope::Admin, routes!(audit::rebuild_all))
}
