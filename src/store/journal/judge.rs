//! What is read when a batch was refused: what is left of holds and payments.

use hashbrown::HashMap;
use sqlx::FromRow;
use uuid::Uuid;

use super::WriterSession;
use crate::protocol::record::TransactionId;
use crate::store::numeric::Numeric;
use crate::store::{StoreError, within};

/// What was taken from holds and given back of payments so far, in minor units.
#[derive(Debug, Default)]
pub struct TakenFrom {
    /// What is left of each hold.
    pub holds: HashMap<TransactionId, i128>,
    /// What was given back of each payment; a payment without an entry: nothing.
    pub given: HashMap<TransactionId, i128>,
}

#[derive(FromRow)]
struct Amount {
    id: Uuid,
    #[sqlx(try_from = "Numeric")]
    units: i128,
}

impl WriterSession {
    /// What is left of these holds, and what was given back of these payments.
    ///
    /// # Errors
    /// Any failure of the statements.
    pub async fn taken(
        &mut self,
        holds: &[TransactionId],
        payments: &[TransactionId],
    ) -> Result<TakenFrom, StoreError> {
        let holds = self
            .amounts("SELECT id, amount - captured - voided AS units FROM holds WHERE id = ANY ($1)", holds)
            .await?;
        let given = self
            .amounts("SELECT payment AS id, given AS units FROM refunded WHERE payment = ANY ($1)", payments)
            .await?;
        Ok(TakenFrom { holds, given })
    }

    async fn amounts(
        &mut self,
        sql: &'static str,
        ids: &[TransactionId],
    ) -> Result<HashMap<TransactionId, i128>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let query = sqlx::query_as::<_, Amount>(sql).bind(ids).fetch_all(&mut self.connection);
        let rows = within(self.answer_timeout, query).await?;
        Ok(rows.into_iter().map(|row| (TransactionId(row.id), row.units)).collect())
    }
}
