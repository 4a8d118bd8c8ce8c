//! The demo accounts. Their money comes from a system account by ordinary transactions, through the actors and the
//! journal.

use smallvec::smallvec;
use sqlx::PgPool;

use super::failure::Failure;
use super::ledger::{Answer, Command, Ledger, Request, read_failure};
use crate::money::{Amount, CurrencyCode, decimal_text};
use crate::protocol::movement::Transfer;
use crate::protocol::record::{AccountKind, Api, Kind, Maker, RequestedPosting};
use crate::store::accounts::{self, AccountRow};
use crate::store::seed::{TENANT, new_account, opening};

/// Id and opening balance in minor units of USD.
pub const DEMO: [(&str, i64); 4] =
    [("acc-payer-001", 100_000), ("acc-payee-002", 50_000), ("test-payer-001", 100_000), ("test-payee-001", 100_000)];

const USD: &str = "USD";

/// Opens the demo accounts and returns each with its balance as text. An account that exists stays as it is, and one
/// that ever received money gets none here, however long its key is kept. Two seeds at the same time are one, by their
/// keys.
///
/// # Errors
/// `Invalid` when a demo account exists in another currency or is not active; else why nothing, or perhaps something,
/// was done.
pub async fn demo(ledger: &Ledger, pool: &PgPool) -> Result<Vec<(String, String)>, Failure> {
    let usd = CurrencyCode::parse(USD)
        .ok_or_else(|| Failure::Invalid(format!("currency {USD} is not of the form of a code")))?;
    let source = opening(pool, usd).await.map_err(|error| read_failure(&error))?;
    let mut balances = Vec::new();
    for (name, cents) in DEMO {
        let account = accounts::create(pool, &new_account(name, AccountKind::User, usd))
            .await
            .map_err(|error| read_failure(&error))?;
        if account.posted.totals.credits == 0 {
            fund(ledger, &source, name, cents).await?;
        }
        let account = accounts::get(pool, TENANT, name).await.map_err(|error| read_failure(&error))?;
        let account = account.ok_or_else(|| Failure::no_account(name))?;
        balances.push((name.to_owned(), balance_text(&account)));
    }
    Ok(balances)
}

async fn fund(ledger: &Ledger, source: &AccountRow, name: &str, cents: i64) -> Result<(), Failure> {
    let postings = smallvec![RequestedPosting {
        debit: source.identity.name.to_string(),
        credit: name.to_owned(),
        amount: Amount::from(cents),
        currency: USD.to_owned(),
        exponent: source.identity.currency.exponent,
    }];
    let (tenant, identity) = (source.identity.tenant.clone(), Transfer::request(Kind::TOPUP, &postings, None, None));
    let request = Request {
        key: Some(format!("florin-seed:{name}")),
        description: Some("opening balance of a demo account".to_owned()),
        ..Request::new(tenant, Api::FlorinV1, identity, Maker::default(), ledger.deadline(None))
    };
    let command = Command { request, movement: Box::new(Transfer { kind: Kind::TOPUP }), postings };
    match ledger.post(&command, ledger.enter()?).await? {
        Answer::Completed { .. } => Ok(()),
        Answer::Declined { message, .. } => {
            Err(Failure::Invalid(format!("demo account {name} gets no money: {message}")))
        }
    }
}

fn balance_text(account: &AccountRow) -> String {
    let totals = account.posted.totals;
    let currency = account.identity.currency;
    format!("{} {}", decimal_text(totals.credits - totals.debits, currency.exponent), currency.code)
}
