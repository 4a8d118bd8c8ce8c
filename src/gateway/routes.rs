//! The table of routes: each contract brings its own, and what is none of them is answered here.

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;

use super::http::App;
use super::http::around::around;
use super::http::refusal::Refusal;
use super::{accounts_v1, docs, florin_v1};
use crate::teller::validate::cut;

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/api/v1/health", get(health))
        .merge(accounts_v1::routes())
        .merge(florin_v1::rest::routes())
        .merge(docs::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), around))
        .with_state(app)
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
