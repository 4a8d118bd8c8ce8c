//! The checks as data: each step is a pass over its tables that selects the rows which disagree. None relies on what an
//! index or a constraint guards, and none looks rows of the journal up one by one: what must match is hashed or sorted.

/// One pass over some tables, for several checks.
pub(super) struct Step {
    /// Shown as progress.
    pub name: &'static str,
    /// The checks that its rows may name.
    pub checks: &'static [&'static str],
    /// Selects (check, what, expected, found). It may read `given` once: the kinds without postings, and the shortest
    /// gap between two uses of a key.
    pub bad: &'static str,
}

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "rows",
        checks: &[
            "retired key",
            "declined with postings",
            "kind with postings",
            "transaction without postings",
            "posting account",
            "posting currency",
            "posting amount",
            "accounts of a row",
            "event",
            "facts of a transaction",
        ],
        bad: include_str!("sql/rows.sql"),
    },
    Step { name: "numbers", checks: &["unknown number"], bad: include_str!("sql/numbers.sql") },
    Step {
        name: "transactions",
        checks: &["postings without transaction", "postings of a transaction", "transaction twice"],
        bad: include_str!("sql/transactions.sql"),
    },
    Step {
        name: "balances",
        checks: &["account without balance", "balance", "held by rows", "version", "newest row"],
        bad: include_str!("sql/balances.sql"),
    },
    Step { name: "currencies", checks: &["currency totals"], bad: include_str!("sql/currencies.sql") },
    Step {
        name: "running balances",
        checks: &["balance after", "chain"],
        bad: include_str!("sql/running_balances.sql"),
    },
    Step { name: "limits", checks: &["floor", "ceiling", "closed"], bad: include_str!("sql/limits.sql") },
    Step { name: "fold", checks: &["fold", "quarantine", "guards"], bad: include_str!("sql/fold.sql") },
    Step { name: "holds", checks: &["held", "hold", "hold step"], bad: include_str!("sql/holds.sql") },
    Step { name: "refunds", checks: &["refunded", "refund"], bad: include_str!("sql/refunds.sql") },
    Step {
        name: "keys",
        checks: &["key", "key used twice", "key with two effects"],
        bad: include_str!("sql/keys.sql"),
    },
    Step { name: "derived ids", checks: &["derived id"], bad: include_str!("sql/derived_ids.sql") },
    Step { name: "declines", checks: &["decline"], bad: include_str!("sql/declines.sql") },
    Step {
        name: "exchanges",
        checks: &["exchange", "exchange rate", "exchange amount"],
        bad: include_str!("sql/exchanges.sql"),
    },
    Step { name: "sagas", checks: &["saga", "saga fact", "saga step"], bad: include_str!("sql/sagas.sql") },
    Step {
        name: "invoices",
        checks: &["invoice", "settlement", "invoice number", "receivable"],
        bad: include_str!("sql/invoices.sql"),
    },
    Step {
        name: "payments exchanged",
        checks: &["payment exchanged"],
        bad: include_str!("sql/payments_exchanged.sql"),
    },
    Step { name: "operators' actions", checks: &["operator action"], bad: include_str!("sql/operators_actions.sql") },
    Step {
        name: "partitions",
        checks: &["partition", "place", "place of an id"],
        bad: include_str!("sql/partitions.sql"),
    },
    Step {
        name: "openings and replays",
        checks: &["opening", "dead letter", "replay"],
        bad: include_str!("sql/openings_and_replays.sql"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::statement::tests::knows_all_names;

    #[test]
    fn every_name_in_a_step_stands_for_something() {
        for step in STEPS {
            knows_all_names(step.bad);
        }
    }
}
