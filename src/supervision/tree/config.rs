//! What the tree is made from.

use std::time::Duration;

use sqlx::PgPool;

use crate::actors::bills::BillsConfig;
use crate::actors::exports::ExportsConfig;
use crate::actors::housekeeping::{Backpressure, HousekeepingConfig};
use crate::actors::leadership::Holder;
use crate::actors::mailer::MailConfig;
use crate::actors::orders::OrdersConfig;
use crate::actors::outbox::OutboxConfig;
use crate::actors::saga::SagaConfig;
use crate::faults::Faults;
use crate::messaging::KafkaConfig;
use crate::resilience::health::Health;
use crate::store::Database;

/// What the tree is made from.
#[derive(Clone)]
pub struct TreeConfig {
    pub database: Database,
    /// Connections for reads.
    pub pool: PgPool,
    /// The name of this process on the lease.
    pub holder: Holder,
    /// How long a lease lasts.
    pub lease: Duration,
    /// How many batches may be written side by side.
    pub writers: usize,
    /// When a partition has this many rows, the next batch begins the next partition.
    pub partition_rows: i64,
    /// Records in one batch.
    pub batch_max: usize,
    /// The outcome of a batch without an answer for this long is unknown.
    pub answer_timeout: Duration,
    /// How many account actors there may be at the same time.
    pub active_accounts_max: usize,
    /// An account that was not used for this long is passivated.
    pub account_idle_after: Duration,
    /// The publisher and housekeeping; `None` only in tests that need neither.
    pub publishing: Option<Publishing>,
    /// `None` without a provider: sagas then wait.
    pub sagas: Option<SagaConfig>,
    /// `None`: nothing is taken in from Kafka, and no mails are sent.
    pub billing: Option<Billing>,
    /// `None`: no exports are made.
    pub exports: Option<ExportsConfig>,
    pub health: Health,
    pub faults: Faults,
}

/// What takes orders, customers and bills in from Kafka, and sends mails.
#[derive(Clone)]
pub struct Billing {
    pub kafka: KafkaConfig,
    /// `None`: no orders are billed.
    pub orders: Option<OrdersConfig>,
    /// `None`: no customers are registered, and no bills of shops are made.
    pub bills: Option<BillsConfig>,
    /// `None`: no mails are sent; they wait.
    pub mail: Option<MailConfig>,
    /// Connections of their own.
    pub pool: PgPool,
}

/// What takes events to Kafka and tends the outbox.
#[derive(Clone)]
pub struct Publishing {
    pub outbox: OutboxConfig,
    pub kafka: KafkaConfig,
    /// Connections of their own, with deadlines: see [`crate::store::outbox::bounded`].
    pub pool: PgPool,
    pub housekeeping: HousekeepingConfig,
    /// Set when too many events wait.
    pub backpressure: Backpressure,
}
