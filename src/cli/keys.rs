//! `florin keys`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::actions::operator;
use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::{Failure, columns, say};
use crate::protocol::record::now_micros;
use crate::settings::Mode;
use crate::store::api_keys::{self, ACCOUNT_PREFIX_BYTES_MAX, ApiKey, NOTE_BYTES_MAX, NewKey, Scope};
use crate::teller::validate::tenant;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key; it is shown once, only its hash is kept.
    Create(CreateArgs),
    /// List keys, newest first.
    List(ListArgs),
    /// Revoke a key.
    Revoke(RevokeArgs),
}

#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// To whom the key belongs: accounts and idempotency keys are a tenant's own
    #[arg(long, default_value = "default", value_parser = tenant)]
    tenant: String,
    /// What it may do: read (balances, documents), write (payments, entries, payouts, exchange, holds, invoices,
    /// customers), admin (accounts, rates, corrections, operators, and the rest), or single ones of these
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// It names only accounts whose ids begin so, and makes only calls that are about accounts by their ids
    #[arg(long, value_name = "PREFIX", value_parser = account_prefix)]
    account_prefix: Option<String>,
    /// When it ends, such as 2027-01-31T00:00:00Z; without this it does not
    #[arg(long, value_name = "TIME", value_parser = future)]
    expires_at: Option<DateTime<Utc>>,
    /// What it is for
    #[arg(long, default_value = "", value_parser = note)]
    note: String,
    /// Print the key as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only those of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Revoked ones too
    #[arg(long)]
    revoked: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    /// The key's id, as `florin keys list` shows it
    id: String,
    /// Why, in your words: it is kept
    #[arg(long, default_value = "", value_parser = note)]
    reason: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(args) => create(args).await,
        Command::List(args) => list(args).await,
        Command::Revoke(args) => revoke(args).await,
    }
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let pool = pool(&args.settings.load(Mode::Tool)?).await?;
    let new = NewKey {
        tenant: &args.tenant,
        scopes: args.scopes.into_iter().collect(),
        account_prefix: args.account_prefix.as_deref(),
        expires_at: args.expires_at,
        note: &args.note,
    };
    let (key, text) = api_keys::make(&pool, &new, &operator(String::new())).await?;
    if args.json {
        let mut line = object(&key);
        line["key"] = text.into();
        return Ok(say(line)?);
    }
    say(format!("{text}\n  id      {}\n  tenant  {}\n  scopes  {}", key.id, key.tenant, key.scopes.names().join(",")))?;
    if let Some(prefix) = &key.account_prefix {
        say(format!("  accounts that begin with {prefix:?} alone"))?;
    }
    if let Some(at) = key.expires_at {
        say(format!("  until   {}", at.to_rfc3339_opts(SecondsFormat::Secs, true)))?;
    }
    Ok(say("  Keep it safe: it is not shown again.")?)
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let pool = pool(&args.settings.load(Mode::Tool)?).await?;
    let keys = api_keys::list(&pool, args.tenant.as_deref(), args.revoked).await?;
    if args.json {
        return Ok(keys.iter().try_for_each(|key| say(object(key)))?);
    }
    let row = |key: &ApiKey| {
        let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M").to_string();
        let [expires, revoked] = [key.expires_at, key.revoked_at].map(|at| at.map_or(String::new(), time));
        let (scopes, accounts) = (key.scopes.names().join(","), key.account_prefix.clone().unwrap_or_default());
        [key.id.clone(), key.tenant.clone(), scopes, accounts, time(key.created_at), expires, revoked, key.note.clone()]
    };
    columns(
        ["ID", "TENANT", "SCOPES", "ACCOUNTS", "CREATED", "EXPIRES", "REVOKED", "NOTE"],
        &keys.iter().map(row).collect::<Vec<_>>(),
    )?;
    Ok(())
}

async fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let settings = args.settings.load(Mode::Tool)?;
    let id = api_keys::KeyText::parse(&args.id).map_or(args.id.as_str(), |key| key.id());
    match api_keys::revoke(&pool(&settings).await?, id, &operator(args.reason)).await? {
        Some(key) => {
            Ok(say(format!("revoked {}; servers stop taking it within {} s", key.id, settings.auth.cache.as_secs()))?)
        }
        None => Err(Failure::new(format!("there is no key {id:?}")).hint("`florin keys list` shows their ids")),
    }
}

fn object(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": key.id, "tenant": key.tenant, "scopes": key.scopes.names(), "account_prefix": key.account_prefix,
        "note": key.note, "created_at": key.created_at.to_rfc3339(),
        "expires_at": key.expires_at.map(|at| at.to_rfc3339()), "revoked_at": key.revoked_at.map(|at| at.to_rfc3339()),
    })
}

fn note(text: &str) -> Result<String, String> {
    let fits = text.len() <= NOTE_BYTES_MAX && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("allowed is up to {NOTE_BYTES_MAX} bytes without control characters"))
}

fn account_prefix(text: &str) -> Result<String, String> {
    let fits = (1..=ACCOUNT_PREFIX_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("allowed is 1 to {ACCOUNT_PREFIX_BYTES_MAX} bytes without control characters"))
}

fn future(text: &str) -> Result<DateTime<Utc>, String> {
    let at: DateTime<Utc> = text.parse().map_err(|_| format!("{text:?} is no time such as 2027-01-31T00:00:00Z"))?;
    if at > now_micros() { Ok(at) } else { Err(format!("{text:?} has passed: such a key opens nothing")) }
}
