//! Both wires have the same fields under the same names: those of the messages, in camel case over REST.

use std::collections::{BTreeMap, BTreeSet};

use florin_wire::DESCRIPTORS;
use prost::Message;
use serde_json::Value;

use super::rest;

/// Messages and the schemas that say the same under another name.
const PAIRS: &[(&str, &str)] = &[
    ("Transaction", "NativeTransaction"),
    ("Posting", "NativePosting"),
    ("Posting", "PostingRequest"),
    ("Account", "NativeAccount"),
    ("Currency", "NativeCurrency"),
    ("PostTransactionRequest", "TransactionRequest"),
    ("PostTransactionResponse", "PostedTransaction"),
    ("CaptureHoldResponse", "PostedTransaction"),
    ("VoidHoldResponse", "PostedTransaction"),
    ("ReverseTransactionResponse", "PostedTransaction"),
    ("ExchangeResponse", "PostedTransaction"),
    ("AuthorizeHoldRequest", "HoldRequest"),
    ("AuthorizeHoldResponse", "HoldMade"),
    ("CaptureHoldRequest", "CaptureRequest"),
    ("VoidHoldRequest", "VoidRequest"),
    ("ReverseTransactionRequest", "ReverseRequest"),
    ("AddRateRequest", "RateRequest"),
    ("UpdateAccountRequest", "LimitsRequest"),
    ("UpdateAccountRequest", "NativeStatusRequest"),
    ("ListTransactionsResponse", "Page_NativeTransaction"),
    ("ListHoldsResponse", "Page_Hold"),
    ("ListEntriesResponse", "Page_Entry"),
    ("ListRatesResponse", "Page_Rate"),
    ("ListOperatorActionsResponse", "Page_OperatorAction"),
    ("CreateInvoiceResponse", "DraftedInvoice"),
    ("IssueInvoiceResponse", "SettledInvoice"),
    ("PayInvoiceResponse", "SettledInvoice"),
    ("VoidInvoiceResponse", "SettledInvoice"),
    ("WriteOffInvoiceResponse", "SettledInvoice"),
    ("MarkInvoiceUncollectibleResponse", "SettledInvoice"),
    ("CreditInvoiceResponse", "CreditedInvoice"),
    ("ReceivePaymentResponse", "CustomerPayment"),
    ("RefundCustomerResponse", "PostedTransaction"),
    ("SendInvoiceResponse", "SentInvoice"),
    ("Customer", "NativeCustomer"),
    ("ListInvoicesResponse", "Page_Invoice"),
    ("ListPaymentsResponse", "Page_InvoicePayment"),
    ("ListCustomersResponse", "Page_NativeCustomer"),
    ("ListEntitiesResponse", "All_Entity"),
    ("ListTaxRatesResponse", "All_TaxRate"),
];

/// Messages and the routes whose queries say the same.
const QUERIES: &[(&str, &str)] = &[
    ("ListTransactionsRequest", "/v1/transactions"),
    ("ListHoldsRequest", "/v1/holds"),
    ("ListEntriesRequest", "/v1/accounts/{id}/entries"),
    ("ListRatesRequest", "/v1/rates"),
    ("ListOperatorActionsRequest", "/v1/operator-actions"),
    ("ListInvoicesRequest", "/v1/invoices"),
    ("ListPaymentsRequest", "/v1/payments"),
    ("GetInvoicePdfRequest", "/v1/invoices/{id}/pdf"),
    ("ListCustomersRequest", "/v1/customers"),
];

const IN_THE_PATH: &str = "it stands in the path";

/// A message, the schema or route that it is compared with, the fields that only one of them has, and why.
const DIFFERENCES: &[(&str, &str, &[&str], &str)] = &[
    ("CaptureHoldRequest", "CaptureRequest", &["holdId"], IN_THE_PATH),
    ("VoidHoldRequest", "VoidRequest", &["holdId"], IN_THE_PATH),
    ("ReverseTransactionRequest", "ReverseRequest", &["id"], IN_THE_PATH),
    ("UpdateCurrencyRequest", "UpdateCurrencyRequest", &["code"], IN_THE_PATH),
    ("ListEntriesRequest", "/v1/accounts/{id}/entries", &["accountId"], IN_THE_PATH),
    ("UpdateAccountRequest", "LimitsRequest", &["id", "status"], "the id stands in the path; the status has a route"),
    ("ReplaceInvoiceRequest", "ReplaceInvoiceRequest", &["id"], IN_THE_PATH),
    ("IssueInvoiceRequest", "IssueInvoiceRequest", &["id"], IN_THE_PATH),
    ("PayInvoiceRequest", "PayInvoiceRequest", &["id"], IN_THE_PATH),
    ("VoidInvoiceRequest", "VoidInvoiceRequest", &["id"], IN_THE_PATH),
    ("WriteOffInvoiceRequest", "WriteOffInvoiceRequest", &["id"], IN_THE_PATH),
    ("MarkInvoiceUncollectibleRequest", "MarkInvoiceUncollectibleRequest", &["id"], IN_THE_PATH),
    ("CreditInvoiceRequest", "CreditInvoiceRequest", &["id"], IN_THE_PATH),
    ("GetInvoicePdfRequest", "/v1/invoices/{id}/pdf", &["id"], IN_THE_PATH),
    ("SendInvoiceRequest", "SendInvoiceRequest", &["id"], IN_THE_PATH),
    ("UpdateCustomerRequest", "UpdateCustomerRequest", &["id"], IN_THE_PATH),
    ("EraseCustomerRequest", "EraseCustomerRequest", &["id"], IN_THE_PATH),
    ("PutEntityRequest", "PutEntityRequest", &["id"], IN_THE_PATH),
    ("RefundCustomerRequest", "RefundCustomerRequest", &["customerId"], IN_THE_PATH),
    (
        "UpdateAccountRequest",
        "NativeStatusRequest",
        &["id", "minBalance", "maxBalance"],
        "the id stands in the path; limits have a route",
    ),
    ("PostTransactionRequest", "TransactionRequest", &["refundOf"], "a refund has a route"),
    ("Posting", "PostingRequest", &["sourceBalanceAfter", "destinationBalanceAfter"], "only answers have them"),
    ("Limit", "Limit", &["amount"], "JSON has null for no limit, and needs no message around the amount"),
];

type Fields = BTreeSet<String>;

#[test]
fn grpc_and_rest_have_the_same_fields() {
    let description = serde_json::to_value(rest::routes().description()).unwrap();
    let (messages, mut others) = (messages(), schemas(&description));
    let by_name: Vec<_> = others.keys().filter(|name| messages.contains_key(*name)).cloned().collect();
    others.extend(queries(&description));
    let same = by_name.iter().map(|name| (name.as_str(), name.as_str()));
    let pairs: Vec<_> = same.chain(PAIRS.iter().chain(QUERIES).copied()).collect();

    let mut wrong = Vec::new();
    for (message, other) in &pairs {
        let (Some(over_grpc), Some(over_rest)) = (messages.get(*message), others.get(*other)) else {
            wrong.push(format!("{message} and {other}: one of them is not there"));
            continue;
        };
        let allowed = DIFFERENCES.iter().find(|(a, b, ..)| (a, b) == (message, other));
        let allowed: Fields = allowed.iter().flat_map(|(_, _, fields, _)| *fields).map(|&field| field.into()).collect();
        let different: Fields = over_grpc.symmetric_difference(over_rest).cloned().collect();
        for field in different.difference(&allowed) {
            let only = if over_grpc.contains(field) { message } else { other };
            wrong.push(format!("{message} and {other}: only {only} has {field}"));
        }
        for field in allowed.difference(&different) {
            wrong.push(format!("{message} and {other}: {field} is no difference any more"));
        }
    }
    for (message, other, ..) in DIFFERENCES.iter().filter(|(a, b, ..)| !pairs.contains(&(*a, *b))) {
        wrong.push(format!("{message} and {other}: they are not compared"));
    }
    for name in others.keys().filter(|name| name.starts_with("Page_") && !PAIRS.iter().any(|(_, other)| other == name))
    {
        wrong.push(format!("{name}: it has no message"));
    }
    assert!(wrong.is_empty(), "{}\nall schemas: {:?}", wrong.join("\n"), others.keys().collect::<Vec<_>>());
}

/// The fields of each message, by protoc's own rule in camel case.
fn messages() -> BTreeMap<String, Fields> {
    let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let messages = files.into_iter().filter(|file| file.package() == "florin.v1").flat_map(|file| file.message_type);
    let fields = messages.map(|message| {
        let fields = message.field.iter().map(|field| field.json_name().to_owned()).collect();
        (message.name().to_owned(), fields)
    });
    fields.collect()
}

/// The properties of each schema; of one that is no object: none.
fn schemas(description: &Value) -> BTreeMap<String, Fields> {
    let schemas = description["components"]["schemas"].as_object().unwrap().iter();
    let fields = schemas.map(|(name, schema)| {
        let properties = schema["properties"].as_object();
        (name.clone(), properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect())
    });
    fields.collect()
}

/// The parameters of each list's query.
fn queries(description: &Value) -> BTreeMap<String, Fields> {
    let queries = QUERIES.iter().map(|(_, path)| {
        let parameters = description["paths"][*path]["get"]["parameters"].as_array().into_iter().flatten();
        let named = parameters.filter(|parameter| parameter["in"] == "query").map(|parameter| &parameter["name"]);
        ((*path).to_owned(), named.filter_map(Value::as_str).map(str::to_owned).collect())
    });
    queries.collect()
}
