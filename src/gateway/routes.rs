//! The table of routes: each contract brings its own, and what is none of them is answered here.

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use utoipa_axum::routes;

use super::http::App;
use super::http::cors::cors;
use super::http::key::KeyField;
use super::http::middleware::{EveryCall, every_call};
use super::http::refusal::{Manners, Refusal};
use super::http::routes::Routes;
use super::{accounts_v1, customers_v1, docs, florin_v1, orders_v1};
use crate::admission::auth::Access;
use crate::teller::validate::cut;

/// What each contract brings: its routes, and how it writes errors.
pub fn contracts() -> [(Routes, Manners); 4] {
    let common = Routes::default()
        .open(routes!(health))
        .undescribed(Access::Open, &["/health"], Router::new().route("/health", get(health)))
        .and(docs::routes());
    [
        (accounts_v1::routes(), accounts_v1::error::MANNERS),
        (customers_v1::routes(), customers_v1::MANNERS),
        (florin_v1::rest::routes().and(common), florin_v1::rest::MANNERS),
        (orders_v1::rest::routes(), orders_v1::rest::MANNERS),
    ]
}

/// All routes, served.
pub fn router(app: App) -> Router {
    served(app, contracts(), florin_v1::rest::MANNERS)
}

/// The same where a path that is not there is answered as the orders contract has it.
pub fn orders_router(app: App) -> Router {
    served(app, contracts(), orders_v1::rest::MANNERS)
}

/// Serves these, and answers what is none of them in the manners of `elsewhere`.
fn served(app: App, contracts: impl IntoIterator<Item = (Routes, Manners)>, elsewhere: Manners) -> Router {
    let nowhere = (Routes::default().undescribed(Access::Open, &[], Router::new().fallback(unknown)), elsewhere);
    let served = contracts.into_iter().chain([nowhere]).map(|(routes, manners)| {
        let (is_cross_origin, key_field) = (routes.is_cross_origin(), routes.key_field().map(KeyField));
        let (router, routes) = routes.into_parts();
        let shared = EveryCall { app: app.clone(), manners, routes, is_cross_origin, key_field };
        let router = router.method_not_allowed_fallback(wrong_method);
        let router = router.layer(middleware::from_fn_with_state(shared, every_call));
        if is_cross_origin { router.layer(middleware::from_fn_with_state(app.clone(), cors)) } else { router }
    });
    served.fold(Router::new(), Router::merge).with_state(app)
}

/// Whether payments are taken.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "health",
    responses((status = 200, description = "payments are taken"), (status = 503, description = "payments are not taken"))
)]
pub async fn health(State(app): State<App>) -> Response {
    app.health.answer()
}

async fn unknown(method: Method, uri: Uri) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("Cannot {method} {}", cut(uri.path())))
}

async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", format!("Cannot {method} {}", cut(uri.path())))
}
