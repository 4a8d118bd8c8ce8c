//! Compares what is written of a transaction with itself and with the rows around it: number, accounts and currencies
//! of its postings, the balances after them with the chain, its key, and what it did to holds and payments. Whether its
//! event should have been written cannot be told: seeds have none.

use sqlx::postgres::PgConnection;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::{Audited, Counted, PATIENCE, Reconciled, followed};
use crate::protocol::record::{Kind, TransactionId};
use crate::store::StoreError;
use crate::store::statement::statement;

/// What is wrong with a transaction, and how the accounts that it touches compare.
#[derive(Clone, Debug)]
pub struct ReconciledTransaction {
    /// In words; empty: all agrees.
    pub issues: Vec<String>,
    /// The accounts that its rows are about.
    pub accounts: Vec<Reconciled>,
}

const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Which transactions to compare.
#[derive(Clone, Copy)]
enum Which {
    /// This one. Its rows, those before them and those that follow it are looked up.
    One(TransactionId),
    /// All of the tenant, of which at most so many are returned. The whole journal is read.
    All(i64),
}

/// The statement with the rows that it compares put in: those of transaction `$4`, or the whole journal.
fn sql(which: Which) -> String {
    let (rows, before, following) = match which {
        Which::One(_) => (
            "(SELECT * FROM journal_transactions((SELECT array_agg(p.seq) FROM journal_places(ARRAY[$4]) p)) \
               WHERE id = $4)",
            "journal_at((SELECT array_agg(prev) FROM sides WHERE prev > 0))",
            "journal_transactions((SELECT array_agg(f.seq) FROM journal f WHERE f.follows = $4))",
        ),
        Which::All(_) => ("journal", "journal", "journal"),
    };
    let text = include_str!("sql/issues.sql");
    text.replace("{rows}", rows).replace("{before}", before).replace("{following}", following)
}

/// A transaction that disagrees.
#[derive(Clone, Debug, FromRow)]
pub struct Mismatch {
    pub id: Uuid,
    /// In words.
    pub issues: Vec<String>,
}

/// Transactions of a tenant and what is wrong with each.
async fn issues(
    connection: &mut PgConnection,
    tenant: &str,
    which: Which,
) -> Result<Vec<Counted<Mismatch>>, StoreError> {
    let (id, count) = match which {
        Which::One(id) => (Some(id.0), None),
        Which::All(count) => (None, Some(count)),
    };
    let without_postings = Kind::WITHOUT_POSTINGS.map(Kind::code).to_vec();
    let (sql, numbers) = statement(&sql(which), 4);
    let query = sqlx::query_as(sql).bind(tenant).bind(without_postings).bind(count).bind(id);
    let query = numbers.into_iter().fold(query, |query, number| query.bind(number));
    Ok(query.fetch_all(connection).await?)
}

/// Compares one transaction of a tenant; `None`: there is none. Amounts in the issues are in minor units.
///
/// # Errors
/// Any failure of the statements.
pub async fn reconcile_transaction(
    pool: &PgPool,
    tenant: &str,
    id: TransactionId,
) -> Result<Option<ReconciledTransaction>, StoreError> {
    let mut transaction = pool.begin_with(SNAPSHOT).await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let (there, numbers) = statement(include_str!("sql/is_there.sql"), 2);
    let there = sqlx::query_scalar(there).bind(tenant).bind(id.0);
    let there = numbers.into_iter().fold(there, |query, number| query.bind(number));
    let there: bool = there.fetch_one(&mut *transaction).await?;
    if !there {
        return Ok(None);
    }
    let found = issues(&mut transaction, tenant, Which::One(id)).await?;
    let touched = include_str!("sql/touched.sql");
    let names: Vec<String> = sqlx::query_scalar(touched).bind(id.0).fetch_all(&mut *transaction).await?;
    let (mut accounts, mut issues) =
        (Vec::with_capacity(names.len()), found.into_iter().next().map(|one| one.row.issues).unwrap_or_default());
    for name in names {
        match followed(&mut transaction, tenant, &name).await? {
            Some(account) => accounts.push(account),
            None => issues.push(format!(
                "the rows of account {name} cannot be followed to the first: one of its chain is missing"
            )),
        }
    }
    transaction.rollback().await?;
    Ok(Some(ReconciledTransaction { issues, accounts }))
}

/// Compares all transactions of a tenant, and returns at most `count` of those with issues.
///
/// # Errors
/// Any failure of the statements.
pub async fn reconcile_transactions(pool: &PgPool, tenant: &str, count: i64) -> Result<Audited<Mismatch>, StoreError> {
    let mut transaction = pool.begin_with(SNAPSHOT).await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *transaction).await?;
    let total = sqlx::query_scalar("SELECT count(*) FROM transactions WHERE tenant = $1")
        .bind(tenant)
        .fetch_one(&mut *transaction)
        .await?;
    let wrong = issues(&mut transaction, tenant, Which::All(count)).await?;
    transaction.rollback().await?;
    Ok(Audited::of(total, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::statement::tests::knows_all_names;

    #[test]
    fn every_name_stands_for_something() {
        for which in [Which::One(TransactionId(Uuid::nil())), Which::All(1)] {
            knows_all_names(&sql(which));
        }
    }
}
