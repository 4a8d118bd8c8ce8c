//! Bills the customers of shops: each message of the topic `billing` becomes one invoice, and is then announced on the
//! topic `notify` with its PDF.
//!
//! Each call is a bill. A message under a key of the contract is told from others by its key and what it says, any other by
//! where it stands. A bill whose customer is not known is parked, since the registration may still be on its way; after a while it is a dead letter.

mod paper;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::PgPool;

pub use self::paper::InvoiceDocument;
use self::paper::Papers;
use super::accounts::Registry;
use super::dispatch::Dispatch;
use super::intake::{Desk, Fate, Incoming, Later, Letters, Place, REPLAYS_MAX};
use super::issue::{Issue, Issuer, Trouble};
use super::journal::Journal;
use super::press::Printer;
use crate::billing::{Bill, BrokenOrder, NetTax, TaxRates};
use crate::messaging::consumer::{Bounds, Received};
use crate::money::{Currencies, Currency};
use crate::protocol::admission::InFlight;
use crate::protocol::content::{Content, Party};
use crate::protocol::notice::{Notice, NoticeInfo};
use crate::protocol::record::{Api, RequestHash, TransactionId};
use crate::resilience::health::Part;
use crate::store::billing::bills::{self, IssuedBill, ParkedBillRow};
use crate::store::billing::entities::EntityRow;
use crate::store::billing::registrations::{self, CustomerRow};
use crate::store::currencies;

/// How much one poll reads.
const POLL: Bounds = Bounds {
    messages_max: 200,
    bytes_max: 8 << 20,
    wait: Duration::from_millis(500),
    linger: Duration::from_millis(10),
};
/// Parked bills that are tried again together.
const PARKED_MAX: i64 = 200;
/// Bills that are printed and announced side by side.
const BESIDE: usize = 8;
/// Bytes of a bill's number.
const NUMBER_BYTES_MAX: usize = 128;
/// What the key of a bill begins with.
const KEY_PREFIX: &str = "billID-";

/// What billing of shops is set to.
#[derive(Clone)]
pub struct BillsConfig {
    pub tenant: Arc<str>,
    /// The legal entity that bills.
    pub entity: String,
    /// The code of the currency of all prices.
    pub currency: String,
    /// Tax where no rate is set.
    pub tax_percent: u32,
    pub currencies: Currencies,
    pub pool: PgPool,
    /// How long an unknown customer is waited for.
    pub patience: Duration,
    /// Where bills are announced.
    pub notify_topic: String,
    /// The folder of their PDFs.
    pub documents: PathBuf,
    /// `None`: bills are announced without a PDF.
    pub printer: Option<Arc<dyn Printer>>,
    pub dispatch: Dispatch,
}

/// Bills the customers of shops.
pub struct Bills {
    config: BillsConfig,
    registry: Registry,
    journal: Journal,
    places: InFlight,
    papers: Papers,
    /// The last parked bill that was tried again: the next look goes on behind it.
    tried: tokio::sync::Mutex<(DateTime<Utc>, String)>,
}

/// What all bills of a poll have in common.
struct Terms {
    entity: EntityRow,
    rates: TaxRates,
    currency: Currency,
    customers: HashMap<String, CustomerRow>,
}

impl Bills {
    pub fn new(config: BillsConfig, registry: Registry, journal: Journal) -> Self {
        let papers = Papers::new(config.printer.clone(), config.documents.clone());
        let places = InFlight::new(POLL.messages_max.max(REPLAYS_MAX));
        Self { config, registry, journal, places, papers, tried: tokio::sync::Mutex::default() }
    }
}

impl Desk for Bills {
    fn part(&self) -> Part {
        Part::Bills
    }

    fn bounds(&self) -> Bounds {
        POLL
    }

    async fn handle(&self, messages: &[Incoming]) -> Result<Vec<Fate>, Later> {
        let fates = self.bill(messages).await?;
        for (message, fate) in messages.iter().zip(&fates) {
            if *fate == Fate::Parked {
                bills::park(&self.config.pool, &parked(message)).await?;
            }
        }
        Ok(fates)
    }

    /// Tries parked bills again, and gives up those that waited for too long.
    async fn look(&self, letters: &Letters) -> Result<(), Later> {
        let mut tried = self.tried.lock().await;
        let (at, place) = tried.clone();
        let waiting = bills::waiting(&self.config.pool, (at, &place), (PARKED_MAX, POLL.bytes_max)).await?;
        *tried = waiting.last().map_or_else(Default::default, |last| (last.parked_at, last.place.clone()));
        if waiting.is_empty() {
            return Ok(());
        }
        let messages: Vec<_> = waiting.iter().map(incoming).collect();
        let patience = TimeDelta::from_std(self.config.patience).unwrap_or(TimeDelta::MAX);
        for (row, fate) in waiting.iter().zip(self.bill(&messages).await?) {
            match fate {
                Fate::Parked if Utc::now() - row.parked_at < patience => continue,
                Fate::Parked => {
                    let waited = self.config.patience.as_secs();
                    let reason = format!("nobody is registered under the e-mail in userId, {waited} s after it came");
                    letters.bury(&received(row), ("UNKNOWN_CUSTOMER", &reason)).await?;
                }
                Fate::Dead { code, reason } => letters.bury(&received(row), (code, &reason)).await?,
                Fate::Done | Fate::Repeated => {}
            }
            bills::release(&self.config.pool, &[&row.place]).await?;
        }
        Ok(())
    }
}

impl Bills {
    /// Bills messages and announces what was billed; those without a customer are to be parked.
    async fn bill(&self, messages: &[Incoming]) -> Result<Vec<Fate>, Later> {
        let config = &self.config;
        let issuer = Issuer {
            pool: &config.pool,
            tenant: &config.tenant,
            registry: &self.registry,
            journal: &self.journal,
            places: &self.places,
        };
        let read: Vec<_> = messages.iter().map(|message| Bill::parse(&message.body)).collect();
        let emails: Vec<_> = read.iter().flatten().map(|bill| bill.user_id.as_str()).collect();
        let terms = Terms {
            entity: issuer.entity(&config.entity, "BILLS_ENTITY").await?,
            rates: issuer.rates(config.tax_percent).await?,
            currency: self.currency().await?,
            customers: registrations::by_email(&config.pool, &config.tenant, &emails).await.map_err(Trouble::Store)?,
        };
        let book = terms.entity.book_currency.as_deref().unwrap_or(&config.currency);
        if book != config.currency {
            let why =
                format!("the books of {} are in {book}, but BILLS_CURRENCY is {}", config.entity, config.currency);
            return Err(Later(why));
        }
        let mut fates: Vec<Option<Fate>> = vec![None; messages.len()];
        let mut issues = Vec::with_capacity(messages.len());
        for (at, (message, read)) in messages.iter().zip(read).enumerate() {
            match read.and_then(|bill| self.decide(at, message, &bill, &terms)) {
                Ok(Some(issue)) => issues.push(issue),
                Ok(None) => fates[at] = Some(Fate::Parked),
                Err(broken) => fates[at] = Some(Fate::Dead { code: broken.code(), reason: broken.to_string() }),
            }
        }
        let ids: Vec<_> = issues.iter().map(|issue| (issue.at, issue.id)).collect();
        issuer.leave_out_issued(&mut issues, &mut fates).await.map_err(Trouble::Store)?;
        issuer.issue(&terms.entity, issues, &mut fates).await?;
        let fates: Vec<_> = fates.into_iter().map(|fate| fate.unwrap_or(Fate::Repeated)).collect();
        let done = ids.into_iter().filter(|(at, _)| matches!(fates[*at], Fate::Done | Fate::Repeated));
        self.announce(messages, done.collect(), &terms).await?;
        Ok(fates)
    }

    /// The currency of all prices.
    async fn currency(&self) -> Result<Currency, Trouble> {
        let BillsConfig { currencies: known, currency: code, pool, .. } = &self.config;
        if known.get(code).is_none() {
            currencies::reload(pool, known).await?; // it may have been made since
        }
        known.get(code).ok_or_else(|| Trouble::Setup(format!("BILLS_CURRENCY is {code}, which is not known")))
    }

    /// `None`: the customer is not known.
    fn decide(&self, at: usize, message: &Incoming, bill: &Bill, terms: &Terms) -> Result<Option<Issue>, BrokenOrder> {
        let Some(customer) = terms.customers.get(&bill.user_id) else { return Ok(None) };
        let (region, currency) = (terms.entity.region.clone(), terms.currency);
        let day = terms.entity.today(message.received_at);
        let taxed = bill.taxed(&terms.rates, region.as_deref(), day, currency)?;
        let party = Party {
            id: customer.id.clone(),
            name: customer.name(),
            email: Some(customer.email.clone()),
            mobile: customer.mobile.clone(),
            address: Vec::new(), // a registration has none
            tax_id: None,
        };
        Ok(Some(Issue {
            at,
            id: TransactionId::of_message("bill", &self.config.tenant, &identity(message)),
            message: message.id(),
            api: Api::Customers,
            request: RequestHash::of(&[b"bill", &message.body]),
            customer: customer.id.clone(),
            source: number(message),
            currency,
            content: Content::of_bill(bill, &taxed, currency, party, region, message.received_at),
            booked: NetTax { net: taxed.subtotal, tax: taxed.tax },
            book: currency,
            taxed,
            parked: None,
        }))
    }

    /// Prints these bills and announces them: as they were issued, also when that was long ago.
    async fn announce(
        &self,
        messages: &[Incoming],
        done: Vec<(usize, TransactionId)>,
        terms: &Terms,
    ) -> Result<(), Later> {
        if done.is_empty() {
            return Ok(());
        }
        let config = &self.config;
        let ids: Vec<_> = done.iter().map(|(_, id)| *id).collect();
        let issued = bills::issued(&config.pool, &ids).await?;
        let letterhead = self.papers.letterhead(&config.pool, &config.tenant, &config.entity).await?;
        let (issued, letterhead) = (&issued, &letterhead);
        stream::iter(done)
            .map(|(at, id)| async move {
                let Some(bill) = issued.get(&id) else {
                    return Err(Later(format!("the invoice of transaction {} cannot be read yet", id.0)));
                };
                let document = InvoiceDocument {
                    seller: letterhead.clone(),
                    number: number(&messages[at]),
                    issued_on: terms.entity.today(bill.issued_at),
                    currency: terms.currency,
                    bill: bill.clone(),
                };
                let notice = notice(bill, &document, self.papers.print(document.clone()).await?);
                let key = format!("email-{}", key(&messages[at]));
                let sent = config.dispatch.send(&config.notify_topic, &key, &notice.text()).await;
                sent.map_err(|error| Later(error.to_string()))
            })
            .buffer_unordered(BESIDE)
            .try_collect::<()>()
            .await
    }
}

fn notice(bill: &IssuedBill, document: &InvoiceDocument, filepath: String) -> Notice {
    let customer = bill.content.customer.as_ref();
    Notice {
        filepath,
        info: NoticeInfo {
            name: customer.map(|party| party.name.clone()).unwrap_or_default(),
            send_to: customer.and_then(|party| party.email.clone()).unwrap_or_default(),
            total_amount: bill.total.text(document.currency.exponent),
            invoice_id: document.number.clone(),
            store_name: document.seller.name.clone(),
        },
    }
}

/// The key of a bill's message, or what it would be.
fn key(message: &Incoming) -> String {
    format!("{KEY_PREFIX}{}", number(message))
}

/// What makes two messages the same bill: a call of the contract draws a number for its key.
fn identity(message: &Incoming) -> String {
    let key = message.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
    if key.len() > KEY_PREFIX.len() && key.len() < NUMBER_BYTES_MAX && key.starts_with(KEY_PREFIX) {
        format!("{key}/{}", message.digest())
    } else {
        message.id()
    }
}

/// `#17`, from the key; without a usable one, from where the message stands.
fn number(message: &Incoming) -> String {
    let key = message.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
    let given = key.strip_prefix(KEY_PREFIX).unwrap_or(key);
    let given = given.strip_prefix('#').unwrap_or(given);
    if (1..NUMBER_BYTES_MAX).contains(&given.len()) && !given.contains(char::is_control) {
        format!("#{given}")
    } else {
        let Place { partition, offset, .. } = &message.place;
        format!("#{partition}-{offset}")
    }
}

fn parked(message: &Incoming) -> ParkedBillRow {
    let Place { topic, partition, offset } = message.place.clone();
    ParkedBillRow {
        place: message.id(),
        topic,
        partition,
        offset,
        key: message.key.clone(),
        body: message.body.clone(),
        received_at: message.received_at,
        parked_at: DateTime::UNIX_EPOCH, // the database says when
    }
}

fn incoming(row: &ParkedBillRow) -> Incoming {
    Incoming {
        place: Place { topic: row.topic.clone(), partition: row.partition, offset: row.offset },
        key: row.key.clone(),
        body: row.body.clone(),
        received_at: row.received_at,
    }
}

fn received(row: &ParkedBillRow) -> Received {
    Received {
        topic: row.topic.clone(),
        partition: row.partition,
        offset: row.offset,
        key: row.key.clone(),
        headers: Vec::new(),
        body: row.body.clone(),
        written_at: Some(row.received_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bills_number_is_in_its_key_or_made_from_its_place() {
        let long = "9".repeat(200);
        for (given, expected) in [
            (Some("billID-#17"), "#17"),
            (Some("billID-17"), "#17"),
            (Some("17"), "#17"),
            (Some("billID-"), "#1-7"),
            (Some("a\nb"), "#1-7"),
            (Some(long.as_str()), "#1-7"),
            (None, "#1-7"),
        ] {
            let message = Incoming {
                place: Place { topic: "billing".into(), partition: 1, offset: 7 },
                key: given.map(|key| key.as_bytes().to_vec()),
                body: Vec::new(),
                received_at: DateTime::UNIX_EPOCH,
            };
            assert_eq!(number(&message), expected, "{given:?}");
        }
    }
}
