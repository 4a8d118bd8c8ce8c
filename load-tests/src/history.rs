//! An account with a long history: written straight into Florin's tables, and read, its newest entries and those of
//! long ago.

use anyhow::{Context, Result, ensure};
use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_client::LedgerClient;
use http::header::HOST;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use tonic::transport::Channel;

use crate::grpc::Dial;
use crate::mix::Choice;
use crate::outcome::Outcome;
use crate::rest::lines::Lines;
use crate::rest::{NEXT_PAGE, RestDial};
use crate::run::{PATIENCE, Payer};

/// The account, and the one that has paid all of it.
pub const ACCOUNT: &str = "history";
const SOURCE: &str = "history-source";

const FILL: &str = include_str!("../sql/history.sql");
/// Entries of one batch: fewer than it has places for.
const BATCH: u32 = 100_000;
/// Between two entries, in ms.
const APART_MS: i64 = 20;
/// Entries of the page that is measured, and of those on the way to a place of long ago.
const PAGE: u32 = 50;
const STRIDE: u32 = 1_000;

/// Opens the account with so many entries, unless it is there: they stand before all that Florin has written. Florin
/// must not run.
///
/// # Errors
/// When the database cannot be reached, has no schema of Florin's, or refuses.
pub async fn fill(options: &PgConnectOptions, entries: u32) -> Result<()> {
    let mut connection = PgConnection::connect_with(options).await.context("the database cannot be reached")?;
    connection.execute("SET work_mem = '256MB'; SET jit = off").await?;
    let opened = "WITH opened AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency) SELECT 'default', name, 2, 1, 'USD' FROM unnest($1::text[]) name \
                    ON CONFLICT DO NOTHING RETURNING id) INSERT INTO balances (account) SELECT id FROM opened RETURNING account";
    let numbers: Vec<i64> = sqlx::query_scalar(opened).bind(vec![SOURCE, ACCOUNT]).fetch_all(&mut connection).await?;
    if numbers.is_empty() {
        return Ok(());
    }
    let number = "SELECT id FROM accounts WHERE tenant = 'default' AND name = $1";
    let source: i64 = sqlx::query_scalar(number).bind(SOURCE).fetch_one(&mut connection).await?;
    let account: i64 = sqlx::query_scalar(number).bind(ACCOUNT).fetch_one(&mut connection).await?;
    // The newest is an hour old.
    let newest = "SELECT (extract(epoch FROM now() - interval '1 hour') * 1000)::bigint";
    let mut at = sqlx::query_scalar::<_, i64>(newest).fetch_one(&mut connection).await? - i64::from(entries) * APART_MS;
    let mut written = 0;
    while written < entries {
        let count = BATCH.min(entries - written);
        let fill = sqlx::query(FILL).bind(source).bind(account).bind(i64::from(count)).bind(at).bind(APART_MS);
        fill.execute(&mut connection).await.context("the tables could not be filled")?;
        written += count;
        at += i64::from(count) * APART_MS;
    }
    for step in ["VACUUM (ANALYZE) journal_0", "CHECKPOINT"] {
        connection.execute(step).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// With the newest entry.
    Newest,
    /// In the oldest thousand.
    Oldest,
}

/// Asks for a page of an account's entries, over florin.v1.
pub struct EntryReader {
    service: LedgerClient<Channel>,
    request: pb::ListEntriesRequest,
}

impl EntryReader {
    /// Connects, and walks to the place.
    ///
    /// # Errors
    /// When the server cannot be reached, or the account has too few entries.
    pub async fn connect(dial: &Dial, account: &str, place: Place) -> Result<Self> {
        let channel = dial.channels().await?.into_iter().next().context("no connection")?;
        let mut service = LedgerClient::new(channel);
        let mut request =
            pb::ListEntriesRequest { account_id: account.to_owned(), limit: STRIDE, page_token: String::new() };
        if place == Place::Oldest {
            loop {
                let page =
                    service.list_entries(request.clone()).await.context("the entries cannot be walked")?.into_inner();
                if page.next_page_token.is_empty() {
                    ensure!(
                        page.items.len() >= PAGE as usize,
                        "the last page has {} entries, fewer than {PAGE}",
                        page.items.len()
                    );
                    break;
                }
                request.page_token = page.next_page_token;
            }
        }
        request.limit = PAGE;
        Ok(Self { service, request })
    }
}

impl Payer for EntryReader {
    async fn pay(&self, _: usize, _: Choice) -> Outcome {
        match tokio::time::timeout(PATIENCE, self.service.clone().list_entries(self.request.clone())).await {
            Err(_) => Outcome::Unanswered,
            Ok(Err(status)) => Outcome::of(&status),
            Ok(Ok(answer)) if answer.get_ref().items.len() == PAGE as usize => Outcome::Answered,
            Ok(Ok(_)) => Outcome::Declined, // fewer than there are
        }
    }
}

/// Asks for a page of an account's transactions, over REST.
pub struct TransactionReader {
    lines: Lines,
    host: HeaderValue,
    account: String,
    token: String,
}

impl TransactionReader {
    /// Connects, and walks to the place.
    ///
    /// # Errors
    /// When the server cannot be reached, or does not answer as it should.
    pub async fn connect(dial: &RestDial, account: &str, place: Place) -> Result<Self> {
        let authority = dial.address.authority().with_context(|| format!("{} names no host", dial.address))?;
        let lines = Lines::open(authority, 1).await.with_context(|| format!("{} cannot be reached", dial.address))?;
        let host = HeaderValue::from_str(authority.as_str())?;
        let mut reader = Self { lines, host, account: account.to_owned(), token: String::new() };
        if place == Place::Oldest {
            loop {
                let page = reader.lines.ask(reader.request(STRIDE)?).await?;
                ensure!(page.status() == StatusCode::OK, "the transactions cannot be walked: {}", page.status());
                let Some(token) = page.headers().get(NEXT_PAGE) else { break };
                reader.token = token.to_str()?.to_owned();
            }
        }
        Ok(reader)
    }

    fn request(&self, limit: u32) -> Result<Request<Full<Bytes>>> {
        let token = if self.token.is_empty() { String::new() } else { format!("&pageToken={}", self.token) };
        let path = format!("/api/v1/transactions?accountId={}&limit={limit}{token}", self.account);
        Ok(Request::get(path).header(HOST, self.host.clone()).body(Full::default())?)
    }
}

impl Payer for TransactionReader {
    async fn pay(&self, _: usize, _: Choice) -> Outcome {
        let Ok(request) = self.request(PAGE) else { return Outcome::Unsent }; // of texts that are all ours
        match tokio::time::timeout(PATIENCE, self.lines.ask(request)).await {
            Err(_) => Outcome::Unanswered,
            Ok(Err(_)) => Outcome::Transport,
            Ok(Ok(answer)) if answer.status() == StatusCode::OK => Outcome::Answered,
            Ok(Ok(answer)) => Outcome::Status(answer.status().as_u16()),
        }
    }
}
