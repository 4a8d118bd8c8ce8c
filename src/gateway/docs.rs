//! The description of the REST contracts in OpenAPI 3.1, made from the handlers, and the page that lets people try it:
//! all of it is in the binary.

use std::collections::HashSet;
use std::sync::LazyLock;

use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ArrayItems, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, ContentBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::http::refusal::Manners;
use super::http::routes::Routes;
use super::http::{refusal, text};
use super::routes::contracts;
use crate::admission::auth::Access;
use crate::teller::validate::KEY_MAX;

/// Where the description is.
const JSON: &str = "/api/docs-json";
/// Where the page is.
const PAGE: &str = "/api/docs";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Florin: accounts and transactions",
        description = "Every POST answers when the movement is durable. Amounts are decimal text or JSON numbers and are read digit by digit; what is \
            stored reads back with 8 decimals. The same idempotency key moves money once: a repeat is answered with 409 and the first one's id. Every \
            answer carries `X-Correlation-ID`, the caller's own if it sent one. Under `/v1` is the native REST API, most of `florin.v1` over HTTP: there a \
            repeat is answered as the first was, with `replayed`, and amounts have their currency's own decimals."
    ),
    components(schemas(refusal::ErrorBody<'static>, refusal::Message, text::AmountText)),
    tags(
        (name = "accounts", description = "Who has money"),
        (name = "transactions", description = "Money that moves"),
        (name = "sagas", description = "What became of it"),
        (name = "currencies", description = "What it is counted in"),
        (name = "events", description = "What happens, as it happens"),
        (name = "admin", description = "Whether the books balance"),
        (name = "customers", description = "Who buys, and what they are billed"),
        (name = "holds", description = "Money that is promised"),
        (name = "native accounts", description = "Who has money, and how much they may have"),
        (name = "native transactions", description = "Money that moves over any number of accounts"),
        (name = "exchange", description = "Money that changes its currency"),
        (name = "health", description = "Whether payments are taken"),
    ),
    servers((url = "/", description = "where this description is"))
)]
struct Described;

/// The description of everything that the contracts bring.
pub fn openapi() -> OpenApi {
    let mut description = Described::openapi();
    for (routes, manners) in contracts() {
        description.merge(described(routes, manners));
    }
    Pages.modify(&mut description);
    finished(description)
}

/// The routes of one contract, with what each of them may answer.
pub fn described(routes: Routes, manners: Manners) -> OpenApi {
    let key_field = routes.key_field();
    let mut description = routes.description();
    Errors { schema: manners.schema }.modify(&mut description);
    if let Some(field) = key_field {
        KeyByHeader { field }.modify(&mut description);
    }
    description
}

/// A description with what all have in common: how callers say who they are, and the ids of operations.
pub fn finished(mut description: OpenApi) -> OpenApi {
    Credentials.modify(&mut description);
    OperationIds.modify(&mut description);
    description
}

/// The page's route, and the description's, which is written once it is asked for the first time.
pub fn routes() -> Routes {
    // else the page would ask somebody else whether the description is right
    let config = Config::new([JSON]).validator_url("none");
    let page = SwaggerUi::new(PAGE).config(config);
    let description = Router::new().route(JSON, get(|| async { Json(&*DESCRIPTION) }));
    Routes::default().undescribed(
        Access::Open,
        &["/api/docs", "/api/docs/", "/api/docs/{*rest}", JSON],
        Router::from(page).merge(description),
    )
}

static DESCRIPTION: LazyLock<OpenApi> = LazyLock::new(openapi);

/// Statuses that any call may end with.
const ALWAYS: [(&str, &str); 8] = [
    ("400", "the request is wrong, or the rules refuse it"),
    ("401", "no credentials, or unknown ones"),
    ("403", "the credentials lack the scope"),
    ("404", "no such account, transaction or hold"),
    ("414", "path and query are too long"),
    ("429", "too much at once: try again"),
    ("500", "an error inside the ledger"),
    ("503", "not now: try again, with the same key"),
];
/// Statuses that a call with a body may end with as well.
const WITH_BODY: [(&str, &str); 5] = [
    ("408", "the body did not arrive in time"),
    (
        "409",
        "the idempotency key has a transaction already (under `/v1`: of another request), or less than that is left of the hold",
    ),
    ("413", "the body is too large"),
    ("415", "the body is no JSON"),
    ("504", "the outcome is unknown: try again, with the same key"),
];

/// Adds what every operation may answer beside its result.
struct Errors {
    /// The name of the schema of an error's body; `None`: the contract's own, which is not described.
    schema: Option<&'static str>,
}

impl Modify for Errors {
    fn modify(&self, description: &mut OpenApi) {
        for item in description.paths.paths.values_mut() {
            let bare = [&mut item.get, &mut item.delete].into_iter().flatten().map(|operation| (operation, false));
            let with_body = [&mut item.post, &mut item.put, &mut item.patch].into_iter().flatten();
            let with_body = with_body.map(|operation| (operation, true));
            for (operation, has_body) in bare.chain(with_body) {
                for (status, text) in ALWAYS.iter().chain(WITH_BODY.iter().filter(|_| has_body)) {
                    let mut response = ResponseBuilder::new().description(*text);
                    if let Some(name) = self.schema {
                        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
                        response = response.content("application/json", content);
                    }
                    let response = response.build();
                    operation.responses.responses.entry((*status).to_owned()).or_insert(RefOr::T(response));
                }
            }
        }
    }
}

/// Says of each call whose body has a key that the header may have it instead.
struct KeyByHeader {
    field: &'static str,
}

impl Modify for KeyByHeader {
    fn modify(&self, description: &mut OpenApi) {
        let schemas = description.components.as_ref().map(|components| &components.schemas);
        let has_key = |body: &RequestBody| {
            let schema = body.content.values().find_map(|content| match content {
                RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => schema.ref_location.rsplit('/').next(),
                _ => None,
            });
            let schema = schema.and_then(|name| schemas?.get(name));
            matches!(schema, Some(RefOr::T(Schema::Object(object))) if object.properties.contains_key(self.field))
        };
        let header = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(format!("`{}` of the body by another way; both must be the same", self.field)))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(KEY_MAX))))
            .build();
        for item in description.paths.paths.values_mut() {
            for operation in [&mut item.post, &mut item.put, &mut item.patch].into_iter().flatten() {
                if matches!(&operation.request_body, Some(RefOr::T(body)) if has_key(body)) {
                    operation.parameters.get_or_insert_default().push(RefOr::T(header.clone()));
                }
            }
        }
    }
}

/// How callers say who they are, where that is asked.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, description: &mut OpenApi) {
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key"))));
        let none: [&str; 0] = [];
        description.security = Some(vec![
            SecurityRequirement::default(),
            SecurityRequirement::new("bearer", none),
            SecurityRequirement::new("apiKey", none),
        ]);
    }
}

/// Items of a page are of the schema that they have elsewhere, and no copies of it: generated clients have one type.
struct Pages;

impl Modify for Pages {
    fn modify(&self, description: &mut OpenApi) {
        let schemas = &mut description.components.get_or_insert_default().schemas;
        let known: HashSet<String> = schemas.keys().cloned().collect();
        for (name, schema) in schemas.iter_mut() {
            let Some(item) = name.strip_prefix("Page_").filter(|item| known.contains(*item)) else { continue };
            if let RefOr::T(Schema::Object(page)) = schema
                && let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items")
            {
                items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
            }
        }
    }
}

/// An operation is called by its method and path, `post_v1_holds_id_capture`: no two are the same, whatever handlers are
/// called, and they change no more than paths do.
struct OperationIds;

impl Modify for OperationIds {
    fn modify(&self, description: &mut OpenApi) {
        for (path, item) in &mut description.paths.paths {
            let path: String =
                path.chars().filter(|c| !"{}".contains(*c)).map(|c| if "/-".contains(c) { '_' } else { c }).collect();
            let operations = [
                ("get", &mut item.get),
                ("post", &mut item.post),
                ("put", &mut item.put),
                ("patch", &mut item.patch),
                ("delete", &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    operation.operation_id = Some(format!("{method}{path}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn requests_are_closed_and_errors_are_described() {
        let json = serde_json::to_value(openapi()).unwrap();
        let schemas = &json["components"]["schemas"];
        for request in [
            "MovementRequest",
            "PaymentRequest",
            "RefundRequest",
            "CreateAccountRequest",
            "StatusRequest",
            "HoldRequest",
            "CaptureRequest",
            "LimitsRequest",
            "CreateCurrencyRequest",
            "UpdateCurrencyRequest",
        ] {
            assert_eq!(schemas[request]["additionalProperties"], Value::Bool(false), "{request}");
        }
        assert!(schemas["MovementRequest"]["properties"]["idempotencyKey"].is_object());
        let required: Vec<&str> =
            schemas["MovementRequest"]["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(required, ["idempotencyKey", "sourceAccountId", "destinationAccountId", "amount", "currency"]);
        let topup = &json["paths"]["/api/v1/transactions/topup"]["post"]["responses"];
        for status in ["201", "400", "404", "409", "413", "415", "503"] {
            assert!(topup[status].is_object(), "{status}");
        }
    }

    // Fails when two operations have one id, as handlers of two contracts may have one name; when an address fits two
    // paths; when a page has a copy of its items' schema. `make check-openapi` asks the usual tools.
    #[test]
    fn operations_have_ids_of_their_own_and_no_address_fits_two_paths() {
        let json = serde_json::to_value(openapi()).unwrap();
        let paths = json["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|item| item.as_object().unwrap().values());
        let ids: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{ids:?}");
        assert!(ids.contains(&"post_v1_holds_id_capture") && ids.contains(&"get_api_v1_sagas_by_correlation_id"));

        let fits = |path: &str, other: &str| {
            let (path, other): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), other.split('/').collect());
            let is_free = |part: &str| part.starts_with('{');
            path.len() == other.len()
                && path.iter().zip(&other).all(|(a, b)| a == b || is_free(a) || is_free(b))
                && path.iter().filter(|part| is_free(part)).count() == other.iter().filter(|part| is_free(part)).count()
        };
        for (n, path) in paths.keys().enumerate() {
            for other in paths.keys().skip(n + 1) {
                assert!(!fits(path, other), "an address can be {path} and {other}");
            }
        }
        let schemas = json["components"]["schemas"].as_object().unwrap();
        for (name, page) in schemas.iter().filter(|(name, _)| name.starts_with("Page_")) {
            let item = name.replacen("Page_", "#/components/schemas/", 1);
            assert_eq!(page["properties"]["items"]["items"]["$ref"], item, "{name}");
        }
    }

    #[test]
    fn the_file_in_the_repository_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let made = serde_json::to_string_pretty(&openapi()).unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == made, "docs/openapi.json is stale: run this test with UPDATE_OPENAPI=1");
    }
}
