//! Kinds of transactions, by number and by name.

/// What kind of movement a transaction is. The list is closed, so that reports can count on it.
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
        (16, "invoice_payment"),
        (17, "credit_note"),
        (18, "write_off"),
        (19, "invoice_void"),
        (20, "account_change"),
        (21, "account_opening"),
        (22, "replay"),
        (23, "saga_fact"),
        (24, "invoice_fact"),
    ];
    /// The only kind of payment.v1.
    pub const PAYMENT: Self = Self(1);
    /// The default of florin.v1.
    pub const TRANSFER: Self = Self(2);
    /// Money comes in from outside.
    pub const TOPUP: Self = Self(3);
    /// Money leaves for the outside.
    pub const WITHDRAWAL: Self = Self(4);
    /// Money of a payment is given back.
    pub const REFUND: Self = Self(5);
    pub const INVOICE: Self = Self(6);
    /// Money is exchanged for another currency.
    pub const FX: Self = Self(7);
    pub const FEE: Self = Self(8);
    pub const ADJUSTMENT: Self = Self(9);
    /// Money is reserved for a payee; has no postings.
    pub const HOLD: Self = Self(10);
    /// A payee is paid out of a hold.
    pub const CAPTURE: Self = Self(11);
    /// A hold's rest is released; has no postings.
    pub const VOID: Self = Self(12);
    /// What a transaction did is undone by its opposite.
    pub const REVERSAL: Self = Self(13);
    /// Money leaves through a provider: the saga's first record; has no postings.
    pub const PAYOUT: Self = Self(14);
    /// Money comes in through a provider: the saga's first record; has no postings.
    pub const CARD_TOPUP: Self = Self(15);
    /// An invoice is paid, in part or in whole.
    pub const INVOICE_PAYMENT: Self = Self(16);
    /// An invoice is credited, in part or in whole.
    pub const CREDIT_NOTE: Self = Self(17);
    /// What is due of an invoice is given up.
    pub const WRITE_OFF: Self = Self(18);
    /// What an invoice posted is undone by its opposite.
    pub const INVOICE_VOID: Self = Self(19);
    /// A change of status, floor or ceiling; has no postings.
    pub const ACCOUNT_CHANGE: Self = Self(20);
    /// An account is opened: a row of the journal, but no transaction.
    pub const ACCOUNT_OPENING: Self = Self(21);
    /// A dead letter's event is published again: a row of the journal, but no transaction.
    pub const REPLAY: Self = Self(22);
    /// Something happened to a saga, and no money moved: a row of the journal, but no transaction.
    pub const SAGA_FACT: Self = Self(23);
    /// Something happened to an invoice, and no money moved: a row of the journal, but no transaction.
    pub const INVOICE_FACT: Self = Self(24);

    /// Kinds of transactions that post nothing even when they take effect.
    pub const WITHOUT_POSTINGS: [Self; 5] =
        [Self::HOLD, Self::VOID, Self::PAYOUT, Self::CARD_TOPUP, Self::ACCOUNT_CHANGE];

    /// By its name. `None` also for kinds that have a call of their own: those (numbers from 10) cannot be posted
    /// directly.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(code, known)| *known == name && *code < 10).map(|(code, _)| Self(*code))
    }

    /// `None`: no kind has this number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == code).map(|(code, _)| Self(*code))
    }

    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.iter().map(|(code, _)| Self(*code))
    }

    pub fn code(self) -> i16 {
        self.0
    }

    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(known, _)| *known == self.0).map_or("unknown", |(_, name)| name)
    }

    /// The names that [`Self::parse`] takes, for error messages.
    pub fn names() -> String {
        Self::NAMES.iter().filter(|(code, _)| *code < 10).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }
}
