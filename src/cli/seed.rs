//! `florin seed`: the demo accounts, opened and funded through a running server like anybody's.

use florin_wire::florin_v1 as pb;
use tonic::Code;

use super::client::{ClientArgs, Ledger, failure};
use super::output::{Failure, say};
use crate::money::decimal_text;
use crate::store::seed::opening_name;
use crate::teller::seed::DEMO;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    client: ClientArgs,
}

const USD: &str = "USD";
/// Decimals of the demo's currency.
const EXPONENT: u8 = 2;

pub async fn run(args: Args) -> Result<(), Failure> {
    let mut ledger = args.client.ledger().await?;
    let source = opening_name(USD);
    open(&mut ledger, &source, pb::AccountKind::System).await?;
    for (name, cents) in DEMO {
        let account = open(&mut ledger, name, pb::AccountKind::User).await?;
        // what ever received money gets none
        let is_new = account.credits_posted.bytes().all(|b| matches!(b, b'0' | b'.'));
        if is_new {
            fund(&mut ledger, &source, name, cents).await?;
        }
        let account = get(&mut ledger, name).await?;
        say(format!("{name:<16} {:>14} {}", account.balance, account.currency))?;
    }
    Ok(())
}

/// Opens an account, or finds the one of that name.
async fn open(ledger: &mut Ledger, id: &str, kind: pb::AccountKind) -> Result<pb::Account, Failure> {
    let asked = pb::CreateAccountRequest {
        id: id.into(),
        kind: kind.into(),
        currency: USD.into(),
        ..pb::CreateAccountRequest::default()
    };
    match ledger.create_account(asked).await {
        Ok(_) => get(ledger, id).await,
        Err(status) if status.code() == Code::AlreadyExists => get(ledger, id).await, // its limits were changed since
        Err(status) => Err(failure(&status)),
    }
}

async fn get(ledger: &mut Ledger, id: &str) -> Result<pb::Account, Failure> {
    let answer =
        ledger.get_account(pb::GetAccountRequest { id: id.into() }).await.map_err(|status| failure(&status))?;
    answer.into_inner().account.ok_or_else(|| Failure::new(format!("the server answers nothing of account {id}")))
}

async fn fund(ledger: &mut Ledger, source: &str, name: &str, cents: i64) -> Result<(), Failure> {
    let posting = pb::Posting {
        source_account_id: source.into(),
        destination_account_id: name.into(),
        amount: decimal_text(cents.into(), EXPONENT),
        currency: USD.into(),
        ..pb::Posting::default()
    };
    let asked = pb::PostTransactionRequest {
        idempotency_key: format!("florin-seed:{name}"),
        kind: "topup".into(),
        postings: vec![posting],
        description: "opening balance of a demo account".into(),
        ..pb::PostTransactionRequest::default()
    };
    let answer = ledger.post_transaction(asked).await.map_err(|status| failure(&status))?.into_inner();
    match answer.transaction.and_then(|transaction| transaction.decline) {
        None => Ok(()),
        Some(decline) => Err(Failure::new(format!("demo account {name} gets no money: {}", decline.message))),
    }
}
