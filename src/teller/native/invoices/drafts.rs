//! Invoices that are written by hand: drafted, drafted anew, deleted, issued.

mod checks;
mod keys;

use chrono::Utc;
use rust_decimal::Decimal;

use super::postings::{self, Booked};
use super::{Answer, Failure, InvoiceRow, Ledger, Permit, Settled, Words, fields, get, request, turn};
use crate::billing::invoice::{Balance, Status};
use crate::billing::order::LINES_MAX;
use crate::billing::registration::full_name;
use crate::billing::{Per, PricedLine, Pricing, TaxRate, TaxRates, Taxed, discount};
use crate::money::{Amount, Currency, Rounding};
use crate::protocol::content::{Content, Line, Party, Tax};
use crate::protocol::movement::{self, Movement, Recorded};
use crate::protocol::record::{self, DocumentKind, RequestHash, Rows};
use crate::store::billing::drafts::{self as store, DRAFTS_MAX, DraftRow, Key};
use crate::store::billing::entities::{self, EntityRow};
use crate::store::billing::{customers, tax_rates};
use crate::store::operators::Doing;
use crate::teller::call::Call;
use crate::teller::failure::Noun;
use crate::teller::ledger::{Deadline, read_failure, unwritten};
use crate::teller::native::names::{self, Spelling};
use crate::teller::validate::cut;

/// Lines of a draft.
pub const DRAFT_LINES_MAX: usize = 500;
/// Bytes of a customer's id.
pub const CUSTOMER_MAX: usize = 128;
/// Bytes of an entity's id.
pub const ENTITY_MAX: usize = 64;
/// Bytes of a quantity or a price.
pub const DECIMAL_MAX: usize = 64;
/// Days from an invoice's date to its due date.
pub const DUE_DAYS_MAX: u32 = 3_650;
const _: () = assert!(DRAFT_LINES_MAX <= LINES_MAX);

/// What is sold.
#[derive(Clone, Debug, Default)]
pub struct NewLine {
    pub description: String,
    pub sku: Option<String>,
    /// Decimal text.
    pub quantity: String,
    /// Decimal text in the currency's unit.
    pub unit_price: String,
    pub tax_category: Option<String>,
}

/// An invoice as a caller drafts it.
#[derive(Clone, Debug, Default)]
pub struct NewInvoice {
    /// `None`: the one of the settings.
    pub entity: Option<String>,
    pub customer: String,
    pub currency: String,
    pub lines: Vec<NewLine>,
    pub prices_include_tax: bool,
    /// Off the whole document: decimal text.
    pub discount: Option<String>,
    /// `None`: the entity's.
    pub due_days: Option<u32>,
    pub note: Option<String>,
    /// `None`: the customer's, or else the entity's.
    pub region: Option<String>,
}

/// There is no entity of this id.
pub fn no_entity(id: &str) -> Failure {
    Failure::NotFound(Noun::Other, format!("Entity not found: {}", cut(id)))
}

/// A draft that was asked for.
#[derive(Clone, Debug)]
pub struct Drafted {
    pub invoice: InvoiceRow,
    /// Whether the same request used the key before: this is the draft of then, as it is now.
    pub replayed: bool,
}

/// Writes a new draft, or finds the one that the key has already.
///
/// # Errors
/// `Invalid`, naming the field as the wire spells it; `NotFound`; `FailedPrecondition`; `KeyReused`: another draft was
/// asked for under the key; what kept it from being done.
pub async fn create(
    ledger: &Ledger,
    call: &Call,
    (asked, spelled): (NewInvoice, Spelling),
    (key, reason): (Option<String>, &str),
) -> Result<Drafted, Failure> {
    let has_key = key.is_some();
    let created = create_once(ledger, call, (asked, spelled), (key, reason)).await;
    created.map_err(|failure| failure.with_key(has_key)) // an earlier one may be there
}

async fn create_once(
    ledger: &Ledger,
    call: &Call,
    (asked, spelled): (NewInvoice, Spelling),
    (key, reason): (Option<String>, &str),
) -> Result<Drafted, Failure> {
    let by = call.operator(reason)?;
    let key = key.map(|text| Key { text, request: keys::identity(&asked) });
    if let Some(found) = keys::replayed(ledger, call, key.as_ref()).await? {
        return Ok(found); // whatever has become since of what a draft rests on
    }
    let draft = drafted(ledger, call, asked, spelled).await?;
    ledger.active()?;
    let _permit = ledger.enter()?;
    let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
    let id = store::create(&ledger.parts().pool, &draft, key.as_ref(), &doing).await;
    match id.map_err(|error| unwritten(&error))? {
        Some(id) => Ok(Drafted { invoice: get(ledger, &call.tenant, &id.to_string()).await?, replayed: false }),
        None => keys::replayed(ledger, call, key.as_ref()).await?.ok_or_else(|| {
            let why = format!("there are {DRAFTS_MAX} drafts, which is the limit: issue or delete some");
            Failure::FailedPrecondition(why)
        }),
    }
}

/// Puts another draft in its place, if it still is of the version that the caller knows; `None`: of whatever version.
///
/// # Errors
/// As [`create`].
pub async fn replace(
    ledger: &Ledger,
    call: &Call,
    (id, version): (&str, Option<i32>),
    (asked, spelled): (NewInvoice, Spelling),
    reason: &str,
) -> Result<InvoiceRow, Failure> {
    let by = call.operator(reason)?;
    let draft = drafted(ledger, call, asked, spelled).await?;
    let invoice = get(ledger, &call.tenant, id).await?.id;
    let work = {
        let (ledger, call, id) = (ledger.clone(), call.clone(), id.to_owned());
        async move {
            let _permit = ledger.enter()?;
            let row = draft_of(&ledger, &call, &id, version).await?;
            let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
            let done = store::replace(&ledger.parts().pool, (row.id, row.version), &draft, &doing).await;
            if !done.map_err(|error| unwritten(&error))? {
                return Err(Failure::Interrupted);
            }
            get(&ledger, &call.tenant, &id).await
        }
    };
    turn(ledger, invoice, work).await
}

/// Deletes a draft.
///
/// # Errors
/// `NotFound`; `FailedPrecondition`: it is issued.
pub async fn delete(ledger: &Ledger, call: &Call, id: &str, reason: &str) -> Result<(), Failure> {
    let by = call.operator(reason)?;
    let invoice = get(ledger, &call.tenant, id).await?.id;
    let work = {
        let (ledger, call, id) = (ledger.clone(), call.clone(), id.to_owned());
        async move {
            let _permit = ledger.enter()?;
            let row = draft_of(&ledger, &call, &id, None).await?;
            let doing = Doing { tenant: &call.tenant, by: &by, correlation: call.correlation.as_deref() };
            let done = store::delete(
                &ledger.parts().pool,
                row.id,
                told(&row.customer, row.balance.total, row.currency),
                &doing,
            )
            .await
            .map_err(|error| unwritten(&error))?;
            if done { Ok(()) } else { Err(Failure::no_invoice(&id)) }
        }
    };
    turn(ledger, invoice, work).await
}

/// Issues a draft: it gets its number, and is posted.
///
/// # Errors
/// `NotFound`; `FailedPrecondition`: it is issued already; else as [`Ledger::post`].
pub async fn issue(
    ledger: &Ledger,
    call: &Call,
    id: &str,
    (words, reason): (Words, String),
    permit: Permit,
) -> Result<Settled, Failure> {
    let key = words.key.clone();
    let work = |call: Call| async move {
        let invoice = get(ledger, &call.tenant, id).await?.id;
        let work = {
            let (ledger, id, deadline) = (ledger.clone(), id.to_owned(), call.deadline(ledger));
            async move { issued(&ledger, &call, &id, (words, reason), deadline, permit).await }
        };
        turn(ledger, invoice, work).await
    };
    call.attempt(ledger, key.as_deref(), work).await
}

async fn issued(
    ledger: &Ledger,
    call: &Call,
    id: &str,
    (words, reason): (Words, String),
    deadline: Deadline,
    permit: Permit,
) -> Result<Settled, Failure> {
    let by = call.operator(&reason)?;
    let row = get(ledger, &call.tenant, id).await?;
    let reference = words.reference.clone().unwrap_or_default();
    let identity = RequestHash::of(&[b"invoice", b"issue", &row.id.to_le_bytes(), reference.as_bytes()]);
    let request = request(call, deadline, identity, words);
    if let Some(answer) = ledger.repeated(&request).await? {
        let (Answer::Completed { .. } | Answer::Declined { .. }) = &answer;
        return super::repeated(ledger, call, row, answer).await;
    }
    let row = draft_of(ledger, call, id, None).await?;
    let entity = entity(ledger, call, &row.entity).await?;
    let today = entity.today(Utc::now());
    let due_on = match row.content.due_days {
        Some(days) => crate::billing::terms::due_date(today, days),
        None => entity.due_on(today),
    };
    let total = row.balance.total;
    let row = postings::exchanged(ledger, call, row, entity.book_currency.as_deref()).await?;
    let booked = Booked::of(ledger, &row).await?;
    let document = record::InvoiceRow {
        draft: Some((row.id, row.version)),
        entity: row.entity.clone(),
        document: DocumentKind::Invoice,
        customer: row.customer.clone(),
        source: row.source.clone(),
        currency: row.currency.code,
        subtotal: row.subtotal,
        tax: row.tax,
        total,
        due_on: Some(due_on),
        content: row.content.text(),
        corrects: None,
        year: entity.fiscal_year(today),
        number_format: entity.invoice_format.clone(),
        booked: (booked.currency.code, booked.books.worth(total)),
        status: Balance::issued(total).status,
        is_mailed: entity.mails_invoices,
    };
    let movement = movement::Invoice { row: Box::new(document), parked: None };
    let action = super::did(&by, "invoice.issue", &row, &Balance::issued(total));
    let rows: Vec<Rows> = movement.all_rows().into_iter().chain([Rows::Action(action.clone())]).collect();
    let movement = Box::new(Recorded { movement: Box::new(movement), action });
    let entries = booked.issued();
    if entries.is_empty() {
        ledger.note(request, &*movement as &dyn Movement, rows, permit).await?;
        return Ok(Settled { invoice: get(ledger, &call.tenant, id).await?, posted: None, replayed: false });
    }
    let posted = super::post(ledger, call, (request, movement), &entries, permit).await?;
    Ok(Settled::new(get(ledger, &call.tenant, id).await?, posted))
}

/// It still is a draft, of this version.
async fn draft_of(ledger: &Ledger, call: &Call, id: &str, version: Option<i32>) -> Result<InvoiceRow, Failure> {
    let row = get(ledger, &call.tenant, id).await?;
    if row.balance.status != Status::Draft {
        let number = row.number.as_deref().unwrap_or(id);
        let status = row.balance.status.name();
        return Err(Failure::FailedPrecondition(format!("invoice {number} is {status}, not a draft")));
    }
    match version.filter(|version| *version != row.version) {
        None => Ok(row),
        Some(version) => {
            let now = row.version;
            Err(Failure::FailedPrecondition(format!(
                "draft {id} is of version {now} now, not {version}: read it again"
            )))
        }
    }
}

pub(super) async fn entity(ledger: &Ledger, call: &Call, id: &str) -> Result<EntityRow, Failure> {
    let row = entities::get(&ledger.parts().pool, &call.tenant, id).await.map_err(|error| read_failure(&error))?;
    row.ok_or_else(|| no_entity(id))
}

/// Checks a draft, finds its taxes, and says what it comes to.
async fn drafted(ledger: &Ledger, call: &Call, asked: NewInvoice, spelled: Spelling) -> Result<DraftRow, Failure> {
    checks::check(&asked, spelled)?;
    ledger.ensure_known(std::iter::once(asked.currency.as_str())).await?;
    let currency = fields::currency(&ledger.parts().currencies, "currency", &asked.currency)?;
    let entity_id = asked.entity.clone().unwrap_or_else(|| ledger.parts().billing.entity.to_string());
    let entity = entity(ledger, call, &entity_id).await?;
    let pool = &ledger.parts().pool;
    let customer = customers::get(pool, &call.tenant, &asked.customer).await.map_err(|error| read_failure(&error))?;
    let known_region = customer.as_ref().and_then(|customer| customer.region.clone());
    let region = asked.region.clone().or(known_region).or(entity.region.clone());
    let party = customer.map(|customer| Party {
        name: full_name([&customer.first_name, &customer.middle_name, &customer.last_name]),
        id: customer.id,
        email: customer.email,
        mobile: customer.mobile,
        address: customer.address,
        tax_id: customer.tax_id,
    });
    let rates = rates(ledger, call).await?;
    let day = entity.today(Utc::now());
    let mut priced = Vec::with_capacity(asked.lines.len());
    for (n, line) in asked.lines.iter().enumerate() {
        let [quantity, price] = [("quantity", &line.quantity), (spelled(names::UNIT_PRICE), &line.unit_price)]
            .map(|(name, text)| checks::exact(&format!("lines[{n}].{name}"), text));
        let rate = rates.find(region.as_deref(), line.tax_category.as_deref(), day);
        priced.push(PricedLine { exact: quantity? * price?, rate });
    }
    let off = match &asked.discount {
        Some(text) => fields::amount("discount", text, currency)?,
        None => Amount::ZERO,
    };
    let pricing = Pricing { inclusive: asked.prices_include_tax, rounding: Rounding::HalfAwayFromZero, per: Per::Rate };
    let taxed = discount(&priced, off, pricing, currency).map_err(|error| checks::untaxed(&error, currency))?;
    Ok(DraftRow {
        entity: entity_id,
        customer: asked.customer.clone(),
        currency: currency.code,
        subtotal: taxed.subtotal,
        tax: taxed.tax,
        total: taxed.total,
        told: told(&asked.customer, taxed.total, currency),
        content: content(asked, &taxed, currency, (party, region)).text(),
    })
}

/// What the list of operators' actions says of a draft.
fn told(customer: &str, total: Amount, currency: Currency) -> String {
    let total = total.text(currency.exponent);
    serde_json::json!({ "customerId": customer, "currency": currency.code.as_str(), "total": total }).to_string()
}

/// The rates of the tenant, and the one of the settings where there is none.
async fn rates(ledger: &Ledger, call: &Call) -> Result<TaxRates, Failure> {
    let parts = ledger.parts();
    let rules = tax_rates::rules(&parts.pool, &call.tenant).await.map_err(|error| read_failure(&error))?;
    let default = TaxRate::standard(Decimal::from(parts.billing.tax_percent)).map_err(|_| Failure::Guard)?;
    TaxRates::new(rules, default).map_err(|_| Failure::Guard)
}

fn content(
    asked: NewInvoice,
    taxed: &Taxed,
    currency: Currency,
    (customer, region): (Option<Party>, Option<String>),
) -> Content {
    let lines = asked.lines.into_iter().zip(&taxed.lines).map(|(line, taxed)| Line {
        sku: line.sku.unwrap_or_default(),
        description: Some(line.description),
        quantity: line.quantity,
        unit_price: line.unit_price,
        tax_category: line.tax_category,
        ..Line::of(taxed, currency)
    });
    Content {
        ordered_at: Utc::now(),
        prices_include_tax: asked.prices_include_tax,
        customer,
        region,
        lines: lines.collect(),
        taxes: taxed.groups.iter().map(|group| Tax::of(group, currency)).collect(),
        exchange: None,
        discount: asked.discount,
        due_days: asked.due_days.and_then(|days| u16::try_from(days).ok()),
        note: asked.note,
    }
}
