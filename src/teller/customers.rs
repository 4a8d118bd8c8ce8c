//! Registers customers and takes bills of shops: checks them, and answers when Kafka has them. What becomes of them is
//! said by the desks that read those topics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use crate::actors::dispatch::{Dispatch, Undispatched};
use crate::billing::{Bill, BrokenOrder, Registration};
use crate::protocol::record::TransactionId;
use crate::store::billing::registrations;

/// How long the look-up of an e-mail may take. Without its answer the customer is taken: the first that is stored stays.
const LOOK_UP_MAX: Duration = Duration::from_secs(1);
/// 2020 in milliseconds since 1970: numbers count from there, so that they have 15 digits until 2051.
const EPOCH_MS: u64 = 1_577_836_800_000;
/// Numbers of one millisecond.
const NUMBERS_PER_MS: u64 = 1_000;

/// The way of customers and bills into Kafka; clones share it.
#[derive(Clone)]
pub struct Customers(Arc<Shared>);

/// What [`Customers`] are made from.
pub struct CustomersParts {
    pub dispatch: Dispatch,
    /// Connections for reads.
    pub pool: PgPool,
    pub tenant: Arc<str>,
    pub users_topic: String,
    pub bills_topic: String,
}

struct Shared {
    parts: CustomersParts,
    numbers: Numbers,
}

/// Why a customer or a bill was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error(transparent)]
    Broken(#[from] BrokenOrder),
    #[error("somebody is registered under this e-mail")]
    Known,
    /// The caller is of another tenant.
    #[error("customers and bills of shops are of tenant {0}: the caller is of another one")]
    Foreign(Arc<str>),
    /// Kafka may have it all the same.
    #[error(transparent)]
    Failed(#[from] Undispatched),
}

impl Customers {
    pub fn new(parts: CustomersParts) -> Self {
        Self(Arc::new(Shared { parts, numbers: Numbers::default() }))
    }

    /// Publishes a registration with an id of ours, for a caller of this tenant.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub async fn register(&self, caller: &str, body: &[u8]) -> Result<(), NotTaken> {
        let CustomersParts { dispatch, pool, tenant, users_topic, .. } = &self.0.parts;
        self.is_own(caller)?;
        let registration = Registration::parse(body)?;
        let known = registrations::is_known(pool, tenant, &registration.email);
        match tokio::time::timeout(LOOK_UP_MAX, known).await {
            Ok(Ok(true)) => return Err(NotTaken::Known),
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(error)) => tracing::info!(%error, "a customer is registered without a look at the others"),
        }
        let message = Registration::with_id(body, &self.0.numbers.draw().to_string())?;
        Ok(dispatch.send(users_topic, &format!("userID-{}", registration.email), &message).await?)
    }

    /// Publishes a bill under a number of ours, for a caller of this tenant.
    ///
    /// # Errors
    /// See [`NotTaken`], without `Known`: whether the customer is there is found out later.
    pub async fn bill(&self, caller: &str, body: &[u8]) -> Result<(), NotTaken> {
        self.is_own(caller)?;
        let CustomersParts { dispatch, bills_topic, .. } = &self.0.parts;
        Bill::parse(body)?;
        let body = std::str::from_utf8(body).map_err(|error| BrokenOrder::NotUtf8 { at: error.valid_up_to() })?;
        Ok(dispatch.send(bills_topic, &format!("billID-#{}", self.0.numbers.draw()), body).await?)
    }
}

impl Customers {
    /// Messages do not name a tenant: what reads them is of one.
    fn is_own(&self, caller: &str) -> Result<(), NotTaken> {
        let tenant = &self.0.parts.tenant;
        if **tenant == *caller { Ok(()) } else { Err(NotTaken::Foreign(tenant.clone())) }
    }
}

/// Numbers of at most 15 digits, all different in one process and nearly always in several: the time, and chance within
/// a millisecond.
#[derive(Default)]
struct Numbers(AtomicU64);

impl Numbers {
    fn draw(&self) -> u64 {
        self.after(number(TransactionId::draw().0))
    }

    /// This number, or the next that was not given out.
    fn after(&self, number: u64) -> u64 {
        let next = |last: u64| number.max(last + 1);
        let last = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last)) // it never refuses
    }
}

/// From the time and the random bits of a UUID version 7.
fn number(id: Uuid) -> u64 {
    let (time, random) = id.as_u64_pair();
    (time >> 16).saturating_sub(EPOCH_MS) * NUMBERS_PER_MS + random % NUMBERS_PER_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_at_most_15_digits_and_never_come_twice() {
        let last = Uuid::parse_str("0252afe5-11ff-7fff-bfff-ffffffffffff").unwrap(); // in 2050
        assert!(number(last) < 1_000_000_000_000_000, "{}", number(last));
        let numbers = Numbers::default();
        let mut drawn: Vec<_> = (0..10_000).map(|_| numbers.draw()).collect();
        assert!(drawn.iter().all(|number| (100_000_000_000_000..1_000_000_000_000_000).contains(number)));
        assert!(drawn.is_sorted());
        drawn.dedup();
        assert_eq!(drawn.len(), 10_000);
        assert_eq!([numbers.after(1), numbers.after(1)].map(|it| it > drawn[9_999]), [true, true]);
    }
}
