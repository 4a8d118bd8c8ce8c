//! Which accounts a change of an invoice debits and credits.

use smallvec::SmallVec;

use super::{InvoiceRow, Settlement, invoice, rules};
use crate::actors::house::{self, House};
use crate::billing::NetTax;
use crate::billing::postings::{Entry, Role};
use crate::money::{Amount, Currency};
use crate::protocol::record::RequestedPosting;
use crate::teller::failure::Failure;
use crate::teller::ledger::Ledger;

/// An account of the house, or a caller's own.
#[derive(Clone, Debug)]
enum Side<'a> {
    House(House<'a>),
    Named(String),
}

/// Debits and credits between accounts by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries<'a>(Vec<(Side<'a>, Side<'a>, Amount)>);

impl<'a> Entries<'a> {
    /// Adds those of another invoice.
    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Between two accounts: one of the house, and one that is named or else of the house as well.
    pub(super) fn between(debit: House<'a>, (credit, named): (House<'a>, Option<&str>), amount: Amount) -> Self {
        let credit = named.map_or(Side::House(credit), |name| Side::Named(name.to_owned()));
        Self(vec![(Side::House(debit), credit, amount)])
    }

    /// Money that arrives without an invoice: the customer's credit.
    pub(super) fn received(source: Option<&str>, (cash, credit): (House<'a>, House<'a>), amount: Amount) -> Self {
        let debit = source.map_or(Side::House(cash), |name| Side::Named(name.to_owned()));
        Self(vec![(debit, Side::House(credit), amount)])
    }

    pub(super) fn of(row: &'a InvoiceRow, entries: Vec<Entry>, source: Option<&str>) -> Self {
        let side = |role: Role| match source {
            // paid from an account, money is on no way: it is there at once
            Some(name) if role == Role::CashClearing => Side::Named(name.to_owned()),
            _ => Side::House(House { entity: &row.entity, role, customer: &row.customer, currency: row.currency }),
        };
        Self(entries.into_iter().map(|entry| (side(entry.debit), side(entry.credit), entry.amount)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Opens the accounts of the house that are not there yet.
    pub(super) async fn open(&self, ledger: &Ledger, tenant: &str) -> Result<(), Failure> {
        let active = ledger.active()?;
        let sides = self.0.iter().flat_map(|(debit, credit, _)| [debit, credit]);
        let houses: Vec<House<'_>> =
            sides.filter_map(|side| if let Side::House(house) = side { Some(house.clone()) } else { None }).collect();
        match house::open(&active.registry, &active.journal, tenant, houses).await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "an invoice cannot be settled now");
                Err(Failure::DatabaseAway)
            }
        }
    }

    /// As postings by name; those between the same accounts are one.
    pub(super) fn requested(&self, currency: Currency) -> SmallVec<[RequestedPosting; 1]> {
        let name = |side: &Side<'_>| match side {
            Side::House(house) => house.name(),
            Side::Named(name) => name.clone(),
        };
        let mut postings: SmallVec<[RequestedPosting; 1]> = SmallVec::new();
        for (debit, credit, amount) in &self.0 {
            let (debit, credit) = (name(debit), name(credit));
            let same = postings.iter_mut().find(|known| known.debit == debit && known.credit == credit);
            match same.and_then(|known| known.amount.plus(*amount).ok().map(|sum| (known, sum))) {
                Some((known, sum)) => known.amount = sum,
                None => postings.push(RequestedPosting {
                    debit,
                    credit,
                    amount: *amount,
                    currency: currency.code.to_string(),
                    exponent: currency.exponent,
                }),
            }
        }
        postings
    }
}

/// A payment. What had been written off is due again just before.
pub(super) fn paid<'a>(row: &'a InvoiceRow, settlement: Settlement, source: Option<&str>) -> Entries<'a> {
    let mut entries = reinstated(row, settlement);
    entries.extend(rules::paid(settlement.applied, settlement.excess));
    Entries::of(row, entries, source)
}

/// What is due is lost: net and tax in the proportion of the invoice, and the tax is not owed any more.
pub(super) fn written_off(row: &InvoiceRow, settlement: Settlement) -> Result<Entries<'_>, Failure> {
    let part = part(row, settlement.applied)?;
    Ok(Entries::of(row, rules::write_off(part, true), None))
}

/// What the invoice posted, undone. What had been written off is due again just before.
pub(super) fn void(row: &InvoiceRow) -> Entries<'_> {
    let mut entries = Vec::new();
    if row.balance.written_off > Amount::ZERO
        && let Ok(part) = part(row, row.balance.written_off)
    {
        entries.extend(rules::reversed(&rules::write_off(part, true)));
    }
    entries.extend(rules::reversed(&rules::issued(NetTax { net: row.subtotal, tax: row.tax })));
    Entries::of(row, entries, None)
}

fn reinstated(row: &InvoiceRow, settlement: Settlement) -> Vec<Entry> {
    if settlement.reinstated == Amount::ZERO {
        return Vec::new();
    }
    part(row, settlement.reinstated).map_or_else(|_| Vec::new(), |part| rules::reversed(&rules::write_off(part, true)))
}

/// Net and tax of a part of the invoice.
fn part(row: &InvoiceRow, amount: Amount) -> Result<NetTax, Failure> {
    let whole = [NetTax { net: row.subtotal, tax: row.tax }];
    let parts = invoice::split(amount, &whole).map_err(|_| Failure::Guard)?;
    Ok(parts.into_iter().next().unwrap_or(NetTax { net: Amount::ZERO, tax: Amount::ZERO }))
}
