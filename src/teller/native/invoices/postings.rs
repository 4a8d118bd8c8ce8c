//! Which accounts a change of an invoice debits and credits.

use smallvec::SmallVec;

use super::{InvoiceRow, Settlement, rules};
use crate::actors::house::{self, House};
use crate::billing::postings::{Entry, Role};
use crate::billing::{Books, NetTax};
use crate::money::{Amount, Currency, ROUNDING, Rounding, convert};
use crate::protocol::content::Exchange;
use crate::protocol::record::RequestedPosting;
use crate::store::rates::RateRow;
use crate::teller::call::Call;
use crate::teller::failure::Failure;
use crate::teller::ledger::{Ledger, Request, clearing_account};
use crate::teller::native::fields;

/// Who pays an invoice, or is paid.
#[derive(Clone, Copy, Debug)]
pub(super) enum Party<'a> {
    Outside,
    /// An account of this ledger, by its id.
    Account(&'a str),
    /// What the customer paid too much before.
    Credit,
}

impl<'a> Party<'a> {
    /// An account, or without one somebody outside.
    pub(super) fn named(account: Option<&'a str>) -> Self {
        account.map_or(Self::Outside, Self::Account)
    }
}

/// An invoice in the books.
pub(super) struct Booked<'a> {
    pub row: &'a InvoiceRow,
    /// That of the books.
    pub currency: Currency,
    pub books: Books,
}

impl<'a> Booked<'a> {
    /// # Errors
    /// `Guard` when the row is damaged.
    pub(super) async fn of(ledger: &Ledger, row: &'a InvoiceRow) -> Result<Self, Failure> {
        let total = NetTax { net: row.subtotal, tax: row.tax };
        let Some(Exchange { net, tax, .. }) = row.content.exchange.as_ref().filter(|_| !is_own(row)) else {
            return Ok(Self { row, currency: row.currency, books: Books::own(total) });
        };
        ledger.ensure_known(std::iter::once(row.book_currency.as_str())).await?;
        let currency = fields::currency(&ledger.parts().currencies, "currency", &row.book_currency)?;
        let amount = |text: &str| Amount::parse(text, currency.exponent).map_err(|_| Failure::Guard);
        let booked = NetTax { net: amount(net)?, tax: amount(tax)? };
        Ok(Self { row, currency, books: Books { total, booked } })
    }

    /// The rate of its currency in that of the books, now; `None`: they are the same.
    ///
    /// # Errors
    /// `FailedPrecondition`: there is no rate, or it is too old.
    pub(super) async fn rate(&self, ledger: &Ledger, tenant: &str) -> Result<Option<RateRow>, Failure> {
        if is_own(self.row) {
            return Ok(None);
        }
        let rate = ledger.rate(tenant, self.row.currency, self.currency, None).await?;
        rate.map(Some).map_err(Failure::FailedPrecondition)
    }

    /// What the invoice posts when it is issued.
    pub(super) fn issued(&self) -> Entries<'a> {
        self.booked(rules::issued(self.books.booked))
    }

    /// A payment. What had been written off is due again just before. What is paid in another currency than that of the
    /// books is exchanged at this rate, over the clearing accounts, and rounded down, so that no gain is made of parts;
    /// what came of it, which may be nothing, and what was booked differ by a gain or a loss.
    ///
    /// # Errors
    /// `FailedPrecondition`: an amount cannot be exchanged.
    pub(super) fn paid(
        &self,
        settlement: Settlement,
        payer: Party<'_>,
        rate: Option<&RateRow>,
    ) -> Result<Entries<'a>, Failure> {
        let settled = self.books.settled(&self.row.balance, &settlement);
        let mut entries = self.reinstated(settled.reinstated)?;
        let row = self.row;
        let house =
            |role| Side::House(House { entity: &row.entity, role, customer: &row.customer, currency: row.currency });
        let payer = match payer {
            Party::Outside => house(Role::CashClearing),
            Party::Account(name) => Side::Named(name.to_owned()),
            Party::Credit => house(Role::CustomerCredit),
        };
        match rate {
            None => entries.one(payer.clone(), house(Role::Receivable), settlement.applied, row.currency),
            Some(rate) => {
                let (from, to) = (row.currency, self.currency);
                let received = convert(settlement.applied, from, to, rate.rate.0, ROUNDING).map_err(|error| {
                    Failure::FailedPrecondition(format!(
                        "{} {} cannot be exchanged to {}: {error}",
                        settlement.applied.text(from.exponent),
                        from.code,
                        to.code
                    ))
                })?;
                let [out, back] = [from, to].map(Side::Clearing);
                entries.one(payer.clone(), out, settlement.applied, from);
                for Entry { debit, credit, amount } in rules::fx_settled(settled.applied, received) {
                    let debit = if debit == Role::CashClearing { back.clone() } else { self.side(debit) };
                    entries.one(debit, self.side(credit), amount, to);
                }
            }
        }
        entries.one(payer, house(Role::CustomerCredit), settlement.excess, row.currency);
        Ok(entries)
    }

    /// What is due is lost: net and tax in the proportion of the invoice, and the tax is not owed any more.
    ///
    /// # Errors
    /// `Guard` when the row is damaged.
    pub(super) fn written_off(&self, settlement: Settlement) -> Result<Entries<'a>, Failure> {
        let settled = self.books.settled(&self.row.balance, &settlement);
        Ok(self.booked(rules::write_off(self.split(settled.applied)?, true)))
    }

    /// What the invoice posted, undone. What had been written off is due again just before.
    ///
    /// # Errors
    /// `Guard` when the row is damaged.
    pub(super) fn void(&self) -> Result<Entries<'a>, Failure> {
        let mut entries = self.reinstated(self.books.worth(self.row.balance.written_off))?;
        entries.add(self.booked(rules::reversed(&rules::issued(self.books.booked))));
        Ok(entries)
    }

    /// A credit note of this net and tax, in the currency of the books.
    pub(super) fn credited(&self, part: NetTax, to_receivable: Amount) -> Entries<'a> {
        self.booked(rules::credit_note(part, to_receivable))
    }

    fn reinstated(&self, amount: Amount) -> Result<Entries<'a>, Failure> {
        Ok(self.booked(rules::reversed(&rules::write_off(self.split(amount)?, true))))
    }

    fn split(&self, amount: Amount) -> Result<NetTax, Failure> {
        self.books.split(amount).map_err(|_| Failure::Guard)
    }

    fn side(&self, role: Role) -> Side<'a> {
        let InvoiceRow { entity, customer, .. } = self.row;
        Side::House(House { entity, role, customer, currency: self.currency })
    }

    fn booked(&self, all: Vec<Entry>) -> Entries<'a> {
        let mut entries = Entries::default();
        for Entry { debit, credit, amount } in all {
            entries.one(self.side(debit), self.side(credit), amount, self.currency);
        }
        entries
    }
}

/// The draft with the rate of now, where the books are kept in another currency.
///
/// # Errors
/// `FailedPrecondition`: there is no usable rate.
pub(super) async fn exchanged(
    ledger: &Ledger,
    call: &Call,
    mut row: InvoiceRow,
    book: Option<&str>,
) -> Result<InvoiceRow, Failure> {
    let Some(book) = book.filter(|book| *book != row.currency.code.as_str()) else { return Ok(row) };
    ledger.ensure_known(std::iter::once(book)).await?;
    let (from, to) = (row.currency, fields::currency(&ledger.parts().currencies, "currency", book)?);
    let rate = ledger.rate(&call.tenant, from, to, None).await?.map_err(Failure::FailedPrecondition)?;
    let part = NetTax { net: row.subtotal, tax: row.tax };
    let booked = rules::booked(part, from, to, rate.rate.0, Rounding::HalfAwayFromZero);
    let booked = booked.map_err(|error| {
        Failure::FailedPrecondition(format!("invoice {} cannot be converted at rate {}: {error}", row.id, rate.id))
    })?;
    row.content.exchange = Some(Exchange {
        rate_id: rate.id,
        base: from.code.to_string(),
        quote: to.code.to_string(),
        rate: rate.rate.0.to_string(),
        observed_at: rate.observed_at,
        net: booked.net.text(to.exponent),
        tax: booked.tax.text(to.exponent),
    });
    row.book_currency = book.to_owned();
    Ok(row)
}

fn is_own(row: &InvoiceRow) -> bool {
    row.book_currency == row.currency.code.as_str()
}

/// An account of the house, or a caller's own.
#[derive(Clone, Debug)]
enum Side<'a> {
    House(House<'a>),
    /// A currency's side of all exchanges.
    Clearing(Currency),
    Named(String),
}

impl Side<'_> {
    fn name(&self) -> String {
        match self {
            Side::House(house) => house.name(),
            Side::Clearing(currency) => clearing_account(*currency),
            Side::Named(name) => name.clone(),
        }
    }
}

/// Debits and credits between accounts by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries<'a>(Vec<(Side<'a>, Side<'a>, Amount, Currency)>);

impl<'a> Entries<'a> {
    /// Adds those of another invoice.
    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Between two accounts of the house, of which one stands for whoever is named instead.
    pub(super) fn between(debit: (House<'a>, Party<'_>), credit: (House<'a>, Party<'_>), amount: Amount) -> Self {
        let currency = debit.0.currency;
        let [debit, credit] = [debit, credit].map(|(house, party)| match party {
            Party::Account(name) => Side::Named(name.to_owned()),
            Party::Outside | Party::Credit => Side::House(house),
        });
        Self(vec![(debit, credit, amount, currency)])
    }

    fn one(&mut self, debit: Side<'a>, credit: Side<'a>, amount: Amount, currency: Currency) {
        if amount > Amount::ZERO {
            self.0.push((debit, credit, amount, currency));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Opens the accounts of the house that are not there yet.
    pub(super) async fn open(&self, ledger: &Ledger, request: &Request) -> Result<(), Failure> {
        let active = ledger.active()?;
        let mut houses = Vec::new();
        for side in self.0.iter().flat_map(|(debit, credit, ..)| [debit, credit]) {
            match side {
                Side::House(house) => houses.push(house.clone()),
                Side::Clearing(currency) => ledger.open_system(request, &side.name(), *currency).await?,
                Side::Named(_) => {}
            }
        }
        match house::open(&active.registry, &active.journal, &request.tenant, houses).await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "an invoice cannot be settled now");
                Err(Failure::DatabaseAway)
            }
        }
    }

    /// The accounts that are not the house's: those that a caller named.
    pub(super) fn named(&self) -> SmallVec<[String; 2]> {
        let sides = self.0.iter().flat_map(|(debit, credit, ..)| [debit, credit]);
        let named = sides.filter_map(|side| match side {
            Side::Named(name) => Some(name.clone()),
            Side::House(_) | Side::Clearing(_) => None,
        });
        named.collect()
    }

    /// As postings by name; those between the same accounts are one.
    pub(super) fn requested(&self) -> SmallVec<[RequestedPosting; 1]> {
        let mut postings: SmallVec<[RequestedPosting; 1]> = SmallVec::new();
        for (debit, credit, amount, currency) in &self.0 {
            let (debit, credit) = (debit.name(), credit.name());
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
