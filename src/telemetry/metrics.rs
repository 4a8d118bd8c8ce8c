//! Every metric in one table, and the process's one recorder.
//!
//! Names without a prefix are those that the dashboards of payment.v1 use; others start with `florin_`.

use std::sync::{Mutex, OnceLock, PoisonError};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Counter,
    Gauge,
    /// Counts values by bucket.
    Histogram,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub shape: Shape,
    pub labels: &'static [&'static str],
    /// The upper bounds of a histogram's buckets, in `unit`; else empty.
    pub buckets: &'static [f64],
    pub unit: Unit,
    /// One line for people.
    pub help: &'static str,
}

macro_rules! metrics_table {
    ($($(#[$doc:meta])* $constant:ident = $shape:ident $name:literal [$($label:literal),*] $buckets:expr, $unit:ident, $help:literal;)*) => {
        $(#[doc = concat!("`", $name, "`: ", $help, ".")] pub const $constant: &str = $name;)*
        /// Every metric there is.
        pub const TABLE: &[Metric] = &[$(
            Metric { name: $name, shape: Shape::$shape, labels: &[$($label),*], buckets: $buckets, unit: Unit::$unit, help: $help },
        )*];
    };
}

const REQUEST_SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
const COMMIT_SECONDS: &[f64] = &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
const BATCH_RECORDS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];
const NONE: &[f64] = &[];

metrics_table! {
    PAYMENT_REQUESTS = Counter "payment_requests_total" ["status", "error_code"] NONE, Count, "payments by how they ended";
    PAYMENT_DURATION = Histogram "payment_duration_seconds" [] REQUEST_SECONDS, Seconds, "time from a payment's arrival to its answer";
    GRPC_REQUESTS = Counter "grpc_requests_total" ["method", "status_code"] NONE, Count, "gRPC calls by method and status code";
    GRPC_DURATION = Histogram "grpc_request_duration_seconds" ["method", "status_code"] REQUEST_SECONDS, Seconds, "time that gRPC calls took";
    RATE_LIMIT_EXCEEDED = Counter "rate_limit_exceeded_total" ["identifier_type"] NONE, Count, "calls over the limit, by what named the client";
    OUTBOX_PUBLISHED = Counter "outbox_events_published_total" ["event_type"] NONE, Count, "events published to Kafka";
    OUTBOX_FAILED = Counter "outbox_events_failed_total" ["event_type"] NONE, Count, "events that became dead letters";
    OUTBOX_PENDING = Gauge "outbox_pending_events" [] NONE, Count, "events that wait for Kafka";
    REDIS_CONNECTIONS = Gauge "redis_connections_active" [] NONE, Count, "connections to Redis";
    DB_CONNECTIONS = Gauge "db_connections_active" [] NONE, Count, "connections to PostgreSQL that are in use: of the pools, the journal and the lease";
    JOURNAL_BATCH_SIZE = Histogram "florin_journal_batch_size" [] BATCH_RECORDS, Count, "records in a committed batch";
    JOURNAL_COMMIT = Histogram "florin_journal_commit_seconds" [] COMMIT_SECONDS, Seconds, "time that the commit of a batch took";
    JOURNAL_QUEUE = Gauge "florin_journal_queue_depth" [] NONE, Count, "records that wait for a batch or are in one";
    JOURNAL_SPLITS = Counter "florin_journal_splits_total" [] NONE, Count, "batches split to find a guilty record";
    JOURNAL_UNKNOWN = Counter "florin_journal_unknown_total" [] NONE, Count, "batches whose outcome had to be looked up";
    FOLD = Histogram "florin_fold_seconds" [] COMMIT_SECONDS, Seconds, "time that folding a part of the journal into balances took";
    QUARANTINED = Gauge "florin_quarantined_accounts" [] NONE, Count, "accounts about which memory and the database disagreed, and that take no movements";
    ACTIVE_ACCOUNTS = Gauge "florin_active_accounts" [] NONE, Count, "account actors in memory";
    ACTOR_RESTARTS = Counter "florin_actor_restarts_total" ["actor"] NONE, Count, "restarts by actor";
    OUTBOX_LAG_EVENTS = Gauge "florin_outbox_lag_events" [] NONE, Count, "events between the position and the newest one";
    OUTBOX_LAG_SECONDS = Gauge "florin_outbox_lag_seconds" [] NONE, Seconds, "age of the oldest event that waits";
    OUTBOX_TRANSACTIONS = Counter "florin_outbox_transactions_total" [] NONE, Count, "Kafka transactions that were committed";
    OUTBOX_PUBLISH = Histogram "florin_outbox_publish_seconds" [] COMMIT_SECONDS, Seconds, "time that a Kafka transaction took";
    LIMITER_DECISIONS = Counter "florin_limiter_decisions_total" ["mode", "decision"] NONE, Count, "decisions of the rate limit, by where they were made";
    LIMITER_REDIS = Histogram "florin_limiter_redis_seconds" [] COMMIT_SECONDS, Seconds, "time that calls of the rate limit to Redis took";
    SHED_REQUESTS = Counter "florin_shed_requests_total" ["reason"] NONE, Count, "calls refused to protect the node";
    EPOCH = Gauge "florin_epoch" [] NONE, Count, "epoch under which this process writes; 0 on a standby";
    IN_FLIGHT = Gauge "florin_in_flight" [] NONE, Count, "commands at work";
    CONNECTIONS = Gauge "florin_grpc_connections" [] NONE, Count, "open gRPC connections";
    HTTP_CONNECTIONS = Gauge "florin_http_connections" [] NONE, Count, "open REST connections";
    HTTP_REQUESTS = Counter "florin_http_requests_total" ["route", "status"] NONE, Count, "REST calls by route and status code";
    HTTP_DURATION = Histogram "florin_http_request_duration_seconds" ["route", "status"] REQUEST_SECONDS, Seconds, "time that REST calls took";
    RECEIVED = Counter "florin_received_total" ["topic", "fate"] NONE, Count, "messages taken in from Kafka by what became of them";
    MAILS = Counter "florin_mails_total" ["outcome"] NONE, Count, "attempts to send a mail by what became of them";
    RECEIVED_POLL = Histogram "florin_received_poll_seconds" ["topic"] COMMIT_SECONDS, Seconds, "time that handling the messages of one poll took";
    DEAD_LETTERS = Gauge "florin_dead_letters" [] NONE, Count, "dead letters that were not replayed";
    SAGAS = Counter "florin_sagas_total" ["workflow", "outcome"] NONE, Count, "movements through the provider that came to an end or are stuck";
    SAGAS_STUCK = Gauge "florin_sagas_stuck" [] NONE, Count, "movements through the provider that wait for an operator";
    SAGAS_RUNNING = Gauge "florin_sagas_running" [] NONE, Count, "movements through the provider at which something is being done";
    HOLDS_EXPIRED = Counter "florin_holds_expired_total" [] NONE, Count, "holds let go because their time was over";
    AUTH_REFUSED = Counter "florin_auth_refused_total" ["reason"] NONE, Count, "calls refused by authentication";
    BUILD_INFO = Gauge "florin_build_info" ["version"] NONE, Count, "1, with the version as a label";
}

/// Installs the recorder at the first call; every later call returns the same one. Runtimes in one process share it.
///
/// # Errors
/// When the process has another library's recorder.
pub fn install() -> Result<PrometheusHandle, String> {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = INSTALLED.get() {
        return Ok(handle.clone());
    }
    let recorder = builder().map_err(|e| e.to_string())?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| "the process has a metrics recorder already".to_owned())?;
    describe();
    metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(INSTALLED.get_or_init(|| handle).clone())
}

fn builder() -> Result<PrometheusBuilder, metrics_exporter_prometheus::BuildError> {
    TABLE
        .iter()
        .filter(|metric| metric.shape == Shape::Histogram)
        .try_fold(PrometheusBuilder::new(), |builder, metric| {
            builder.set_buckets_for_metric(Matcher::Full(metric.name.into()), metric.buckets)
        })
}

fn describe() {
    for metric in TABLE {
        match metric.shape {
            Shape::Counter => describe_counter!(metric.name, metric.unit, metric.help),
            Shape::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
            Shape::Histogram => describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
    // Those without labels show from the start, so that a dashboard tells "none" from "no such metric".
    for metric in TABLE.iter().filter(|metric| metric.labels.is_empty()) {
        match metric.shape {
            Shape::Counter => metrics::counter!(metric.name).absolute(0),
            Shape::Gauge => metrics::gauge!(metric.name).set(0.0),
            Shape::Histogram => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gauge's series stays with its last value for ever: a label whose values come and go would tell of what is no
    /// more. Fails when such a gauge is added; what is listed has one value for the life of the process.
    #[test]
    fn no_gauge_has_a_label_whose_values_come_and_go() {
        let labelled = TABLE.iter().filter(|metric| metric.shape == Shape::Gauge && !metric.labels.is_empty());
        assert_eq!(labelled.map(|metric| metric.name).collect::<Vec<_>>(), [BUILD_INFO]);
    }

    #[test]
    fn names_are_unique_and_follow_their_shape() {
        let mut names: Vec<_> = TABLE.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        for metric in TABLE {
            assert_eq!(metric.shape == Shape::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert_eq!(metric.shape == Shape::Histogram, !metric.buckets.is_empty(), "{}", metric.name);
            assert!(metric.buckets.is_sorted(), "{}", metric.name);
        }
    }
}
