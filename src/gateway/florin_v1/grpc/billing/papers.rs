//! Invoices on paper and by mail over gRPC.

use florin_wire::florin_v1 as pb;

use super::given;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;
use crate::teller::native::customers::LANGUAGE_MAX;
use crate::teller::native::invoices::mails::{self, Send};
use crate::teller::native::invoices::papers;
use crate::teller::native::names;
use crate::teller::native::views::SentInvoice;
use crate::teller::validate::{self, KEY_MAX};

/// Bytes of a message around its PDF.
const AROUND_MAX: usize = 64;

pub(super) async fn get_invoice_pdf(
    ledger: &Ledger,
    call: &Call,
    asked: pb::GetInvoicePdfRequest,
    bytes_max: usize,
) -> Result<pb::GetInvoicePdfResponse, Failure> {
    validate::text("language", &asked.language, LANGUAGE_MAX)?;
    let pdf = papers::pdf(ledger, call, &asked.id, given(asked.language).as_deref()).await?.bytes;
    let bytes = pdf.len();
    if bytes + AROUND_MAX > bytes_max {
        return Err(Failure::FailedPrecondition(format!(
            "the PDF has {bytes} bytes, and a message at most {bytes_max}: GET /v1/invoices/{}/pdf has it",
            asked.id
        )));
    }
    Ok(pb::GetInvoicePdfResponse { pdf })
}

pub(super) async fn send_invoice(
    ledger: &Ledger,
    call: &Call,
    asked: pb::SendInvoiceRequest,
) -> Result<pb::SendInvoiceResponse, Failure> {
    validate::text(names::IDEMPOTENCY_KEY.grpc, &asked.idempotency_key, KEY_MAX)?;
    let send = Send { to: given(asked.to), key: given(asked.idempotency_key), reason: asked.reason };
    Ok(SentInvoice::from(mails::send(ledger, call, &asked.id, send).await?).into())
}
