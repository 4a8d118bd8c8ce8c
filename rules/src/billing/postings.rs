//! placeholder

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Receivable,
    Revenue,
    TaxPayable,
    CashClearing,
    CustomerCredit,
    BadDebt,
    FxGain,
    FxLoss,
    Rounding,
}
