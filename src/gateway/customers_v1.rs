//! Customers and bills of shops over REST, under `/api/v1/user` and `/api/v1/bill`: an adapter. It reads bodies and
//! writes answers and errors as the contract has them, also where that is odd.

mod error;
mod requests;
mod sent;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub use self::error::MANNERS;
use self::error::{failed, refused};
use self::requests::{BillRequest, RegisterRequest};
use self::sent::Sent;
use crate::gateway::http::refusal::Refusal;
use crate::gateway::http::routes::Routes;
use crate::gateway::http::{App, Caller};
use crate::store::api_keys::Scope;
use crate::teller::customers::NotTaken;
use crate::teller::failure::Failure;

/// All routes.
pub fn routes() -> Routes {
    Routes::default()
        .needs(Scope::Customers, routes!(register))
        .needs(Scope::Invoices, routes!(gen_bill))
        .cross_origin()
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    /// Always true.
    status: bool,
    data: &'static str,
}

/// Registers a customer; a moment later they can be billed.
#[utoipa::path(
    post, path = "/api/v1/user/register", tag = "customers", request_body = RegisterRequest,
    responses((status = 201, description = "it is on its way", body = Done))
)]
pub async fn register(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    sent: Sent,
) -> Result<(StatusCode, Json<Done>), Refusal> {
    let body = sent.body().ok_or_else(|| refused("Nody request body was passed"))?;
    let customers = app.customers.as_ref().ok_or_else(failed)?;
    match customers.register(&caller.tenant, body).await {
        Ok(()) => Ok((StatusCode::CREATED, Json(Done { status: true, data: "User registered successfully" }))),
        Err(NotTaken::Known) => Err(refused("User already registered")),
        Err(NotTaken::Broken(_)) => Err(refused("Invalid user data")),
        Err(error @ NotTaken::Foreign(_)) => Err(Failure::Forbidden(error.to_string()).into()),
        Err(NotTaken::Failed(error)) => {
            tracing::warn!(%error, "a customer was not registered");
            Err(failed())
        }
    }
}

/// Makes a bill; its customer gets it by mail.
#[utoipa::path(
    post, path = "/api/v1/bill/genBill", tag = "customers", request_body = BillRequest,
    responses((status = 200, description = "it is on its way", body = Done))
)]
pub async fn gen_bill(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    sent: Sent,
) -> Result<Json<Done>, Refusal> {
    let body = sent.body().ok_or_else(|| refused("Invalid request"))?;
    let customers = app.customers.as_ref().ok_or_else(failed)?;
    match customers.bill(&caller.tenant, body).await {
        Ok(()) => Ok(Json(Done { status: true, data: "Bill generated successfully" })),
        Err(NotTaken::Broken(broken)) => Err(refused(broken.to_string())),
        Err(error @ NotTaken::Foreign(_)) => Err(Failure::Forbidden(error.to_string()).into()),
        Err(error @ (NotTaken::Known | NotTaken::Failed(_))) => {
            tracing::warn!(%error, "a bill was not taken");
            Err(failed())
        }
    }
}
