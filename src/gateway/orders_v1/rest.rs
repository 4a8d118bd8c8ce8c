//! The REST calls of the orders contract: health, and their description with its page. They are served where all others
//! are, and without them on a listener of their own.

use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, serve};

use crate::admission::auth::Access;
use crate::gateway::docs;
use crate::gateway::http::refusal::{Manners, Refusal};
use crate::gateway::http::routes::Routes;
use crate::gateway::http::{App, Caller};
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
    let router = Router::new()
        .route(PAGE, get(async || page("index.html")))
        .route("/docs/", get(async || page("index.html")))
        .route("/docs/{*rest}", get(async |Path(rest): Path<String>| page(&rest)))
        .route("/redoc", get(async || Html(include_str!("redoc.html"))))
        .route(JSON, get(async || Json(&*DESCRIPTION)));
    calls().undescribed(Access::Open, &[PAGE, "/docs/", "/docs/{*rest}", "/redoc", JSON], router)
}

/// A file of the page that lets people try the calls, at `/docs` itself: what the files of it name stands below.
fn page(name: &str) -> Response {
    // else the page would ask somebody else whether the description is right
    let config = Config::new([JSON]).validator_url("none");
    match serve(name, Arc::new(config)) {
        Ok(Some(file)) if name == "index.html" => {
            let text = String::from_utf8_lossy(&file.bytes);
            Html(text.replacen("<head>", "<head><base href=\"/docs/\">", 1)).into_response()
        }
        Ok(Some(file)) => {
            let mut answer = ([(CONTENT_TYPE, file.content_type)], file.bytes.into_owned()).into_response();
            if file.gzpipped {
                answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            answer
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::warn!(name, %error, "a file of the page cannot be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Those that are described, a line each.
fn calls() -> Routes {
    Routes::default().open(routes!(healthz)).needs(Scope::Documents, routes!(export))
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Florin: orders to invoices",
        description = "The REST calls of the orders contract. Entries are made by the gRPC service `ledger.LedgerService`."
    ),
    servers((url = "/", description = "where this description is"))
)]
struct Described;

static DESCRIPTION: LazyLock<OpenApi> = LazyLock::new(|| {
    let mut description = Described::openapi();
    description.merge(docs::described(calls(), MANNERS));
    docs::finished(description)
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
pub async fn export(State(app): State<App>, Extension(caller): Extension<Caller>) -> Result<Json<Exported>, Refusal> {
    let ExportRow { url, rows } = exports::yesterday(&app.ledger, &caller.tenant).await?;
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
