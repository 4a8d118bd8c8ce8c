//! What a verification found, and how it reads.

use std::fmt;
use std::process::ExitCode;

use serde::{Serialize, Serializer};

use crate::money::decimal_text;

/// The ledger as of one snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How much there is.
    pub figures: Figures,
    /// Every check that was made, in order.
    pub checks: Vec<Checked>,
    /// The first findings of each check.
    pub findings: Vec<Finding>,
}

/// How much there is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Accounts of all tenants.
    pub accounts: u64,
    /// Completed transactions, changes of accounts among them.
    pub transactions: u64,
    /// Declined transactions.
    pub declined: u64,
    /// Postings: each is a debit and a credit.
    pub postings: u64,
    /// Keys of callers that are remembered and stand for a transaction.
    pub keys: u64,
    /// Remembered keys that were declared never used.
    pub keys_retired: u64,
    /// Events, published or not.
    pub events: u64,
    /// Events that Kafka refused for themselves.
    pub dead_letters: u64,
    /// Movements through the provider that wait for an operator: no disagreement, but nothing goes on by itself.
    pub sagas_stuck: u64,
    /// Money, by currency.
    pub currencies: Vec<CurrencyTotals>,
}

/// The money of one currency, over all of its accounts.
#[derive(Clone, Debug, Serialize)]
pub struct CurrencyTotals {
    /// Its code.
    pub currency: String,
    /// Decimals of its minor unit.
    pub exponent: u8,
    /// Accounts kept in it.
    pub accounts: u64,
    /// Sum of all debits ever, in minor units; text in JSON.
    #[serde(serialize_with = "text")]
    pub debits: i128,
    /// Sum of all credits ever, in minor units; text in JSON.
    #[serde(serialize_with = "text")]
    pub credits: i128,
}

/// One check and how much disagreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Its name.
    pub check: &'static str,
    /// How many rows disagreed, more than are listed perhaps.
    pub findings_total: u64,
}

/// Something that disagrees. Amounts are in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check found it.
    pub check: &'static str,
    /// What it concerns.
    pub what: String,
    /// What would be right.
    pub expected: String,
    /// What is there.
    pub found: String,
}

fn text<S: Serializer>(minor_units: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(minor_units)
}

impl Report {
    /// Whether all agrees.
    pub fn is_clean(&self) -> bool {
        self.findings_total() == 0
    }

    /// How many rows disagree, over all checks.
    pub fn findings_total(&self) -> u64 {
        self.checks.iter().map(|checked| checked.findings_total).sum()
    }

    /// 0 if all agrees, else 1.
    pub fn exit_code(&self) -> ExitCode {
        if self.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        let rows = [
            ("accounts", figures.accounts),
            ("transactions completed", figures.transactions),
            ("transactions declined", figures.declined),
            ("postings", figures.postings),
            ("keys", figures.keys),
            ("keys retired", figures.keys_retired),
            ("events", figures.events),
            ("dead letters", figures.dead_letters),
            ("sagas stuck", figures.sagas_stuck),
        ];
        for (name, value) in rows {
            writeln!(f, "{name:<32}{value:>16}")?;
        }
        if !figures.currencies.is_empty() {
            writeln!(f, "\n{:<12}{:>12}{:>32}{:>32}", "currency", "accounts", "debits", "credits")?;
        }
        for totals in &figures.currencies {
            let amount = |units| decimal_text(units, totals.exponent);
            writeln!(f, "{:<12}{:>12}{:>32}{:>32}", totals.currency, totals.accounts, amount(totals.debits), amount(totals.credits))?;
        }
        writeln!(f)?;
        for Checked { check, findings_total } in &self.checks {
            let verdict = if *findings_total == 0 { "ok".to_owned() } else { format!("{findings_total} wrong") };
            writeln!(f, "{check:<32}{verdict:>16}")?;
        }
        writeln!(f)?;
        for finding in &self.findings {
            writeln!(f, "{}: {}: expected {}, found {}", finding.check, finding.what, finding.expected, finding.found)?;
        }
        match self.findings_total() {
            0 => writeln!(f, "the books balance"),
            total => writeln!(f, "the books do not balance: {total} findings, {} listed", self.findings.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_lines_up_and_names_what_is_wrong() {
        let totals = CurrencyTotals { currency: "USD".into(), exponent: 2, accounts: 3, debits: 100_050, credits: 100_050 };
        let mut report = Report {
            figures: Figures { accounts: 3, postings: 2, currencies: vec![totals], ..Figures::default() },
            checks: vec![Checked { check: "floor", findings_total: 0 }],
            findings: Vec::new(),
        };
        let text = report.to_string();
        assert!(report.is_clean() && text.ends_with("the books balance\n"), "{text}");
        assert!(text.contains("USD                    3                         1000.50                         1000.50\n"), "{text}");
        report.checks[0].findings_total = 21;
        report.findings.push(Finding { check: "floor", what: "account a".into(), expected: "at least 0".into(), found: "-1".into() });
        let text = report.to_string();
        assert!(text.contains("floor: account a: expected at least 0, found -1\n") && text.contains("21 findings, 1 listed"), "{text}");
        assert_eq!(serde_json::to_value(&report).unwrap()["figures"]["currencies"][0]["debits"], "100050");
    }
}
