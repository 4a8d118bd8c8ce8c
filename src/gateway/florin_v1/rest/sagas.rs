//! What operators may say to sagas that are stuck.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use uuid::Uuid;

use super::requests::{HOW, ResolveRequest, RetryRequest, WHY};
use crate::gateway::http::body::JsonBody;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::{App, Caller, Id};
use crate::protocol::record::TransactionId;
use crate::saga::Resolution;
use crate::teller::failure::{Failure, Noun};
use crate::teller::ledger::{Operated, operate, seconded};
use crate::teller::native::views::Saga;
use crate::teller::validate::cut;

/// Has the step in which a saga is stuck tried again.
#[utoipa::path(
    post, path = "/v1/sagas/{id}/retry", tag = "sagas", params(("id" = String, Path, description = "the saga's id")), request_body = RetryRequest,
    responses((status = 200, description = "it goes on", body = Saga))
)]
pub async fn retry(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<(StatusCode, Json<Saga>), Refusal> {
    let mut fields = body.object()?;
    let reason = fields.read(&WHY);
    fields.end()?;
    say(&app, &caller, &id, None, reason).await
}

/// Says how the step in which a saga is stuck stands: the saga goes on from there.
#[utoipa::path(
    post, path = "/v1/sagas/{id}/resolve", tag = "sagas", params(("id" = String, Path, description = "the saga's id")), request_body = ResolveRequest,
    responses(
        (status = 200, description = "it goes on", body = Saga),
        (status = 202, description = "noted: where it takes two operators, another one must say the same within a day", body = Saga)
    )
)]
pub async fn resolve(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    body: JsonBody,
) -> Result<(StatusCode, Json<Saga>), Refusal> {
    let mut fields = body.object()?;
    let how = fields.read(&HOW);
    let reason = fields.read(&WHY);
    fields.end()?;
    say(&app, &caller, &id, how, reason).await
}

async fn say(
    app: &App,
    caller: &Caller,
    id: &str,
    how: Option<Resolution>,
    reason: String,
) -> Result<(StatusCode, Json<Saga>), Refusal> {
    let uuid =
        Uuid::try_parse(id).map_err(|_| Failure::NotFound(Noun::Other, format!("Saga not found: {}", cut(id))))?;
    let active = app.ledger.active()?;
    let _place = app.ledger.enter()?;
    let by = caller.operator(&reason)?;
    let operated = Operated { how, by, correlation: Some(caller.correlation.as_str().to_owned()) };
    let (pool, wake) = (&app.ledger.parts().pool, || active.sagas.wake());
    if how.is_some()
        && app.sagas_resolved_by_two
        && let Err(row) = seconded(pool, Some(&caller.tenant), TransactionId(uuid), &operated).await.map_err(refused)?
    {
        return Ok((StatusCode::ACCEPTED, Json(row.try_into()?)));
    }
    let row = operate(pool, Some(&caller.tenant), TransactionId(uuid), &operated, wake).await.map_err(refused)?;
    Ok((StatusCode::OK, Json(row.try_into()?)))
}

fn refused(failure: Failure) -> Refusal {
    match failure {
        Failure::FailedPrecondition(why) => Refusal::new(StatusCode::CONFLICT, "SAGA_NOT_STUCK", why),
        other => other.into(),
    }
}
