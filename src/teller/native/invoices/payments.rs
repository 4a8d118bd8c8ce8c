//! Payments of a customer that pay several invoices, or none yet; and credit of a customer that is paid out.

use super::postings::{Booked, Entries, Party};
use super::{
    Answer, Change, Currency, Deadline, EventType, Failure, InvoiceRow, Kind, Ledger, Movement, Permit, Posted,
    Recorded, RequestHash, SettlementKind, SettlementRow, Words, decided_again, fields, invoice, movement, refused,
    request, store,
};
use crate::actors::house::House;
use crate::billing::allocation::{OpenInvoice, allocate};
use crate::billing::postings::Role;
use crate::money::Amount;
use crate::protocol::movement::Transfer;
use crate::teller::call::Call;
use crate::teller::ledger::{pinned, read_failure};
use crate::teller::native::names::{self, Spelling};
use crate::teller::validate::{self, cut};

/// Invoices that one payment may name, or pay.
pub const INVOICES_MAX: usize = 1_000;

/// A payment of a customer.
#[derive(Clone, Debug)]
pub struct Payment {
    pub customer: String,
    pub currency: String,
    /// Decimal text.
    pub amount: String,
    /// Paid from this account of the ledger; `None`: from outside.
    pub source: Option<String>,
    /// Invoices that are paid before all others, in this order.
    pub invoices: Vec<String>,
    pub words: Words,
}

/// A payment, and what it paid.
#[derive(Clone, Debug)]
pub struct Paid {
    pub posted: Posted,
    /// The invoices that it paid, as they are now; none for a repeat and for what was declined.
    pub invoices: Vec<InvoiceRow>,
    /// What became the customer's credit; `None`: a repeat, or declined.
    pub excess: Option<Amount>,
    pub currency: Currency,
}

/// Takes a payment: the named invoices first, then those that are due first; the rest is the customer's credit.
///
/// # Errors
/// `NotFound` for an invoice that it names; else as [`Ledger::post`]. `Interrupted`: invoices kept changing.
pub async fn receive(
    ledger: &Ledger,
    call: &Call,
    (asked, spelled): (Payment, Spelling),
    permit: Permit,
) -> Result<Paid, Failure> {
    let (key, deadline) = (asked.words.key.clone(), call.deadline(ledger));
    let work = |call: Call| async move {
        let Checked { currency, amount, named } = checked(ledger, &call, &asked, spelled).await?;
        let work = |permit| try_once(ledger, &call, &asked, (currency, amount, &named), deadline, permit);
        decided_again(ledger, permit, work).await
    };
    call.attempt(ledger, key.as_deref(), work).await
}

struct Checked {
    currency: Currency,
    amount: Amount,
    /// In the caller's order.
    named: Vec<i64>,
}

async fn checked(ledger: &Ledger, call: &Call, asked: &Payment, spelled: Spelling) -> Result<Checked, Failure> {
    validate::required(spelled(names::CUSTOMER_ID), &asked.customer, super::drafts::CUSTOMER_MAX)?;
    ledger.ensure_known(std::iter::once(asked.currency.as_str())).await?;
    let currency = fields::currency(&ledger.parts().currencies, "currency", &asked.currency)?;
    let amount = fields::amount("amount", &asked.amount, currency)?;
    if amount <= Amount::ZERO {
        return Err(Failure::Invalid(format!("amount {:?} is not above zero", cut(&asked.amount))));
    }
    let field = spelled(names::INVOICE_IDS);
    if asked.invoices.len() > INVOICES_MAX {
        let count = asked.invoices.len();
        return Err(Failure::Invalid(format!("{field} has {count} entries, the limit is {INVOICES_MAX}")));
    }
    let named = asked.invoices.iter().map(|id| id.parse().map_err(|_| Failure::no_invoice(id)));
    let named: Vec<i64> = named.collect::<Result<_, _>>()?;
    let rows = several(ledger, &call.tenant, &named).await?;
    for id in &named {
        let row = rows.iter().find(|row| row.id == *id).ok_or_else(|| Failure::no_invoice(&id.to_string()))?;
        if row.customer != asked.customer || row.currency.code != currency.code {
            return Err(Failure::Invalid(format!(
                "{field} \"{id}\" is an invoice of customer {} in {}",
                cut(&row.customer),
                row.currency.code
            )));
        }
    }
    Ok(Checked { currency, amount, named })
}

async fn try_once(
    ledger: &Ledger,
    call: &Call,
    asked: &Payment,
    (currency, amount, named): (Currency, Amount, &[i64]),
    deadline: Deadline,
    permit: Permit,
) -> Result<Paid, Failure> {
    let request = request(call, deadline, identity(asked, amount, named), asked.words.clone());
    if let Some(answer) = ledger.repeated(&request).await? {
        return repeated(ledger, call, answer, currency).await;
    }
    let (pool, tenant) = (&ledger.parts().pool, &*call.tenant);
    let limit = i64::try_from(INVOICES_MAX).unwrap_or(i64::MAX);
    let mut rows = store::open(pool, tenant, &asked.customer, currency.code.as_str(), limit)
        .await
        .map_err(|error| read_failure(&error))?;
    let beyond: Vec<i64> = named.iter().filter(|id| rows.iter().all(|row| row.id != **id)).copied().collect();
    rows.extend(several(ledger, tenant, &beyond).await?); // not among the oldest, or nothing is due of it
    let number = |row: &InvoiceRow| (row.issued_at, row.id);
    // One payment pins one rate: of invoices whose books are in other currencies, it pays those of one.
    let wanted = |row: &&InvoiceRow| named.contains(&row.id);
    let is_foreign = |row: &&InvoiceRow| row.book_currency != currency.code.as_str();
    let foreign = rows.iter().filter(is_foreign).min_by_key(|row| !wanted(row)).map(|row| row.book_currency.clone());
    let open: Vec<_> = rows
        .iter()
        .filter(|row| row.kind == super::DocumentKind::Invoice)
        .filter(|row| [currency.code.as_str(), foreign.as_deref().unwrap_or_default()].contains(&&*row.book_currency))
        .map(|row| OpenInvoice { number: number(row), due_on: row.due_on.unwrap_or_default(), due: row.balance.due() })
        .collect();
    let first: Vec<_> = named.iter().filter_map(|id| rows.iter().find(|row| row.id == *id)).map(number).collect();
    let allocation = allocate(amount, &first, &open);
    let entity = &*ledger.parts().billing.entity;
    let house = |role| House { entity, role, customer: &asked.customer, currency };
    let (mut entries, mut changes) = (Entries::default(), Vec::with_capacity(allocation.parts.len()));
    let (mut rate, mut unpaid, payer) = (None, Vec::new(), Party::named(asked.source.as_deref()));
    for (part, amount) in &allocation.parts {
        let Some(row) = rows.iter().find(|row| number(row) == *part) else { continue };
        let settlement =
            invoice::decide(&row.balance, Change::Pay { amount: *amount }).map_err(|why| refused(row, why))?;
        let booked = Booked::of(ledger, row).await?;
        if is_foreign(&row) && rate.is_none() {
            rate = booked.rate(ledger, tenant).await?.map(|rate| (pinned(&rate, currency, booked.currency), rate));
        }
        let at = rate.as_ref().map(|(_, rate)| rate).filter(|_| is_foreign(&row));
        entries.add(booked.paid(settlement, payer, at)?);
        unpaid.push(super::unpaid(row, settlement));
        changes.push(SettlementRow {
            invoice: row.id,
            version: row.version,
            kind: SettlementKind::Payment,
            settlement,
            credit_note: None,
        });
    }
    if allocation.excess > Amount::ZERO {
        let credit = (house(Role::CustomerCredit), Party::Credit);
        entries.add(Entries::between((house(Role::CashClearing), payer), credit, allocation.excess));
    }
    let paid: Vec<i64> = changes.iter().map(|change| change.invoice).collect();
    let movement: Box<dyn Movement> = if changes.is_empty() {
        Box::new(Transfer { kind: Kind::TOPUP }) // no invoice hears of it
    } else {
        let (kind, event) = (Kind::INVOICE_PAYMENT, EventType::InvoicePaid);
        let rate = rate.map(|(pinned, _)| pinned);
        Box::new(movement::Settlement { kind, event, rows: changes, credit_note: None, rate, paid: unpaid })
    };
    let posted = super::post(ledger, call, (request, movement), &entries, permit).await?;
    let mut invoices = Vec::new();
    if posted.declined.is_none() && !posted.replayed {
        let mut now = several(ledger, tenant, &paid).await?;
        now.sort_by_key(|row| paid.iter().position(|id| *id == row.id)); // in the order in which they were paid
        invoices = now;
    }
    let excess = (posted.declined.is_none() && !posted.replayed).then_some(allocation.excess);
    Ok(Paid { posted, invoices, excess, currency })
}

async fn several(ledger: &Ledger, tenant: &str, ids: &[i64]) -> Result<Vec<InvoiceRow>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    store::several(&ledger.parts().pool, tenant, ids).await.map_err(|error| read_failure(&error))
}

async fn repeated(ledger: &Ledger, call: &Call, answer: Answer, currency: Currency) -> Result<Paid, Failure> {
    let (Answer::Completed { id, .. } | Answer::Declined { id, .. }) = answer;
    let first = crate::store::transactions::get(&ledger.parts().pool, &call.tenant, id).await;
    let first = first.map_err(|error| read_failure(&error))?.ok_or(Failure::Unknown)?;
    let posted = Posted { transaction: first, declined: None, replayed: true };
    Ok(Paid { posted, invoices: Vec::new(), excess: None, currency })
}

fn identity(asked: &Payment, amount: Amount, named: &[i64]) -> RequestHash {
    let named: Vec<u8> = named.iter().flat_map(|id| id.to_le_bytes()).collect();
    RequestHash::of(&[
        b"customer payment",
        asked.customer.as_bytes(),
        asked.currency.as_bytes(),
        amount.to_string().as_bytes(),
        asked.source.as_deref().unwrap_or_default().as_bytes(),
        &named,
        asked.words.reference.as_deref().unwrap_or_default().as_bytes(),
    ])
}

/// Credit of a customer that is paid out.
#[derive(Clone, Debug)]
pub struct PayOut {
    pub customer: String,
    pub currency: String,
    /// Decimal text.
    pub amount: String,
    /// To this account of the ledger; `None`: to outside.
    pub destination: Option<String>,
    pub words: Words,
    /// In the operator's own words; may be empty.
    pub reason: String,
}

/// Pays out what the customer has a credit of.
///
/// # Errors
/// As [`Ledger::post`]; more than the credit is declined.
pub async fn pay_out(
    ledger: &Ledger,
    call: &Call,
    (asked, spelled): (PayOut, Spelling),
    permit: Permit,
) -> Result<Posted, Failure> {
    let key = asked.words.key.clone();
    let work = |call| async move { pay_out_as(ledger, &call, (asked, spelled), permit).await };
    call.attempt(ledger, key.as_deref(), work).await
}

async fn pay_out_as(
    ledger: &Ledger,
    call: &Call,
    (asked, spelled): (PayOut, Spelling),
    permit: Permit,
) -> Result<Posted, Failure> {
    let by = call.operator(&asked.reason)?;
    validate::required(spelled(names::CUSTOMER_ID), &asked.customer, super::drafts::CUSTOMER_MAX)?;
    ledger.ensure_known(std::iter::once(asked.currency.as_str())).await?;
    let currency = fields::currency(&ledger.parts().currencies, "currency", &asked.currency)?;
    let amount = fields::amount("amount", &asked.amount, currency)?;
    let identity = RequestHash::of(&[
        b"customer refund",
        asked.customer.as_bytes(),
        asked.currency.as_bytes(),
        amount.to_string().as_bytes(),
        asked.destination.as_deref().unwrap_or_default().as_bytes(),
        asked.words.reference.as_deref().unwrap_or_default().as_bytes(),
    ]);
    let request = request(call, call.deadline(ledger), identity, asked.words);
    let entity = &*ledger.parts().billing.entity;
    let house = |role| House { entity, role, customer: &asked.customer, currency };
    let cash = (house(Role::CashClearing), Party::named(asked.destination.as_deref()));
    let entries = Entries::between((house(Role::CustomerCredit), Party::Credit), cash, amount);
    let after = serde_json::json!({ "amount": amount.text(currency.exponent), "currency": currency.code.as_str() });
    let action = by.did("customer.refund", &asked.customer, None, Some(after.to_string()));
    let movement = Box::new(Recorded { movement: Box::new(Transfer { kind: Kind::REFUND }), action });
    super::post(ledger, call, (request, movement), &entries, permit).await
}
