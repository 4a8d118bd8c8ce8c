//! Payments of customers, and credit that is paid out, over gRPC.

use florin_wire::florin_v1 as pb;

use super::given;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::invoices::drafts::CUSTOMER_MAX;
use crate::teller::native::invoices::payments::{self, PayOut, Payment};
use crate::teller::native::invoices::reads::{self, INVOICE_ID_MAX, WantedPayments};
use crate::teller::native::names::{self, Name};
use crate::teller::native::post::Words;
use crate::teller::native::views::{CustomerPayment, InvoicePayment, PostedTransaction};
use crate::teller::native::{fields, pages};
use crate::teller::validate::{self, ACCOUNT_MAX};

pub(super) async fn receive_payment(
    ledger: &Ledger,
    call: &Call,
    asked: pb::ReceivePaymentRequest,
) -> Result<pb::ReceivePaymentResponse, Failure> {
    let permit = ledger.enter()?;
    validate::text(names::SOURCE_ACCOUNT_ID.grpc, &asked.source_account_id, ACCOUNT_MAX)?;
    let mut words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    words.metadata = fields::metadata(&asked.metadata)?;
    let payment = Payment {
        customer: asked.customer_id,
        currency: asked.currency,
        amount: asked.amount,
        source: given(asked.source_account_id),
        invoices: asked.invoice_ids,
        words,
    };
    let paid = payments::receive(ledger, call, (payment, Name::in_grpc), permit).await?;
    Ok(CustomerPayment::from(paid).into())
}

pub(super) async fn list_payments(
    ledger: &Ledger,
    call: &Call,
    asked: pb::ListPaymentsRequest,
) -> Result<pb::ListPaymentsResponse, Failure> {
    validate::text(names::CUSTOMER_ID.grpc, &asked.customer_id, CUSTOMER_MAX)?;
    validate::text(names::INVOICE_ID.grpc, &asked.invoice_id, INVOICE_ID_MAX)?;
    let times =
        fields::times((names::CREATED_FROM.grpc, &asked.created_from), (names::CREATED_TO.grpc, &asked.created_to))?;
    let page = (pages::size(asked.limit)?, pages::Token { field: names::PAGE_TOKEN.grpc, text: &asked.page_token });
    let wanted = WantedPayments { customer: given(asked.customer_id), invoice: given(asked.invoice_id), times };
    let (rows, next) = reads::payments(ledger, call, (wanted, Name::in_grpc), page).await?;
    Ok(pb::ListPaymentsResponse {
        items: rows.into_iter().map(|row| InvoicePayment::from(row).into()).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

pub(super) async fn refund_customer(
    ledger: &Ledger,
    call: &Call,
    asked: pb::RefundCustomerRequest,
) -> Result<pb::RefundCustomerResponse, Failure> {
    let permit = ledger.enter()?;
    validate::text(names::DESTINATION_ACCOUNT_ID.grpc, &asked.destination_account_id, ACCOUNT_MAX)?;
    let words = Words::checked(asked.idempotency_key, asked.reference, asked.description)?;
    let wanted = PayOut {
        customer: asked.customer_id,
        currency: asked.currency,
        amount: asked.amount,
        destination: given(asked.destination_account_id),
        words,
        reason: asked.reason,
    };
    let posted = payments::pay_out(ledger, call, (wanted, Name::in_grpc), permit).await?;
    Ok(PostedTransaction::from(posted).into())
}
