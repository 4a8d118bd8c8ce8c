//! Routes of a contract: one line each, with the scope that it needs. Path, method and description stand above its
//! handler, and the description in OpenAPI is made from the same lines, so that none can be forgotten.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::App;
use crate::admission::auth::Access;
use crate::store::api_keys::Scope;

/// The routes of a contract.
#[derive(Default)]
pub struct Routes {
    described: OpenApiRouter<App>,
    plain: Router<App>,
    access: Vec<(String, Access)>,
    is_cross_origin: bool,
    key_field: Option<&'static str>,
}

/// A route as calls are counted and judged by it: `GET /v1/holds/{id}`, and what it asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Method and path.
    pub name: &'static str,
    /// What it asks.
    pub access: Access,
}

/// What is found of each method and path.
pub type RouteTable = HashMap<(http::Method, String), Route>;

/// What is locked rather than open: a route that nobody listed.
const UNLISTED: Route = Route { name: "unlisted", access: Access::Needs(Scope::Admin) };

impl Routes {
    /// One more, for callers with this scope.
    #[must_use]
    pub fn needs(self, scope: Scope, route: UtoipaMethodRouter<App>) -> Self {
        self.with(Access::Needs(scope), route)
    }

    /// One more, for callers with this scope, also those who may name some accounts alone: see
    /// [`Access::NeedsByAccount`].
    #[must_use]
    pub fn by_account(self, scope: Scope, route: UtoipaMethodRouter<App>) -> Self {
        self.with(Access::NeedsByAccount(scope), route)
    }

    /// One more, for everybody.
    #[must_use]
    pub fn open(self, route: UtoipaMethodRouter<App>) -> Self {
        self.with(Access::Open, route)
    }

    fn with(mut self, access: Access, route: UtoipaMethodRouter<App>) -> Self {
        for (path, item) in &route.1.paths {
            self.access.extend(methods(item).map(|method| (format!("{method} {path}"), access)));
        }
        self.described = self.described.routes(route);
        self
    }

    /// Routes that are not described: `GET` of each of these paths.
    #[must_use]
    pub fn undescribed(mut self, access: Access, paths: &[&str], router: Router<App>) -> Self {
        self.access.extend(paths.iter().map(|path| (format!("GET {path}"), access)));
        self.plain = self.plain.merge(router);
        self
    }

    /// Pages of other origins may call them and read the answers: see [`super::cors`].
    #[must_use]
    pub fn cross_origin(self) -> Self {
        Self { is_cross_origin: true, ..self }
    }

    pub fn is_cross_origin(&self) -> bool {
        self.is_cross_origin
    }

    /// The header `Idempotency-Key` stands for this field of their bodies.
    #[must_use]
    pub fn keyed_by_header(self, field: &'static str) -> Self {
        Self { key_field: Some(field), ..self }
    }

    pub fn key_field(&self) -> Option<&'static str> {
        self.key_field
    }

    /// All of another's.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.described = self.described.merge(other.described);
        self.plain = self.plain.merge(other.plain);
        self.access.extend(other.access);
        self
    }

    /// Their descriptions.
    pub fn description(self) -> OpenApi {
        self.described.into_openapi()
    }

    /// Each line: method, path, and what it asks.
    pub fn lines(&self) -> &[(String, Access)] {
        &self.access
    }

    /// What serves them, and what each asks. Their names live as long as the process, since metrics carry them.
    pub fn into_parts(self) -> (Router<App>, Arc<RouteTable>) {
        let route = |(line, access): (String, Access)| {
            let name: &'static str = line.leak();
            let (method, path) = name.split_once(' ')?;
            Some(((http::Method::from_bytes(method.as_bytes()).ok()?, path.to_owned()), Route { name, access }))
        };
        let table = self.access.into_iter().filter_map(route).collect();
        let (described, _) = self.described.split_for_parts();
        (described.merge(self.plain), Arc::new(table))
    }
}

/// The one of a method and a matched path; HEAD is asked what GET is.
pub fn find(table: &RouteTable, method: &http::Method, path: &str) -> Route {
    let method = if method == http::Method::HEAD { http::Method::GET } else { method.clone() };
    table.get(&(method, path.to_owned())).copied().unwrap_or(UNLISTED)
}

fn methods(item: &PathItem) -> impl Iterator<Item = &'static str> {
    [("GET", &item.get), ("POST", &item.post), ("PATCH", &item.patch), ("PUT", &item.put), ("DELETE", &item.delete)]
        .into_iter()
        .filter_map(|(method, operation)| operation.as_ref().map(|_| method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_locked() {
        let table = RouteTable::default();
        assert_eq!(find(&table, &http::Method::DELETE, "/v1/accounts/{id}"), UNLISTED);
    }
}
