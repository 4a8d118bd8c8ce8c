//! A database of one's own.

use std::sync::atomic::{AtomicU32, Ordering};

use florin::protocol::record::{AccountKind, NormalSide, TransactionId};
use florin::store;
use florin::store::accounts::NewAccount;
use sqlx::{Connection, Executor, PgConnection, PgPool};

use super::share::Share;
use super::template;

/// A database of one's own. When a test ends well and the last clone is dropped, its books must balance; one that was
/// made on the shared server goes with it.
#[derive(Clone)]
pub struct TestDatabase {
    pub url: String,
    pub pool: PgPool,
    share: Share,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

fn base_url() -> String {
    std::env::var("DATABASE_URL")
        .expect("DATABASE_URL names the test PostgreSQL: run `make up`, or all tests by `make test`")
}

pub(super) fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(a, q)| (a, q));
    let at = address.rfind('/').expect("a database in the URL");
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{}/{name}{query}", &address[..at])
}

impl TestDatabase {
    /// A fresh one with the schema, copied from a template that the first test makes.
    pub async fn fresh() -> Self {
        static TEMPLATE: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
        let template = TEMPLATE.get_or_init(|| async { template::ready(&base_url()).await }).await;
        let name = format!("florin_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&base_url()).await.unwrap();
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template}"))).await.unwrap();
        Self::named(&base_url(), name, true)
    }

    /// A fresh one without the schema.
    pub async fn empty() -> Self {
        Self::create(&base_url(), true).await
    }

    /// A fresh one without the schema, on the server that this URL names a database of.
    pub async fn empty_on(server: &str) -> Self {
        Self::create(server, false).await
    }

    async fn create(server: &str, shared: bool) -> Self {
        let name = format!("florin_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(server).await.unwrap();
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        Self::named(server, name, shared)
    }

    fn named(server: &str, name: String, shared: bool) -> Self {
        let url = with_database(server, &name);
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(4).connect_lazy(&url).unwrap();
        let share = if shared { Share::of_own(&url, server, name) } else { Share::of(&url) };
        Self { url, pool, share }
    }

    /// One that is there already and stays.
    pub fn of(url: String, pool: PgPool) -> Self {
        let share = Share::of(&url);
        Self { url, pool, share }
    }

    /// The same, damaged on purpose: its books need not balance.
    pub fn damaged(self) -> Self {
        self.share.damaged();
        self
    }

    /// Opens an account; balances come from a system account that may go below zero.
    pub async fn account(&self, name: &str, balance: i64) {
        self.account_in(name, balance, "USD").await;
    }

    pub async fn account_in(&self, name: &str, balance: i64, currency: &str) {
        let new = |name: &str, kind, floor| NewAccount {
            owner_type: String::new(),
            subtype: None,
            tenant: "default".into(),
            name: name.into(),
            kind,
            normal_side: NormalSide::Credit,
            currency: florin::money::CurrencyCode::parse(currency).unwrap(),
            owner: String::new(),
            metadata: None,
            floor,
            ceiling: None,
        };
        store::accounts::create(&self.pool, &new(name, AccountKind::User, Some(0))).await.unwrap();
        if balance > 0 {
            // An opening balance is a posting like any other, so that the books balance.
            let opening = format!("opening-{currency}");
            store::accounts::create(&self.pool, &new(&opening, AccountKind::System, None)).await.unwrap();
            // It stands before all of the journal's rows, so both accounts have only rows of this kind.
            let mut work = self.pool.begin().await.unwrap();
            let prior = "SELECT last_seq FROM balances WHERE account = (SELECT id FROM accounts WHERE tenant = 'default' AND name = $1) FOR UPDATE";
            let prior: i64 = sqlx::query_scalar(prior).bind(&opening).fetch_one(&mut *work).await.unwrap();
            assert!(prior < 1 << 44, "{opening} has been used: it can open nothing any more");
            let funded = sqlx::query(
                "WITH d AS (UPDATE balances SET debits = debits + $3, version = version + 1, last_seq = nextval('opening_batch') << 20 \
                        WHERE account = (SELECT id FROM accounts WHERE tenant = 'default' AND name = $1) RETURNING account, credits - debits AS after, last_seq), \
                      c AS (UPDATE balances SET credits = credits + $3, version = version + 1, last_seq = (SELECT last_seq FROM d) \
                        WHERE account = (SELECT id FROM accounts WHERE tenant = 'default' AND name = $2) AND last_seq = 0 RETURNING account, credits - debits AS after) \
                 INSERT INTO journal (seq, debit_account, credit_account, debit_prev, credit_prev, created_at, id, request, kind, status, api, n, postings, amount, \
                     debit_after, credit_after, tenant) \
                   SELECT d.last_seq, d.account, c.account, $4, 0, now(), $5, gen_random_uuid(), 9, 1, 2, 0, 1, $3, d.after, c.after, 'default' FROM d, c",
            )
            .bind(&opening)
            .bind(name)
            .bind(balance)
            .bind(prior)
            .bind(TransactionId::draw().0)
            .execute(&mut *work)
            .await
            .unwrap();
            assert_eq!(funded.rows_affected(), 1, "{name} is not new");
            work.commit().await.unwrap();
        }
    }

    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.unwrap()
    }
}
