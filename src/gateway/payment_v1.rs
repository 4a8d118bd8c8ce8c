//! payment.v1: an adapter. It translates names, defaults and errors, and holds no rules.

use std::sync::Arc;
use std::time::Instant;

use florin_wire::payment_v1 as pb;
use florin_wire::payment_v1::payment_service_server::PaymentService;
use metrics::{Counter, Histogram};
use smallvec::smallvec;
use tonic::{Code, Request, Response, Status};
use tracing::Instrument;
use ulid::Ulid;
use uuid::Uuid;

use crate::admission::limits::Limits;
use crate::gateway::grpc::call::{Answers, call_of, correlation, ended};
use crate::ledger::Status as AccountStatus;
use crate::money::Amount;
use crate::protocol::account::Posted;
use crate::protocol::admission::{Attempt, Permit};
use crate::protocol::events::timestamp;
use crate::protocol::movement::Transfer;
use crate::protocol::record::{Api, Kind, RequestedPosting, TransactionId};
use crate::store;
use crate::store::transactions::TransactionRow;
use crate::telemetry::metrics::{PAYMENT_DURATION, PAYMENT_REQUESTS};
use crate::telemetry::request_span;
use crate::teller::call::Call;
use crate::teller::failure::{Failure, Noun};
use crate::teller::ledger::{self, Answer, Command, Deadline, Ledger, covered, read_failure};
use crate::teller::validate::{self, ACCOUNT_MAX, CURRENCY_MAX, DESCRIPTION_MAX, KEY_MAX};

/// The service.
#[derive(Clone)]
pub struct PaymentV1 {
    ledger: Ledger,
    limits: Limits,
    log_payments: bool,
    meters: Meters,
}

/// Of the commonest answer; the others are looked up.
#[derive(Clone)]
struct Meters {
    authorized: Counter,
    seconds: Histogram,
    answers: Answers,
}

impl PaymentV1 {
    /// The service in front of a ledger.
    pub fn new(ledger: Ledger, limits: Limits, log_payments: bool) -> Self {
        let meters = Meters {
            authorized: metrics::counter!(PAYMENT_REQUESTS, "status" => "authorized", "error_code" => "none"),
            seconds: metrics::histogram!(PAYMENT_DURATION),
            answers: Answers::of("AuthorizePayment", Code::Ok),
        };
        Self { ledger, limits, log_payments, meters }
    }

    async fn authorize(
        &self,
        request: Request<pb::AuthorizePaymentRequest>,
    ) -> Result<pb::AuthorizePaymentResponse, Failure> {
        let permit = self.ledger.enter()?;
        let call = call_of(&request);
        let deadline = call.deadline(&self.ledger);
        let (metadata, _, asked) = request.into_parts();
        validate::required("idempotency_key", &asked.idempotency_key, KEY_MAX)?;
        validate::required("payer_account_id", &asked.payer_account_id, ACCOUNT_MAX)?;
        validate::required("payee_account_id", &asked.payee_account_id, ACCOUNT_MAX)?;
        validate::required("currency", &asked.currency, CURRENCY_MAX)?;
        validate::prose("description", &asked.description, DESCRIPTION_MAX)?;
        self.limits.payment(call.caller(), metadata.as_ref(), "AuthorizePayment").await?;
        let attempt = self.ledger.attempt(Api::PaymentV1, &call.tenant, Some(&asked.idempotency_key));
        let answer = self.post(call, asked, deadline, attempt.clone(), permit).await;
        Ok(match self.ledger.certain(attempt.as_deref(), answer).await? {
            Answer::Completed { id, created_at, replayed, .. } => pb::AuthorizePaymentResponse {
                payment_id: ulid(id),
                status: if replayed { pb::PaymentStatus::Duplicate } else { pb::PaymentStatus::Authorized }.into(),
                error: None,
                processed_at: timestamp(created_at),
            },
            Answer::Declined { created_at, code, message, .. } => pb::AuthorizePaymentResponse {
                payment_id: String::new(),
                status: pb::PaymentStatus::Declined.into(),
                error: Some(pb::PaymentError { code: code as i32, message }),
                processed_at: timestamp(created_at),
            },
        })
    }

    async fn post(
        &self,
        call: Call,
        asked: pb::AuthorizePaymentRequest,
        deadline: Deadline,
        attempt: Option<Arc<Attempt>>,
        permit: Permit,
    ) -> Result<Answer, Failure> {
        let exponent = self.ledger.currency(&asked.currency).await?.map_or(0, |currency| currency.exponent);
        let postings = smallvec![RequestedPosting {
            debit: asked.payer_account_id,
            credit: asked.payee_account_id,
            amount: Amount::from(asked.amount_cents),
            exponent,
            currency: asked.currency,
        }];
        let identity = Transfer::request(Kind::PAYMENT, &postings, None, None);
        let request = ledger::Request {
            key: Some(asked.idempotency_key),
            attempt,
            // NUL is what PostgreSQL cannot store
            description: Some(asked.description.replace('\0', "")).filter(|text| !text.is_empty()),
            correlation: call.correlation,
            ..ledger::Request::new(call.tenant, Api::PaymentV1, identity, call.maker, deadline)
        };
        let command = Command { request, movement: Box::new(Transfer { kind: Kind::PAYMENT }), postings };
        self.ledger.post(&command, permit).await
    }

    /// The metrics of a payment, under the names that dashboards of payment.v1 know.
    fn measure(&self, answer: &Result<pb::AuthorizePaymentResponse, Failure>, began: Instant) {
        self.meters.seconds.record(began.elapsed());
        let (status, code) = match answer {
            Ok(answer) => match answer.status() {
                pb::PaymentStatus::Authorized => return self.meters.authorized.increment(1),
                pb::PaymentStatus::Duplicate => ("duplicate", "none"),
                _ => ("declined", answer.error.as_ref().map_or("none", |error| error.code().as_str_name())),
            },
            Err(failure) => ("error", failure.reason()),
        };
        metrics::counter!(PAYMENT_REQUESTS, "status" => status, "error_code" => code).increment(1);
    }

    async fn payment(&self, request: Request<pb::GetPaymentRequest>) -> Result<pb::Payment, Failure> {
        let call = call_of(&request);
        let (metadata, _, asked) = request.into_parts();
        if asked.payment_id.is_empty() {
            return Err(Failure::Invalid("payment_id is required".into()));
        }
        self.limits.payment(call.caller(), metadata.as_ref(), "GetPayment").await?;
        let missing = || Failure::NotFound(Noun::Other, format!("Payment {} not found", as_asked(&asked.payment_id)));
        let id = id(&asked.payment_id).ok_or_else(missing)?;
        let _place = self.ledger.enter_read()?;
        let row = store::transactions::get(&self.ledger.parts().pool, &call.tenant, id).await;
        let row =
            row.map_err(|error| read_failure(&error))?.filter(|row| row.kind == Kind::PAYMENT).ok_or_else(missing)?;
        payment(&row).ok_or_else(missing)
    }

    async fn balance(
        &self,
        request: Request<pb::GetAccountBalanceRequest>,
    ) -> Result<pb::GetAccountBalanceResponse, Failure> {
        let call = call_of(&request);
        let (metadata, _, asked) = request.into_parts();
        validate::required("account_id", &asked.account_id, ACCOUNT_MAX)?;
        covered(&call.maker.rights, &asked.account_id)?;
        self.limits.payment(call.caller(), metadata.as_ref(), "GetAccountBalance").await?;
        let (posted, currency) = self.ledger.posted(&call.tenant, &asked.account_id).await?.ok_or_else(|| {
            Failure::NotFound(Noun::Other, format!("Account balance for {} not found", asked.account_id))
        })?;
        let Posted { totals, guards, .. } = posted;
        debug_assert!(guards.status != AccountStatus::Closed || totals.credits == totals.debits);
        let cents = |amount: i128| {
            i64::try_from(amount)
                .map_err(|_| Failure::Invalid("the balance does not fit this contract's 64 bits: ask florin.v1".into()))
        };
        Ok(pb::GetAccountBalanceResponse {
            account_id: asked.account_id,
            available_balance_cents: cents(totals.credits - totals.debits - totals.held)?,
            pending_balance_cents: cents(totals.held)?,
            currency: currency.to_string(),
        })
    }
}

#[tonic::async_trait]
impl PaymentService for PaymentV1 {
    async fn authorize_payment(
        &self,
        request: Request<pb::AuthorizePaymentRequest>,
    ) -> Result<Response<pb::AuthorizePaymentResponse>, Status> {
        let began = Instant::now();
        let span = request_span("AuthorizePayment", request.metadata().as_ref());
        let correlation = correlation(request.metadata());
        let work = async {
            let answer = self.authorize(request).await;
            self.measure(&answer, began);
            if self.log_payments {
                tracing::info!(?answer, seconds = began.elapsed().as_secs_f64(), "payment");
            }
            match answer {
                Ok(message) => {
                    self.meters.answers.count(began);
                    Ok(Response::new(message))
                }
                failed => ended("AuthorizePayment", correlation.as_deref(), began, failed),
            }
        };
        work.instrument(span).await
    }

    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        let began = Instant::now();
        let span = request_span("GetPayment", request.metadata().as_ref());
        let correlation = correlation(request.metadata());
        let payment = self.payment(request).instrument(span).await;
        ended(
            "GetPayment",
            correlation.as_deref(),
            began,
            payment.map(|payment| pb::GetPaymentResponse { payment: Some(payment) }),
        )
    }

    async fn get_account_balance(
        &self,
        request: Request<pb::GetAccountBalanceRequest>,
    ) -> Result<Response<pb::GetAccountBalanceResponse>, Status> {
        let began = Instant::now();
        let span = request_span("GetAccountBalance", request.metadata().as_ref());
        let correlation = correlation(request.metadata());
        ended("GetAccountBalance", correlation.as_deref(), began, self.balance(request).instrument(span).await)
    }
}

fn payment(row: &TransactionRow) -> Option<pb::Payment> {
    let posting = row.postings.first()?;
    let status = if row.decline.is_some() { pb::PaymentStatus::Declined } else { pb::PaymentStatus::Authorized };
    let at = timestamp(row.created_at);
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

/// Reads an id; letters may be small. `None`: it is none, also where its first letter stands for more than 128 bits
/// have room for.
fn id(text: &str) -> Option<TransactionId> {
    let id = TransactionId(Uuid::from_u128(Ulid::from_string(text).ok()?.0));
    ulid(id).eq_ignore_ascii_case(text).then_some(id)
}

/// payment.v1 repeats ids; one longer than any account's is cut.
fn as_asked(id: &str) -> String {
    if id.len() <= ACCOUNT_MAX { id.to_owned() } else { validate::cut(id) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Fails when the two bits that a ULID's text has too many are left out: four texts would be one id.
    #[test]
    fn an_id_has_one_spelling() {
        let text = "01J8NKRKAYFXG8N6RC3MQ3YJJV";
        assert_eq!(id(text).map(ulid).as_deref(), Some(text));
        assert_eq!(id(&text.to_lowercase()), id(text));
        assert_eq!(id(&format!("7{}", "Z".repeat(25))), Some(TransactionId(Uuid::max())));
        for first in ["8", "G", "R", "Z", "g"] {
            assert_eq!(id(&format!("{first}{}", &text[1..])), None, "{first}");
        }
        for wrong in
            ["", "0", &text[1..], &format!("{text}0"), "01J8NKRKAYFXG8N6RC3MQ3YJJ!", "é1J8NKRKAYFXG8N6RC3MQ3YJJ"]
        {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }
}
