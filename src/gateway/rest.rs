//! The REST contract of accounts and transactions, under `/api/v1`, and Florin's own, under `/v1` ([`native`]): adapters. They read strictly, translate names, defaults and
//! errors, and hold no rule of money. Commands go through [`Ledger::post`](crate::teller::ledger::Ledger::post) like everybody's; reads go through the store.
//!
//! [`around`] stands before every route: correlation id, authentication, limits, metrics, the error body. [`server`] owns the listener.

mod accounts;
mod admin;
mod around;
mod audit;
mod body;
mod currencies;
mod declines;
mod docs;
mod externals;
mod fields;
mod listing;
mod live;
mod movements;
mod native;
mod operators;
mod payouts;
mod query;
mod refunds;
mod refusal;
mod reason;
mod requests;
mod sagas;
mod server;
mod text;
mod transactions;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, patch, post};

use self::externals::Externals;
use self::refusal::Refusal;
use crate::admission::auth::Authenticator;
use crate::admission::limits::Limits;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use self::reason::operator_by_header;
use crate::teller::operator::operator;
use crate::teller::validate::cut;
use crate::protocol::record::{Maker, Operator};
use crate::store::operators::Doing;
use crate::telemetry::correlation::CorrelationId;
use crate::telemetry::http::HealthView;

pub use self::docs::openapi;
pub use self::server::{RestConfig, RestServer};

/// What the routes are made of; clones share it.
#[derive(Clone)]
pub struct Room(Arc<RoomParts>);

/// The parts of [`Room`].
pub struct RoomParts {
    /// The way into the ledger.
    pub ledger: Ledger,
    /// Who may call how often.
    pub limits: Limits,
    /// Who may call.
    pub authenticator: Authenticator,
    /// What `/health` answers.
    pub health: HealthView,
    /// Which accounts stand for the world outside.
    externals: Externals,
}

/// Who calls. In the extensions of every request that got past [`around`].
#[derive(Clone, Debug)]
struct Caller {
    /// Whose accounts and keys it is about.
    tenant: Arc<str>,
    /// What links the call to its cause.
    correlation: CorrelationId,
    /// Who it is, if they were asked, and from where.
    maker: Maker,
}

impl Caller {
    /// Who makes a change by this call, for this reason.
    fn operator(&self, reason: &str) -> Result<Operator, Failure> {
        Ok(Operator { address: self.maker.address.clone(), ..operator(self.maker.name.as_ref(), reason)? })
    }

    /// The same with what links the change to this call.
    fn doing<'a>(&'a self, by: &'a Operator) -> Doing<'a> {
        Doing { tenant: &self.tenant, by, correlation: Some(self.correlation.as_str()) }
    }

    /// The same for a call without a body.
    fn operator_by_header(&self, headers: &HeaderMap) -> Result<Operator, Failure> {
        Ok(Operator { address: self.maker.address.clone(), ..operator_by_header(self.maker.name.as_ref(), headers)? })
    }
}

impl Room {
    /// Puts it together.
    pub fn new(ledger: Ledger, limits: Limits, authenticator: Authenticator, health: HealthView) -> Self {
        Self(Arc::new(RoomParts { ledger, limits, authenticator, health, externals: Externals::default() }))
    }
}

/// All routes.
pub fn router(room: Room) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/api/v1/health", get(health))
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
        .route("/v1/payouts", post(payouts::payout))
        .route("/v1/card-topups", post(payouts::card_topup))
        .route("/v1/sagas/{id}/retry", post(sagas::operate::retry))
        .route("/v1/sagas/{id}/resolve", post(sagas::operate::resolve))
        .route("/api/v1/admin/accounts/{id}/reconcile", post(admin::reconcile))
        .route("/api/v1/admin/accounts/reconcile-all", post(admin::reconcile_all))
        .route("/api/v1/admin/accounts/{id}/rebuild", post(admin::rebuild))
        .route("/api/v1/admin/accounts/rebuild-all", post(admin::rebuild_all))
        .route("/api/v1/admin/accounting-equation", get(admin::equation).post(admin::equation_by_post))
        .merge(native::routes())
        .route("/api/v1/admin/transactions/{id}/reconcile", post(audit::reconcile))
        .route("/api/v1/admin/transactions/reconcile-all", post(audit::reconcile_all))
        .route("/api/v1/admin/transactions/{id}/rebuild", post(audit::rebuild))
        .route("/api/v1/admin/transactions/rebuild-all", post(audit::rebuild_all))
        .route("/v1/currencies", post(currencies::create))
        .route("/v1/currencies/{code}", patch(currencies::update))
        .route("/v1/operator-actions", get(operators::list))
        .merge(docs::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(room.clone(), around::around))
        .with_state(room)
}

/// Whether payments are taken.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "health",
    responses((status = 200, description = "payments are taken"), (status = 503, description = "payments are not taken"))
)]
async fn health(State(room): State<Room>) -> Response {
    room.0.health.answer()
}

async fn unknown(method: Method, uri: Uri) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("Cannot {method} {}", cut(uri.path())))
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", format!("Cannot {method} {}", cut(uri.path())))
}

/// The one name in a path, decoded; what cannot be decoded names nothing.
struct Id(String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Path::from_request_parts(parts, state).await.map_or_else(|_| parts.uri.path().to_owned(), |Path(id)| id)))
    }
}

#[cfg(test)]
mod tests;
