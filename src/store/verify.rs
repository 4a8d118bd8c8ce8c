//! Reads the whole ledger in one snapshot and checks invariants 1, 2 and 4, from the tables alone.
//!
//! It relies on no actor and no index, changes nothing, and may run beside a serving node. Each step gives its table
//! locks back at once, so that housekeeping waits for one step at most. PostgreSQL builds the sums, which spill to disk
//! beyond `work_mem`; at most [`FINDINGS_MAX`] rows per check are read from it.

mod report;
mod steps;

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use sqlx::{PgPool, Postgres, Transaction};

use super::StoreError;
use super::numeric::Numeric;
use super::statement::statement;
use crate::protocol::record::Kind;
pub use report::{Checked, CurrencyTotals, Figures, Finding, Report};
use steps::{STEPS, Step};

/// Findings returned per check; all are counted.
pub const FINDINGS_MAX: u32 = 20;

/// The shortest time between two uses of a key that is no error. A key may be used again once it is forgotten: the
/// shortest retention is 24 hours, less what a command may wait.
pub const KEY_GAP: Duration = Duration::from_secs(24 * 3600 - 300);

/// Ten million postings sort within minutes; the deadline is for what would run for ever. The journal as a whole has no
/// statistics, so the planner's guesses may be far off: rows are never looked up one by one. Plans know the numbers that
/// are bound, as if they stood in the text.
const SESSION: &str = "SET LOCAL statement_timeout = '2h'; SET LOCAL idle_in_transaction_session_timeout = '60s'; \
     SET LOCAL work_mem = '64MB'; SET LOCAL jit = off; SET LOCAL enable_seqscan = on; SET LOCAL enable_nestloop = off; \
     SET LOCAL plan_cache_mode = force_custom_plan; SELECT pg_current_snapshot()";

/// Around a step's statement: `$1` are the kinds without postings, `$2` is the shortest gap between two uses of a key,
/// `$3` how many findings of a check are returned.
const FINDINGS: &str = include_str!("verify/sql/findings.sql");
const FIGURES: &str = include_str!("verify/sql/figures.sql");
const CURRENCY_FIGURES: &str = include_str!("verify/sql/currency_figures.sql");

/// Reads the whole ledger. `progress` is called as each step begins: with its name, its number from 0, and how many
/// steps there are.
///
/// # Errors
/// Any failure of the statements. A disagreement is no error but a finding.
pub async fn verify(pool: &PgPool, progress: impl FnMut(&str, usize, usize)) -> Result<Report, StoreError> {
    verify_with(pool, KEY_GAP, progress).await
}

/// As [`verify`], for a ledger that keeps keys for less than a day: uses of a key closer than `key_gap` are a finding.
///
/// # Errors
/// Any failure of the statements.
pub async fn verify_with(
    pool: &PgPool,
    key_gap: Duration,
    mut progress: impl FnMut(&str, usize, usize),
) -> Result<Report, StoreError> {
    let of = STEPS.len() + 1;
    let mut snapshot = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    sqlx::raw_sql(SESSION).execute(&mut *snapshot).await?; // its last statement takes the snapshot
    progress("figures", 0, of);
    let figures = figures(&mut snapshot).await?;
    let mut report = Report { figures, checks: Vec::new(), findings: Vec::new() };
    for (n, step) in STEPS.iter().enumerate() {
        progress(step.name, n + 1, of);
        run(&mut snapshot, step, key_gap, &mut report).await?;
    }
    snapshot.rollback().await?;
    Ok(report)
}

/// Runs a step between two savepoints: rolling back to the first gives the table locks back and keeps the snapshot.
async fn run(
    snapshot: &mut Transaction<'_, Postgres>,
    step: &Step,
    key_gap: Duration,
    report: &mut Report,
) -> Result<(), StoreError> {
    let (sql, numbers) = statement(&FINDINGS.replace("{bad}", step.bad), 3);
    let key_gap =
        PgInterval { months: 0, days: 0, microseconds: i64::try_from(key_gap.as_micros()).unwrap_or(i64::MAX) };
    let query = sqlx::query_as::<_, (String, String, String, String, i64)>(sql)
        .bind(Kind::WITHOUT_POSTINGS.map(Kind::code).to_vec())
        .bind(key_gap)
        .bind(i64::from(FINDINGS_MAX));
    let query = numbers.into_iter().fold(query, |query, number| query.bind(number));
    sqlx::raw_sql("SAVEPOINT step").execute(&mut **snapshot).await?;
    let rows = query.fetch_all(&mut **snapshot).await?;
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT step").execute(&mut **snapshot).await?;
    for check in step.checks {
        let total = rows.iter().find(|row| row.0 == *check).map_or(0, |row| row.4);
        report.checks.push(Checked { check, findings_total: u64::try_from(total).unwrap_or_default() });
    }
    for (broken, what, expected, found, _) in rows {
        let check = step.checks.iter().find(|check| **check == broken);
        let check = check
            .ok_or_else(|| StoreError::Unreadable(format!("step {} names an unlisted check {broken}", step.name)))?;
        report.findings.push(Finding { check, what, expected, found });
    }
    Ok(())
}

async fn figures(snapshot: &mut Transaction<'_, Postgres>) -> Result<Figures, StoreError> {
    sqlx::raw_sql("SAVEPOINT step").execute(&mut **snapshot).await?;
    let (sql, numbers) = statement(FIGURES, 0);
    let counts = numbers.into_iter().fold(sqlx::query_as(sql), |query, number| query.bind(number));
    let counts: (i64, i64, i64, i64, i64, i64, i64, i64, i64) = counts.fetch_one(&mut **snapshot).await?;
    let currencies: Vec<(String, i16, i64, Numeric, Numeric)> =
        sqlx::query_as(CURRENCY_FIGURES).fetch_all(&mut **snapshot).await?;
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT step").execute(&mut **snapshot).await?;
    let many = |n: i64| u64::try_from(n).unwrap_or_default();
    let totals =
        |(currency, exponent, accounts, debits, credits): (String, i16, i64, Numeric, Numeric)| CurrencyTotals {
            currency,
            exponent: u8::try_from(exponent).unwrap_or_default(),
            accounts: many(accounts),
            debits: debits.0,
            credits: credits.0,
        };
    Ok(Figures {
        accounts: many(counts.0),
        transactions: many(counts.1),
        declined: many(counts.2),
        postings: many(counts.3),
        keys: many(counts.4),
        keys_retired: many(counts.5),
        events: many(counts.6),
        dead_letters: many(counts.7),
        sagas_stuck: many(counts.8),
        currencies: currencies.into_iter().map(totals).collect(),
    })
}
