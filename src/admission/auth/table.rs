//! Which scope each RPC and each route of REST needs.

use crate::store::api_keys::Scope;

/// What a path asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: health and reflection.
    Open,
    /// This scope.
    Needs(Scope),
}

/// The table. A path that is not in it needs `admin`: whoever adds a method and forgets it here locks it instead of opening it.
pub const TABLE: &[(&str, Access)] = &[
    ("/payment.v1.PaymentService/AuthorizePayment", Access::Needs(Scope::Write)),
    ("/payment.v1.PaymentService/GetPayment", Access::Needs(Scope::Read)),
    ("/payment.v1.PaymentService/GetAccountBalance", Access::Needs(Scope::Read)),
    ("/florin.v1.Ledger/PostTransaction", Access::Needs(Scope::Write)),
    ("/florin.v1.Ledger/PostTransactions", Access::Needs(Scope::Write)),
    ("/florin.v1.Ledger/GetTransaction", Access::Needs(Scope::Read)),
    ("/florin.v1.Ledger/ListTransactions", Access::Needs(Scope::Read)),
    // Writes a tombstone when it answers "never".
    ("/florin.v1.Ledger/GetOperation", Access::Needs(Scope::Write)),
    ("/florin.v1.Ledger/CreateAccount", Access::Needs(Scope::Admin)),
    ("/florin.v1.Ledger/GetAccount", Access::Needs(Scope::Read)),
    ("/florin.v1.Ledger/UpdateAccount", Access::Needs(Scope::Admin)),
    ("/florin.v1.Ledger/AuthorizeHold", Access::Needs(Scope::Write)),
    ("/florin.v1.Ledger/CaptureHold", Access::Needs(Scope::Write)),
    ("/florin.v1.Ledger/VoidHold", Access::Needs(Scope::Write)),
    ("/florin.v1.Ledger/GetHold", Access::Needs(Scope::Read)),
    // Undoes what anybody did.
    ("/florin.v1.Ledger/ReverseTransaction", Access::Needs(Scope::Admin)),
    ("/florin.v1.Ledger/Exchange", Access::Needs(Scope::Write)),
    ("/florin.v1.Ledger/AddRate", Access::Needs(Scope::Admin)),
    ("/florin.v1.Ledger/ListRates", Access::Needs(Scope::Read)),
    ("/florin.v1.Ledger/ListHolds", Access::Needs(Scope::Read)),
    ("/florin.v1.Ledger/WatchEvents", Access::Needs(Scope::Read)),
    ("/florin.v1.Ledger/ListEntries", Access::Needs(Scope::Read)),
    ("/florin.v1.Ledger/CreateCurrency", Access::Needs(Scope::Admin)),
    ("/florin.v1.Ledger/UpdateCurrency", Access::Needs(Scope::Admin)),
    ("/florin.v1.Ledger/ListCurrencies", Access::Needs(Scope::Read)),
    ("/florin.v1.Ledger/ListOperatorActions", Access::Needs(Scope::Admin)),
    ("POST /api/v1/accounts", Access::Needs(Scope::Admin)),
    ("GET /api/v1/accounts", Access::Needs(Scope::Read)),
    ("GET /api/v1/accounts/{id}", Access::Needs(Scope::Read)),
    ("GET /api/v1/accounts/{id}/balance", Access::Needs(Scope::Read)),
    ("PATCH /api/v1/accounts/{id}/status", Access::Needs(Scope::Admin)),
    ("POST /api/v1/transactions/topup", Access::Needs(Scope::Write)),
    ("POST /api/v1/transactions/withdraw", Access::Needs(Scope::Write)),
    ("POST /api/v1/transactions/transfer", Access::Needs(Scope::Write)),
    ("POST /api/v1/transactions/payment", Access::Needs(Scope::Write)),
    ("POST /api/v1/transactions/refund", Access::Needs(Scope::Write)),
    ("GET /api/v1/transactions", Access::Needs(Scope::Read)),
    ("GET /api/v1/transactions/{id}", Access::Needs(Scope::Read)),
    ("GET /api/v1/currencies", Access::Needs(Scope::Read)),
    ("GET /api/v1/currencies/{code}", Access::Needs(Scope::Read)),
    ("GET /api/v1/sagas", Access::Needs(Scope::Read)),
    ("GET /api/v1/sagas/{id}", Access::Needs(Scope::Read)),
    ("GET /api/v1/sagas/{id}/complete", Access::Needs(Scope::Read)),
    ("GET /api/v1/sagas/by-correlation/{id}", Access::Needs(Scope::Read)),
    ("GET /api/v1/events/accounts/{id}", Access::Needs(Scope::Read)),
    ("GET /api/v1/events/transactions/{id}", Access::Needs(Scope::Read)),
    ("GET /api/v1/events/stream", Access::Needs(Scope::Read)),
    ("GET /api/v1/admin/transactions/stuck", Access::Needs(Scope::Admin)),
    ("POST /v1/payouts", Access::Needs(Scope::Write)),
    ("POST /v1/card-topups", Access::Needs(Scope::Write)),
    ("POST /v1/sagas/{id}/retry", Access::Needs(Scope::Admin)),
    ("POST /v1/sagas/{id}/resolve", Access::Needs(Scope::Admin)),
    ("POST /api/v1/admin/accounts/{id}/reconcile", Access::Needs(Scope::Admin)),
    ("POST /api/v1/admin/accounts/reconcile-all", Access::Needs(Scope::Admin)),
    ("POST /api/v1/admin/accounts/{id}/rebuild", Access::Needs(Scope::Admin)),
    ("POST /api/v1/admin/accounts/rebuild-all", Access::Needs(Scope::Admin)),
    ("GET /api/v1/admin/accounting-equation", Access::Needs(Scope::Admin)),
    ("POST /api/v1/admin/accounting-equation", Access::Needs(Scope::Admin)),
    ("POST /v1/holds", Access::Needs(Scope::Write)),
    ("GET /v1/holds", Access::Needs(Scope::Read)),
    ("GET /v1/holds/{id}", Access::Needs(Scope::Read)),
    ("POST /v1/holds/{id}/capture", Access::Needs(Scope::Write)),
    ("POST /v1/holds/{id}/void", Access::Needs(Scope::Write)),
    ("GET /v1/accounts/{id}", Access::Needs(Scope::Read)),
    ("GET /v1/accounts/{id}/entries", Access::Needs(Scope::Read)),
    ("PATCH /v1/accounts/{id}/limits", Access::Needs(Scope::Admin)),
    ("PATCH /v1/accounts/{id}/status", Access::Needs(Scope::Admin)),
    ("POST /v1/transactions", Access::Needs(Scope::Write)),
    ("GET /v1/transactions", Access::Needs(Scope::Read)),
    ("GET /v1/transactions/{id}", Access::Needs(Scope::Read)),
    ("POST /v1/transactions/{id}/refund", Access::Needs(Scope::Write)),
    ("POST /v1/transactions/{id}/reverse", Access::Needs(Scope::Admin)),
    ("POST /v1/exchanges", Access::Needs(Scope::Write)),
    ("POST /v1/rates", Access::Needs(Scope::Admin)),
    ("GET /v1/rates", Access::Needs(Scope::Read)),
    ("POST /api/v1/admin/transactions/{id}/reconcile", Access::Needs(Scope::Admin)),
    ("POST /api/v1/admin/transactions/reconcile-all", Access::Needs(Scope::Admin)),
    ("POST /api/v1/admin/transactions/{id}/rebuild", Access::Needs(Scope::Admin)),
    ("POST /api/v1/admin/transactions/rebuild-all", Access::Needs(Scope::Admin)),
    ("POST /v1/currencies", Access::Needs(Scope::Admin)),
    ("PATCH /v1/currencies/{code}", Access::Needs(Scope::Admin)),
    ("GET /v1/operator-actions", Access::Needs(Scope::Admin)),
    ("GET /health", Access::Open),
    ("GET /api/v1/health", Access::Open),
    ("GET /api/docs", Access::Open),
    ("GET /api/docs/", Access::Open),
    ("GET /api/docs/{*rest}", Access::Open),
    ("GET /api/docs-json", Access::Open),
    ("/grpc.health.v1.Health/Check", Access::Open),
    ("/grpc.health.v1.Health/Watch", Access::Open),
    ("/grpc.health.v1.Health/List", Access::Open),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Access::Open),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::Open),
];

/// What a route of REST is called when it is not in the table.
const UNLISTED: &str = "unlisted";

/// Looks a route of REST up: its line's name, by which [`access`] finds it again, and what it asks.
pub fn rest_access(method: &str, path: &str) -> (&'static str, Access) {
    let known = TABLE.iter().find(|(known, _)| known.split_once(' ') == Some((method, path)));
    known.copied().unwrap_or((UNLISTED, access(UNLISTED)))
}

/// Looks a path up.
pub fn access(path: &str) -> Access {
    TABLE.iter().find(|(known, _)| *known == path).map_or(Access::Needs(Scope::Admin), |(_, access)| *access)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_of_the_contracts_has_its_line_and_every_line_its_method() {
        let descriptors = FileDescriptorSet::decode(include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin")).as_slice()).unwrap();
        let mut methods: Vec<String> = Vec::new();
        for file in &descriptors.file {
            for service in &file.service {
                methods.extend(service.method.iter().map(|m| format!("/{}.{}/{}", file.package(), service.name(), m.name())));
            }
        }
        assert!(methods.len() >= 12);
        for method in &methods {
            assert!(TABLE.iter().any(|(path, _)| path == method), "{method} has no line");
        }
        for (path, access) in TABLE.iter().filter(|(path, _)| path.starts_with('/')) {
            assert!(*access == Access::Open || methods.iter().any(|method| method == path), "{path} is no method");
        }
        assert_eq!(super::access("/florin.v1.Ledger/DropEverything"), Access::Needs(Scope::Admin));
    }

    #[test]
    fn routes_are_found_by_method_and_path_and_what_is_not_listed_is_locked() {
        assert_eq!(rest_access("GET", "/api/v1/accounts/{id}"), ("GET /api/v1/accounts/{id}", Access::Needs(Scope::Read)));
        assert_eq!(rest_access("POST", "/api/v1/transactions/topup").1, Access::Needs(Scope::Write));
        assert_eq!(rest_access("DELETE", "/api/v1/accounts/{id}"), ("unlisted", Access::Needs(Scope::Admin)));
        for (line, expected) in TABLE.iter().filter(|(line, _)| !line.starts_with('/')) {
            let (method, path) = line.split_once(' ').unwrap();
            assert_eq!((rest_access(method, path), access(line)), ((*line, *expected), *expected));
        }
    }
}
