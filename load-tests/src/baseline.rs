//! What one would build instead of Florin, on the same PostgreSQL with the same durability: one SQL transaction per
//! payment, one PL/pgSQL call per payment, and the first of them behind the same gRPC service.
//!
//! Both write what Florin writes: key, payment, both entries, two balances, the event for the outbox; and answer what
//! Florin answers. Nothing reads their outbox: publishing is left out of their cost.

mod books;
mod command;
mod connections;
mod plpgsql;
mod server;
mod sql;

use std::sync::Arc;

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

pub use books::{Books, books};
pub use command::Command;
pub use connections::Connections;
pub use plpgsql::Plpgsql;
pub use server::{Serving, serve};
pub use sql::Sql;

use crate::grpc::{CURRENCY, Keys};
use crate::mix::Choice;
use crate::outcome::Outcome;
use crate::run::{PATIENCE, Payer};
use crate::seed::OPENING_CENTS;
use crate::{address, database};

/// Connections of each baseline; more only fight for two cores.
pub const CONNECTIONS: usize = 32;

const SCHEMA: &str = include_str!("../sql/baseline.sql");

/// What became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The money moved.
    Paid,
    /// An account is missing or has too little.
    Declined,
    /// The key was used before.
    Duplicate,
}

/// A way to write one payment.
pub trait Handler: Send + Sync + 'static {
    /// Writes it, or says why not.
    fn handle(&self, command: &Command<'_>) -> impl Future<Output = Result<Answer, sqlx::Error>> + Send;
}

/// Makes the database with the tables and `n` accounts called `{prefix}0` and so on, unless it is there.
///
/// # Errors
/// When the server cannot be reached, or refuses.
pub async fn create(url: &str, n: u32, prefix: &str) -> Result<()> {
    let options = address::database(url)?;
    database::create(&options).await?;
    let mut connection = options.connect().await?;
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('accounts') IS NOT NULL").fetch_one(&mut connection).await?;
    if !there {
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await.context("the baseline's tables could not be made")?;
    }
    let insert = "INSERT INTO accounts (name, credits) SELECT $1 || n, $2 FROM generate_series(0, $3::bigint - 1) n ON CONFLICT DO NOTHING";
    sqlx::query(insert).bind(prefix).bind(OPENING_CENTS).bind(i64::from(n)).execute(&mut connection).await?;
    sqlx::raw_sql("VACUUM ANALYZE accounts").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// The load generator's way to a handler in its own process: no gRPC between.
pub struct Direct<H> {
    handler: H,
    prefix: String,
    keys: Keys,
}

impl<H: Handler> Direct<H> {
    /// In front of a handler.
    pub fn new(handler: H, prefix: &str) -> Self {
        Self { handler, prefix: prefix.to_owned(), keys: Keys::fresh() }
    }
}

impl<H: Handler> Payer for Direct<H> {
    async fn pay(&self, _: usize, choice: Choice) -> Outcome {
        let key = self.keys.next();
        let (payer, payee) = (format!("{}{}", self.prefix, choice.payer), format!("{}{}", self.prefix, choice.payee));
        let command = Command::new(&key, &payer, &payee, choice.cents, CURRENCY);
        match tokio::time::timeout(PATIENCE, self.handler.handle(&command)).await {
            Err(_) => Outcome::Unanswered,
            Ok(Err(_)) => Outcome::Database,
            Ok(Ok(Answer::Paid)) => Outcome::Paid,
            Ok(Ok(Answer::Declined)) => Outcome::Declined,
            Ok(Ok(Answer::Duplicate)) => Outcome::Duplicate,
        }
    }
}

/// The `sql` handler on connections of its own.
///
/// # Errors
/// When a connection cannot be had.
pub async fn sql(options: &PgConnectOptions) -> Result<Sql> {
    Ok(Sql::new(Arc::new(Connections::open(options, CONNECTIONS).await?)))
}

/// The `plpgsql` handler on connections of its own.
///
/// # Errors
/// When a connection cannot be had.
pub async fn plpgsql(options: &PgConnectOptions) -> Result<Plpgsql> {
    Ok(Plpgsql::new(Arc::new(Connections::open(options, CONNECTIONS).await?)))
}
