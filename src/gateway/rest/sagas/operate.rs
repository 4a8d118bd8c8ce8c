//! What operators see of sagas that are stuck, and what they may say to them.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use uuid::Uuid;

use super::{LIMIT, LIMIT_DEFAULT, Saga, workflows};
use crate::teller::failure::Failure;
use crate::teller::ledger::{Operated, operate, read_failure};
use crate::teller::operator::REASON_MAX;
use crate::gateway::rest::body::JsonBody;
use crate::gateway::rest::query::Query;
use crate::gateway::rest::refusal::Refusal;
use crate::gateway::rest::requests::{ResolveRequest, RetryRequest};
use crate::gateway::rest::{Caller, Id, Room};
use crate::teller::validate::cut;
use crate::protocol::record::TransactionId;
use crate::saga::Resolution;
use crate::store::sagas;

/// Sagas that wait for an operator, those that have for longest first.
#[utoipa::path(
    get, path = "/api/v1/admin/transactions/stuck", tag = "admin",
    params(("limit" = Option<u32>, Query, description = "100 by default", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "those that are stuck", body = Vec<Saga>))
)]
pub async fn stuck(State(room): State<Room>, Extension(caller): Extension<Caller>, mut query: Query) -> Result<Json<Vec<Saga>>, Refusal> {
    let limit = query.number("limit", LIMIT, LIMIT_DEFAULT, "");
    query.end()?;
    let _place = room.0.ledger.enter_read()?;
    let rows = sagas::stuck(&room.0.ledger.parts().pool, Some(&caller.tenant), limit.into()).await;
    Ok(Json(workflows::views(rows.map_err(|error| read_failure(&error))?)?))
}

/// Has the step in which a saga is stuck tried again.
#[utoipa::path(
    post, path = "/v1/sagas/{id}/retry", tag = "sagas", params(("id" = String, Path, description = "the saga's id")), request_body = RetryRequest,
    responses((status = 200, description = "it goes on", body = Saga))
)]
pub async fn retry(State(room): State<Room>, Extension(caller): Extension<Caller>, Id(id): Id, body: JsonBody) -> Result<Json<Saga>, Refusal> {
    let mut fields = body.object()?;
    let reason = fields.required("reason", REASON_MAX);
    fields.end()?;
    say(&room, &caller, &id, None, reason).await
}

/// Says how the step in which a saga is stuck stands: the saga goes on from there.
#[utoipa::path(
    post, path = "/v1/sagas/{id}/resolve", tag = "sagas", params(("id" = String, Path, description = "the saga's id")), request_body = ResolveRequest,
    responses((status = 200, description = "it goes on", body = Saga))
)]
pub async fn resolve(State(room): State<Room>, Extension(caller): Extension<Caller>, Id(id): Id, body: JsonBody) -> Result<Json<Saga>, Refusal> {
    let mut fields = body.object()?;
    let how = fields.required_choice("as", &Resolution::NAMES);
    let reason = fields.required("reason", REASON_MAX);
    fields.end()?;
    say(&room, &caller, &id, how, reason).await
}

async fn say(room: &Room, caller: &Caller, id: &str, how: Option<Resolution>, reason: String) -> Result<Json<Saga>, Refusal> {
    let uuid = Uuid::try_parse(id).map_err(|_| Failure::NotFound(format!("Saga not found: {}", cut(id))))?;
    let active = room.0.ledger.active()?;
    let _place = room.0.ledger.enter()?;
    let by = caller.operator(&reason)?;
    let operated = Operated { how, by, correlation: Some(caller.correlation.as_str().to_owned()) };
    let (pool, wake) = (&room.0.ledger.parts().pool, || active.sagas.wake());
    let row = operate(pool, Some(&caller.tenant), TransactionId(uuid), &operated, wake).await.map_err(|failure| match failure {
        Failure::FailedPrecondition(why) => Refusal::new(StatusCode::CONFLICT, "SAGA_NOT_STUCK", why),
        other => other.into(),
    })?;
    Ok(Json(workflows::view(row)?))
}
