//! From views of billing to messages: fields are moved, and what is absent is empty.

use florin_wire::florin_v1 as pb;

use crate::billing::invoice::Status;
use crate::protocol::record::{DocumentKind, SettlementKind};
use crate::store::mails::documents::MailState;
use crate::teller::native::views;

impl From<views::Invoice> for pb::Invoice {
    fn from(view: views::Invoice) -> Self {
        Self {
            id: view.id,
            kind: kind(view.kind).into(),
            status: status(view.status).into(),
            number: view.number.unwrap_or_default(),
            entity_id: view.entity_id,
            customer_id: view.customer_id,
            order_id: view.order_id.unwrap_or_default(),
            currency: view.currency,
            subtotal: view.subtotal,
            tax: view.tax,
            total: view.total,
            due: view.due,
            paid: view.paid,
            credited: view.credited,
            returned: view.returned,
            written_off: view.written_off,
            issued_at: view.issued_at.unwrap_or_default(),
            due_on: view.due_on.unwrap_or_default(),
            overdue: view.overdue,
            version: view.version,
            corrects: view.corrects.unwrap_or_default(),
            prices_include_tax: view.prices_include_tax,
            region: view.region.unwrap_or_default(),
            discount: view.discount.unwrap_or_default(),
            note: view.note.unwrap_or_default(),
            lines: view.lines.into_iter().map(pb::InvoiceLine::from).collect(),
            taxes: view.taxes.into_iter().map(pb::InvoiceTax::from).collect(),
            settlements: view.settlements.into_iter().map(pb::Settlement::from).collect(),
            exchange: view.exchange.map(pb::InvoiceExchange::from),
        }
    }
}

impl From<views::InvoiceLine> for pb::InvoiceLine {
    fn from(view: views::InvoiceLine) -> Self {
        Self {
            description: view.description.unwrap_or_default(),
            sku: view.sku.unwrap_or_default(),
            quantity: view.quantity,
            unit_price: view.unit_price,
            tax_category: view.tax_category.unwrap_or_default(),
            treatment: view.treatment,
            tax_percent: view.tax_percent,
            net: view.net,
            tax: view.tax,
        }
    }
}

impl From<views::InvoiceExchange> for pb::InvoiceExchange {
    fn from(view: views::InvoiceExchange) -> Self {
        let views::InvoiceExchange { rate_id, base, quote, rate, net, tax } = view;
        Self { rate_id, base, quote, rate, net, tax }
    }
}

impl From<views::InvoiceTax> for pb::InvoiceTax {
    fn from(view: views::InvoiceTax) -> Self {
        let views::InvoiceTax { treatment, percent, net, tax } = view;
        Self { treatment, percent, net, tax }
    }
}

impl From<views::Settlement> for pb::Settlement {
    fn from(view: views::Settlement) -> Self {
        let kind = match view.kind {
            SettlementKind::Payment => pb::SettlementKind::Payment,
            SettlementKind::CreditNote => pb::SettlementKind::CreditNote,
            SettlementKind::WriteOff => pb::SettlementKind::WriteOff,
            SettlementKind::Void => pb::SettlementKind::Void,
            SettlementKind::Uncollectible => pb::SettlementKind::Uncollectible,
            SettlementKind::Overdue => pb::SettlementKind::Overdue,
        };
        Self {
            kind: kind.into(),
            amount: view.amount,
            excess: view.excess,
            due_after: view.due_after,
            status_after: status(view.status_after).into(),
            credit_note_id: view.credit_note_id.unwrap_or_default(),
            transaction_id: view.transaction_id,
            at: view.at,
        }
    }
}

fn kind(kind: DocumentKind) -> pb::DocumentKind {
    match kind {
        DocumentKind::Invoice => pb::DocumentKind::Invoice,
        DocumentKind::CreditNote => pb::DocumentKind::CreditNote,
    }
}

fn status(status: Status) -> pb::InvoiceStatus {
    match status {
        Status::Draft => pb::InvoiceStatus::Draft,
        Status::Open => pb::InvoiceStatus::Open,
        Status::Paid => pb::InvoiceStatus::Paid,
        Status::Void => pb::InvoiceStatus::Void,
        Status::Uncollectible => pb::InvoiceStatus::Uncollectible,
    }
}

impl From<views::DraftedInvoice> for pb::CreateInvoiceResponse {
    fn from(view: views::DraftedInvoice) -> Self {
        Self { invoice: Some(view.invoice.into()), replayed: view.replayed }
    }
}

macro_rules! settled {
    ($($response:ident),*) => {
        $(impl From<views::SettledInvoice> for pb::$response {
            fn from(view: views::SettledInvoice) -> Self {
                Self {
                    invoice: Some(view.invoice.into()),
                    transaction: view.transaction.map(pb::Transaction::from),
                    replayed: view.replayed,
                }
            }
        })*
    };
}

settled!(
    IssueInvoiceResponse,
    PayInvoiceResponse,
    VoidInvoiceResponse,
    WriteOffInvoiceResponse,
    MarkInvoiceUncollectibleResponse
);

impl From<views::CreditedInvoice> for pb::CreditInvoiceResponse {
    fn from(view: views::CreditedInvoice) -> Self {
        Self {
            invoice: Some(view.invoice.into()),
            credit_note: Some(view.credit_note.into()),
            transaction: view.transaction.map(pb::Transaction::from),
            replayed: view.replayed,
        }
    }
}

impl From<views::CustomerPayment> for pb::ReceivePaymentResponse {
    fn from(view: views::CustomerPayment) -> Self {
        Self {
            transaction: Some(view.transaction.into()),
            invoices: view.invoices.into_iter().map(pb::Invoice::from).collect(),
            excess: view.excess.unwrap_or_default(),
            replayed: view.replayed,
        }
    }
}

impl From<views::InvoicePayment> for pb::InvoicePayment {
    fn from(view: views::InvoicePayment) -> Self {
        Self {
            invoice_id: view.invoice_id,
            number: view.number.unwrap_or_default(),
            customer_id: view.customer_id,
            currency: view.currency,
            amount: view.amount,
            excess: view.excess,
            due_after: view.due_after,
            transaction_id: view.transaction_id,
            created_at: view.created_at,
        }
    }
}

impl From<views::PostedTransaction> for pb::RefundCustomerResponse {
    fn from(view: views::PostedTransaction) -> Self {
        Self { transaction: Some(view.transaction.into()), replayed: view.replayed }
    }
}

impl From<views::SentInvoice> for pb::SendInvoiceResponse {
    fn from(view: views::SentInvoice) -> Self {
        let mail = view.mail;
        let state = match mail.state {
            MailState::Due => pb::MailState::Due,
            MailState::Sent => pb::MailState::Sent,
            MailState::Dead => pb::MailState::Dead,
        };
        let mail = pb::Mail {
            id: mail.id,
            invoice_id: mail.invoice_id,
            to: mail.to,
            state: state.into(),
            attempts: mail.attempts,
            created_at: mail.created_at,
        };
        Self { mail: Some(mail), replayed: view.replayed }
    }
}

impl From<views::Customer> for pb::Customer {
    fn from(view: views::Customer) -> Self {
        Self {
            id: view.id,
            email: view.email.unwrap_or_default(),
            first_name: view.first_name,
            middle_name: view.middle_name,
            last_name: view.last_name,
            mobile: view.mobile.unwrap_or_default(),
            born_on: view.born_on.unwrap_or_default(),
            address: view.address,
            tax_id: view.tax_id.unwrap_or_default(),
            region: view.region.unwrap_or_default(),
            language: view.language,
            created_at: view.created_at,
            erased_at: view.erased_at.unwrap_or_default(),
        }
    }
}

impl From<views::Entity> for pb::Entity {
    fn from(view: views::Entity) -> Self {
        Self {
            id: view.id,
            name: view.name,
            address: view.address,
            tax_id: view.tax_id.unwrap_or_default(),
            phone: view.phone.unwrap_or_default(),
            email: view.email.unwrap_or_default(),
            invoice_format: view.invoice_format,
            credit_format: view.credit_format,
            payment_days: view.payment_days,
            fiscal_month: view.fiscal_month,
            time_zone: view.time_zone,
            book_currency: view.book_currency.unwrap_or_default(),
            region: view.region.unwrap_or_default(),
            mails_invoices: view.mails_invoices,
            logo_sha256: view.logo_sha256.unwrap_or_default(),
        }
    }
}

impl From<views::TaxRate> for pb::TaxRate {
    fn from(view: views::TaxRate) -> Self {
        Self {
            region: view.region.unwrap_or_default(),
            category: view.category.unwrap_or_default(),
            treatment: view.treatment,
            percent: view.percent,
            effective_from: view.effective_from,
        }
    }
}
