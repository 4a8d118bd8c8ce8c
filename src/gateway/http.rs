//! HTTP for every contract: the listener, strict JSON, paging, and what stands before each route ([`middleware`]). No
//! contract's own manners.

pub mod body;
pub mod browser;
pub mod cors;
pub mod fields;
pub mod key;
pub mod middleware;
pub mod query;
pub mod reason;
pub mod refusal;
pub mod routes;
pub mod server;
pub mod shape;
pub mod text;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use self::browser::Hosts;
use self::reason::operator_by_header;
use crate::admission::auth::{Authenticator, Standing};
use crate::admission::limits::Limits;
use crate::protocol::record::{Maker, Operator};
use crate::store::operators::Doing;
use crate::telemetry::correlation::CorrelationId;
use crate::telemetry::http::HealthView;
use crate::teller::customers::Customers;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::operator::operator;

/// What handlers are given; clones share it.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

/// The parts of [`App`].
pub struct AppParts {
    /// The way into the ledger.
    pub ledger: Ledger,
    /// Who may call how often.
    pub limits: Limits,
    /// Who may call.
    pub authenticator: Authenticator,
    /// What `/health` answers.
    pub health: HealthView,
    /// The way of customers and bills into Kafka; `None`: they are not taken.
    pub customers: Option<Customers>,
    /// Whether it takes two operators to say how a stuck saga stands.
    pub sagas_resolved_by_two: bool,
    /// The origin whose pages may read answers, where a contract has such.
    pub allow_origin: HeaderValue,
    /// By which names browsers know it.
    pub hosts: Hosts,
}

impl std::ops::Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl App {
    /// Puts it together.
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }
}

/// Who calls. In the extensions of every request that got past [`middleware`].
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose accounts and keys it is about.
    pub tenant: Arc<str>,
    /// What links the call to its cause.
    pub correlation: CorrelationId,
    /// Who it is, if they were asked, and from where.
    pub maker: Maker,
    /// What its stream must go on having; `None`: nothing was asked.
    pub standing: Option<Standing>,
}

impl Caller {
    /// Who makes a change by this call, for this reason.
    pub fn operator(&self, reason: &str) -> Result<Operator, Failure> {
        Ok(Operator { address: self.maker.address.clone(), ..operator(self.maker.name.as_ref(), reason)? })
    }

    /// The same with what links the change to this call.
    pub fn doing<'a>(&'a self, by: &'a Operator) -> Doing<'a> {
        Doing { tenant: &self.tenant, by, correlation: Some(self.correlation.as_str()) }
    }

    /// The same for a call without a body.
    pub fn operator_by_header(&self, headers: &HeaderMap) -> Result<Operator, Failure> {
        Ok(Operator { address: self.maker.address.clone(), ..operator_by_header(self.maker.name.as_ref(), headers)? })
    }
}

/// The one name in a path, decoded; what cannot be decoded names nothing.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(
            Path::from_request_parts(parts, state).await.map_or_else(|_| parts.uri.path().to_owned(), |Path(id)| id),
        ))
    }
}
