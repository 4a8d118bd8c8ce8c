use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::billing::NetTax;
use crate::billing::invoice::{Balance, Command, Settlement, Status, decide, split};
use crate::billing::postings::{self, Entry, Role};

fn amount(units: i64) -> Amount {
    Amount::from(units)
}

#[test]
fn a_payment_pays_what_it_names_then_what_is_due_first_then_the_lowest_number() {
    let day = |text: &str| -> NaiveDate { text.parse().unwrap() };
    let open = |number: u32, due_on: &str, due: i64| OpenInvoice { number, due_on: day(due_on), due: amount(due) };
    let invoices =
        [open(4, "2026-03-01", 40), open(3, "2026-01-01", 30), open(2, "2026-01-01", 20), open(5, "2026-02-01", 0)];
    for (payment, named, parts, excess) in [
        (10, &[][..], &[(2, 10)][..], 0),
        (45, &[], &[(2, 20), (3, 25)], 0),
        (100, &[], &[(2, 20), (3, 30), (4, 40)], 10),
        (50, &[4], &[(4, 40), (2, 10)], 0),
        (100, &[4, 3], &[(4, 40), (3, 30), (2, 20)], 10),
        (10, &[5, 9], &[(2, 10)], 0),
        (0, &[4], &[], 0),
    ] {
        let parts = parts.iter().map(|(number, units)| (*number, amount(*units))).collect();
        let expected = Allocation { parts, excess: amount(excess) };
        assert_eq!(allocate(amount(payment), named, &invoices), expected, "{payment} for {named:?}");
    }
    assert_eq!(allocate::<u32>(amount(7), &[], &[]), Allocation { parts: vec![], excess: amount(7) });
}

const CUSTOMERS: usize = 2;

/// A seller's books: invoices on one side, on the other nothing but entries.
#[derive(Default)]
struct House {
    /// Customer, what it is now, and what of its net and tax is neither credited nor written off.
    invoices: Vec<(usize, Balance, Vec<NetTax>)>,
    /// What was written off with relief, of each invoice.
    lost: BTreeMap<usize, NetTax>,
    /// Debits less credits.
    accounts: BTreeMap<(Role, usize), i128>,
}

#[derive(Clone, Debug)]
enum Event {
    Issue { customer: usize, net: i64, tax: i64 },
    Pay { customer: usize, units: i64, named: Option<usize> },
    Refund { customer: usize },
    On { invoice: usize, command: Command },
}

impl House {
    fn post(&mut self, customer: usize, entries: &[Entry]) {
        for Entry { debit, credit, amount } in entries {
            *self.accounts.entry((*debit, customer)).or_default() += amount.minor_units();
            *self.accounts.entry((*credit, customer)).or_default() -= amount.minor_units();
        }
    }

    fn balance(&self, role: Role, customer: usize) -> i128 {
        self.accounts.get(&(role, customer)).copied().unwrap_or(0)
    }

    fn see(&mut self, event: Event) {
        match event {
            Event::Issue { customer, net, tax } => {
                let part = NetTax { net: amount(net), tax: amount(tax) };
                self.post(customer, &postings::issued(part));
                self.invoices.push((customer, Balance::issued(part.gross().unwrap()), vec![part]));
            }
            Event::Pay { customer, units, named } => {
                let due_on = |number: usize| NaiveDate::from_ymd_opt(2026, 1, 1 + u32::try_from(number % 5).unwrap());
                let open: Vec<_> = (0..self.invoices.len())
                    .filter(|number| self.invoices[*number].0 == customer)
                    .map(|number| OpenInvoice {
                        number,
                        due_on: due_on(number).unwrap(),
                        due: self.invoices[number].1.due(),
                    })
                    .collect();
                let Allocation { parts, excess } = allocate(amount(units), named.as_slice(), &open);
                self.post(customer, &postings::paid(Amount::ZERO, excess));
                for (number, amount) in parts {
                    self.on(number, Command::Pay { amount });
                }
            }
            Event::Refund { customer } => {
                let credit = Amount::new(-self.balance(Role::CustomerCredit, customer)).unwrap();
                self.post(customer, &postings::refund(credit));
            }
            Event::On { invoice, command } if !self.invoices.is_empty() => {
                self.on(invoice % self.invoices.len(), command);
            }
            Event::On { .. } => {}
        }
    }

    fn on(&mut self, number: usize, command: Command) {
        let (customer, before, mut left) = self.invoices[number].clone();
        let Ok(Settlement { applied, excess, reinstated, after }) = decide(&before, command) else { return };
        let lost = self.lost.get(&number).copied().unwrap_or_default();
        let again = split(reinstated, &[lost]).unwrap()[0];
        self.post(customer, &postings::reversed(&postings::write_off(again, true)));
        let lost = take(lost, again);
        left[0] = give(left[0], again);
        self.lost.insert(number, lost);
        let entries = match command {
            Command::Pay { .. } => postings::paid(applied, excess),
            Command::Credit { amount } => {
                let part = split(amount, &left).unwrap()[0];
                left[0] = take(left[0], part);
                postings::credit_note(part, applied)
            }
            Command::WriteOff => {
                let part = split(applied, &left).unwrap()[0];
                left[0] = take(left[0], part);
                self.lost.insert(number, give(lost, part));
                postings::write_off(part, true)
            }
            Command::Void => postings::reversed(&postings::issued(left[0])),
            Command::Issue | Command::MarkUncollectible => Vec::new(),
        };
        self.post(customer, &entries);
        self.invoices[number] = (customer, after, left);
    }
}

fn take(from: NetTax, part: NetTax) -> NetTax {
    NetTax { net: from.net.minus(part.net).unwrap(), tax: from.tax.minus(part.tax).unwrap() }
}

fn give(to: NetTax, part: NetTax) -> NetTax {
    NetTax { net: to.net.plus(part.net).unwrap(), tax: to.tax.plus(part.tax).unwrap() }
}

fn any_event() -> impl Strategy<Value = Event> {
    let command = prop_oneof![
        (1i64..200).prop_map(|units| Command::Pay { amount: amount(units) }),
        (1i64..200).prop_map(|units| Command::Credit { amount: amount(units) }),
        Just(Command::WriteOff),
        Just(Command::Void),
        Just(Command::MarkUncollectible),
    ];
    prop_oneof![
        3 => (0..CUSTOMERS, 0i64..200, 0i64..40).prop_map(|(customer, net, tax)| Event::Issue { customer, net, tax }),
        3 => (0..CUSTOMERS, 1i64..400, prop::option::of(0usize..12))
            .prop_map(|(customer, units, named)| Event::Pay { customer, units, named }),
        1 => (0..CUSTOMERS).prop_map(|customer| Event::Refund { customer }),
        5 => (0usize..12, command).prop_map(|(invoice, command)| Event::On { invoice, command }),
    ]
}

proptest! {
    #[test]
    fn in_any_history_the_postings_alone_say_what_each_customer_owes(
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        let mut house = House::default();
        for event in events {
            house.see(event);
            for customer in 0..CUSTOMERS {
                let owed: i128 = house
                    .invoices
                    .iter()
                    .filter(|(whose, _, _)| *whose == customer)
                    .filter(|(_, balance, _)| matches!(balance.status, Status::Open | Status::Uncollectible))
                    .map(|(_, balance, _)| balance.due().minor_units())
                    .sum();
                prop_assert_eq!(house.balance(Role::Receivable, customer), owed);
                for role in [Role::CustomerCredit, Role::Revenue, Role::TaxPayable] {
                    prop_assert!(house.balance(role, customer) <= 0, "{} is never overdrawn", role.name());
                }
            }
            prop_assert_eq!(house.accounts.values().sum::<i128>(), 0);
        }
    }
}
