//! payment.v1: an adapter. It translates names, defaults and errors, and holds no rules.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};
use smallvec::smallvec;
use tonic::{Request, Response, Status};
use ulid::Ulid;
use uuid::Uuid;

use super::failure::Failure;
use super::ledger::{Answer, Command, Ledger, PostingCommand, read_failure};
use super::validate::{self, ACCOUNT_MAX, CURRENCY_MAX, DESCRIPTION_MAX, KEY_MAX};
use crate::ledger::Status as AccountStatus;
use crate::money::Amount;
use crate::protocol::account::Posted;
use crate::protocol::events::{Event, EventType};
use crate::protocol::pb::payment_v1 as pb;
use crate::protocol::pb::payment_v1::payment_service_server::PaymentService;
use crate::protocol::record::{Api, DeclineCode, Kind, RequestHash, TransactionId};
use crate::store;
use crate::store::transactions::TransactionRow;

/// The service.
#[derive(Clone)]
pub struct PaymentV1 {
    ledger: Ledger,
}

impl PaymentV1 {
    /// The service in front of a ledger.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    async fn authorize(&self, request: Request<pb::AuthorizePaymentRequest>) -> Result<pb::AuthorizePaymentResponse, Failure> {
        let deadline = self.ledger.deadline(super::server::caller_deadline(request.metadata()));
        let tenant = super::server::tenant(&request);
        let correlation = super::server::correlation(request.metadata());
        let asked = request.into_inner();
        validate::required("idempotency_key", &asked.idempotency_key, KEY_MAX)?;
        validate::required("payer_account_id", &asked.payer_account_id, ACCOUNT_MAX)?;
        validate::required("payee_account_id", &asked.payee_account_id, ACCOUNT_MAX)?;
        validate::required("currency", &asked.currency, CURRENCY_MAX)?;
        validate::text("description", &asked.description, DESCRIPTION_MAX)?;
        let request = RequestHash::of(&[
            asked.payer_account_id.as_bytes(),
            asked.payee_account_id.as_bytes(),
            &asked.amount_cents.to_le_bytes(),
            asked.currency.as_bytes(),
        ]);
        let command = Command {
            tenant,
            api: Api::PaymentV1,
            kind: Kind::PAYMENT,
            key: Some(asked.idempotency_key),
            request,
            postings: smallvec![PostingCommand {
                debit: asked.payer_account_id,
                credit: asked.payee_account_id,
                amount: Amount::from(asked.amount_cents),
                currency: asked.currency,
            }],
            reference: None,
            description: Some(asked.description).filter(|text| !text.is_empty()),
            metadata: None,
            correlation,
            deadline,
            on_completed: authorized,
            on_declined: declined,
        };
        Ok(match self.ledger.post(&command).await? {
            Answer::Completed { id, created_at, replayed } => pb::AuthorizePaymentResponse {
                payment_id: ulid(id),
                status: if replayed { pb::PaymentStatus::Duplicate } else { pb::PaymentStatus::Authorized }.into(),
                error: None,
                processed_at: rfc3339(created_at),
            },
            Answer::Declined { created_at, code, message, .. } => pb::AuthorizePaymentResponse {
                payment_id: String::new(),
                status: pb::PaymentStatus::Declined.into(),
                error: Some(pb::PaymentError { code: code as i32, message }),
                processed_at: rfc3339(created_at),
            },
        })
    }

    async fn payment(&self, request: Request<pb::GetPaymentRequest>) -> Result<pb::Payment, Failure> {
        let tenant = super::server::tenant(&request);
        let asked = request.into_inner();
        if asked.payment_id.is_empty() {
            return Err(Failure::Invalid("payment_id is required".into()));
        }
        let missing = || Failure::NotFound(format!("Payment {} not found", validate::cut(&asked.payment_id)));
        let id = Ulid::from_string(&asked.payment_id).map_err(|_| missing())?;
        self.ledger.active()?;
        let row = store::transactions::get(&self.ledger.parts().pool, &tenant, TransactionId(Uuid::from_u128(id.0))).await;
        let row = row.map_err(|error| read_failure(&error))?.filter(|row| row.kind == Kind::PAYMENT.code()).ok_or_else(missing)?;
        payment(&row).ok_or_else(missing)
    }

    async fn balance(&self, request: Request<pb::GetAccountBalanceRequest>) -> Result<pb::GetAccountBalanceResponse, Failure> {
        let tenant = super::server::tenant(&request);
        let asked = request.into_inner();
        validate::required("account_id", &asked.account_id, ACCOUNT_MAX)?;
        let (posted, currency) = self
            .ledger
            .posted(&tenant, &asked.account_id)
            .await?
            .ok_or_else(|| Failure::NotFound(format!("Account balance for {} not found", validate::cut(&asked.account_id))))?;
        let Posted { totals, held, status, .. } = posted;
        debug_assert!(status != AccountStatus::Closed || totals.credits == totals.debits);
        let cents = |amount: i128| {
            i64::try_from(amount).map_err(|_| Failure::Invalid("the balance does not fit this contract's 64 bits: ask florin.v1".into()))
        };
        Ok(pb::GetAccountBalanceResponse {
            account_id: asked.account_id,
            available_balance_cents: cents(totals.credits - totals.debits - held)?,
            pending_balance_cents: cents(held)?,
            currency: currency.to_string(),
        })
    }
}

#[tonic::async_trait]
impl PaymentService for PaymentV1 {
    async fn authorize_payment(&self, request: Request<pb::AuthorizePaymentRequest>) -> Result<Response<pb::AuthorizePaymentResponse>, Status> {
        let began = Instant::now();
        let answer = self.authorize(request).await;
        measure(&answer, began);
        Ok(Response::new(answer?))
    }

    async fn get_payment(&self, request: Request<pb::GetPaymentRequest>) -> Result<Response<pb::GetPaymentResponse>, Status> {
        let payment = self.payment(request).await?;
        Ok(Response::new(pb::GetPaymentResponse { payment: Some(payment) }))
    }

    async fn get_account_balance(&self, request: Request<pb::GetAccountBalanceRequest>) -> Result<Response<pb::GetAccountBalanceResponse>, Status> {
        Ok(Response::new(self.balance(request).await?))
    }
}

/// The contract's metrics of a payment.
fn measure(answer: &Result<pb::AuthorizePaymentResponse, Failure>, began: Instant) {
    let (status, code) = match answer {
        Ok(answer) => match answer.status() {
            pb::PaymentStatus::Authorized => ("authorized", "none"),
            pb::PaymentStatus::Duplicate => ("duplicate", "none"),
            _ => ("declined", answer.error.as_ref().map_or("none", |error| error.code().as_str_name())),
        },
        Err(failure) => ("error", failure.reason()),
    };
    metrics::counter!("payment_requests_total", "status" => status, "error_code" => code).increment(1);
    metrics::histogram!("payment_duration_seconds").record(began.elapsed());
}

fn payment(row: &TransactionRow) -> Option<pb::Payment> {
    let posting = row.postings.first()?;
    let status = if row.decline.is_some() { pb::PaymentStatus::Declined } else { pb::PaymentStatus::Authorized };
    let at = rfc3339(row.created_at);
    Some(pb::Payment {
        payment_id: ulid(row.id),
        payer_account_id: posting.debit.clone(),
        payee_account_id: posting.credit.clone(),
        amount_cents: i64::try_from(posting.amount).ok()?,
        currency: posting.currency.clone(),
        status: status.into(),
        description: row.description.clone().unwrap_or_default(),
        created_at: at.clone(),
        updated_at: at,
    })
}

/// A transaction's id as payment.v1 writes it.
pub fn ulid(id: TransactionId) -> String {
    Ulid(id.0.as_u128()).to_string()
}

/// RFC 3339 with microseconds and `+00:00`.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, false)
}

fn authorized(_command: &Command, id: TransactionId, _created_at: DateTime<Utc>) -> Event {
    Event { event: EventType::PaymentAuthorized, aggregate: ulid(id), body: "{}".into() }
}

fn declined(_command: &Command, id: TransactionId, _created_at: DateTime<Utc>, _code: DeclineCode, _message: &str) -> Event {
    Event { event: EventType::PaymentAuthorized, aggregate: ulid(id), body: "{}".into() }
}

/// The tenant of calls without authentication.
pub fn default_tenant() -> Arc<str> {
    "default".into()
}
