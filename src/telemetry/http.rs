//! The metrics listener: `/metrics`, `/health`, `/health/parts` and `/live`.

mod bounded;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::settings::ListenSettings;

/// How often samples are folded into their buckets when nobody scrapes: else they would pile up.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Connections at the same time.
const CONNECTIONS_MAX: usize = 256;
/// A connection on which the client sends nothing for so long after an answer is closed. It is longer than any scraper's interval.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// How long a request may take to arrive, and an answer to be read.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// What the listener reads of the node's health; clones share it.
#[derive(Clone)]
pub struct HealthView {
    serving: Arc<dyn Fn() -> bool + Send + Sync>,
    parts: Arc<dyn Fn() -> Value + Send + Sync>,
}

/// A listener that is bound but does not answer yet.
pub struct MetricsListener {
    listener: TcpListener,
    handle: PrometheusHandle,
}

#[derive(Clone)]
struct App {
    health: HealthView,
    handle: PrometheusHandle,
}

impl HealthView {
    /// `serving` says whether payments are accepted; `parts` describes every part of the node as JSON.
    pub fn new(
        serving: impl Fn() -> bool + Send + Sync + 'static,
        parts: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Self {
        Self { serving: Arc::new(serving), parts: Arc::new(parts) }
    }
}

impl HealthView {
    /// Whether payments are accepted.
    pub fn is_serving(&self) -> bool {
        (self.serving)()
    }

    /// The answer of `/health`: 200 while payments are accepted, else 503.
    pub fn answer(&self) -> Response {
        match self.is_serving() {
            true => Json(json!({ "status": "healthy" })).into_response(),
            false => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unhealthy" }))).into_response(),
        }
    }
}

impl MetricsListener {
    /// Installs the metrics recorder, unless this process has it, and binds.
    ///
    /// # Errors
    /// When the address cannot be bound, or the process has another library's recorder.
    pub async fn bind(listen: &ListenSettings) -> io::Result<Self> {
        let handle = super::metrics::install().map_err(io::Error::other)?;
        let listener = TcpListener::bind((listen.host.as_str(), listen.port)).await;
        let named = |e: io::Error| {
            io::Error::new(e.kind(), format!("METRICS_HOST {} METRICS_PORT {}: {e}", listen.host, listen.port))
        };
        Ok(Self { listener: listener.map_err(named)?, handle })
    }

    /// The bound address, with the port that the system chose for port 0.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop` is done.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self, health: HealthView, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let upkeep = upkeep(self.handle.clone());
        let server = axum::serve(
            bounded::Bounded::new(self.listener, CONNECTIONS_MAX, (SILENCE_MAX, REQUEST_MAX)),
            router(health, self.handle),
        )
        .with_graceful_shutdown(stop)
        .into_future();
        tokio::select! {
            ended = server => ended,
            () = upkeep => Ok(()), // never ends
        }
    }
}

/// The routes, for any listener.
pub fn router(health: HealthView, handle: PrometheusHandle) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(overall))
        .route("/health/parts", get(parts))
        .route("/live", get(async || Json(json!({ "status": "alive" }))))
        .with_state(App { health, handle })
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.handle.render())
}

async fn overall(State(app): State<App>) -> Response {
    app.health.answer()
}

async fn parts(State(app): State<App>) -> Json<Value> {
    Json(json!({ "serving": app.health.is_serving(), "parts": (app.health.parts)() }))
}

async fn upkeep(handle: PrometheusHandle) {
    let mut every = tokio::time::interval(UPKEEP_EVERY);
    loop {
        every.tick().await;
        handle.run_upkeep();
    }
}
