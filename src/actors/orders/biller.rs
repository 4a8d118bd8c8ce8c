//! Bills orders: decides all orders of a poll, and has their invoices issued.

use std::collections::HashMap;

use super::OrdersConfig;
use super::exchange::Rates;
use crate::actors::house::WALK_IN;
use crate::actors::intake::{Fate, Incoming};
use crate::actors::issue::{Issue, Issuer, Trouble, reused};
use crate::billing::{BrokenOrder, NetTax, Order, Per, TaxRates};
use crate::money::{Currency, Rounding};
use crate::protocol::content::Content;
use crate::protocol::record::{Api, RequestHash, TransactionId};
use crate::store::billing::entities::EntityRow;
use crate::store::billing::orders::{self, Parked};
use crate::store::currencies;

/// What billing needs, for one poll.
pub struct Biller<'a> {
    pub config: &'a OrdersConfig,
    pub issuer: Issuer<'a>,
}

/// A message, and its number in `parked_orders` if it waited there.
pub type Message<'a> = (&'a Incoming, Option<i64>);

impl Biller<'_> {
    /// Bills messages, and says of each what became of it.
    ///
    /// # Errors
    /// When any of them could not be billed for no fault of its own.
    pub async fn bill(&self, messages: &[Message<'_>]) -> Result<Vec<Fate>, Trouble> {
        let config = self.config;
        let entity = self.issuer.entity(&config.entity, "ORDERS_ENTITY").await?;
        let rates = self.issuer.rates(config.tax_percent).await?;
        let mut fates: Vec<Option<Fate>> = vec![None; messages.len()];
        let mut decided = self.decide(messages, &entity, &rates, &mut fates);
        if fates.iter().flatten().any(is_unknown_currency) {
            currencies::reload(&config.pool, &config.currencies).await?; // it may have been made since
            fates = vec![None; messages.len()];
            decided = self.decide(messages, &entity, &rates, &mut fates);
        }
        self.issuer.leave_out_issued(&mut decided, &mut fates).await?;
        if let Some(book) = self.book(&entity)? {
            self.convert(&mut decided, book, messages, &mut fates).await?;
        }
        self.issuer.issue(&entity, decided, &mut fates).await?;
        Ok(fates.into_iter().map(|fate| fate.unwrap_or(Fate::Repeated)).collect())
    }

    /// Reads and taxes all orders. Of two of one event id in one poll the first counts.
    fn decide(
        &self,
        messages: &[Message<'_>],
        entity: &EntityRow,
        rates: &TaxRates,
        fates: &mut [Option<Fate>],
    ) -> Vec<Issue> {
        let (mut decided, mut seen) = (Vec::with_capacity(messages.len()), HashMap::new());
        for (at, message) in messages.iter().enumerate() {
            match self.decide_one(at, *message, entity, rates) {
                Ok(order) => match seen.insert(order.id, order.request) {
                    None => decided.push(order),
                    Some(first) if first == order.request => fates[at] = Some(Fate::Repeated),
                    Some(_) => fates[at] = Some(reused()),
                },
                Err(broken) => {
                    fates[at] = Some(Fate::Dead { code: broken.code(), reason: broken.to_string() });
                }
            }
        }
        decided
    }

    fn decide_one(
        &self,
        at: usize,
        (message, parked): Message<'_>,
        entity: &EntityRow,
        rates: &TaxRates,
    ) -> Result<Issue, BrokenOrder> {
        let config = self.config;
        let mut order = Order::parse(&message.body, |code| config.currencies.get(code))?;
        let request = request(&order);
        if order.region.is_none() {
            order.region.clone_from(&entity.region);
        }
        let taxed = order.taxed(rates, Rounding::HalfAwayFromZero, Per::Rate, message.received_at)?;
        Ok(Issue {
            at,
            id: TransactionId::of_message("order", &config.tenant, &order.event_id),
            message: order.event_id.clone(),
            api: Api::Orders,
            request,
            content: Content::of_order(&order, &taxed, message.received_at),
            customer: order.customer_id.unwrap_or_else(|| WALK_IN.to_owned()),
            source: order.order_id,
            currency: order.currency,
            booked: NetTax { net: taxed.subtotal, tax: taxed.tax },
            book: order.currency,
            taxed,
            parked,
        })
    }

    /// The currency of the books; `None`: each document's own.
    fn book(&self, entity: &EntityRow) -> Result<Option<Currency>, Trouble> {
        let Some(code) = &entity.book_currency else { return Ok(None) };
        let known = self.config.currencies.get(code);
        Ok(Some(known.ok_or_else(|| Trouble::Setup(format!("the books are in {code}, which is not known")))?))
    }

    /// Converts what is posted into the currency of the books. Orders without a rate are parked.
    async fn convert(
        &self,
        decided: &mut Vec<Issue>,
        book: Currency,
        messages: &[Message<'_>],
        fates: &mut [Option<Fate>],
    ) -> Result<(), Trouble> {
        let rates = Rates::read(self.config, decided, book).await?;
        let (mut ready, mut parked) = (Vec::with_capacity(decided.len()), Vec::new());
        for mut order in decided.drain(..) {
            match rates.convert(&mut order) {
                Ok(()) => ready.push(order),
                Err(reason) => parked.push((order, reason)),
            }
        }
        *decided = ready;
        for (order, reason) in parked {
            let message = messages[order.at].0;
            let parked = Parked {
                tenant: &self.config.tenant,
                event_id: &order.message,
                reason: &reason,
                body: &message.body,
                received_at: message.received_at,
            };
            orders::park(&self.config.pool, parked).await?;
            fates[order.at] = Some(Fate::Parked);
        }
        Ok(())
    }
}

fn is_unknown_currency(fate: &Fate) -> bool {
    matches!(fate, Fate::Dead { code: "UNKNOWN_CURRENCY", .. })
}

/// What makes two messages the same order: everything but the time and the spelling.
fn request(order: &Order) -> RequestHash {
    let texts: Vec<String> = order
        .lines
        .iter()
        .flat_map(|line| {
            [
                line.sku.clone(),
                line.qty.to_string(),
                line.unit_price.normalized().to_plain_string(),
                line.tax_category.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let inclusive: &[u8] = if order.tax_inclusive { b"inclusive" } else { b"exclusive" };
    let mut parts: Vec<&[u8]> = vec![
        b"order",
        order.order_id.as_bytes(),
        order.currency.code.as_str().as_bytes(),
        order.customer_id.as_deref().unwrap_or_default().as_bytes(),
        order.region.as_deref().unwrap_or_default().as_bytes(),
        inclusive,
    ];
    parts.extend(texts.iter().map(String::as_bytes));
    RequestHash::of(&parts)
}
