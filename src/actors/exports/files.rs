//! The files of a day, made page by page.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Timelike as _, Utc};
use futures::stream;
use sqlx::PgPool;

use super::ExportError;
use crate::documents::csv::{Cell, Rows};
use crate::documents::storage::Storage;
use crate::money::decimal_text;
use crate::store::StoreError;
use crate::store::billing::exports::{self, EntryLine, ExportKind, ExportRow, InvoiceLine};

/// Rows that are read at once.
const PAGE: i64 = 5_000;
const INVOICES: [&str; 7] = ["id", "order_id", "currency", "subtotal", "tax", "total", "created_at"];
const ENTRIES: [&str; 6] = ["transaction_id", "account_dr", "account_cr", "amount", "currency", "created_at"];

/// Where a file's next page begins.
struct Pages {
    rows: Rows,
    kind: ExportKind,
    tenant: String,
    day: NaiveDate,
    pool: PgPool,
    /// For invoices the next id and the last; for entries the place before the next, and the last.
    span: (i64, i64),
    /// Rows so far.
    count: Arc<AtomicI64>,
    is_over: bool,
}

/// Writes the file of a day.
pub(super) async fn write(
    storage: &Storage,
    pool: &PgPool,
    tenant: &str,
    day: NaiveDate,
    kind: ExportKind,
) -> Result<ExportRow, ExportError> {
    let (name, header, span) = match kind {
        ExportKind::Invoices => ("invoices", &INVOICES[..], exports::invoice_ids(pool, tenant, day).await?),
        ExportKind::LedgerEntries => ("ledger_entries", &ENTRIES[..], exports::places(pool, day).await?),
    };
    let count = Arc::new(AtomicI64::new(0));
    let pages = Pages {
        rows: Rows::new(header),
        kind,
        tenant: tenant.to_owned(),
        day,
        pool: pool.clone(),
        span,
        count: count.clone(),
        is_over: false,
    };
    let chunks = stream::try_unfold(pages, |mut pages| async move {
        if pages.is_over {
            return Ok::<_, StoreError>(None);
        }
        let chunk = pages.next().await?;
        Ok(Some((chunk, pages)))
    });
    let stored = storage.put_once(&format!("{name}_{day}.csv"), "text/csv", chunks).await?;
    Ok(ExportRow { url: stored.url, rows: count.load(Ordering::Relaxed) })
}

impl Pages {
    /// The next page; the first begins with the header.
    async fn next(&mut self) -> Result<Bytes, StoreError> {
        let rows = match self.kind {
            ExportKind::Invoices => {
                let page = exports::invoices(&self.pool, &self.tenant, self.day, self.span, PAGE).await?;
                self.is_over = i64::try_from(page.len()).is_ok_and(|rows| rows < PAGE);
                self.span.0 = page.last().map_or(self.span.1, |last| last.id) + 1;
                page.iter().for_each(|line| self.invoice(line));
                page.len()
            }
            ExportKind::LedgerEntries => {
                let (page, last) = exports::entries(&self.pool, &self.tenant, self.day, self.span, PAGE).await?;
                self.is_over = last.is_none_or(|last| last >= self.span.1);
                self.span.0 = last.unwrap_or(self.span.1);
                page.iter().for_each(|line| self.entry(line));
                page.len()
            }
        };
        self.count.fetch_add(i64::try_from(rows).unwrap_or(i64::MAX), Ordering::Relaxed);
        Ok(self.rows.take())
    }

    fn invoice(&mut self, line: &InvoiceLine) {
        let amount = |units| two_decimals(decimal_text(units, line.exponent));
        let (id, created_at) = (line.id.to_string(), time(line.issued_at));
        let [subtotal, tax, total] = [line.subtotal, line.tax, line.total].map(amount);
        let order_id = line.source.as_deref().unwrap_or_default();
        let cells = [
            Cell::Plain(&id),
            Cell::Text(order_id),
            Cell::Plain(&line.currency),
            Cell::Plain(&subtotal),
            Cell::Plain(&tax),
            Cell::Plain(&total),
            Cell::Plain(&created_at),
        ];
        self.push(&cells);
    }

    fn entry(&mut self, line: &EntryLine) {
        let (id, created_at) = (line.transaction.to_string(), time(line.created_at));
        let amount = two_decimals(decimal_text(line.amount, line.exponent));
        let cells = [
            Cell::Plain(&id),
            Cell::Text(&line.debit),
            Cell::Text(&line.credit),
            Cell::Plain(&amount),
            Cell::Plain(&line.currency),
            Cell::Plain(&created_at),
        ];
        self.push(&cells);
    }

    fn push(&mut self, cells: &[Cell<'_>]) {
        self.rows.push(cells).expect("a row has the columns of its header");
    }
}

/// With two decimals at least, as the contract has it; a currency with more keeps them.
fn two_decimals(text: String) -> String {
    match text.split_once('.') {
        None => text + ".00",
        Some((_, decimals)) if decimals.len() < 2 => text + "0",
        Some(_) => text,
    }
}

/// As the contract has it: a blank, no fraction when it is zero.
fn time(at: DateTime<Utc>) -> String {
    let form = if at.nanosecond() / 1_000 == 0 { "%Y-%m-%d %H:%M:%S+00:00" } else { "%Y-%m-%d %H:%M:%S%.6f+00:00" };
    at.format(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_times_are_written_as_the_contract_has_them() {
        for (text, shown) in [("100", "100.00"), ("1.5", "1.50"), ("118.00", "118.00"), ("1.234", "1.234")] {
            assert_eq!(two_decimals(text.to_owned()), shown);
        }
        for (at, shown) in [
            ("2026-11-20T02:09:34.076259Z", "2026-11-20 02:09:34.076259+00:00"),
            ("2026-11-20T02:09:34.5Z", "2026-11-20 02:09:34.500000+00:00"),
            ("2026-11-20T02:09:34Z", "2026-11-20 02:09:34+00:00"),
        ] {
            assert_eq!(time(at.parse().unwrap()), shown);
        }
    }
}
