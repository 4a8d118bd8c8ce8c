//! The result of a verification, and its form as text.

use std::fmt;
use std::process::ExitCode;

use serde::{Serialize, Serializer};

use crate::money::decimal_text;

/// The ledger as of one snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub figures: Figures,
    /// Every check that was made, in order.
    pub checks: Vec<Checked>,
    /// At most [`FINDINGS_MAX`](super::FINDINGS_MAX) of each check.
    pub findings: Vec<Finding>,
}

/// How much the ledger has.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Of all tenants.
    pub accounts: u64,
    /// Completed ones; changes of accounts are among them.
    pub transactions: u64,
    pub declined: u64,
    /// Each is a debit and a credit.
    pub postings: u64,
    /// Callers' keys that are remembered and stand for a transaction.
    pub keys: u64,
    /// Remembered keys that were retired: they had no effect and never will.
    pub keys_retired: u64,
    /// Published or not.
    pub events: u64,
    pub dead_letters: u64,
    /// Sagas that wait for an operator. That is no disagreement, but they do not go on by themselves.
    pub sagas_stuck: u64,
    pub currencies: Vec<CurrencyTotals>,
}

/// The money of one currency, over all accounts.
#[derive(Clone, Debug, Serialize)]
pub struct CurrencyTotals {
    pub currency: String,
    /// Decimals of the currency.
    pub exponent: u8,
    /// How many accounts are in this currency.
    pub accounts: u64,
    /// The sum of all debits ever, in minor units; text in JSON.
    #[serde(serialize_with = "text")]
    pub debits: i128,
    /// The sum of all credits ever, in minor units; text in JSON.
    #[serde(serialize_with = "text")]
    pub credits: i128,
}

/// One check, and how many rows disagree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    pub check: &'static str,
    /// How many rows disagree; `findings` may list fewer.
    pub findings_total: u64,
}

/// One disagreement. Amounts are in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// The account, transaction or other row that it concerns.
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
    /// Whether all checks agree.
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
            writeln!(
                f,
                "{:<12}{:>12}{:>32}{:>32}",
                totals.currency,
                totals.accounts,
                amount(totals.debits),
                amount(totals.credits)
            )?;
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
        let totals =
            CurrencyTotals { currency: "USD".into(), exponent: 2, accounts: 3, debits: 100_050, credits: 100_050 };
        let mut report = Report {
            figures: Figures { accounts: 3, postings: 2, currencies: vec![totals], ..Figures::default() },
            checks: vec![Checked { check: "floor", findings_total: 0 }],
            findings: Vec::new(),
        };
        let text = report.to_string();
        assert!(report.is_clean() && text.ends_with("the books balance\n"), "{text}");
        assert!(
            text.contains("USD                    3                         1000.50                         1000.50\n"),
            "{text}"
        );
        report.checks[0].findings_total = 21;
        report.findings.push(Finding {
            check: "floor",
            what: "account a".into(),
            expected: "at least 0".into(),
            found: "-1".into(),
        });
        let text = report.to_string();
        assert!(
            text.contains("floor: account a: expected at least 0, found -1\n")
                && text.contains("21 findings, 1 listed"),
            "{text}"
        );
        assert_eq!(serde_json::to_value(&report).unwrap()["figures"]["currencies"][0]["debits"], "100050");
    }
}
