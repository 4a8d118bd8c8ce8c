//! One function call per payment: one round trip, everything else inside PostgreSQL.

use std::sync::Arc;

use super::{Answer, Command, Connections, Handler};

/// The handler.
pub struct Plpgsql {
    connections: Arc<Connections>,
}

impl Plpgsql {
    /// On these connections.
    #[must_use]
    pub fn new(connections: Arc<Connections>) -> Self {
        Self { connections }
    }
}

impl Handler for Plpgsql {
    async fn handle(&self, command: &Command<'_>) -> Result<Answer, sqlx::Error> {
        let mut connection = self.connections.take().await?;
        let answer: i16 = sqlx::query_scalar("SELECT pay($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(command.key)
            .bind(command.request)
            .bind(command.id)
            .bind(command.key_text)
            .bind(command.payer)
            .bind(command.payee)
            .bind(command.cents)
            .bind(&command.aggregate)
            .bind(&command.body)
            .bind(command.at)
            .fetch_one(&mut *connection)
            .await?;
        connection.sound();
        Ok(match answer {
            1 => Answer::Paid,
            3 => Answer::Duplicate,
            _ => Answer::Declined,
        })
    }
}
