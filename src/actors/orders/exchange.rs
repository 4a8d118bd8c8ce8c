//! Exchange at the time of an order, into the currency of the books.

use std::collections::HashMap;

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
    /// By the document's currency, oldest observation first.
    rates: HashMap<CurrencyCode, Vec<RateRow>>,
}

impl Rates {
    pub(super) async fn read(config: &OrdersConfig, orders: &[Issue], book: Currency) -> Result<Self, Trouble> {
        let age_max = TimeDelta::from_std(config.rate_age_max).unwrap_or(TimeDelta::MAX);
        let mut spans: HashMap<CurrencyCode, (DateTime<Utc>, DateTime<Utc>)> = HashMap::new();
        for order in orders.iter().filter(|order| order.currency.code != book.code) {
            let span = spans.entry(order.currency.code).or_insert((order.content.ordered_at, order.content.ordered_at));
            *span = (span.0.min(order.content.ordered_at), span.1.max(order.content.ordered_at));
        }
        let mut found = HashMap::new();
        for (base, (from, to)) in spans {
            let from = from.checked_sub_signed(age_max).unwrap_or(DateTime::UNIX_EPOCH);
            let pair = (base.as_str(), book.code.as_str());
            found.insert(base, rates::between(&config.pool, &config.tenant, pair, (from, to)).await?);
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
        let is_of_age = |rate: &&RateRow| {
            rate.observed_at <= order.content.ordered_at && order.content.ordered_at - rate.observed_at <= self.age_max
        };
        let rate = self.rates.get(&from.code).and_then(|rates| rates.iter().rev().find(is_of_age));
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
