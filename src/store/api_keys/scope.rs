//! What an API key may do.

use std::str::FromStr;

/// What an API key may do. `read`, `write` and `admin` are sets of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All that only reads, but what operators read: balances and documents.
    Read,
    /// All that moves money or prepares it: payments, entries, payouts, exchange, holds, invoices, customers.
    Write,
    /// All the rest: accounts, rates, corrections, operators; and, with no scope of its own, currencies, entities, to
    /// erase customers, direct postings on the house's accounts, and to see who made a transaction.
    Admin,
    /// Read accounts, transactions, holds, rates and sagas; watch events.
    Balances,
    /// Read invoices, customers and what they paid, their PDFs, and exports.
    Documents,
    /// Post transactions, refund them, ask what became of a key.
    Payments,
    /// Post entries of the orders contract, also on the house's accounts of billing.
    Entries,
    /// Send money out and charge cards through the provider.
    Payouts,
    /// Exchange money for another currency.
    Exchange,
    /// Hold money, pay it out, release it.
    Holds,
    /// Draft, issue and send invoices, and take what is paid.
    Invoices,
    /// Take down customers.
    Customers,
    /// Open accounts, change their status and limits.
    Accounts,
    /// Add rates of exchange and of tax.
    Rates,
    /// Reverse transactions; void, write off and credit invoices; pay out a customer's credit.
    Corrections,
    /// See to stuck sagas, audit, list what operators did.
    Operators,
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scope {
    /// The sets first.
    pub const ALL: [Self; 16] = [
        Self::Read,
        Self::Write,
        Self::Admin,
        Self::Balances,
        Self::Documents,
        Self::Payments,
        Self::Entries,
        Self::Payouts,
        Self::Exchange,
        Self::Holds,
        Self::Invoices,
        Self::Customers,
        Self::Accounts,
        Self::Rates,
        Self::Corrections,
        Self::Operators,
    ];

    /// The name in the database and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Balances => "balances",
            Self::Documents => "documents",
            Self::Payments => "payments",
            Self::Entries => "entries",
            Self::Payouts => "payouts",
            Self::Exchange => "exchange",
            Self::Holds => "holds",
            Self::Invoices => "invoices",
            Self::Customers => "customers",
            Self::Accounts => "accounts",
            Self::Rates => "rates",
            Self::Corrections => "corrections",
            Self::Operators => "operators",
        }
    }

    fn bits(self) -> u16 {
        let all = |scopes: &[Self]| scopes.iter().fold(0, |bits, scope| bits | scope.bits());
        match self {
            Self::Read => all(&[Self::Balances, Self::Documents]),
            Self::Write => all(&[
                Self::Payments,
                Self::Entries,
                Self::Payouts,
                Self::Exchange,
                Self::Holds,
                Self::Invoices,
                Self::Customers,
            ]),
            Self::Admin => (1 << 15) | all(&[Self::Accounts, Self::Rates, Self::Corrections, Self::Operators]),
            Self::Balances => 1 << 0,
            Self::Documents => 1 << 1,
            Self::Payments => 1 << 2,
            Self::Entries => 1 << 3,
            Self::Payouts => 1 << 4,
            Self::Exchange => 1 << 5,
            Self::Holds => 1 << 6,
            Self::Invoices => 1 << 7,
            Self::Customers => 1 << 8,
            Self::Accounts => 1 << 9,
            Self::Rates => 1 << 10,
            Self::Corrections => 1 << 11,
            Self::Operators => 1 << 12,
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|scope| scope.name() == text);
        named.ok_or_else(|| format!("scope {text:?} is unknown: allowed is {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl Scopes {
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// A set is contained when all of it is.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bits() == scope.bits()
    }

    /// As few as say it, in the order of [`Scope::ALL`]: what a named set contains is not named again.
    pub fn names(self) -> Vec<&'static str> {
        let mut named = 0;
        let mut names = Vec::new();
        for scope in Scope::ALL.into_iter().filter(|scope| self.contains(*scope)) {
            if scope.bits() & !named != 0 {
                named |= scope.bits();
                names.push(scope.name());
            }
        }
        names
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when a set gains or loses a scope, or two scopes share a bit.
    #[test]
    fn the_three_sets_share_nothing_and_make_up_all_there_is() {
        let names = |scopes: &[Scope]| scopes.iter().copied().collect::<Scopes>().names();
        let (sets, single) = Scope::ALL.split_at(3);
        for scope in single {
            let within: Vec<_> = sets.iter().filter(|set| Scopes::from_iter([**set]).contains(*scope)).collect();
            assert_eq!(within.len(), 1, "{scope:?} is in {within:?}");
            assert_eq!(names(&[*scope]), [scope.name()]);
            let others = single.iter().filter(|other| *other != scope).copied().collect::<Scopes>();
            assert!(!others.contains(*scope), "{scope:?} comes with others");
        }
        assert_eq!(Scopes::all().names(), ["read", "write", "admin"]);
        assert_eq!(Scopes::from_iter(sets.iter().copied()), Scopes::all());
        assert_eq!(names(&[Scope::Balances, Scope::Documents, Scope::Payments]), ["read", "payments"]);
        let all_but_one = [Scope::Accounts, Scope::Rates, Scope::Corrections, Scope::Operators];
        assert!(!Scopes::from_iter(all_but_one).contains(Scope::Admin), "admin is more than its parts with names");
    }

    #[test]
    fn an_unknown_scope_is_told_what_there_is() {
        let error = "reads".parse::<Scope>().unwrap_err();
        assert!(error.starts_with("scope \"reads\" is unknown: allowed is read, write, admin, balances"), "{error}");
    }
}
