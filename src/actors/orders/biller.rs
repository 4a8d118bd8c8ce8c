//! Bills orders: decides all orders of a poll, opens the accounts that they need, and sends their records to the journal
//! side by side, which writes them in one batch or few.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use smallvec::SmallVec;

use super::OrdersConfig;
use super::exchange::Rates;
use crate::actors::accounts::Registry;
use crate::actors::house::{self, House, Unavailable, WALK_IN};
use crate::actors::intake::{Fate, Incoming, Later};
use crate::actors::journal::Journal;
use crate::actors::posting;
use crate::billing::invoice::Balance;
use crate::billing::postings::{self, Role};
use crate::billing::{BrokenOrder, NetTax, Order, Per, TaxRate, TaxRates, Taxed};
use crate::money::{Amount, Currency, Rounding};
use crate::protocol::account::AccountHandle;
use crate::protocol::admission::InFlight;
use crate::protocol::content::Content;
use crate::protocol::movement::{Invoice, Source};
use crate::protocol::record::{
    Api, DocumentKind, InvoiceRow, Kind, Posting, Record, RequestHash, TransactionId, now_micros,
};
use crate::protocol::slip::{Abort, Outcome};
use crate::store::StoreError;
use crate::store::billing::entities::{self, EntityRow};
use crate::store::billing::orders::{self, Parked};
use crate::store::billing::tax_rates;
use crate::store::currencies;

/// How long an order may wait to be written for the first time.
const CUTOFF: Duration = Duration::from_secs(10);
/// How long its outcome is waited for after that. A later one is found done.
const GRACE: Duration = Duration::from_secs(1);

/// Why a poll cannot be billed now. It is tried again whole: what was done is found done.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Accounts(#[from] Unavailable),
    #[error("legal entity {0} is not there: ORDERS_ENTITY names one that is")]
    Entity(String),
    #[error("{0}")]
    Setup(String),
    #[error("the journal does not take it: {0:?}")]
    Aborted(Abort),
    #[error("nobody knows whether it was written")]
    Unknown,
}

impl From<Trouble> for Later {
    fn from(trouble: Trouble) -> Self {
        Self(trouble.to_string())
    }
}

/// What billing needs, for one poll.
pub struct Biller<'a> {
    pub config: &'a OrdersConfig,
    pub registry: &'a Registry,
    pub journal: &'a Journal,
    pub places: &'a InFlight,
}

/// A message, and its number in `parked_orders` if it waited there.
pub type Message<'a> = (&'a Incoming, Option<i64>);

/// An order that is decided.
pub(super) struct Decided {
    /// The number of its message.
    at: usize,
    id: TransactionId,
    request: RequestHash,
    pub(super) order: Order,
    /// When it was ordered.
    pub(super) time: DateTime<Utc>,
    parked: Option<i64>,
    taxed: Taxed,
    pub(super) content: Content,
    /// What is posted, and in which currency.
    pub(super) booked: NetTax,
    pub(super) book: Currency,
}

impl Biller<'_> {
    /// Bills messages, and says of each what became of it.
    ///
    /// # Errors
    /// When any of them could not be billed for no fault of its own.
    pub async fn bill(&self, messages: &[Message<'_>]) -> Result<Vec<Fate>, Trouble> {
        let config = self.config;
        let entity = entities::get(&config.pool, &config.tenant, &config.entity)
            .await?
            .ok_or_else(|| Trouble::Entity(config.entity.clone()))?;
        let rates = self.rates().await?;
        let mut fates: Vec<Option<Fate>> = vec![None; messages.len()];
        let mut decided = self.decide(messages, &entity, &rates, &mut fates);
        if fates.iter().flatten().any(is_unknown_currency) {
            currencies::reload(&config.pool, &config.currencies).await?; // it may have been made since
            fates = vec![None; messages.len()];
            decided = self.decide(messages, &entity, &rates, &mut fates);
        }
        self.leave_out_billed(&mut decided, &mut fates).await?;
        if let Some(book) = self.book(&entity)? {
            self.convert(&mut decided, book, messages, &mut fates).await?;
        }
        let accounts = self.accounts(&entity, &decided).await?;
        let mut waiting = Vec::with_capacity(decided.len());
        for order in decided {
            let at = order.at;
            waiting.push((at, self.send(&entity, order, &accounts)?));
        }
        let until = tokio::time::Instant::now() + CUTOFF + GRACE;
        for (at, outcome) in waiting {
            let outcome = tokio::time::timeout_at(until, outcome).await.map_err(|_| Trouble::Unknown)?;
            fates[at] = Some(fate(outcome.map_err(|_| Trouble::Unknown)?)?);
        }
        Ok(fates.into_iter().map(|fate| fate.unwrap_or(Fate::Repeated)).collect())
    }

    /// Reads and taxes all orders. Of two of one event id in one poll the first counts.
    fn decide(
        &self,
        messages: &[Message<'_>],
        entity: &EntityRow,
        rates: &TaxRates,
        fates: &mut [Option<Fate>],
    ) -> Vec<Decided> {
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
    ) -> Result<Decided, BrokenOrder> {
        let config = self.config;
        let mut order = Order::parse(&message.body, |code| config.currencies.get(code))?;
        let request = request(&order);
        if order.region.is_none() {
            order.region.clone_from(&entity.region);
        }
        let taxed = order.taxed(rates, Rounding::HalfAwayFromZero, Per::Rate, message.received_at)?;
        Ok(Decided {
            at,
            id: TransactionId::of_message("order", &config.tenant, &order.event_id),
            request,
            time: order.time(message.received_at),
            parked,
            content: Content::of_order(&order, &taxed, message.received_at),
            booked: NetTax { net: taxed.subtotal, tax: taxed.tax },
            book: order.currency,
            taxed,
            order,
        })
    }

    async fn rates(&self) -> Result<TaxRates, Trouble> {
        let config = self.config;
        let setup = |error: &dyn std::fmt::Display| Trouble::Setup(format!("the tax rates cannot be used: {error}"));
        let default = TaxRate::standard(Decimal::from(config.tax_percent)).map_err(|error| setup(&error))?;
        let rules = tax_rates::rules(&config.pool, &config.tenant).await?;
        TaxRates::new(rules, default).map_err(|error| setup(&error))
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
        decided: &mut Vec<Decided>,
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
                event_id: &order.order.event_id,
                reason: &reason,
                body: &message.body,
                received_at: message.received_at,
            };
            orders::park(&self.config.pool, parked).await?;
            fates[order.at] = Some(Fate::Parked);
        }
        Ok(())
    }

    /// Takes out what was billed before, as after a crash or when a topic is read again.
    async fn leave_out_billed(&self, decided: &mut Vec<Decided>, fates: &mut [Option<Fate>]) -> Result<(), Trouble> {
        let ids: Vec<_> = decided.iter().map(|order| order.id).collect();
        let billed = orders::billed(&self.config.pool, &ids).await?;
        decided.retain(|order| {
            let Some(first) = billed.get(&order.id) else { return true };
            let is_same = first.is_none_or(|first| first == order.request);
            fates[order.at] = Some(if is_same { Fate::Repeated } else { reused() });
            false
        });
        Ok(())
    }

    async fn accounts(&self, entity: &EntityRow, decided: &[Decided]) -> Result<house::Accounts, Trouble> {
        let mut wanted: HashSet<House<'_>> = HashSet::new();
        for order in decided {
            for entry in postings::issued(order.booked) {
                wanted.extend([entry.debit, entry.credit].map(|role| order.house(entity, role)));
            }
        }
        Ok(house::open(self.registry, self.journal, &self.config.tenant, wanted).await?)
    }

    fn send(
        &self,
        entity: &EntityRow,
        order: Decided,
        accounts: &house::Accounts,
    ) -> Result<tokio::sync::oneshot::Receiver<Outcome>, Trouble> {
        let mut postings: SmallVec<[Posting; 1]> = SmallVec::new();
        let mut named: SmallVec<[&std::sync::Arc<AccountHandle>; 3]> = SmallVec::new();
        for entry in postings::issued(order.booked) {
            let [debit, credit] = [entry.debit, entry.credit].map(|role| &accounts[&order.house(entity, role).name()]);
            postings.push(Posting { debit: debit.identity.id, credit: credit.identity.id, amount: entry.amount });
            for account in [debit, credit] {
                if named.iter().all(|known| known.identity.id != account.identity.id) {
                    named.push(account);
                }
            }
        }
        let source = Source {
            id: order.id,
            tenant: self.config.tenant.clone(),
            api: Api::Orders,
            request: order.request,
            at: now_micros(),
            cutoff: Instant::now() + CUTOFF,
        };
        let invoice = Invoice { row: Box::new(order.row(entity)), parked: order.parked };
        let record = if postings.is_empty() {
            Record::of_fact(&invoice, Kind::INVOICE_FACT, invoice.all_rows(), source)
        } else {
            Record::of(&invoice, postings, source)
        };
        let permit = self.places.enter().ok_or(Trouble::Aborted(Abort::AccountBusy))?;
        let record = Record { reference: Some(order.order.order_id), ..record };
        posting::send(self.journal, record, &named, usize::MAX, permit).map_err(Trouble::Aborted)
    }
}

impl Decided {
    fn customer(&self) -> &str {
        self.order.customer_id.as_deref().unwrap_or(WALK_IN)
    }

    fn house<'s>(&'s self, entity: &'s EntityRow, role: Role) -> House<'s> {
        House { entity: &entity.id, role, customer: self.customer(), currency: self.book }
    }

    fn row(&self, entity: &EntityRow) -> InvoiceRow {
        let (today, total) = (entity.today(Utc::now()), self.taxed.total);
        let NetTax { net, tax } = self.booked;
        InvoiceRow {
            draft: None,
            entity: entity.id.clone(),
            document: DocumentKind::Invoice,
            customer: self.customer().to_owned(),
            source: Some(self.order.order_id.clone()),
            currency: self.order.currency.code,
            subtotal: self.taxed.subtotal,
            tax: self.taxed.tax,
            total,
            due_on: Some(entity.due_on(today)),
            content: self.content.text(),
            corrects: None,
            year: entity.fiscal_year(today),
            number_format: entity.invoice_format.clone(),
            booked: (self.book.code, net.plus(tax).unwrap_or(Amount::MAX)),
            status: Balance::issued(total).status,
        }
    }
}

fn is_unknown_currency(fate: &Fate) -> bool {
    matches!(fate, Fate::Dead { code: "UNKNOWN_CURRENCY", .. })
}

fn fate(outcome: Outcome) -> Result<Fate, Trouble> {
    match outcome {
        Outcome::Done { .. } => Ok(Fate::Done),
        Outcome::Replayed { .. } => Ok(Fate::Repeated),
        Outcome::KeyReused | Outcome::KeyRetired => Ok(reused()),
        Outcome::Refused { rejection, .. } => {
            Ok(Fate::Dead { code: "REFUSED", reason: format!("an account refuses it: {rejection:?}") })
        }
        Outcome::Aborted(Abort::Guard) => {
            Ok(Fate::Dead { code: "REFUSED", reason: "the database refuses it: a guard of the books".into() })
        }
        Outcome::Aborted(why) => Err(Trouble::Aborted(why)),
        Outcome::Unknown => Err(Trouble::Unknown),
    }
}

fn reused() -> Fate {
    Fate::Dead { code: "EVENT_ID_REUSED", reason: "another order of this event_id was billed before".into() }
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
