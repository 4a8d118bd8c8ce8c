//! Bills the orders that come from Kafka: each becomes one invoice, however often it is delivered.
//!
//! An order's transaction id is made from its event id, so one that comes again is found billed. What cannot be billed
//! for want of an exchange rate is parked, and tried again about once a second.

mod biller;
mod exchange;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::PgPool;

use self::biller::Biller;
use super::accounts::Registry;
use super::intake::{Desk, Fate, Incoming, Later, Letters, Place};
use super::issue::Issuer;
use super::journal::Journal;
use crate::messaging::consumer::Bounds;
use crate::money::Currencies;
use crate::protocol::admission::InFlight;
use crate::resilience::health::Part;
use crate::store::billing::orders;

/// How much one poll reads.
const POLL: Bounds = Bounds {
    messages_max: 1_000,
    bytes_max: 16 << 20,
    wait: Duration::from_millis(500),
    linger: Duration::from_millis(10),
};
/// Parked orders that are tried again together.
const PARKED_MAX: i64 = 500;

/// What billing of orders is set to.
#[derive(Clone)]
pub struct OrdersConfig {
    pub tenant: Arc<str>,
    /// The legal entity that bills.
    pub entity: String,
    /// Tax where no rate is set for region and category.
    pub tax_percent: u32,
    pub currencies: Currencies,
    /// How old an exchange rate may be at the time of an order.
    pub rate_age_max: Duration,
    pub pool: PgPool,
}

/// Bills orders.
pub struct Orders {
    config: OrdersConfig,
    registry: Registry,
    journal: Journal,
    places: InFlight,
    /// The last parked order that was tried again: the next look goes on behind it, so that none that goes on waiting
    /// keeps others from their turn.
    tried: AtomicI64,
}

impl Orders {
    pub fn new(config: OrdersConfig, registry: Registry, journal: Journal) -> Self {
        let places = InFlight::new(POLL.messages_max.max(usize::try_from(PARKED_MAX).unwrap_or(usize::MAX)));
        Self { config, registry, journal, places, tried: AtomicI64::new(0) }
    }

    fn biller(&self) -> Biller<'_> {
        let Self { config, registry, journal, places, .. } = self;
        let issuer = Issuer { pool: &config.pool, tenant: &config.tenant, registry, journal, places };
        Biller { config, issuer }
    }
}

impl Desk for Orders {
    fn part(&self) -> Part {
        Part::Orders
    }

    fn bounds(&self) -> Bounds {
        POLL
    }

    async fn handle(&self, messages: &[Incoming]) -> Result<Vec<Fate>, Later> {
        let orders: Vec<_> = messages.iter().map(|message| (message, None)).collect();
        Ok(self.biller().bill(&orders).await?)
    }

    /// Tries parked orders again.
    async fn look(&self, _: &Letters) -> Result<(), Later> {
        let tried = self.tried.load(Ordering::Relaxed);
        let waiting = orders::waiting(&self.config.pool, tried, (PARKED_MAX, POLL.bytes_max)).await?;
        let Some(last) = waiting.last() else {
            self.tried.store(0, Ordering::Relaxed);
            return Ok(());
        };
        self.tried.store(last.id, Ordering::Relaxed);
        let messages: Vec<_> = waiting
            .iter()
            .map(|row| Incoming {
                place: Place::default(),
                key: None,
                body: row.body.clone(),
                received_at: row.received_at,
            })
            .collect();
        let parked: Vec<_> = messages.iter().zip(&waiting).map(|(message, row)| (message, Some(row.id))).collect();
        self.biller().bill(&parked).await?;
        Ok(())
    }
}
