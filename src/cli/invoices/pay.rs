//! `florin invoices pay`.

use std::process::ExitCode;

use florin_wire::florin_v1::{Invoice, InvoiceStatus, PayInvoiceRequest, PayInvoiceResponse, TransactionStatus};
use serde_json::json;
use uuid::Uuid;

use crate::cli::client::{ClientArgs, failure_under};
use crate::cli::output::{Failure, say};
use crate::cli::pay::DECLINED;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("payer").required(true).args(["from", "outside"])))]
pub struct Args {
    /// The invoice's id, as `florin invoices list` shows it
    id: i64,
    /// How much, such as 12.50; all that is due if not given
    #[arg(allow_negative_numbers = true)]
    amount: Option<String>,
    /// Account that pays
    #[arg(long, value_name = "ACCOUNT")]
    from: Option<String>,
    /// It is paid from outside of this ledger
    #[arg(long)]
    outside: bool,
    /// Idempotency key: the same key again is the same payment; made and printed if not given
    #[arg(long)]
    key: Option<String>,
    /// Print the answer as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

pub async fn run(args: Args) -> Result<ExitCode, Failure> {
    let key = args.key.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
    let mut billing = args.client.billing().await?;
    let request = PayInvoiceRequest {
        id: args.id.to_string(),
        source_account_id: args.from.clone().unwrap_or_default(),
        amount: args.amount.clone().unwrap_or_default(),
        idempotency_key: key.clone(),
        ..PayInvoiceRequest::default()
    };
    let answer = billing.pay_invoice(request).await.map_err(|status| failure_under(&key, &status))?.into_inner();
    let PayInvoiceResponse { invoice, transaction, replayed } = answer;
    let (Some(invoice), Some(transaction)) = (invoice, transaction) else {
        return Err(Failure::new("the server answered no invoice, or no transaction"));
    };
    let declined = (transaction.status() == TransactionStatus::Declined)
        .then(|| transaction.decline.map_or_else(|| "no reason was given".to_owned(), |decline| decline.message));
    if args.json {
        say(json!({
            "status": if declined.is_some() { "declined" } else { "completed" }, "reason": declined, "replayed": replayed,
            "transaction_id": transaction.id, "idempotency_key": key,
            "invoice": {
                "id": invoice.id, "number": invoice.number, "status": status(&invoice), "paid": invoice.paid,
                "due": invoice.due, "currency": invoice.currency,
            },
        }))?;
    } else {
        let outcome = match (&declined, replayed) {
            (Some(_), _) => "declined",
            (None, true) => "replayed",
            (None, false) => "completed",
        };
        say(format!("{outcome}: invoice {} is {}", invoice.number, status(&invoice)))?;
        if let Some(reason) = &declined {
            say(format!("  reason       {reason}"))?;
        }
        say(format!("  paid         {} {}", invoice.paid, invoice.currency))?;
        say(format!("  due          {} {}", invoice.due, invoice.currency))?;
        say(format!("  transaction  {}", transaction.id))?;
        say(format!("  key          {key}"))?;
    }
    Ok(if declined.is_some() { ExitCode::from(DECLINED) } else { ExitCode::SUCCESS })
}

fn status(invoice: &Invoice) -> &'static str {
    match invoice.status() {
        InvoiceStatus::Draft => "draft",
        InvoiceStatus::Open => "open",
        InvoiceStatus::Paid => "paid",
        InvoiceStatus::Void => "void",
        InvoiceStatus::Uncollectible => "uncollectible",
        InvoiceStatus::Unspecified => "in a state that this florin does not know",
    }
}
