//! Tax rates: which one holds for a line, by region, category and day.

use std::fmt;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// A rate in percent, from 0 to 1000, with at most 6 decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(Decimal);

/// How a line is taxed. An exempt line and one whose customer owes the tax have none of it, and the document must say
/// which of the two it is (Directive 2006/112, Art. 226 (11) and (11a)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaxRate {
    /// EN 16931's category S, or Z at zero percent.
    Standard(Percent),
    /// EN 16931's category E.
    Exempt,
    /// EN 16931's category AE.
    ReverseCharge,
}

/// From a day on, the lines of a region and a category have this rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxRule {
    /// `None`: every region.
    pub region: Option<String>,
    /// `None`: every category.
    pub category: Option<String>,
    pub effective_from: NaiveDate,
    pub rate: TaxRate,
}

impl TaxRule {
    fn place(&self) -> Place<'_> {
        (self.region.as_deref(), self.category.as_deref(), self.effective_from)
    }
}

type Place<'a> = (Option<&'a str>, Option<&'a str>, NaiveDate);

/// All rules, and the rate where none holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxRates {
    /// By region, category and day.
    rules: Vec<TaxRule>,
    default: TaxRate,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RatesError {
    #[error("a tax rate of {0} %: it must be from 0 to 1000, with at most 6 decimals")]
    Percent(Decimal),
    #[error("two tax rates from {effective_from} on for region {region:?} and category {category:?}")]
    Twice { region: Option<String>, category: Option<String>, effective_from: NaiveDate },
}

impl Percent {
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// # Errors
    /// `Percent` outside of 0 to 1000, or with more than 6 decimals.
    pub fn new(percent: Decimal) -> Result<Self, RatesError> {
        let normal = percent.normalize();
        let fits = (Decimal::ZERO..=Decimal::ONE_THOUSAND).contains(&normal) && normal.scale() <= 6;
        if fits { Ok(Self(normal)) } else { Err(RatesError::Percent(percent)) }
    }

    pub fn decimal(self) -> Decimal {
        self.0
    }

    pub(super) fn exact(self) -> BigDecimal {
        BigDecimal::new(BigInt::from(self.0.mantissa()), i64::from(self.0.scale()))
    }

    /// A hundredth: 0.18 for 18 %.
    pub(super) fn fraction(self) -> BigDecimal {
        BigDecimal::new(BigInt::from(self.0.mantissa()), i64::from(self.0.scale()) + 2)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TaxRate {
    /// A standard rate.
    ///
    /// # Errors
    /// As [`Percent::new`].
    pub fn standard(percent: Decimal) -> Result<Self, RatesError> {
        Percent::new(percent).map(Self::Standard)
    }

    /// Zero where there is no tax.
    pub fn percent(self) -> Percent {
        match self {
            Self::Standard(percent) => percent,
            Self::Exempt | Self::ReverseCharge => Percent::ZERO,
        }
    }

    /// The name wherever the treatment is stored.
    pub fn treatment(self) -> &'static str {
        match self {
            Self::Standard(_) => "standard",
            Self::Exempt => "exempt",
            Self::ReverseCharge => "reverse_charge",
        }
    }

    /// What was stored as a treatment and a percentage; `None`: no treatment has this name.
    ///
    /// # Errors
    /// As [`Percent::new`], of a standard rate.
    pub fn from_stored(treatment: &str, percent: Decimal) -> Result<Option<Self>, RatesError> {
        match treatment {
            "standard" => Self::standard(percent).map(Some),
            "exempt" => Ok(Some(Self::Exempt)),
            "reverse_charge" => Ok(Some(Self::ReverseCharge)),
            _ => Ok(None),
        }
    }
}

impl TaxRates {
    /// # Errors
    /// `Twice` when two rules of a region and a category begin on the same day.
    pub fn new(mut rules: Vec<TaxRule>, default: TaxRate) -> Result<Self, RatesError> {
        rules.sort_by(|a, b| a.place().cmp(&b.place()));
        if let Some((rule, _)) = rules.iter().zip(rules.iter().skip(1)).find(|(a, b)| a.place() == b.place()) {
            let TaxRule { region, category, effective_from, .. } = rule.clone();
            return Err(RatesError::Twice { region, category, effective_from });
        }
        Ok(Self { rules, default })
    }

    /// The rate on a day. Rules of the region and the category come first, then those of the region, then those of the
    /// category, then those of neither; among equals the one that began last. Names are compared exactly.
    pub fn find(&self, region: Option<&str>, category: Option<&str>, on: NaiveDate) -> TaxRate {
        let places = [(region, category), (region, None), (None, category), (None, None)];
        places.into_iter().find_map(|(region, category)| self.newest((region, category, on))).unwrap_or(self.default)
    }

    fn newest(&self, place: Place<'_>) -> Option<TaxRate> {
        let begun = self.rules.partition_point(|rule| rule.place() <= place);
        let rule = begun.checked_sub(1).map(|index| &self.rules[index])?;
        (rule.region.as_deref() == place.0 && rule.category.as_deref() == place.1).then_some(rule.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn standard(percent: &str) -> TaxRate {
        TaxRate::standard(percent.parse().unwrap()).unwrap()
    }

    fn rule(region: Option<&str>, category: Option<&str>, from: &str, rate: TaxRate) -> TaxRule {
        TaxRule {
            region: region.map(str::to_owned),
            category: category.map(str::to_owned),
            effective_from: day(from),
            rate,
        }
    }

    #[test]
    fn the_most_specific_rule_holds_and_of_its_kind_the_newest_that_has_begun() {
        let rules = vec![
            rule(Some("DE"), None, "2007-01-01", standard("19")),
            rule(Some("DE"), None, "2020-07-01", standard("16")),
            rule(Some("DE"), None, "2021-01-01", standard("19.00")),
            rule(Some("DE"), Some("books"), "2021-01-01", standard("7")),
            rule(None, Some("books"), "2020-01-01", TaxRate::Exempt),
            rule(Some("CH"), None, "2024-01-01", TaxRate::ReverseCharge),
            rule(None, None, "2030-01-01", standard("20")),
        ];
        let rates = TaxRates::new(rules, standard("18")).unwrap();
        for (region, category, on, rate) in [
            (Some("DE"), None, "2006-12-31", standard("18")),
            (Some("DE"), None, "2007-01-01", standard("19")),
            (Some("DE"), None, "2020-12-31", standard("16")),
            (Some("DE"), None, "2021-01-01", standard("19")),
            (Some("DE"), Some("books"), "2020-12-31", standard("16")),
            (Some("DE"), Some("books"), "2021-01-01", standard("7")),
            (Some("DE"), Some("food"), "2021-01-01", standard("19")),
            (Some("FR"), Some("books"), "2021-01-01", TaxRate::Exempt),
            (None, Some("books"), "2019-12-31", standard("18")),
            (Some("CH"), Some("books"), "2024-01-01", TaxRate::ReverseCharge),
            (Some("de"), None, "2024-01-01", standard("18")),
            (None, None, "2029-12-31", standard("18")),
            (None, None, "2030-01-01", standard("20")),
            (Some("FR"), Some("food"), "2030-01-01", standard("20")),
        ] {
            assert_eq!(rates.find(region, category, day(on)), rate, "{region:?} {category:?} on {on}");
        }
    }

    #[test]
    fn two_rules_from_one_day_on_are_refused() {
        let rules = vec![
            rule(Some("DE"), None, "2007-01-01", standard("19")),
            rule(None, None, "2007-01-01", standard("19")),
            rule(Some("DE"), None, "2007-01-01", standard("20")),
        ];
        let twice = RatesError::Twice { region: Some("DE".into()), category: None, effective_from: day("2007-01-01") };
        assert_eq!(TaxRates::new(rules, standard("18")), Err(twice));
    }

    #[test]
    fn a_percentage_has_bounds() {
        for percent in ["0", "18", "7.700", "1000", "0.000001"] {
            assert!(Percent::new(percent.parse().unwrap()).is_ok(), "{percent}");
        }
        for percent in ["-0.1", "1000.01", "0.0000001"] {
            assert!(Percent::new(percent.parse().unwrap()).is_err(), "{percent}");
        }
        for rate in [standard("7.7"), TaxRate::Exempt, TaxRate::ReverseCharge] {
            assert_eq!(TaxRate::from_stored(rate.treatment(), rate.percent().decimal()), Ok(Some(rate)));
        }
        assert_eq!(TaxRate::from_stored("free", Decimal::ZERO), Ok(None));
    }
}
