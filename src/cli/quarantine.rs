//! `florin quarantine`: accounts about which memory and the database disagreed.

use sqlx::PgPool;

use super::actions::operator;
use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::{Failure, columns, note, say};
use crate::money::decimal_text;
use crate::settings::Mode;
use crate::store::fold::{self, Quarantine};
use crate::store::operators::Doing;
use crate::store::{accounts, audit};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List accounts in quarantine, those that were found first first.
    List(ListArgs),
    /// Set an account's balance to what its rows of the journal come to, and let it take movements again.
    Release(ReleaseArgs),
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Released ones too
    #[arg(long)]
    released: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct ReleaseArgs {
    /// The account's name
    account: String,
    /// Whose it is
    #[arg(long, default_value = crate::store::seed::TENANT)]
    tenant: String,
    /// Why, for the list of operators' actions; at most 1,024 bytes
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(args) => list(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
        Command::Release(args) => release(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
    }
}

async fn list(pool: &PgPool, args: &ListArgs) -> Result<(), Failure> {
    let found = fold::quarantines(pool, args.released, args.limit).await?;
    if args.json {
        return found.iter().try_for_each(|found| Ok(say(json(found))?));
    }
    if found.is_empty() {
        note("no account is in quarantine");
        return Ok(());
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "(none)".into());
    let line = |found: &Quarantine| {
        [
            text(&found.name),
            text(&found.tenant),
            found.found_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            found.first_seq.to_string(),
            found.reason.clone(),
            found.expected.clone(),
            found.found.clone(),
            found
                .released_by
                .as_ref()
                .map_or_else(|| "no".into(), |by| format!("by {by}: {}", found.why.as_deref().unwrap_or_default())),
        ]
    };
    Ok(columns(
        ["ACCOUNT", "TENANT", "FOUND AT", "BEHIND ROW", "WHAT", "EXPECTED", "FOUND", "RELEASED"],
        &found.iter().map(line).collect::<Vec<_>>(),
    )?)
}

async fn release(pool: &PgPool, args: &ReleaseArgs) -> Result<(), Failure> {
    if args.reason.trim().is_empty() || args.reason.len() > 1024 {
        return Err(Failure::new(format!(
            "--reason is {} bytes: it must be 1 to 1,024, not only blanks",
            args.reason.len()
        )));
    }
    let is_in = fold::quarantines(pool, false, 10_000).await?;
    if !is_in
        .iter()
        .any(|found| found.name.as_deref() == Some(&args.account) && found.tenant.as_deref() == Some(&args.tenant))
    {
        return Err(Failure::new(format!("account {} of tenant {} is not in quarantine", args.account, args.tenant))
            .hint("`florin quarantine list` shows those that are"));
    }
    let by = operator(args.reason.clone());
    let doing = Doing { tenant: &args.tenant, by: &by, correlation: None };
    audit::rebuild(pool, &args.account, &doing)
        .await
        .map_err(|error| Failure::new(format!("the account cannot be released: {error}")))?;
    let row = accounts::get(pool, &args.tenant, &args.account).await?;
    let row = row.ok_or_else(|| {
        Failure::new(format!("account {} of tenant {} is not there any more", args.account, args.tenant))
    })?;
    let exponent = row.identity.currency.exponent;
    let (balance, held) = (row.posted.totals.credits - row.posted.totals.debits, row.posted.totals.held);
    say(format!(
        "account {} is released: balance {}, {} held",
        args.account,
        decimal_text(balance, exponent),
        decimal_text(held, exponent)
    ))?;
    note("events of what was suspect are dead letters: `florin dlq list` shows them, `florin dlq replay` tells them");
    Ok(())
}

fn json(found: &Quarantine) -> serde_json::Value {
    serde_json::json!({
        "account": found.name, "account_number": found.account, "tenant": found.tenant, "found_at": found.found_at, "behind_row": found.first_seq, "what": found.reason,
        "expected": found.expected, "found": found.found, "released_at": found.released_at, "released_by": found.released_by, "reason": found.why,
    })
}
