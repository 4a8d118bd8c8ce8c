//! Bills orders: decides all orders of a poll, opens the accounts that they need, and sends their records to the journal
//! side by side, which writes them in one batch or few.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike as _, Utc};
use rust_decimal::Decimal;
use smallvec::SmallVec;

use super::OrdersConfig;
use crate::actors::accounts::Registry;
use crate::actors::house::{self, House, Unavailable, WALK_IN};
use crate::actors::journal::Journal;
use crate::actors::posting;
use crate::billing::postings::Role;
use crate::billing::{BrokenOrder, Order, Per, TaxRate, TaxRates, TaxRule, Taxed};
use crate::money::{Amount, Rounding};
use crate::protocol::account::AccountHandle;
use crate::protocol::admission::InFlight;
use crate::protocol::content::Content;
use crate::protocol::movement::{Invoice, Movement, Source};
use crate::protocol::record::{
    Api, DocumentKind, InvoiceRow, Kind, Posting, Record, RequestHash, TransactionId, now_micros,
};
use crate::protocol::slip::{Abort, Outcome};
use crate::store::StoreError;
use crate::store::billing::entities::{self, EntityRow};
use crate::store::billing::orders;
use crate::store::currencies;

/// How long an order may wait to be written for the first time.
const CUTOFF: Duration = Duration::from_secs(10);
/// How long its outcome is waited for after that. A later one is found done.
const GRACE: Duration = Duration::from_secs(1);

/// The numbers in `invoices.status`.
const OPEN: i16 = 1;
const PAID: i16 = 2;

/// A message to be billed.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub body: Vec<u8>,
    pub received_at: DateTime<Utc>,
    /// The number in `parked_orders` if it waited there.
    pub parked: Option<i64>,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Billed,
    /// It was billed before.
    Repeated,
    /// It can never be billed as it is: why, in a word and in words.
    Dead {
        code: &'static str,
        reason: String,
    },
}

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

/// What billing needs, for one poll.
pub struct Biller<'a> {
    pub config: &'a OrdersConfig,
    pub registry: &'a Registry,
    pub journal: &'a Journal,
    pub places: &'a InFlight,
}

/// An order that is decided, with its accounts by name.
struct Decided {
    /// The number of its message.
    at: usize,
    id: TransactionId,
    request: RequestHash,
    invoice: Invoice,
    currency: crate::money::Currency,
    net: Amount,
    tax: Amount,
}

impl Biller<'_> {
    /// Bills messages, and says of each what became of it.
    ///
    /// # Errors
    /// When any of them could not be billed for no fault of its own.
    pub async fn bill(&self, messages: &[Incoming]) -> Result<Vec<Fate>, Trouble> {
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
        messages: &[Incoming],
        entity: &EntityRow,
        rates: &TaxRates,
        fates: &mut [Option<Fate>],
    ) -> Vec<Decided> {
        let (mut decided, mut seen) = (Vec::with_capacity(messages.len()), HashMap::new());
        for (at, message) in messages.iter().enumerate() {
            match self.decide_one(at, message, entity, rates) {
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
        message: &Incoming,
        entity: &EntityRow,
        rates: &TaxRates,
    ) -> Result<Decided, BrokenOrder> {
        let config = self.config;
        let mut order = Order::parse(&message.body, |code| config.currencies.get(code))?;
        if order.region.is_none() {
            order.region.clone_from(&entity.region);
        }
        let taxed = order.taxed(rates, Rounding::HalfAwayFromZero, Per::Rate, message.received_at)?;
        let row = self.row(&order, &taxed, entity, message.received_at);
        Ok(Decided {
            at,
            id: TransactionId::of_message("order", &config.tenant, &order.event_id),
            request: request(&order),
            invoice: Invoice { row: Box::new(row), parked: message.parked },
            currency: order.currency,
            net: taxed.subtotal,
            tax: taxed.tax,
        })
    }

    fn row(&self, order: &Order, taxed: &Taxed, entity: &EntityRow, received_at: DateTime<Utc>) -> InvoiceRow {
        let today = Utc::now().date_naive();
        let content = Content::of_order(order, taxed, received_at);
        InvoiceRow {
            draft: None,
            entity: entity.id.clone(),
            document: DocumentKind::Invoice,
            customer: order.customer_id.clone().unwrap_or_else(|| WALK_IN.to_owned()),
            source: Some(order.order_id.clone()),
            currency: order.currency.code,
            subtotal: taxed.subtotal,
            tax: taxed.tax,
            total: taxed.total,
            due_on: u64::try_from(entity.payment_days)
                .ok()
                .and_then(|days| today.checked_add_days(chrono::Days::new(days))),
            content: serde_json::to_string(&content).unwrap_or_default(),
            corrects: None,
            year: today.year(),
            number_format: entity.invoice_format.clone(),
            status: if taxed.total == Amount::ZERO { PAID } else { OPEN },
        }
    }

    async fn rates(&self) -> Result<TaxRates, Trouble> {
        let config = self.config;
        let setup = |error: &dyn std::fmt::Display| Trouble::Setup(format!("the tax rates cannot be used: {error}"));
        let default = TaxRate::standard(Decimal::from(config.tax_percent)).map_err(|error| setup(&error))?;
        let mut rules = Vec::new();
        for row in entities::tax_rates(&config.pool, &config.tenant).await? {
            let percent = row.percent().ok_or_else(|| setup(&row.percent))?;
            let rate = TaxRate::from_stored(&row.treatment, percent).map_err(|error| setup(&error))?;
            let rate = rate.ok_or_else(|| setup(&row.treatment))?;
            rules.push(TaxRule {
                region: row.region,
                category: row.category,
                effective_from: row.effective_from,
                rate,
            });
        }
        TaxRates::new(rules, default).map_err(|error| setup(&error))
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
        for order in decided.iter().filter(|order| order.net > Amount::ZERO || order.tax > Amount::ZERO) {
            for role in [Role::Receivable, Role::Revenue, Role::TaxPayable] {
                wanted.insert(self.house(entity, order, role));
            }
        }
        Ok(house::open(self.registry, self.journal, &self.config.tenant, wanted).await?)
    }

    fn house<'s>(&self, entity: &'s EntityRow, order: &'s Decided, role: Role) -> House<'s> {
        let customer = if role == Role::Receivable { order.invoice.row.customer.as_str() } else { "" };
        House { entity: &entity.id, role, customer, currency: order.currency }
    }

    fn send(
        &self,
        entity: &EntityRow,
        order: Decided,
        accounts: &house::Accounts,
    ) -> Result<tokio::sync::oneshot::Receiver<Outcome>, Trouble> {
        let mut postings: SmallVec<[Posting; 1]> = SmallVec::new();
        let mut named: SmallVec<[&std::sync::Arc<AccountHandle>; 3]> = SmallVec::new();
        for (role, amount) in [(Role::Revenue, order.net), (Role::TaxPayable, order.tax)] {
            if amount == Amount::ZERO {
                continue;
            }
            let debit = &accounts[&self.house(entity, &order, Role::Receivable).name()];
            let credit = &accounts[&self.house(entity, &order, role).name()];
            postings.push(Posting { debit: debit.identity.id, credit: credit.identity.id, amount });
            if named.is_empty() {
                named.push(debit);
            }
            named.push(credit);
        }
        let source = Source {
            id: order.id,
            tenant: self.config.tenant.clone(),
            api: Api::Orders,
            request: order.request,
            at: now_micros(),
            cutoff: Instant::now() + CUTOFF,
        };
        let reference = order.invoice.row.source.clone();
        let record = if let Some(first) = postings.first().copied() {
            debug_assert!(first.amount > Amount::ZERO);
            Record::of(&order.invoice, postings, source)
        } else {
            let rows = order.invoice.all_rows();
            Record::of_fact(&order.invoice as &dyn Movement, Kind::INVOICE_FACT, rows, source)
        };
        let permit = self.places.enter().ok_or(Trouble::Aborted(Abort::AccountBusy))?;
        let record = Record { reference, ..record };
        posting::send(self.journal, record, &named, usize::MAX, permit).map_err(Trouble::Aborted)
    }
}

fn is_unknown_currency(fate: &Fate) -> bool {
    matches!(fate, Fate::Dead { code: "UNKNOWN_CURRENCY", .. })
}

fn fate(outcome: Outcome) -> Result<Fate, Trouble> {
    match outcome {
        Outcome::Done { .. } => Ok(Fate::Billed),
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
