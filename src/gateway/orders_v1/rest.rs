//! The REST calls of the orders contract: health, and their description with its page. They are served where all others
//! are, and without them on a listener of their own.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::gateway::http::App;
use crate::gateway::http::refusal::{Manners, Refusal};
use crate::gateway::http::routes::Routes;
use crate::store::api_keys::Scope;
use crate::store::billing::exports::ExportRow;
use crate::teller::exports;

/// Where the description is.
const JSON: &str = "/openapi.json";
/// Where the page is.
const PAGE: &str = "/docs";

/// How errors are written: one field, and of what is not there only the reason phrase.
pub const MANNERS: Manners = Manners {
    body: |refusal, _, _| {
        let detail = match refusal.code {
            "NOT_FOUND" | "METHOD_NOT_ALLOWED" => json!(refusal.status.canonical_reason()),
            _ => json!(refusal.message),
        };
        serde_json::to_vec(&json!({ "detail": detail })).unwrap_or_default() // texts encode
    },
    schema: None,
};

/// All routes.
pub fn routes() -> Routes {
    // else the page would ask somebody else whether the description is right
    let config = Config::new([JSON]).validator_url("none");
    let page = SwaggerUi::new(PAGE).config(config);
    let others = Router::new()
        .route("/redoc", get(async || Html(include_str!("redoc.html"))))
        .route(JSON, get(async || Json(&*DESCRIPTION)));
    calls().undescribed(&[PAGE, "/docs/", "/docs/{*rest}", "/redoc", JSON], Router::from(page).merge(others))
}

/// Those that are described, a line each.
fn calls() -> Routes {
    Routes::default().open(routes!(healthz)).needs(Scope::Read, routes!(export))
}

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Florin: orders to invoices",
    description = "The REST calls of the orders contract. Entries are made by the gRPC service `ledger.LedgerService`."
))]
struct Described;

static DESCRIPTION: LazyLock<OpenApi> = LazyLock::new(|| {
    let mut description = Described::openapi();
    description.merge(calls().description());
    description
});

/// Health, in the words of the orders contract.
#[derive(Serialize, ToSchema)]
pub struct Healthz {
    ok: bool,
}

/// A file of an export.
#[derive(Serialize, ToSchema)]
pub struct Exported {
    /// `s3://...` or `file:///...`.
    url: String,
    /// Invoices in it.
    rows: i64,
}

/// Yesterday's invoices (UTC) as CSV, written once: asked again, the same file.
#[utoipa::path(
    get, path = "/exports/daily", tag = "exports",
    responses((status = 200, description = "the file is there", body = Exported))
)]
pub async fn export(State(app): State<App>) -> Result<Json<Exported>, Refusal> {
    let ExportRow { url, rows } = exports::yesterday(&app.ledger).await?;
    Ok(Json(Exported { url, rows }))
}

/// Whether payments are taken.
#[utoipa::path(
    get, path = "/healthz", tag = "health",
    responses(
        (status = 200, description = "payments are taken", body = Healthz),
        (status = 503, description = "payments are not taken", body = Healthz)
    )
)]
pub async fn healthz(State(app): State<App>) -> Response {
    let ok = app.health.is_serving();
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Healthz { ok })).into_response()
}
