//! One SQL transaction per payment: key, both accounts locked in order, the check, the writes, COMMIT. Every statement
//! is prepared once per connection.

use std::sync::Arc;

use sqlx::{Executor, PgConnection, Row};

use super::{Answer, Command, Connections, Handler};

/// The handler.
pub struct Sql {
    connections: Arc<Connections>,
}

const KEY: &str = "INSERT INTO keys (key, payment, request, status) VALUES ($1, $2, $3, 1) ON CONFLICT DO NOTHING";
const LOCK: &str =
    "SELECT id, name, credits - debits, floor, status FROM accounts WHERE name IN ($1, $2) ORDER BY id FOR UPDATE";
const BALANCES: &str = "UPDATE accounts SET debits = debits + CASE WHEN id = $1 THEN $3 ELSE 0 END, credits = credits + CASE WHEN id = $2 THEN $3 ELSE 0 END, \
     version = version + 1 WHERE id IN ($1, $2)";
const PAYMENT: &str = "INSERT INTO payments (id, tenant, api, kind, status, request, key, created_at) VALUES ($1, 'default', 1, 1, 1, $2, $3, $4)";
const ENTRIES: &str = "INSERT INTO entries (payment, debit_account, credit_account, amount, debit_balance_after, credit_balance_after, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const OUTBOX: &str = "INSERT INTO outbox (event, aggregate, body, created_at) VALUES (1, $1, $2, $3)";

impl Sql {
    /// On these connections.
    #[must_use]
    pub fn new(connections: Arc<Connections>) -> Self {
        Self { connections }
    }
}

impl Handler for Sql {
    async fn handle(&self, command: &Command<'_>) -> Result<Answer, sqlx::Error> {
        let mut connection = self.connections.take().await?;
        connection.execute("BEGIN").await?;
        let answer = write(&mut connection, command).await?;
        connection.execute(if answer == Answer::Paid { "COMMIT" } else { "ROLLBACK" }).await?;
        connection.sound();
        Ok(answer)
    }
}

struct Account {
    id: i64,
    balance: i64,
    floor: i64,
    status: i16,
}

async fn write(connection: &mut PgConnection, command: &Command<'_>) -> Result<Answer, sqlx::Error> {
    let key =
        sqlx::query(KEY).bind(command.key).bind(command.id).bind(command.request).execute(&mut *connection).await?;
    if key.rows_affected() == 0 {
        return Ok(Answer::Duplicate);
    }
    let (mut payer, mut payee) = (None, None);
    for row in sqlx::query(LOCK).bind(command.payer).bind(command.payee).fetch_all(&mut *connection).await? {
        let account =
            Account { id: row.try_get(0)?, balance: row.try_get(2)?, floor: row.try_get(3)?, status: row.try_get(4)? };
        if row.try_get::<&str, _>(1)? == command.payer { payer = Some(account) } else { payee = Some(account) }
    }
    let (Some(payer), Some(payee)) = (payer, payee) else { return Ok(Answer::Declined) };
    if payer.status != 1 || payee.status != 1 || payer.balance - command.cents < payer.floor {
        return Ok(Answer::Declined);
    }
    sqlx::query(BALANCES).bind(payer.id).bind(payee.id).bind(command.cents).execute(&mut *connection).await?;
    sqlx::query(PAYMENT)
        .bind(command.id)
        .bind(command.request)
        .bind(command.key_text)
        .bind(command.at)
        .execute(&mut *connection)
        .await?;
    sqlx::query(ENTRIES)
        .bind(command.id)
        .bind(payer.id)
        .bind(payee.id)
        .bind(command.cents)
        .bind(payer.balance - command.cents)
        .bind(payee.balance + command.cents)
        .bind(command.at)
        .execute(&mut *connection)
        .await?;
    sqlx::query(OUTBOX).bind(&command.aggregate).bind(&command.body).bind(command.at).execute(&mut *connection).await?;
    Ok(Answer::Paid)
}
