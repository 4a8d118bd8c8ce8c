//! What an invoice is worth in the books, which may be kept in another currency.
//!
//! All of it is a function of the invoice's state: what is due of it is worth its share of what was booked. So the
//! receivable of a customer is what is due of their invoices, to the unit, whatever happened to them and in which order.

use bigdecimal::ToPrimitive;
use bigdecimal::num_bigint::BigInt;

use super::invoice::{self, Balance, InvoiceRejection, Settlement};
use super::tax::NetTax;
use crate::money::Amount;

/// What an invoice came to, and what was booked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    /// In the invoice's currency.
    pub total: NetTax,
    /// In the currency of the books.
    pub booked: NetTax,
}

/// A settlement in the currency of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The change of the receivable; it includes `reinstated`.
    pub applied: Amount,
    /// What had been written off and is due again just before.
    pub reinstated: Amount,
    /// Of a credit note, what had been paid.
    pub returned: Amount,
}

impl Books {
    /// Where the books are kept in the invoice's currency.
    pub fn own(total: NetTax) -> Self {
        Self { total, booked: total }
    }

    /// What a part of the invoice's total is worth, rounded half away from zero; the whole of it is worth what was
    /// booked.
    pub fn worth(&self, part: Amount) -> Amount {
        share(gross(self.booked), part, gross(self.total))
    }

    /// What a settlement changes in the books.
    pub fn settled(&self, before: &Balance, settlement: &Settlement) -> Settled {
        let after = &settlement.after;
        let fall = |before: Amount, after: Amount| less(self.worth(before), self.worth(after));
        let reinstated = match settlement.reinstated {
            Amount::ZERO => Amount::ZERO,
            _ => fall(before.written_off, after.written_off),
        };
        Settled {
            applied: more(fall(before.due(), after.due()), reinstated),
            reinstated,
            returned: fall(after.returned, before.returned),
        }
    }

    /// Net and tax of an amount of the books, in the proportion of what was booked.
    ///
    /// # Errors
    /// When it is more than was booked.
    pub fn split(&self, amount: Amount) -> Result<NetTax, InvoiceRejection> {
        Ok(invoice::split(amount, &[self.booked])?.into_iter().next().unwrap_or_default())
    }

    /// Net and tax of a credit note that comes to so much in the books, where so much tax of the invoice had not been
    /// credited before it and after it.
    pub fn credited(&self, amount: Amount, tax_left_before: Amount, tax_left_after: Amount) -> NetTax {
        let worth = |tax| share(self.booked.tax, tax, self.total.tax);
        let tax = less(worth(tax_left_before), worth(tax_left_after)).max(Amount::ZERO).min(amount);
        NetTax { net: less(amount, tax), tax }
    }
}

/// So much of the whole as the part is of the total.
fn share(whole: Amount, part: Amount, total: Amount) -> Amount {
    if total == Amount::ZERO {
        return Amount::ZERO;
    }
    let [whole, part, total] = [whole, part, total].map(|amount| BigInt::from(amount.minor_units()));
    let units: BigInt = (whole * part * 2 + &total) / (total * 2); // all are above zero: so it is rounded half away from it
    units.to_i128().and_then(|units| Amount::new(units).ok()).expect("a share is not more than its whole")
}

fn gross(part: NetTax) -> Amount {
    part.gross().expect("a document's total is an amount")
}

fn less(a: Amount, b: Amount) -> Amount {
    a.minus(b).expect("the difference of two amounts of one sign is an amount")
}

fn more(a: Amount, b: Amount) -> Amount {
    a.plus(b).expect("the parts of a total are not more than an amount")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::billing::invoice::{Command, Status, decide};

    fn amount(units: i64) -> Amount {
        Amount::from(units)
    }

    fn part(net: i64, tax: i64) -> NetTax {
        NetTax { net: amount(net), tax: amount(tax) }
    }

    #[test]
    fn a_part_is_worth_its_share_and_the_whole_what_was_booked() {
        let books = Books { total: part(100_00, 18_00), booked: part(8_345_67, 1_502_22) };
        for (units, worth) in [(0, 0), (118_00, 9_847_89), (59_00, 4_923_95), (1, 83), (117_99, 9_847_06)] {
            assert_eq!(books.worth(amount(units)), amount(worth), "{units}");
        }
        assert_eq!(books.split(amount(9_847_89)), Ok(books.booked));
        assert_eq!(Books::own(part(0, 0)).worth(amount(0)), amount(0));
    }

    fn commands() -> impl Strategy<Value = Vec<Command>> {
        let money = || (1i64..2_000).prop_map(amount);
        let one = prop_oneof![
            money().prop_map(|amount| Command::Pay { amount }),
            money().prop_map(|amount| Command::Credit { amount }),
            Just(Command::WriteOff),
            Just(Command::Void),
            Just(Command::MarkUncollectible),
        ];
        proptest::collection::vec(one, 0..12)
    }

    proptest! {
        #[test]
        fn whatever_happens_the_receivable_is_what_is_due_at_the_booked_rate(
            total in (1i64..2_000, 0i64..400), booked in (0i64..9_000_000, 0i64..900_000), commands in commands(),
        ) {
            let books = Books { total: part(total.0, total.1), booked: part(booked.0, booked.1) };
            let own = Books::own(books.total);
            let mut balance = Balance::issued(gross(books.total));
            let (mut receivable, mut lost) = (gross(books.booked), Amount::ZERO);
            for command in commands {
                let Ok(done) = decide(&balance, command) else { continue };
                let settled = books.settled(&balance, &done);
                prop_assert!(settled.applied >= Amount::ZERO && settled.reinstated >= Amount::ZERO);
                prop_assert!(settled.returned >= Amount::ZERO);
                let same = own.settled(&balance, &done);
                let uncollectible = matches!(command, Command::MarkUncollectible);
                prop_assert!(uncollectible || same.applied == done.applied, "in one currency nothing is converted");
                prop_assert_eq!(same.reinstated, done.reinstated);
                receivable = less(more(receivable, settled.reinstated), settled.applied);
                lost = less(lost, settled.reinstated);
                if command == Command::WriteOff {
                    lost = more(lost, settled.applied);
                }
                balance = done.after;
                prop_assert_eq!(receivable, books.worth(balance.due()));
                prop_assert!(lost >= Amount::ZERO);
                prop_assert!(balance.status != Status::Void || (receivable == Amount::ZERO && lost == Amount::ZERO));
            }
        }

        #[test]
        fn credit_notes_give_back_the_tax_that_was_booked(
            net in 1i64..2_000, tax in 0i64..400, booked in (0i64..90_000, 0i64..9_000), steps in proptest::collection::vec(1i64..500, 1..8),
        ) {
            let books = Books { total: part(net, tax), booked: part(booked.0, booked.1) };
            let (mut left, mut back) = (amount(tax), Amount::ZERO);
            for step in steps {
                let after = less(left, amount(step).min(left));
                back = more(back, books.credited(Amount::MAX, left, after).tax);
                left = after;
            }
            prop_assert_eq!(back, less(share(books.booked.tax, amount(tax), amount(tax)), share(books.booked.tax, left, amount(tax))));
        }
    }
}
