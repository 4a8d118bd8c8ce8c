//! What takes the journal weeks: the next partition, and keys that are forgotten.

use super::{TestDatabase, until};

impl TestDatabase {
    /// The next batch begins the next partition of the journal. No Florin may run: one that does would find a journal
    /// that is not its own.
    pub async fn leave_partition(&self) {
        sqlx::query("SELECT journal_grow(2)").execute(&self.pool).await.unwrap();
        let left = sqlx::query("UPDATE writers SET batch = (((batch >> 24) + 1) << 24) - 1")
            .execute(&self.pool)
            .await
            .unwrap();
        assert_eq!(left.rows_affected(), 1, "nobody has written yet");
    }

    /// Partitions that are closed look as if an hour had passed, after which their keys may be forgotten.
    pub async fn age_partitions(&self) {
        let age = "UPDATE journal_partitions SET closed_at = closed_at - interval '1 hour' WHERE keys AND closed_at IS NOT NULL";
        sqlx::query(age).execute(&self.pool).await.unwrap();
    }

    /// Forgets the keys of all partitions that are closed.
    pub async fn forget_keys(&self) {
        self.age_partitions().await;
        until("all keys that can be are forgotten", || async {
            let forget = sqlx::query_scalar::<_, Option<i64>>("SELECT journal_forget_keys('1 hour')");
            match forget.fetch_one(&self.pool).await {
                Ok(forgotten) => forgotten.is_none(),
                Err(error) => {
                    // It gives up while somebody reads.
                    assert_eq!(
                        error.as_database_error().and_then(|error| error.code()).as_deref(),
                        Some("55P03"),
                        "{error}"
                    );
                    false
                }
            }
        })
        .await;
    }
}
