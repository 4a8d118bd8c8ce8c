//! Kinds of transactions, by number and by name.

/// What kind of movement a transaction is; a closed list, so that reports can count on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(i16);

impl Kind {
    const NAMES: &[(i16, &str)] = &[
        (1, "payment"),
        (2, "transfer"),
        (3, "topup"),
        (4, "withdrawal"),
        (5, "refund"),
        (6, "invoice"),
        (7, "fx"),
        (8, "fee"),
        (9, "adjustment"),
        (10, "hold"),
        (11, "capture"),
        (12, "void"),
        (13, "reversal"),
        (14, "payout"),
        (15, "card_topup"),
        (20, "account_change"),
        (21, "account_opening"),
        (22, "replay"),
        (23, "saga_fact"),
    ];
    /// payment.v1's only kind.
    pub const PAYMENT: Self = Self(1);
    /// The default of florin.v1.
    pub const TRANSFER: Self = Self(2);
    /// Money comes in from outside.
    pub const TOPUP: Self = Self(3);
    /// Money goes out.
    pub const WITHDRAWAL: Self = Self(4);
    /// Money of a payment goes back.
    pub const REFUND: Self = Self(5);
    /// Money changes its currency on the way.
    pub const FX: Self = Self(7);
    /// Money is promised; has no postings.
    pub const HOLD: Self = Self(10);
    /// Held money is paid.
    pub const CAPTURE: Self = Self(11);
    /// Held money is let go; has no postings.
    pub const VOID: Self = Self(12);
    /// What a transaction did is undone by its opposite.
    pub const REVERSAL: Self = Self(13);
    /// Money is on its way out through a provider; has no postings.
    pub const PAYOUT: Self = Self(14);
    /// Money is on its way in through a provider; has no postings.
    pub const CARD_TOPUP: Self = Self(15);
    /// A change of status or limits; has no postings.
    pub const ACCOUNT_CHANGE: Self = Self(20);
    /// An account is opened: a row of the journal, and no transaction.
    pub const ACCOUNT_OPENING: Self = Self(21);
    /// An event that Kafka had refused is told again: a row of the journal, and no transaction.
    pub const REPLAY: Self = Self(22);
    /// Something happened to a workflow, and no money moved: a row of the journal, and no transaction.
    pub const SAGA_FACT: Self = Self(23);

    /// What is done by these moves no money, even when it is done.
    pub const WITHOUT_POSTINGS: [Self; 5] = [Self::HOLD, Self::VOID, Self::PAYOUT, Self::CARD_TOPUP, Self::ACCOUNT_CHANGE];

    /// By name; what has a call of its own cannot be posted.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(code, known)| *known == name && *code < 10).map(|(code, _)| Self(*code))
    }

    /// Its number in the database.
    pub fn code(self) -> i16 {
        self.0
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::name(self.0)
    }

    /// The name of a number read from the database.
    pub fn name(code: i16) -> &'static str {
        Self::NAMES.iter().find(|(known, _)| *known == code).map_or("unknown", |(_, name)| name)
    }

    /// All names that can be posted, for error messages.
    pub fn names() -> String {
        Self::NAMES.iter().filter(|(code, _)| *code < 10).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }
}
