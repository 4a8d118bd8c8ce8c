//! Invoices over gRPC.

use florin_wire::florin_v1 as pb;

use super::given;
use crate::billing::invoice::Status;
use crate::protocol::record::DocumentKind;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::invoices::credit::{self, Credit};
use crate::teller::native::invoices::drafts::{self, CUSTOMER_MAX, NewInvoice, NewLine};
use crate::teller::native::invoices::reads::{self, NUMBER_MAX, Wanted};
use crate::teller::native::invoices::{self, Asked, Do};
use crate::teller::native::names::{self, Name};
use crate::teller::native::post::Words;
use crate::teller::native::views::{CreditedInvoice, DraftedInvoice, Invoice, SettledInvoice};
use crate::teller::native::{customers, fields, pages};
use crate::teller::validate::{self, ACCOUNT_MAX, KEY_MAX, REFERENCE_MAX};

pub(super) async fn get_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::GetInvoiceRequest,
) -> Result<pb::GetInvoiceResponse, Failure> {
    let invoice = Invoice::whole(reads::one(ledger, call, &asked.id).await?);
    Ok(pb::GetInvoiceResponse { invoice: Some(invoice.into()) })
}

pub(super) async fn list_invoices(
    ledger: &Ledger,
    call: &Call,
    asked: pb::ListInvoicesRequest,
) -> Result<pb::ListInvoicesResponse, Failure> {
    validate::text(names::CUSTOMER_ID.grpc, &asked.customer_id, CUSTOMER_MAX)?;
    validate::text(names::ORDER_ID.grpc, &asked.order_id, REFERENCE_MAX)?;
    validate::text("number", &asked.number, NUMBER_MAX)?;
    let status = match pb::InvoiceStatus::try_from(asked.status) {
        Ok(pb::InvoiceStatus::Unspecified) => None,
        Ok(pb::InvoiceStatus::Draft) => Some(Status::Draft),
        Ok(pb::InvoiceStatus::Open) => Some(Status::Open),
        Ok(pb::InvoiceStatus::Paid) => Some(Status::Paid),
        Ok(pb::InvoiceStatus::Void) => Some(Status::Void),
        Ok(pb::InvoiceStatus::Uncollectible) => Some(Status::Uncollectible),
        Err(_) => {
            let known = "INVOICE_STATUS_DRAFT (1), _OPEN (2), _PAID (3), _VOID (4), _UNCOLLECTIBLE (5)";
            return fields::unknown("status", &asked.status.to_string(), known);
        }
    };
    let kind = match pb::DocumentKind::try_from(asked.kind) {
        Ok(pb::DocumentKind::Unspecified) => None,
        Ok(pb::DocumentKind::Invoice) => Some(DocumentKind::Invoice),
        Ok(pb::DocumentKind::CreditNote) => Some(DocumentKind::CreditNote),
        Err(_) => {
            let known = "DOCUMENT_KIND_INVOICE (1), DOCUMENT_KIND_CREDIT_NOTE (2)";
            return fields::unknown("kind", &asked.kind.to_string(), known);
        }
    };
    let due_to = customers::day(names::DUE_TO.grpc, &asked.due_to)?;
    let page = (pages::size(asked.limit)?, pages::Token { field: names::PAGE_TOKEN.grpc, text: &asked.page_token });
    let (customer, order, number) = (given(asked.customer_id), given(asked.order_id), given(asked.number));
    let wanted = Wanted { customer, status, kind, order, number, due_to };
    let (rows, next) = reads::list(ledger, call, wanted, page).await?;
    Ok(pb::ListInvoicesResponse {
        items: rows.into_iter().map(|row| Invoice::from(row).into()).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

fn line(line: pb::NewInvoiceLine) -> NewLine {
    let pb::NewInvoiceLine { description, sku, quantity, unit_price, tax_category } = line;
    NewLine { description, sku: given(sku), quantity, unit_price, tax_category: given(tax_category) }
}

/// The draft of a message: both that carry one have the same fields.
macro_rules! draft {
    ($asked:ident) => {
        NewInvoice {
            entity: given($asked.entity_id),
            customer: $asked.customer_id,
            currency: $asked.currency,
            lines: $asked.lines.into_iter().map(line).collect(),
            prices_include_tax: $asked.prices_include_tax,
            discount: given($asked.discount),
            due_days: $asked.due_days,
            note: given($asked.note),
            region: given($asked.region),
        }
    };
}

pub(super) async fn create_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::CreateInvoiceRequest,
) -> Result<pb::CreateInvoiceResponse, Failure> {
    let new = draft!(asked);
    validate::text(names::IDEMPOTENCY_KEY.grpc, &asked.idempotency_key, KEY_MAX)?;
    let key = given(asked.idempotency_key);
    let drafted = drafts::create(ledger, call, (new, Name::in_grpc), (key, &asked.reason)).await?;
    Ok(DraftedInvoice::from(drafted).into())
}

pub(super) async fn replace_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::ReplaceInvoiceRequest,
) -> Result<pb::ReplaceInvoiceResponse, Failure> {
    let new = draft!(asked);
    let version = asked.version.map(|version| i32::try_from(version).unwrap_or(i32::MAX));
    let row = drafts::replace(ledger, call, (&asked.id, version), (new, Name::in_grpc), &asked.reason).await?;
    Ok(pb::ReplaceInvoiceResponse { invoice: Some(Invoice::from(row).into()) })
}

pub(super) async fn delete_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::DeleteInvoiceRequest,
) -> Result<pb::DeleteInvoiceResponse, Failure> {
    drafts::delete(ledger, call, &asked.id, &asked.reason).await?;
    Ok(pb::DeleteInvoiceResponse {})
}

pub(super) async fn issue_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::IssueInvoiceRequest,
) -> Result<pb::IssueInvoiceResponse, Failure> {
    let permit = ledger.enter()?;
    let words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    let settled = drafts::issue(ledger, call, &asked.id, (words, asked.reason), permit).await?;
    Ok(SettledInvoice::from(settled).into())
}

pub(super) async fn pay_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::PayInvoiceRequest,
) -> Result<pb::PayInvoiceResponse, Failure> {
    validate::text(names::SOURCE_ACCOUNT_ID.grpc, &asked.source_account_id, ACCOUNT_MAX)?;
    let mut words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    words.metadata = fields::metadata(&asked.metadata)?;
    let (source, amount) = (given(asked.source_account_id), given(asked.amount));
    let what = Do::pay(source, asked.from_credit, amount, Name::in_grpc)?;
    Ok(settle(ledger, call, &asked.id, Asked { what, words, reason: String::new() }).await?.into())
}

pub(super) async fn void_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::VoidInvoiceRequest,
) -> Result<pb::VoidInvoiceResponse, Failure> {
    let words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    Ok(settle(ledger, call, &asked.id, Asked { what: Do::Void, words, reason: asked.reason }).await?.into())
}

pub(super) async fn write_off_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::WriteOffInvoiceRequest,
) -> Result<pb::WriteOffInvoiceResponse, Failure> {
    let words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    Ok(settle(ledger, call, &asked.id, Asked { what: Do::WriteOff, words, reason: asked.reason }).await?.into())
}

pub(super) async fn mark_invoice_uncollectible(
    ledger: &Ledger,
    call: &Call,
    asked: pb::MarkInvoiceUncollectibleRequest,
) -> Result<pb::MarkInvoiceUncollectibleResponse, Failure> {
    let words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    let asked_for = Asked { what: Do::MarkUncollectible, words, reason: asked.reason };
    Ok(settle(ledger, call, &asked.id, asked_for).await?.into())
}

async fn settle(ledger: &Ledger, call: &Call, id: &str, asked: Asked) -> Result<SettledInvoice, Failure> {
    let permit = ledger.enter()?;
    Ok(invoices::settle(ledger, call, id, asked, permit).await?.into())
}

pub(super) async fn credit_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::CreditInvoiceRequest,
) -> Result<pb::CreditInvoiceResponse, Failure> {
    let permit = ledger.enter()?;
    let words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    let wanted = Credit { amount: given(asked.amount), words, reason: asked.reason };
    Ok(CreditedInvoice::from(credit::credit(ledger, call, &asked.id, wanted, permit).await?).into())
}
