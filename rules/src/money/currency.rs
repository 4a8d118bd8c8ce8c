//! Currencies. Their decimals are data: read from the database, and learned when a currency is made.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// 2 to 12 capital letters and digits, such as `USD`; cheap to copy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CurrencyCode([u8; 12]);

impl CurrencyCode {
    /// `None`: the text is not a code. Codes are case-sensitive.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !(2..=12).contains(&bytes.len()) || !bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
            return None;
        }
        let mut code = [0; 12];
        code[..bytes.len()].copy_from_slice(bytes);
        Some(Self(code))
    }

    /// The index of its list in [`Currencies`].
    fn slot(self) -> usize {
        self.0.iter().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % SLOTS
    }

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

/// The currencies that a new ledger begins with, and their decimals. Others are added by calls.
pub const COMMON: &[(&str, u8)] = &[
    ("USD", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("INR", 2),
    ("CHF", 2),
    ("JPY", 0),
    ("BHD", 3),
    ("BTC", 8),
    ("ETH", 8),
    ("POINTS", 0),
];

/// A currency that accounts can be opened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency {
    pub code: CurrencyCode,
    /// Decimals of its minor unit, 0 to 18.
    pub exponent: u8,
}

/// Lists in a [`Currencies`].
const SLOTS: usize = 64;

/// The currencies that this process knows. The set only grows, and an exponent never changes, so a look-up takes no
/// lock, and clones share what is learned.
#[derive(Clone)]
pub struct Currencies(Arc<[Slot; SLOTS]>);

#[derive(Default)]
struct Slot(OnceLock<Box<Known>>);

struct Known {
    currency: Currency,
    next: Slot,
}

impl Currencies {
    /// Looks a code up, exactly as written.
    pub fn get(&self, code: &str) -> Option<Currency> {
        let code = CurrencyCode::parse(code)?;
        let mut slot = &self.0[code.slot()];
        while let Some(known) = slot.0.get() {
            if known.currency.code == code {
                return Some(known.currency);
            }
            slot = &known.next;
        }
        None
    }

    /// Adds a currency, unless it is known.
    pub fn learn(&self, currency: Currency) {
        let mut slot = &self.0[currency.code.slot()];
        loop {
            let known = slot.0.get_or_init(|| Box::new(Known { currency, next: Slot::default() }));
            if known.currency.code == currency.code {
                return;
            }
            slot = &known.next;
        }
    }
}

impl Default for Currencies {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Slot::default())))
    }
}

impl FromIterator<Currency> for Currencies {
    fn from_iter<T: IntoIterator<Item = Currency>>(currencies: T) -> Self {
        let all = Self::default();
        currencies.into_iter().for_each(|currency| all.learn(currency));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(n: usize) -> Currency {
        Currency { code: CurrencyCode::parse(&format!("C{n}")).unwrap(), exponent: u8::try_from(n % 19).unwrap() }
    }

    #[test]
    fn what_is_learnt_is_known_to_every_clone_whoever_learns_it_first() {
        let all: Currencies = (0..10).map(numbered).collect();
        let clone = all.clone();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (5..1_000).for_each(|n| clone.learn(numbered(n))));
            }
        });
        for n in 0..1_000 {
            assert_eq!(all.get(&format!("C{n}")), Some(numbered(n)), "{n}");
        }
        all.learn(Currency { exponent: 18, ..numbered(3) });
        assert_eq!(all.get("C3"), Some(numbered(3)), "an exponent never changes");
        assert!(all.get("C1000").is_none() && all.get("c3").is_none() && all.get("").is_none());
    }
}
