//! Which invoices a payment pays.

use std::cmp::Reverse;

use chrono::NaiveDate;

use crate::money::Amount;

/// An invoice of the paying customer on which something is due. Its number can be any that sorts as it is counted, such
/// as fiscal year and sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInvoice<N> {
    pub number: N,
    pub due_on: NaiveDate,
    pub due: Amount,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation<N> {
    /// Invoices and what each of them gets, above zero, in the order in which they are paid.
    pub parts: Vec<(N, Amount)>,
    /// What is left: the customer's credit.
    pub excess: Amount,
}

/// Pays the invoices that the payment names, in its order, then those that are due first, and of those due on the same
/// day the lowest number first. A named one that is not among the open ones gets nothing.
pub fn allocate<N: Copy + Ord>(payment: Amount, named: &[N], open: &[OpenInvoice<N>]) -> Allocation<N> {
    let mut invoices: Vec<_> = open.iter().filter(|invoice| invoice.due > Amount::ZERO).collect();
    invoices.sort_by_key(|invoice| {
        let place = named.iter().position(|number| *number == invoice.number);
        (Reverse(place.map(Reverse)), invoice.due_on, invoice.number)
    });
    let mut allocation = Allocation { parts: Vec::new(), excess: payment };
    for invoice in invoices {
        let part = invoice.due.min(allocation.excess);
        if part <= Amount::ZERO {
            break;
        }
        allocation.parts.push((invoice.number, part));
        allocation.excess = allocation.excess.minus(part).expect("a part is not more than its whole");
    }
    allocation
}

#[cfg(test)]
mod tests;
