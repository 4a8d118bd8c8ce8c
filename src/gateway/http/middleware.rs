//! What every call has in common, before and after its handler: the correlation id, who calls, how often they may, the
//! span, the count, and the error body. A handler that panics is answered with 500, and its connection lives.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use crate::admission::auth::Access;
use crate::admission::tls::PeerCertificate;
use crate::gateway::http::key::KeyField;
use crate::gateway::http::refusal::{Manners, Refusal};
use crate::gateway::http::routes::{Route, RouteTable, find};
use crate::gateway::http::server::PeerAddress;
use crate::gateway::http::{App, Caller};
use crate::protocol::record::Maker;
use crate::telemetry::correlation::CorrelationId;
use crate::telemetry::metrics::{AUTH_REFUSED, HTTP_DURATION, HTTP_REQUESTS};
use crate::telemetry::request_span;

/// Where the correlation id comes and goes.
const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
/// Bytes of path and query.
const URI_MAX: usize = 8 << 10;

/// No route: nothing is there to be protected, and nothing to be done.
const NOWHERE: Route = Route { name: "none", access: Access::Open };

/// What the middleware of a contract's routes needs; clones share it.
#[derive(Clone)]
pub struct EveryCall {
    /// What handlers are given.
    pub app: App,
    /// How errors are written.
    pub manners: Manners,
    /// What each route asks of its caller.
    pub routes: Arc<RouteTable>,
    /// Pages of other origins may call them.
    pub is_cross_origin: bool,
    /// The field of bodies that the header `Idempotency-Key` stands for.
    pub key_field: Option<KeyField>,
}

/// Goes before and after the handler of every route.
pub async fn every_call(
    State(EveryCall { app, manners, routes, is_cross_origin, key_field }): State<EveryCall>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let correlation = CorrelationId::of(request.headers());
    let path = request.uri().path().to_owned();
    let route = route(&routes, &request);
    if let Ok(value) = HeaderValue::from_str(correlation.as_str()) {
        request.headers_mut().insert(CORRELATION, value); // the span takes it from here
    }
    if let Some(field) = key_field {
        request.extensions_mut().insert(field);
    }
    let span = request_span(route.name, request.headers());
    let work = async {
        if let Err(refusal) = admit(&app, (route, is_cross_origin), &correlation, &mut request).await {
            return refusal.into_response();
        }
        let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        handled.unwrap_or_else(|_| Refusal::bug().into_response()) // the panic hook has logged it
    };
    let mut response = work.instrument(span).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        if refusal.is_logged {
            tracing::warn!(route = route.name, correlation_id = %correlation, code = refusal.code, "a call was not answered as it should be");
        }
        refusal.write(manners, &mut response, &path, correlation.as_str());
    }
    if let Ok(value) = HeaderValue::from_str(correlation.as_str()) {
        response.headers_mut().insert(CORRELATION, value);
    }
    let status = status_text(response.status());
    metrics::counter!(HTTP_REQUESTS, "route" => route.name, "status" => status).increment(1);
    metrics::histogram!(HTTP_DURATION, "route" => route.name, "status" => status).record(began.elapsed());
    response
}

fn route(routes: &RouteTable, request: &Request) -> Route {
    request
        .extensions()
        .get::<MatchedPath>()
        .map_or(NOWHERE, |matched| find(routes, request.method(), matched.as_str()))
}

/// Lets the caller in, and says who it is.
async fn admit(
    app: &App,
    (route, is_cross_origin): (Route, bool),
    correlation: &CorrelationId,
    request: &mut Request,
) -> Result<(), Refusal> {
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > URI_MAX {
        let why = format!("path and query are longer than {URI_MAX} bytes, which is the limit");
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", why));
    }
    if route.name == NOWHERE.name {
        return Ok(());
    }
    if route.access != Access::Open {
        let may_cross = is_cross_origin.then(|| app.allow_origin.to_str().unwrap_or_default());
        app.hosts.admit(request.method(), request.headers(), may_cross)?;
    }
    let certificate = request.extensions().get::<PeerCertificate>().cloned();
    let der = certificate.as_ref().map(PeerCertificate::der);
    let address = request.extensions().get::<PeerAddress>().map(|PeerAddress(address)| address.clone());
    let identity = app.authenticator.authenticate(route.access, request.headers(), der).await.map_err(|denial| {
        metrics::counter!(AUTH_REFUSED, "reason" => denial.reason()).increment(1);
        app.authenticator.note_refused(&denial, route.name, address.as_deref());
        Refusal::from(&denial)
    })?;
    let maker = Maker { name: identity.client, address, rights: identity.rights };
    if route.access != Access::Open {
        app.limits.native((&identity.tenant, &maker), request.headers(), route.name).await?;
    }
    let standing = app.authenticator.standing(route.access, request.headers(), certificate);
    let (tenant, correlation) = (identity.tenant, correlation.clone());
    request.extensions_mut().insert(Caller { tenant, correlation, maker, standing });
    Ok(())
}

/// The status as a label.
fn status_text(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "200",
        201 => "201",
        303 => "303",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        414 => "414",
        415 => "415",
        429 => "429",
        500 => "500",
        503 => "503",
        504 => "504",
        _ => "other",
    }
}
