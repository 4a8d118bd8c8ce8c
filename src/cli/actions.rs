//! `florin actions`: what operators did, from the database.

use chrono::{DateTime, SecondsFormat, Utc};
use nix::unistd::{Uid, User};

use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::{Failure, columns, note, say};
use crate::protocol::record::{DEFAULT_TENANT, Operator};
use crate::settings::Mode;
use crate::store::operators::{self, ActionFilter, ActionRow};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose operators
    #[arg(long, default_value = DEFAULT_TENANT)]
    tenant: String,
    /// Only what was done to this: an account's id, a currency's code, a saga's id
    #[arg(long)]
    subject: Option<String>,
    /// Only actions of this name, such as account.limits
    #[arg(long)]
    action: Option<String>,
    /// Not before this time, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime<Utc>>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<DateTime<Utc>>,
    /// At most so many, the newest
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Print one JSON object a line, with how it was and how it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Who acts by a command, as the list shows them: the user of the system.
pub fn operator(reason: String) -> Operator {
    let user =
        User::from_uid(Uid::current()).ok().flatten().map_or_else(|| Uid::current().to_string(), |user| user.name);
    Operator { name: format!("cli:{user}").into(), reason, address: None }
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let pool = pool(&args.settings.load(Mode::Tool)?).await?;
    let filter =
        ActionFilter { tenant: args.tenant, subject: args.subject, action: args.action, from: args.from, to: args.to };
    let rows = operators::list(&pool, &filter, None, args.limit).await?;
    if args.json {
        return rows.iter().try_for_each(|row| Ok(say(json(row))?));
    }
    if rows.is_empty() {
        note("no operator did anything");
        return Ok(());
    }
    let line = |row: &ActionRow| {
        let at = row.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        [at, row.actor.clone(), row.action.clone(), row.subject.clone(), row.reason.chars().take(60).collect()]
    };
    Ok(columns(["AT", "WHO", "ACTION", "SUBJECT", "REASON"], &rows.iter().map(line).collect::<Vec<_>>())?)
}

fn json(row: &ActionRow) -> serde_json::Value {
    let object =
        |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    serde_json::json!({
        "id": row.id, "tenant": row.tenant, "at": row.at, "actor": row.actor, "action": row.action, "subject": row.subject, "reason": row.reason,
        "before": object(&row.before), "after": object(&row.after), "correlation_id": row.correlation,
    })
}
