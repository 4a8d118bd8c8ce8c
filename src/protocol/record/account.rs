//! What is said of an account when it is opened, and never changes.

/// Whose books an account belongs to, which decides its default floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// A customer's: floor 0.
    User = 1,
    /// The house's own: no floor.
    System = 2,
    /// The outside world's: no floor.
    External = 3,
}

impl AccountKind {
    pub fn code(self) -> i16 {
        self as i16
    }

    /// `None`: no kind of account has this number.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::User, Self::System, Self::External].into_iter().find(|kind| kind.code() == code)
    }

    /// The name wherever it is written as text.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::External => "external",
        }
    }
}

/// The side on which an account normally has its balance: credits or debits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormalSide {
    /// Liabilities and revenue, such as a customer's money.
    Credit = 1,
    /// Assets and expenses.
    Debit = 2,
}

impl NormalSide {
    pub fn code(self) -> i16 {
        self as i16
    }

    /// `None`: no side has this number.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Credit, Self::Debit].into_iter().find(|side| side.code() == code)
    }

    /// The name wherever it is written as text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Debit => "debit",
        }
    }
}
