//! Issues invoices: opens the accounts that they need, and sends their records to the journal side by side, which writes
//! them in one batch or few. Whoever decides what is billed calls it: orders, and bills.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use rust_decimal::Decimal;
use smallvec::SmallVec;
use sqlx::PgPool;
use tokio::sync::oneshot::Receiver;

use super::accounts::Registry;
use super::house::{self, House, Unavailable};
use super::intake::{Fate, Later};
use super::journal::Journal;
use super::posting;
use crate::billing::invoice::Balance;
use crate::billing::postings::{self, Role};
use crate::billing::{NetTax, TaxRate, TaxRates, Taxed};
use crate::money::{Amount, Currency};
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
use crate::store::billing::orders;
use crate::store::billing::tax_rates;

/// How long a document may wait to be written for the first time.
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
    #[error("legal entity {0} is not there: {1} names one that is")]
    Entity(String, &'static str),
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

/// What issuing needs, for one poll.
pub struct Issuer<'a> {
    pub pool: &'a PgPool,
    pub tenant: &'a Arc<str>,
    pub registry: &'a Registry,
    pub journal: &'a Journal,
    pub places: &'a InFlight,
}

/// An invoice that is decided.
pub struct Issue {
    /// The number of its message.
    pub at: usize,
    pub id: TransactionId,
    /// The id of its message.
    pub message: String,
    pub api: Api,
    /// What makes two messages of one id the same.
    pub request: RequestHash,
    pub customer: String,
    /// The id of the order or the bill.
    pub source: String,
    pub currency: Currency,
    pub taxed: Taxed,
    pub content: Content,
    /// What is posted, and in which currency.
    pub booked: NetTax,
    pub book: Currency,
    /// Its number in `parked_orders` if it waited there.
    pub parked: Option<i64>,
}

impl Issuer<'_> {
    /// The entity of this id, which a setting names.
    ///
    /// # Errors
    /// When there is none, or the database does not answer.
    pub async fn entity(&self, id: &str, setting: &'static str) -> Result<EntityRow, Trouble> {
        let found = entities::get(self.pool, self.tenant, id).await?;
        found.ok_or_else(|| Trouble::Entity(id.to_owned(), setting))
    }

    /// The tax rates as they are set, and this one where none is.
    ///
    /// # Errors
    /// When one cannot be used, or the database does not answer.
    pub async fn rates(&self, default_percent: u32) -> Result<TaxRates, Trouble> {
        let setup = |error: &dyn std::fmt::Display| Trouble::Setup(format!("the tax rates cannot be used: {error}"));
        let default = TaxRate::standard(Decimal::from(default_percent)).map_err(|error| setup(&error))?;
        let rules = tax_rates::rules(self.pool, self.tenant).await?;
        TaxRates::new(rules, default).map_err(|error| setup(&error))
    }

    /// Leaves out what was issued before, however long ago, and says so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn leave_out_issued(
        &self,
        issues: &mut Vec<Issue>,
        fates: &mut [Option<Fate>],
    ) -> Result<(), StoreError> {
        let ids: Vec<_> = issues.iter().map(|issue| issue.id).collect();
        let issued = orders::billed(self.pool, &ids).await?;
        issues.retain(|issue| {
            let Some(first) = issued.get(&issue.id) else { return true };
            let is_same = first.is_none_or(|first| first == issue.request);
            fates[issue.at] = Some(if is_same { Fate::Repeated } else { reused() });
            false
        });
        Ok(())
    }

    /// Issues all of these, and says of each what became of it.
    ///
    /// # Errors
    /// When any of them could not be issued for no fault of its own.
    pub async fn issue(
        &self,
        entity: &EntityRow,
        issues: Vec<Issue>,
        fates: &mut [Option<Fate>],
    ) -> Result<(), Trouble> {
        let accounts = self.accounts(entity, &issues).await?;
        let mut waiting = Vec::with_capacity(issues.len());
        for issue in issues {
            let at = issue.at;
            waiting.push((at, self.send(entity, issue, &accounts)?));
        }
        let until = tokio::time::Instant::now() + CUTOFF + GRACE;
        for (at, outcome) in waiting {
            let outcome = tokio::time::timeout_at(until, outcome).await.map_err(|_| Trouble::Unknown)?;
            fates[at] = Some(fate(outcome.map_err(|_| Trouble::Unknown)?)?);
        }
        Ok(())
    }

    async fn accounts(&self, entity: &EntityRow, issues: &[Issue]) -> Result<house::Accounts, Trouble> {
        let mut wanted: HashSet<House<'_>> = HashSet::new();
        for issue in issues {
            for entry in postings::issued(issue.booked) {
                wanted.extend([entry.debit, entry.credit].map(|role| issue.house(entity, role)));
            }
        }
        Ok(house::open(self.registry, self.journal, self.tenant, wanted).await?)
    }

    fn send(&self, entity: &EntityRow, issue: Issue, accounts: &house::Accounts) -> Result<Receiver<Outcome>, Trouble> {
        let mut postings: SmallVec<[Posting; 1]> = SmallVec::new();
        let mut named: SmallVec<[&Arc<AccountHandle>; 3]> = SmallVec::new();
        for entry in postings::issued(issue.booked) {
            let [debit, credit] = [entry.debit, entry.credit].map(|role| &accounts[&issue.house(entity, role).name()]);
            postings.push(Posting { debit: debit.identity.id, credit: credit.identity.id, amount: entry.amount });
            for account in [debit, credit] {
                if named.iter().all(|known| known.identity.id != account.identity.id) {
                    named.push(account);
                }
            }
        }
        let source = Source {
            id: issue.id,
            tenant: self.tenant.clone(),
            api: issue.api,
            request: issue.request,
            at: now_micros(),
            cutoff: Instant::now() + CUTOFF,
        };
        let invoice = Invoice { row: Box::new(issue.row(entity)), parked: issue.parked };
        let record = if postings.is_empty() {
            Record::of_fact(&invoice, Kind::INVOICE_FACT, invoice.all_rows(), source)
        } else {
            Record::of(&invoice, postings, source)
        };
        let permit = self.places.enter().ok_or(Trouble::Aborted(Abort::AccountBusy))?;
        let record = Record { reference: Some(issue.source), ..record };
        posting::send(self.journal, record, &named, usize::MAX, permit).map_err(Trouble::Aborted)
    }
}

impl Issue {
    fn house<'s>(&'s self, entity: &'s EntityRow, role: Role) -> House<'s> {
        House { entity: &entity.id, role, customer: &self.customer, currency: self.book }
    }

    fn row(&self, entity: &EntityRow) -> InvoiceRow {
        let (today, total) = (entity.today(Utc::now()), self.taxed.total);
        let NetTax { net, tax } = self.booked;
        InvoiceRow {
            draft: None,
            entity: entity.id.clone(),
            document: DocumentKind::Invoice,
            customer: self.customer.clone(),
            source: Some(self.source.clone()),
            currency: self.currency.code,
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
            is_mailed: entity.mails_invoices && self.api != Api::Customers, // bills of shops have mails of their own
        }
    }
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

/// Of another message with the same id.
pub fn reused() -> Fate {
    Fate::Dead { code: "EVENT_ID_REUSED", reason: "another order of this event_id was billed before".into() }
}
