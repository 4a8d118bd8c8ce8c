//! `florin keys`.

use serde_json::json;

use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::{Failure, columns, say};
use crate::settings::Mode;
use crate::store::api_keys::{self, ApiKey, NOTE_BYTES_MAX, Scope, TENANT_BYTES_MAX};

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
    /// What it may do: read, write (move money), admin (open and change accounts); none contains another
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,
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
    let (key, text) = api_keys::create(&pool, &args.tenant, args.scopes.into_iter().collect(), &args.note).await?;
    if args.json {
        let mut line = object(&key);
        line["key"] = text.into();
        return Ok(say(line)?);
    }
    say(format!("{text}\n  id      {}\n  tenant  {}\n  scopes  {}", key.id, key.tenant, key.scopes.names().join(",")))?;
    Ok(say("  Keep it safe: it is not shown again.")?)
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let pool = pool(&args.settings.load(Mode::Tool)?).await?;
    let keys = api_keys::list(&pool, args.tenant.as_deref(), args.revoked).await?;
    if args.json {
        return Ok(keys.iter().try_for_each(|key| say(object(key)))?);
    }
    let row = |key: &ApiKey| {
        let revoked = key.revoked_at.map_or(String::new(), |at| at.format("%Y-%m-%d %H:%M").to_string());
        let created = key.created_at.format("%Y-%m-%d %H:%M").to_string();
        [key.id.clone(), key.tenant.clone(), key.scopes.names().join(","), created, revoked, key.note.clone()]
    };
    columns(["ID", "TENANT", "SCOPES", "CREATED", "REVOKED", "NOTE"], &keys.iter().map(row).collect::<Vec<_>>())?;
    Ok(())
}

async fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let settings = args.settings.load(Mode::Tool)?;
    let id = api_keys::KeyText::parse(&args.id).map_or(args.id.as_str(), |key| key.id());
    match api_keys::revoke(&pool(&settings).await?, id).await? {
        Some(key) => {
            Ok(say(format!("revoked {}; servers stop taking it within {} s", key.id, settings.auth.cache.as_secs()))?)
        }
        None => Err(Failure::new(format!("there is no key {id:?}")).hint("`florin keys list` shows their ids")),
    }
}

fn object(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": key.id, "tenant": key.tenant, "scopes": key.scopes.names(), "note": key.note,
        "created_at": key.created_at.to_rfc3339(), "revoked_at": key.revoked_at.map(|at| at.to_rfc3339()),
    })
}

fn tenant(text: &str) -> Result<String, String> {
    let fits = (1..=TENANT_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("allowed is 1 to {TENANT_BYTES_MAX} letters, digits, dots, underscores and dashes"))
}

fn note(text: &str) -> Result<String, String> {
    let fits = text.len() <= NOTE_BYTES_MAX && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("allowed is up to {NOTE_BYTES_MAX} bytes without control characters"))
}
