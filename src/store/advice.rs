//! Compares PostgreSQL's settings with what they should be, where the safety or the speed of payments depends on them.

use std::collections::HashMap;
use std::fmt;

use sqlx::PgPool;

/// A setting that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    name: &'static str,
    found: String,
    wanted: String,
    why: &'static str,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL's {} is {}, and should be {}: {}", self.name, self.found, self.wanted, self.why)
    }
}

/// Settings that must be on.
const ON: [(&str, &str); 3] = [
    ("fsync", "what was acknowledged is lost when the machine fails"),
    ("full_page_writes", "tables are damaged when the machine fails"),
    ("autovacuum", "balances grow with every payment, and in the end no transaction id is left"),
];

/// Settings that are numbers: the name, the least, how many of PostgreSQL's units make one of the unit shown, the unit
/// shown, and the reason.
const AT_LEAST: [(&str, i64, i64, &str, &str); 3] = [
    ("max_wal_size", 4096, 1, "MB", "checkpoints come by time then, not in the middle of a load"),
    ("checkpoint_timeout", 900, 1, "s", "after each checkpoint every page goes into the log whole, once"),
    ("shared_buffers", 1024, 128, "MB", "balances and keys are looked for with every payment"),
];

/// Locks that reading one partition takes, its indexes included.
const LOCKS_PER_PARTITION: i64 = 7;

/// All settings that are not as they should be.
///
/// # Errors
/// Any failure of the statements.
pub async fn advice(pool: &PgPool) -> Result<Vec<Advice>, sqlx::Error> {
    let settings: Vec<(String, String)> =
        sqlx::query_as("SELECT name, setting FROM pg_settings").fetch_all(pool).await?;
    let partitions = sqlx::query_scalar("SELECT count(*) FROM journal_partitions").fetch_one(pool).await?;
    Ok(judge(&settings.into_iter().collect(), partitions))
}

fn judge(settings: &HashMap<String, String>, partitions: i64) -> Vec<Advice> {
    let whole = |name: &str| settings.get(name).and_then(|found| found.parse::<i64>().ok());
    let mut advice = Vec::new();
    for (name, why) in ON {
        if settings.get(name).is_some_and(|found| found != "on") {
            advice.push(Advice { name, found: settings[name].clone(), wanted: "on".into(), why });
        }
    }
    for (name, least, per_unit, unit, why) in AT_LEAST {
        if let Some(found) = whole(name).map(|found| found / per_unit).filter(|found| *found < least) {
            advice.push(Advice {
                name,
                found: format!("{found} {unit}"),
                wanted: format!("{least} {unit} or more"),
                why,
            });
        }
    }
    if let Some(found) =
        settings.get("checkpoint_completion_target").filter(|found| found.parse::<f64>().is_ok_and(|found| found < 0.9))
    {
        let why = "checkpoints write evenly then, not at once";
        advice.push(Advice {
            name: "checkpoint_completion_target",
            found: found.clone(),
            wanted: "0.9 or more".into(),
            why,
        });
    }
    if let Some(found) = settings
        .get("autovacuum_vacuum_cost_delay")
        .filter(|found| found.parse::<f64>().is_ok_and(|found| found <= 0.0))
    {
        let why = "vacuum leaves the disk and a core to payments then, instead of going through a table at once";
        advice.push(Advice {
            name: "autovacuum_vacuum_cost_delay",
            found: format!("{found} ms"),
            wanted: "2 ms".into(),
            why,
        });
    }
    if let (Some(each), Some(connections), Some(prepared)) =
        (whole("max_locks_per_transaction"), whole("max_connections"), whole("max_prepared_transactions"))
    {
        let shared = (connections + prepared).max(1);
        let needed = (2 * partitions * LOCKS_PER_PARTITION + shared - 1) / shared;
        if each < needed {
            let why = "what reads the whole journal, such as `florin verify`, locks every partition with its indexes";
            advice.push(Advice {
                name: "max_locks_per_transaction",
                found: each.to_string(),
                wanted: format!("{needed} or more"),
                why,
            });
        }
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(given: &[(&str, &str)]) -> HashMap<String, String> {
        let good = [
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("max_wal_size", "4096"),
            ("checkpoint_timeout", "900"),
            ("checkpoint_completion_target", "0.9"),
            ("autovacuum", "on"),
            ("autovacuum_vacuum_cost_delay", "2"),
            ("shared_buffers", "131072"),
            ("max_locks_per_transaction", "64"),
            ("max_connections", "100"),
            ("max_prepared_transactions", "0"),
        ];
        good.iter().chain(given).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_setting_that_is_too_little_is_named_with_what_it_should_be() {
        assert_eq!(judge(&settings(&[]), 400), []);
        for (name, found, said) in [
            ("fsync", "off", "fsync is off, and should be on"),
            ("full_page_writes", "off", "full_page_writes is off"),
            ("max_wal_size", "1024", "max_wal_size is 1024 MB, and should be 4096 MB or more"),
            ("checkpoint_timeout", "300", "checkpoint_timeout is 300 s, and should be 900 s or more"),
            ("autovacuum", "off", "autovacuum is off, and should be on: balances grow"),
            ("autovacuum_vacuum_cost_delay", "0", "autovacuum_vacuum_cost_delay is 0 ms, and should be 2 ms: vacuum"),
            ("checkpoint_completion_target", "0.5", "checkpoint_completion_target is 0.5, and should be 0.9 or more"),
            ("shared_buffers", "16384", "shared_buffers is 128 MB, and should be 1024 MB or more"),
        ] {
            let advice = judge(&settings(&[(name, found)]), 400);
            assert_eq!(advice.len(), 1, "{name}");
            assert!(advice[0].to_string().contains(said), "{}", advice[0]);
        }
        let advice = judge(&settings(&[]), 2_000);
        assert!(
            advice[0].to_string().contains("max_locks_per_transaction is 64, and should be 280 or more"),
            "{advice:?}"
        );
    }
}
