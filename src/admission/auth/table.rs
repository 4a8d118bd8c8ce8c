//! The scope that each RPC needs. Routes of REST name theirs themselves.

use crate::store::api_keys::Scope;

/// What a path requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: health and reflection.
    Open,
    /// A key with this scope, for all accounts of its tenant.
    Needs(Scope),
    /// The same, and the key may be one for some accounts alone: the call names accounts by their ids, or something of
    /// theirs, and the use case refuses those of others.
    NeedsByAccount(Scope),
}

/// Any other path needs `admin`: a method that was forgotten here is locked, not open.
pub const TABLE: &[(&str, Access)] = &[
    ("/payment.v1.PaymentService/AuthorizePayment", Access::NeedsByAccount(Scope::Payments)),
    ("/payment.v1.PaymentService/GetPayment", Access::Needs(Scope::Balances)),
    ("/payment.v1.PaymentService/GetAccountBalance", Access::NeedsByAccount(Scope::Balances)),
    ("/florin.v1.Ledger/PostTransaction", Access::NeedsByAccount(Scope::Payments)),
    ("/florin.v1.Ledger/PostTransactions", Access::NeedsByAccount(Scope::Payments)),
    ("/florin.v1.Ledger/GetTransaction", Access::NeedsByAccount(Scope::Balances)),
    ("/florin.v1.Ledger/ListTransactions", Access::NeedsByAccount(Scope::Balances)),
    // Writes a tombstone when it answers "never".
    ("/florin.v1.Ledger/GetOperation", Access::Needs(Scope::Payments)),
    ("/florin.v1.Ledger/CreateAccount", Access::Needs(Scope::Accounts)),
    ("/florin.v1.Ledger/GetAccount", Access::NeedsByAccount(Scope::Balances)),
    ("/florin.v1.Ledger/UpdateAccount", Access::Needs(Scope::Accounts)),
    ("/florin.v1.Ledger/AuthorizeHold", Access::NeedsByAccount(Scope::Holds)),
    ("/florin.v1.Ledger/CaptureHold", Access::NeedsByAccount(Scope::Holds)),
    ("/florin.v1.Ledger/VoidHold", Access::NeedsByAccount(Scope::Holds)),
    ("/florin.v1.Ledger/GetHold", Access::NeedsByAccount(Scope::Balances)),
    // Undoes what anybody did.
    ("/florin.v1.Ledger/ReverseTransaction", Access::Needs(Scope::Corrections)),
    ("/florin.v1.Ledger/Exchange", Access::NeedsByAccount(Scope::Exchange)),
    ("/florin.v1.Ledger/AddRate", Access::Needs(Scope::Rates)),
    ("/florin.v1.Ledger/ListRates", Access::Needs(Scope::Balances)),
    ("/florin.v1.Ledger/ListHolds", Access::NeedsByAccount(Scope::Balances)),
    ("/florin.v1.Ledger/WatchEvents", Access::Needs(Scope::Balances)),
    ("/florin.v1.Ledger/ListEntries", Access::NeedsByAccount(Scope::Balances)),
    ("/florin.v1.Ledger/CreateCurrency", Access::Needs(Scope::Admin)),
    ("/florin.v1.Ledger/UpdateCurrency", Access::Needs(Scope::Admin)),
    ("/florin.v1.Ledger/ListCurrencies", Access::Needs(Scope::Balances)),
    ("/florin.v1.Ledger/ListOperatorActions", Access::Needs(Scope::Operators)),
    ("/ledger.LedgerService/CreateEntry", Access::Needs(Scope::Entries)),
    ("/florin.v1.Billing/GetInvoice", Access::Needs(Scope::Documents)),
    ("/florin.v1.Billing/ListInvoices", Access::Needs(Scope::Documents)),
    ("/florin.v1.Billing/GetInvoicePdf", Access::Needs(Scope::Documents)),
    ("/florin.v1.Billing/SendInvoice", Access::Needs(Scope::Invoices)),
    ("/florin.v1.Billing/CreateInvoice", Access::Needs(Scope::Invoices)),
    ("/florin.v1.Billing/ReplaceInvoice", Access::Needs(Scope::Invoices)),
    ("/florin.v1.Billing/DeleteInvoice", Access::Needs(Scope::Invoices)),
    ("/florin.v1.Billing/IssueInvoice", Access::Needs(Scope::Invoices)),
    ("/florin.v1.Billing/PayInvoice", Access::Needs(Scope::Invoices)),
    ("/florin.v1.Billing/VoidInvoice", Access::Needs(Scope::Corrections)),
    ("/florin.v1.Billing/WriteOffInvoice", Access::Needs(Scope::Corrections)),
    ("/florin.v1.Billing/MarkInvoiceUncollectible", Access::Needs(Scope::Corrections)),
    ("/florin.v1.Billing/CreditInvoice", Access::Needs(Scope::Corrections)),
    ("/florin.v1.Billing/ReceivePayment", Access::Needs(Scope::Invoices)),
    ("/florin.v1.Billing/ListPayments", Access::Needs(Scope::Documents)),
    ("/florin.v1.Billing/RefundCustomer", Access::Needs(Scope::Corrections)),
    ("/florin.v1.Billing/CreateCustomer", Access::Needs(Scope::Customers)),
    ("/florin.v1.Billing/GetCustomer", Access::Needs(Scope::Documents)),
    ("/florin.v1.Billing/ListCustomers", Access::Needs(Scope::Documents)),
    ("/florin.v1.Billing/UpdateCustomer", Access::Needs(Scope::Customers)),
    ("/florin.v1.Billing/EraseCustomer", Access::Needs(Scope::Admin)),
    ("/florin.v1.Billing/PutEntity", Access::Needs(Scope::Admin)),
    ("/florin.v1.Billing/GetEntity", Access::Needs(Scope::Documents)),
    ("/florin.v1.Billing/ListEntities", Access::Needs(Scope::Documents)),
    ("/florin.v1.Billing/AddTaxRate", Access::Needs(Scope::Rates)),
    ("/florin.v1.Billing/ListTaxRates", Access::Needs(Scope::Documents)),
    ("/grpc.health.v1.Health/Check", Access::Open),
    ("/grpc.health.v1.Health/Watch", Access::Open),
    ("/grpc.health.v1.Health/List", Access::Open),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Access::Open),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::Open),
];

/// What this path requires.
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
        let descriptors = FileDescriptorSet::decode(florin_wire::DESCRIPTORS).unwrap();
        let mut methods: Vec<String> = Vec::new();
        for file in &descriptors.file {
            for service in &file.service {
                methods.extend(
                    service.method.iter().map(|m| format!("/{}.{}/{}", file.package(), service.name(), m.name())),
                );
            }
        }
        assert!(methods.len() >= 12);
        for method in &methods {
            assert!(TABLE.iter().any(|(path, _)| path == method), "{method} has no line");
        }
        for (path, access) in TABLE.iter() {
            assert!(*access == Access::Open || methods.iter().any(|method| method == path), "{path} is no method");
        }
        assert_eq!(super::access("/florin.v1.Ledger/DropEverything"), Access::Needs(Scope::Admin));
    }
}
