//! `florin balance`.

use florin_wire::payment_v1::GetAccountBalanceRequest;
use serde_json::json;

use super::amount;
use super::client::{ClientArgs, failure};
use super::output::{Failure, say};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Account to look at
    account: String,
    /// Print the answer as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let mut payments = args.client.connect().await?;
    let answer = payments.get_account_balance(GetAccountBalanceRequest { account_id: args.account }).await;
    let answer = answer.map_err(|status| failure(&status))?.into_inner();
    let currency = &answer.currency;
    // A currency that a newer server knows and this client does not is shown in minor units.
    let (exponent, unit) = amount::exponent(currency)
        .map_or_else(|_| (0, format!("minor units of {currency}")), |exponent| (exponent, currency.clone()));
    let text = |minor| amount::text_of(minor, exponent);
    let (available, held) = (text(answer.available_balance_cents), text(answer.pending_balance_cents));
    if args.json {
        let line = json!({
            "account_id": answer.account_id, "currency": currency, "available": available, "held": held,
            "available_balance_cents": answer.available_balance_cents, "pending_balance_cents": answer.pending_balance_cents,
        });
        say(line)?;
    } else {
        say(format!("{}  {available} {unit} available, {held} held", answer.account_id))?;
    }
    Ok(())
}
