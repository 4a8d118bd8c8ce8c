//! Which account is debited and which is credited when something happens to an invoice.

use rust_decimal::Decimal;

use super::tax::NetTax;
use crate::money::{Amount, AmountError, Currency, Rounding, convert};

/// What an account is for. Receivable and customer credit are one account per customer, the others one of the house;
/// all of them one per currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Receivable,
    Revenue,
    TaxPayable,
    /// Money that is on its way in or out.
    CashClearing,
    /// What a customer paid too much, or got back by a credit note.
    CustomerCredit,
    BadDebt,
    FxGain,
    FxLoss,
    Rounding,
}

impl Role {
    pub const ALL: [Self; 9] = [
        Self::Receivable,
        Self::Revenue,
        Self::TaxPayable,
        Self::CashClearing,
        Self::CustomerCredit,
        Self::BadDebt,
        Self::FxGain,
        Self::FxLoss,
        Self::Rounding,
    ];

    /// The name wherever a role is written as text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Receivable => "receivable",
            Self::Revenue => "revenue",
            Self::TaxPayable => "tax_payable",
            Self::CashClearing => "cash_clearing",
            Self::CustomerCredit => "customer_credit",
            Self::BadDebt => "bad_debt",
            Self::FxGain => "fx_gain",
            Self::FxLoss => "fx_loss",
            Self::Rounding => "rounding",
        }
    }
}

/// One debit and one credit of the same amount, which is above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub debit: Role,
    pub credit: Role,
    pub amount: Amount,
}

/// An invoice was issued.
pub fn issued(NetTax { net, tax }: NetTax) -> Vec<Entry> {
    entries([(Role::Receivable, Role::Revenue, net), (Role::Receivable, Role::TaxPayable, tax)])
}

/// Money came in: so much for an invoice, and so much more.
pub fn paid(applied: Amount, excess: Amount) -> Vec<Entry> {
    entries([(Role::CashClearing, Role::Receivable, applied), (Role::CashClearing, Role::CustomerCredit, excess)])
}

/// A customer's credit pays an invoice.
pub fn credit_used(applied: Amount) -> Vec<Entry> {
    entries([(Role::CustomerCredit, Role::Receivable, applied)])
}

/// A credit note: so much of it was still due, the rest becomes the customer's credit.
///
/// # Panics
/// When more was due than the credit note says.
pub fn credit_note(NetTax { net, tax }: NetTax, to_receivable: Amount) -> Vec<Entry> {
    let net_due = net.min(to_receivable);
    let tax_due = less(to_receivable, net_due);
    assert!(tax_due <= tax, "a credit note of {net} and {tax} lowers the receivable by {to_receivable}");
    entries([
        (Role::Revenue, Role::Receivable, net_due),
        (Role::TaxPayable, Role::Receivable, tax_due),
        (Role::Revenue, Role::CustomerCredit, less(net, net_due)),
        (Role::TaxPayable, Role::CustomerCredit, less(tax, tax_due)),
    ])
}

/// A customer's credit is paid out.
pub fn refund(amount: Amount) -> Vec<Entry> {
    entries([(Role::CustomerCredit, Role::CashClearing, amount)])
}

/// What is due is lost. Where the law gives relief, its tax is not owed any more (Directive 2006/112, Art. 90).
pub fn write_off(NetTax { net, tax }: NetTax, relief: bool) -> Vec<Entry> {
    let tax_bearer = if relief { Role::TaxPayable } else { Role::BadDebt };
    entries([(Role::BadDebt, Role::Receivable, net), (tax_bearer, Role::Receivable, tax)])
}

/// What was booked at one rate was paid at another: the receivable goes by what was booked, the cash by what came.
pub fn fx_settled(booked: Amount, received: Amount) -> Vec<Entry> {
    let both = booked.min(received);
    entries([
        (Role::CashClearing, Role::Receivable, both),
        (Role::FxLoss, Role::Receivable, less(booked, both)),
        (Role::CashClearing, Role::FxGain, less(received, both)),
    ])
}

/// A difference of rounding: above zero it is taken off the receivable, below zero it is added.
pub fn rounding(difference: Amount) -> Vec<Entry> {
    entries([
        (Role::Rounding, Role::Receivable, difference.max(Amount::ZERO)),
        (Role::Receivable, Role::Rounding, less(Amount::ZERO, difference).max(Amount::ZERO)),
    ])
}

/// The exact reversal, as of an invoice that becomes void.
pub fn reversed(entries: &[Entry]) -> Vec<Entry> {
    let reverse = |entry: &Entry| Entry { debit: entry.credit, credit: entry.debit, ..*entry };
    entries.iter().map(reverse).collect()
}

/// Net and tax in the currency of the books. Gross and tax are each converted exactly and rounded once, and the net is
/// what is between them. One unit of `from` is `rate` units of `to`.
///
/// # Errors
/// `TooLarge`.
pub fn booked(
    part: NetTax,
    from: Currency,
    to: Currency,
    rate: Decimal,
    rounding: Rounding,
) -> Result<NetTax, AmountError> {
    let gross = convert(part.gross()?, from, to, rate, rounding)?;
    let tax = convert(part.tax, from, to, rate, rounding)?;
    Ok(NetTax { net: gross.minus(tax)?, tax })
}

/// Those above zero. Two of the same accounts are one.
fn entries<const N: usize>(all: [(Role, Role, Amount); N]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::with_capacity(N);
    for (debit, credit, amount) in all {
        assert!(amount >= Amount::ZERO, "{} is debited {amount}, which is below zero", debit.name());
        match entries.iter_mut().find(|entry| (entry.debit, entry.credit) == (debit, credit)) {
            _ if amount == Amount::ZERO => {}
            Some(entry) => entry.amount = entry.amount.plus(amount).expect("net and tax are parts of an amount"),
            None => entries.push(Entry { debit, credit, amount }),
        }
    }
    entries
}

fn less(a: Amount, b: Amount) -> Amount {
    a.minus(b).expect("the difference of two amounts of one sign is an amount")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::CurrencyCode;

    fn amount(units: i64) -> Amount {
        Amount::from(units)
    }

    fn part(net: i64, tax: i64) -> NetTax {
        NetTax { net: amount(net), tax: amount(tax) }
    }

    #[test]
    fn each_event_debits_and_credits_what_the_specification_says() {
        use Role::{BadDebt, CashClearing, CustomerCredit, FxGain, FxLoss, Receivable, Revenue, Rounding, TaxPayable};
        for (event, entries, expected) in [
            ("order invoiced", issued(part(100, 18)), &[(Receivable, Revenue, 100), (Receivable, TaxPayable, 18)][..]),
            ("exempt", issued(part(100, 0)), &[(Receivable, Revenue, 100)]),
            ("nothing", issued(part(0, 0)), &[]),
            ("payment received", paid(amount(118), amount(0)), &[(CashClearing, Receivable, 118)]),
            (
                "too much",
                paid(amount(118), amount(2)),
                &[(CashClearing, Receivable, 118), (CashClearing, CustomerCredit, 2)],
            ),
            ("credit used", credit_used(amount(5)), &[(CustomerCredit, Receivable, 5)]),
            (
                "credit note, due",
                credit_note(part(50, 9), amount(59)),
                &[(Revenue, Receivable, 50), (TaxPayable, Receivable, 9)],
            ),
            (
                "credit note, paid",
                credit_note(part(50, 9), amount(0)),
                &[(Revenue, CustomerCredit, 50), (TaxPayable, CustomerCredit, 9)],
            ),
            (
                "credit note, a part due",
                credit_note(part(50, 9), amount(20)),
                &[(Revenue, Receivable, 20), (Revenue, CustomerCredit, 30), (TaxPayable, CustomerCredit, 9)],
            ),
            (
                "credit note, nearly all due",
                credit_note(part(50, 9), amount(54)),
                &[(Revenue, Receivable, 50), (TaxPayable, Receivable, 4), (TaxPayable, CustomerCredit, 5)],
            ),
            ("refund", refund(amount(7)), &[(CustomerCredit, CashClearing, 7)]),
            (
                "write-off with relief",
                write_off(part(100, 18), true),
                &[(BadDebt, Receivable, 100), (TaxPayable, Receivable, 18)],
            ),
            ("write-off without relief", write_off(part(100, 18), false), &[(BadDebt, Receivable, 118)]),
            (
                "settled lower",
                fx_settled(amount(356_34), amount(354_41)),
                &[(CashClearing, Receivable, 354_41), (FxLoss, Receivable, 1_93)],
            ),
            (
                "settled higher",
                fx_settled(amount(100), amount(103)),
                &[(CashClearing, Receivable, 100), (CashClearing, FxGain, 3)],
            ),
            ("rounded down", rounding(amount(1)), &[(Rounding, Receivable, 1)]),
            ("rounded up", rounding(amount(-1)), &[(Receivable, Rounding, 1)]),
            ("void", reversed(&issued(part(100, 18))), &[(Revenue, Receivable, 100), (TaxPayable, Receivable, 18)]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(debit, credit, units)| Entry { debit: *debit, credit: *credit, amount: amount(*units) })
                .collect();
            assert_eq!(entries, expected, "{event}");
        }
    }

    #[test]
    fn an_order_of_another_currency_is_booked_to_the_cent_and_the_difference_of_rates_is_a_gain_or_a_loss() {
        let currency = |code, exponent| Currency { code: CurrencyCode::parse(code).unwrap(), exponent };
        let (cad, eur, jpy) = (currency("CAD", 2), currency("EUR", 2), currency("JPY", 0));
        let booked = |part, from, to, rate: &str| booked(part, from, to, rate.parse().unwrap(), Rounding::default());
        // Row 24, Oracle JDE: 500 CAD at .71268 were booked, at .70882 they were paid.
        let then = booked(part(500_00, 0), cad, eur, "0.71268").unwrap();
        let now = booked(part(500_00, 0), cad, eur, "0.70882").unwrap();
        assert_eq!([then.net, now.net], [amount(356_34), amount(354_41)]);
        let loss = fx_settled(then.net, now.net)[1];
        assert_eq!((loss.debit, loss.amount), (Role::FxLoss, amount(1_93)));
        // Gross 0.885 and tax 0.135 are rounded; the net is 0.89 - 0.14, not 0.75 from 0.75.
        assert_eq!(booked(part(1_50, 27), cad, eur, "0.5"), Ok(part(75, 14)));
        assert_eq!(booked(part(1_01, 18), cad, eur, "0.5"), Ok(part(51, 9)));
        assert_eq!(booked(part(1000, 180), jpy, eur, "0.0061"), Ok(part(6_10, 1_10)));
        assert_eq!(booked(part(10, 2), cad, eur, "0.000001"), Ok(part(0, 0)));
        assert_eq!(booked(NetTax { net: Amount::MAX, tax: amount(0) }, cad, eur, "2"), Err(AmountError::TooLarge));
    }
}
