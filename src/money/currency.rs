//! Currencies: their decimals are data, read from the database once.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Up to 12 capital letters and digits, such as `USD`; cheap to copy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrencyCode([u8; 12]);

impl CurrencyCode {
    /// Reads a code; `None` if it is not of that form. Codes are case-sensitive.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !(2..=12).contains(&bytes.len()) || !bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
            return None;
        }
        let mut code = [0; 12];
        code[..bytes.len()].copy_from_slice(bytes);
        Some(Self(code))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

impl fmt::Debug for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The currencies that a new ledger begins with, and their decimals; more are rows of its own.
pub const COMMON: &[(&str, u8)] =
    &[("USD", 2), ("EUR", 2), ("GBP", 2), ("INR", 2), ("CHF", 2), ("JPY", 0), ("BHD", 3), ("BTC", 8), ("ETH", 8), ("POINTS", 0)];

/// A currency that Florin keeps accounts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency {
    /// Such as `USD`.
    pub code: CurrencyCode,
    /// Decimals of its minor unit, 0 to 18.
    pub exponent: u8,
}

/// All currencies of this ledger.
#[derive(Clone, Debug, Default)]
pub struct Currencies(Arc<HashMap<CurrencyCode, Currency>>);

impl Currencies {
    /// Looks a code up, exactly as written.
    pub fn get(&self, code: &str) -> Option<Currency> {
        self.0.get(&CurrencyCode::parse(code)?).copied()
    }
}

impl FromIterator<Currency> for Currencies {
    fn from_iter<T: IntoIterator<Item = Currency>>(currencies: T) -> Self {
        Self(Arc::new(currencies.into_iter().map(|currency| (currency.code, currency)).collect()))
    }
}
