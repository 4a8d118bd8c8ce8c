//! The service Billing: invoices, payments, customers, legal entities, tax rates.

mod convert;
mod desk;
mod invoices;
mod papers;
mod payments;

use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::billing_server::Billing;
use tonic::{Request, Response, Status};

use super::FlorinV1;
use crate::teller::call::Call;
use crate::teller::ledger::Ledger;

#[tonic::async_trait]
impl Billing for FlorinV1 {
    async fn get_invoice(
        &self,
        request: Request<pb::GetInvoiceRequest>,
    ) -> Result<Response<pb::GetInvoiceResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::get_invoice(&ledger, &call, asked).await };
        self.serve("GetInvoice", request, work).await
    }

    async fn list_invoices(
        &self,
        request: Request<pb::ListInvoicesRequest>,
    ) -> Result<Response<pb::ListInvoicesResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::list_invoices(&ledger, &call, asked).await };
        self.serve("ListInvoices", request, work).await
    }

    async fn get_invoice_pdf(
        &self,
        request: Request<pb::GetInvoicePdfRequest>,
    ) -> Result<Response<pb::GetInvoicePdfResponse>, Status> {
        let bytes_max = self.bytes_max;
        let work = |ledger: Ledger, call: Call, asked| async move {
            papers::get_invoice_pdf(&ledger, &call, asked, bytes_max).await
        };
        self.serve("GetInvoicePdf", request, work).await
    }

    async fn send_invoice(
        &self,
        request: Request<pb::SendInvoiceRequest>,
    ) -> Result<Response<pb::SendInvoiceResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { papers::send_invoice(&ledger, &call, asked).await };
        self.serve("SendInvoice", request, work).await
    }

    async fn create_invoice(
        &self,
        request: Request<pb::CreateInvoiceRequest>,
    ) -> Result<Response<pb::CreateInvoiceResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::create_invoice(&ledger, &call, asked).await };
        self.serve("CreateInvoice", request, work).await
    }

    async fn replace_invoice(
        &self,
        request: Request<pb::ReplaceInvoiceRequest>,
    ) -> Result<Response<pb::ReplaceInvoiceResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::replace_invoice(&ledger, &call, asked).await };
        self.serve("ReplaceInvoice", request, work).await
    }

    async fn delete_invoice(
        &self,
        request: Request<pb::DeleteInvoiceRequest>,
    ) -> Result<Response<pb::DeleteInvoiceResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::delete_invoice(&ledger, &call, asked).await };
        self.serve("DeleteInvoice", request, work).await
    }

    async fn issue_invoice(
        &self,
        request: Request<pb::IssueInvoiceRequest>,
    ) -> Result<Response<pb::IssueInvoiceResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::issue_invoice(&ledger, &call, asked).await };
        self.serve("IssueInvoice", request, work).await
    }

    async fn pay_invoice(
        &self,
        request: Request<pb::PayInvoiceRequest>,
    ) -> Result<Response<pb::PayInvoiceResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::pay_invoice(&ledger, &call, asked).await };
        self.serve("PayInvoice", request, work).await
    }

    async fn void_invoice(
        &self,
        request: Request<pb::VoidInvoiceRequest>,
    ) -> Result<Response<pb::VoidInvoiceResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::void_invoice(&ledger, &call, asked).await };
        self.serve("VoidInvoice", request, work).await
    }

    async fn write_off_invoice(
        &self,
        request: Request<pb::WriteOffInvoiceRequest>,
    ) -> Result<Response<pb::WriteOffInvoiceResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::write_off_invoice(&ledger, &call, asked).await };
        self.serve("WriteOffInvoice", request, work).await
    }

    async fn mark_invoice_uncollectible(
        &self,
        request: Request<pb::MarkInvoiceUncollectibleRequest>,
    ) -> Result<Response<pb::MarkInvoiceUncollectibleResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move {
            invoices::mark_invoice_uncollectible(&ledger, &call, asked).await
        };
        self.serve("MarkInvoiceUncollectible", request, work).await
    }

    async fn credit_invoice(
        &self,
        request: Request<pb::CreditInvoiceRequest>,
    ) -> Result<Response<pb::CreditInvoiceResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { invoices::credit_invoice(&ledger, &call, asked).await };
        self.serve("CreditInvoice", request, work).await
    }

    async fn receive_payment(
        &self,
        request: Request<pb::ReceivePaymentRequest>,
    ) -> Result<Response<pb::ReceivePaymentResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { payments::receive_payment(&ledger, &call, asked).await };
        self.serve("ReceivePayment", request, work).await
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { payments::list_payments(&ledger, &call, asked).await };
        self.serve("ListPayments", request, work).await
    }

    async fn refund_customer(
        &self,
        request: Request<pb::RefundCustomerRequest>,
    ) -> Result<Response<pb::RefundCustomerResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { payments::refund_customer(&ledger, &call, asked).await };
        self.serve("RefundCustomer", request, work).await
    }

    async fn create_customer(
        &self,
        request: Request<pb::CreateCustomerRequest>,
    ) -> Result<Response<pb::CreateCustomerResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { desk::create_customer(&ledger, &call, asked).await };
        self.serve("CreateCustomer", request, work).await
    }

    async fn get_customer(
        &self,
        request: Request<pb::GetCustomerRequest>,
    ) -> Result<Response<pb::GetCustomerResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { desk::get_customer(&ledger, &call, asked).await };
        self.serve("GetCustomer", request, work).await
    }

    async fn list_customers(
        &self,
        request: Request<pb::ListCustomersRequest>,
    ) -> Result<Response<pb::ListCustomersResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { desk::list_customers(&ledger, &call, asked).await };
        self.serve("ListCustomers", request, work).await
    }

    async fn update_customer(
        &self,
        request: Request<pb::UpdateCustomerRequest>,
    ) -> Result<Response<pb::UpdateCustomerResponse>, Status> {
        let work =
            |ledger: Ledger, call: Call, asked| async move { desk::update_customer(&ledger, &call, asked).await };
        self.serve("UpdateCustomer", request, work).await
    }

    async fn erase_customer(
        &self,
        request: Request<pb::EraseCustomerRequest>,
    ) -> Result<Response<pb::EraseCustomerResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { desk::erase_customer(&ledger, &call, asked).await };
        self.serve("EraseCustomer", request, work).await
    }

    async fn put_entity(
        &self,
        request: Request<pb::PutEntityRequest>,
    ) -> Result<Response<pb::PutEntityResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { desk::put_entity(&ledger, &call, asked).await };
        self.serve("PutEntity", request, work).await
    }

    async fn get_entity(
        &self,
        request: Request<pb::GetEntityRequest>,
    ) -> Result<Response<pb::GetEntityResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { desk::get_entity(&ledger, &call, asked).await };
        self.serve("GetEntity", request, work).await
    }

    async fn list_entities(
        &self,
        request: Request<pb::ListEntitiesRequest>,
    ) -> Result<Response<pb::ListEntitiesResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { desk::list_entities(&ledger, &call, asked).await };
        self.serve("ListEntities", request, work).await
    }

    async fn add_tax_rate(
        &self,
        request: Request<pb::AddTaxRateRequest>,
    ) -> Result<Response<pb::AddTaxRateResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { desk::add_tax_rate(&ledger, &call, asked).await };
        self.serve("AddTaxRate", request, work).await
    }

    async fn list_tax_rates(
        &self,
        request: Request<pb::ListTaxRatesRequest>,
    ) -> Result<Response<pb::ListTaxRatesResponse>, Status> {
        let work = |ledger: Ledger, call: Call, asked| async move { desk::list_tax_rates(&ledger, &call, asked).await };
        self.serve("ListTaxRates", request, work).await
    }
}

/// A text that was given; an empty one is none.
fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
