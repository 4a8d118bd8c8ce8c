//! Exchange at the time of an order, into the currency of the books.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::OrdersConfig;
use crate::actors::issue::{Issue, Trouble};
use crate::billing::postings::booked;
use crate::money::{Currency, CurrencyCode, Rounding};
use crate::protocol::content::Exchange;
use crate::store::rates::{self, RateRow};

/// The rates that the orders of one poll need.
pub(super) struct Rates {
    book: Currency,
    /// How old a rate may be at the time of the order.
    age_max: TimeDelta,
    /// The newest at the time of an order, by the document's currency and that time.
    rates: HashMap<(CurrencyCode, DateTime<Utc>), RateRow>,
}

impl Rates {
    pub(super) async fn read(config: &OrdersConfig, orders: &[Issue], book: Currency) -> Result<Self, Trouble> {
        let age_max = TimeDelta::from_std(config.rate_age_max).unwrap_or(TimeDelta::MAX);
        let mut wanted: HashMap<CurrencyCode, BTreeSet<DateTime<Utc>>> = HashMap::new();
        for order in orders.iter().filter(|order| order.currency.code != book.code) {
            wanted.entry(order.currency.code).or_default().insert(order.content.ordered_at);
        }
        let mut found = HashMap::new();
        for (base, times) in wanted {
            let (pair, times) = ((base.as_str(), book.code.as_str()), Vec::from_iter(times));
            let rates = rates::as_of(&config.pool, &config.tenant, pair, &times).await?;
            found.extend(times.into_iter().zip(rates).filter_map(|(at, rate)| Some(((base, at), rate?))));
        }
        Ok(Self { book, age_max, rates: found })
    }

    /// Converts what an order posts, and notes the rate in its content.
    ///
    /// # Errors
    /// In words, why it waits: there is no rate, or none that gives an amount.
    pub(super) fn convert(&self, order: &mut Issue) -> Result<(), String> {
        let (from, to) = (order.currency, self.book);
        if from.code == to.code {
            return Ok(());
        }
        let at = order.content.ordered_at;
        let rate = self.rates.get(&(from.code, at)).filter(|rate| at - rate.observed_at <= self.age_max);
        let rate = rate.ok_or_else(|| {
            format!("there is no rate of {} in {} as of {}", from.code, to.code, order.content.ordered_at.to_rfc3339())
        })?;
        let booked = booked(order.booked, from, to, rate.rate.0, Rounding::HalfAwayFromZero)
            .map_err(|error| format!("it cannot be converted at rate {}: {error}", rate.id))?;
        order.content.exchange = Some(Exchange {
            rate_id: rate.id,
            base: from.code.to_string(),
            quote: to.code.to_string(),
            rate: rate.rate.0.to_string(),
            observed_at: rate.observed_at,
            net: booked.net.text(to.exponent),
            tax: booked.tax.text(to.exponent),
        });
        (order.booked, order.book) = (booked, to);
        Ok(())
    }
}
