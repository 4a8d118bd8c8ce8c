//! `florin pay`.

use std::process::ExitCode;

use florin_wire::payment_v1::{AuthorizePaymentRequest, AuthorizePaymentResponse, PaymentErrorCode, PaymentStatus};
use serde_json::json;
use uuid::Uuid;

use super::amount;
use super::client::{ClientArgs, failure_under};
use super::output::{Failure, say};

/// The exit code of a declined payment.
pub const DECLINED: u8 = 2;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Account that pays
    from: String,
    /// Account that is paid
    to: String,
    /// How much, such as 12.50
    #[arg(allow_negative_numbers = true)]
    amount: String,
    /// Currency, such as USD
    currency: String,
    /// Idempotency key: the same key again is the same payment; made and printed if not given
    #[arg(long)]
    key: Option<String>,
    /// What the payment is for
    #[arg(long, default_value = "")]
    description: String,
    /// Print the answer as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

pub async fn run(args: Args) -> Result<ExitCode, Failure> {
    let amount_cents = amount::minor_units(&args.amount, &args.currency).map_err(Failure::new)?;
    let key = args.key.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
    let mut payments = args.client.connect().await?;
    let request = AuthorizePaymentRequest {
        idempotency_key: key.clone(),
        payer_account_id: args.from.clone(),
        payee_account_id: args.to.clone(),
        amount_cents,
        currency: args.currency.clone(),
        description: args.description.clone(),
    };
    let answer = payments.authorize_payment(request).await;
    let answer = answer.map_err(|status| failure_under(&key, &status))?.into_inner();
    say(if args.json { json_line(&answer, &key) } else { sentence(&answer, &args, &key) })?;
    Ok(match answer.status() {
        PaymentStatus::Authorized | PaymentStatus::Duplicate => ExitCode::SUCCESS,
        PaymentStatus::Declined => ExitCode::from(DECLINED),
        PaymentStatus::Unspecified => {
            return Err(Failure::new(format!(
                "the server answered status {}, which this florin does not know",
                answer.status
            )));
        }
    })
}

fn sentence(answer: &AuthorizePaymentResponse, args: &Args, key: &str) -> String {
    let status = lower(answer.status().as_str_name(), "PAYMENT_STATUS_");
    let what = format!("{} {} from {} to {}", args.amount, args.currency, args.from, args.to);
    match &answer.error {
        Some(error) => format!("{status}: {what}\n  reason   {} ({})", error.message, error_code(error.code())),
        None => format!(
            "{status}: {what}\n  payment  {}\n  key      {key}\n  at       {}",
            answer.payment_id, answer.processed_at
        ),
    }
}

fn json_line(answer: &AuthorizePaymentResponse, key: &str) -> String {
    let error =
        answer.error.as_ref().map(|error| json!({ "code": error_code(error.code()), "message": error.message }));
    json!({
        "status": lower(answer.status().as_str_name(), "PAYMENT_STATUS_"),
        "payment_id": answer.payment_id,
        "idempotency_key": key,
        "processed_at": answer.processed_at,
        "error": error,
    })
    .to_string()
}

fn error_code(code: PaymentErrorCode) -> String {
    lower(code.as_str_name(), "PAYMENT_ERROR_CODE_")
}

fn lower(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
