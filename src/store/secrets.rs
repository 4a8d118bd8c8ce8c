//! What only processes on this database know: the same for all of them, for ever.

use sqlx::PgPool;

use super::{StoreError, limited};

/// The key that page tokens are sealed with.
///
/// # Errors
/// Any failure of the statement; `Lost`: there is no such secret.
pub async fn page_tokens(pool: &PgPool) -> Result<[u8; 32], StoreError> {
    named(pool, "page tokens").await
}

/// The key that the MACs of API keys are made with.
///
/// # Errors
/// Any failure of the statement; `Lost`: there is no such secret.
pub async fn api_keys(pool: &PgPool) -> Result<[u8; 32], StoreError> {
    named(pool, "API keys").await
}

async fn named(pool: &PgPool, name: &str) -> Result<[u8; 32], StoreError> {
    let query = sqlx::query_scalar::<_, Vec<u8>>("SELECT secret FROM secrets WHERE name = $1").bind(name);
    let secret = limited(async { Ok(query.fetch_one(pool).await?) }).await?;
    secret.try_into().map_err(|_| StoreError::Lost(format!("the secret of {name} is not of 32 bytes")))
}
