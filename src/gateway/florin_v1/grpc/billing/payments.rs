//! Payments of customers, and credit that is paid out, over gRPC.

use florin_wire::florin_v1 as pb;

use super::given;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::fields;
use crate::teller::native::invoices::payments::{self, PayOut, Payment};
use crate::teller::native::names::{self, Name};
use crate::teller::native::post::Words;
use crate::teller::native::views::{CustomerPayment, PostedTransaction};
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
