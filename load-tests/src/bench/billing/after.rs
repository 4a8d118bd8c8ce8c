//! What is asked of invoices once they are there: their pages, and the export of their day.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::Request;
use http::header::HOST;
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Serialize;
use sqlx::PgConnection;

use super::count;
use crate::bench::site::Site;
use crate::process::rss_peak_mb;
use crate::rest::lines::Lines;

/// Pages that are read, one after the other.
const PAGES: u32 = 5_000;
const PAGE_P99_MS_FLOOR: f64 = 3.0;
const EXPORT_MB_FLOOR: f64 = 200.0;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What was found.
#[derive(Debug, Serialize)]
pub struct After {
    page_p50_ms: f64,
    page_p99_ms: f64,
    page_p99_ms_floor: f64,
    exported: u64,
    export_s: f64,
    /// The peak of `florin export`'s memory over that of one of a day without invoices.
    export_mb_above_idle: f64,
    export_mb_floor: f64,
}

impl After {
    /// For people.
    pub fn told(&self) -> String {
        format!(
            "a page with its lines: p50 {:.2} ms, p99 {:.2} ms (floor {PAGE_P99_MS_FLOOR}); {} invoices exported in {:.1} s, {:.0} MB above idle (floor {EXPORT_MB_FLOOR})",
            self.page_p50_ms, self.page_p99_ms, self.exported, self.export_s, self.export_mb_above_idle
        )
    }
}

/// Reads pages of invoices all over the table; Florin runs.
///
/// # Errors
/// When a page cannot be read.
pub async fn pages(site: &Site, database: &mut PgConnection) -> Result<(f64, f64)> {
    let ids = "SELECT id FROM invoices WHERE status > 1 ORDER BY random() LIMIT $1";
    let ids: Vec<i64> = sqlx::query_scalar(ids).bind(i64::from(PAGES)).fetch_all(&mut *database).await?;
    let address = crate::address::rest(&site.rest_address)?;
    let authority = address.authority().context("the address names no host")?;
    let lines = Lines::open(authority, 1).await?;
    let mut took = Vec::with_capacity(ids.len());
    for id in ids {
        let request = Request::get(format!("/v1/invoices/{id}"))
            .header(HOST, authority.as_str())
            .header("x-client-id", "pages")
            .body(Full::new(Bytes::new()))?;
        let began = Instant::now();
        let answer = lines.ask(request).await?;
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
        ensure!(answer.status().is_success(), "invoice {id}: {}", answer.status());
    }
    took.sort_by(f64::total_cmp);
    let at = |permille: usize| took.get(took.len() * permille / 1_000).copied().unwrap_or_default();
    Ok((at(500), at(990)))
}

/// Moves all invoices to yesterday, which has ended, and exports that day.
///
/// # Errors
/// When it cannot be exported, or lacks an invoice.
pub async fn export(site: &Site, database: &mut PgConnection, (p50, p99): (f64, f64)) -> Result<After> {
    let moved = "SET session_replication_role = replica; UPDATE invoices SET issued_at = issued_at - interval '1 day'; RESET session_replication_role";
    sqlx::raw_sql(moved).execute(&mut *database).await?;
    let days = "SELECT (min(issued_at) AT TIME ZONE 'UTC')::date::text, ((min(issued_at) - interval '9 days') AT TIME ZONE 'UTC')::date::text FROM invoices";
    let (day, empty): (String, String) = sqlx::query_as(days).fetch_one(&mut *database).await?;
    let (_, idle, _) = one(site, &empty).await?;
    let (exported, peak, took) = one(site, &day).await?;
    Ok(After {
        page_p50_ms: p50,
        page_p99_ms: p99,
        page_p99_ms_floor: PAGE_P99_MS_FLOOR,
        exported,
        export_s: took.as_secs_f64(),
        export_mb_above_idle: peak - idle,
        export_mb_floor: EXPORT_MB_FLOOR,
    })
}

/// Invoices that were exported, the peak of memory in MB, and how long it took.
async fn one(site: &Site, day: &str) -> Result<(u64, f64, Duration)> {
    let began = Instant::now();
    let mut command = tokio::process::Command::from(site.tool(&["export", day]));
    let child = command.stdout(std::process::Stdio::piped()).kill_on_drop(true).spawn()?;
    let pid = child.id().context("it has ended")?;
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let mut peak = 0.0f64;
    let output = loop {
        tokio::select! {
            output = &mut ended => break output?,
            () = tokio::time::sleep(LOOK_EVERY) => peak = peak.max(rss_peak_mb(pid).unwrap_or_default()),
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "florin export failed: {said}");
    let rows = said.rsplit('(').next().and_then(|rest| rest.split(' ').next()).and_then(|rows| rows.parse().ok());
    let rows = rows.with_context(|| format!("florin export said {said:?}"))?;
    eprintln!("{day}: {:.0} invoices, peak {peak:.0} MB", count(rows));
    Ok((rows, peak, began.elapsed()))
}
