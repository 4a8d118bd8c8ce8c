//! `florin sagas`: workflows through the provider that are stuck, and what an operator says to them.

use sqlx::PgPool;
use uuid::Uuid;

use super::actions::operator;
use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::{Failure, columns, note, say};
use crate::protocol::record::TransactionId;
use crate::saga::{Fact, Resolution, Saga};
use crate::settings::Mode;
use crate::store::sagas::{self, SagaRow};
use crate::teller::failure::Failure as Refused;
use crate::teller::ledger::{Operated, operate, replay, seconded};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List sagas that wait for an operator, those that have for longest first.
    Stuck(StuckArgs),
    /// Show one with everything that happened to it.
    Show(ShowArgs),
    /// Have the step in which one is stuck tried again.
    Retry(RetryArgs),
    /// Say how the step in which one is stuck stands: it goes on from there.
    Resolve(ResolveArgs),
}

#[derive(Debug, clap::Args)]
pub struct StuckArgs {
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The saga's id
    id: Uuid,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct RetryArgs {
    /// The saga's id
    id: Uuid,
    /// Why, in your words: it is kept
    #[arg(long, value_parser = reason)]
    reason: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct ResolveArgs {
    /// The saga's id
    id: Uuid,
    /// done: the step has its effect, go on forward; undone: it has none, or no longer, undo what came before it
    #[arg(long = "as", value_parser = resolution)]
    how: Resolution,
    /// Why, in your words: it is kept
    #[arg(long, value_parser = reason)]
    reason: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Bytes of a reason.
const REASON_MAX: usize = 1_024;

fn reason(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.len() <= REASON_MAX && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("a reason has 1 to {REASON_MAX} bytes, and no control characters"))
    }
}

fn resolution(text: &str) -> Result<Resolution, String> {
    Resolution::NAMES.iter().find(|(name, _)| *name == text).map(|(_, how)| *how).ok_or_else(|| "done or undone".into())
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Stuck(args) => stuck(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
        Command::Show(args) => show(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
        Command::Retry(args) => {
            say_to(&pool(&args.settings.load(Mode::Tool)?).await?, args.id, None, args.reason).await
        }
        Command::Resolve(args) => {
            let settings = args.settings.load(Mode::Tool)?;
            let pool = pool(&settings).await?;
            if settings.sagas.resolve_by_two && !is_seconded(&pool, &args).await? {
                return Ok(say("noted: another operator must say the same within a day")?);
            }
            say_to(&pool, args.id, Some(args.how), args.reason).await
        }
    }
}

async fn stuck(pool: &PgPool, args: &StuckArgs) -> Result<(), Failure> {
    let rows = sagas::stuck(pool, None, args.limit).await?;
    if args.json {
        return rows.iter().try_for_each(|row| Ok(say(json(row)?)?));
    }
    if rows.is_empty() {
        note("no saga is stuck");
        return Ok(());
    }
    let mut lines = Vec::with_capacity(rows.len());
    for row in &rows {
        let saga = read(row)?;
        let order = saga.order();
        lines.push([
            row.id.0.to_string(),
            saga.updated_at().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            order.workflow.as_str().to_owned(),
            format!("{} {}", order.amount.text(order.exponent), order.currency),
            order.account.clone(),
            at(&saga).to_owned(),
            error(&saga).chars().take(60).collect(),
        ]);
    }
    Ok(columns(["ID", "SINCE", "WORKFLOW", "AMOUNT", "ACCOUNT", "STUCK AT", "ERROR"], &lines)?)
}

async fn show(pool: &PgPool, args: &ShowArgs) -> Result<(), Failure> {
    let row = sagas::get(pool, None, TransactionId(args.id))
        .await?
        .ok_or_else(|| Failure::new(format!("there is no saga {}", args.id)))?;
    if args.json {
        return Ok(say(json(&row)?)?);
    }
    let saga = read(&row)?;
    let order = saga.order();
    say(format!("saga        {} of {}", row.id.0, row.tenant))?;
    say(format!("status      {}", saga.status().as_str()))?;
    say(format!(
        "{:<11} {} {} of {}",
        order.workflow.as_str(),
        order.amount.text(order.exponent),
        order.currency,
        order.account
    ))?;
    say(format!("instrument  {}", order.instrument))?;
    for (fact, time) in &row.facts {
        say(format!("{}  {}{}", time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true), fact.brief(), why(fact)))?;
    }
    Ok(())
}

async fn is_seconded(pool: &PgPool, args: &ResolveArgs) -> Result<bool, Failure> {
    let operated = Operated { how: Some(args.how), by: operator(args.reason.clone()), correlation: None };
    let seconded = seconded(pool, None, TransactionId(args.id), &operated).await;
    Ok(seconded.map_err(|failure| Failure::new(failure.to_string()))?.is_ok())
}

async fn say_to(pool: &PgPool, id: Uuid, how: Option<Resolution>, reason: String) -> Result<(), Failure> {
    let by = operator(reason);
    let operated = Operated { how, by, correlation: None };
    let row = operate(pool, None, TransactionId(id), &operated, || {}).await.map_err(|failure| match failure {
        Refused::TooLate => Failure::new("no Florin that leads took it up: nothing was done"),
        other => Failure::new(other.to_string()),
    })?;
    let saga = read(&row)?;
    Ok(say(format!("saga {id} is {} now, at {}", saga.status().as_str(), at(&saga)))?)
}

fn read(row: &SagaRow) -> Result<Saga, Failure> {
    replay(row).map_err(|_| Failure::new(format!("the facts of saga {} do not follow each other", row.id.0)))
}

/// The step that it is at.
fn at(saga: &Saga) -> &'static str {
    saga.at().map_or("its end", |(step, undo)| step.name(undo))
}

/// What went wrong there.
fn error(saga: &Saga) -> &str {
    let at = saga.at().map(|(step, _)| step);
    saga.steps().find(|view| Some(view.step) == at).and_then(|view| view.error).unwrap_or_default()
}

fn why(fact: &Fact) -> String {
    match fact {
        Fact::Unanswered { reason, .. } | Fact::Failed { reason, .. } | Fact::Overdue { reason, .. } => {
            format!(": {reason}")
        }
        Fact::Retried { by, reason } | Fact::Resolved { by, reason, .. } => format!(" by {by}: {reason}"),
        Fact::Done { reference: Some(reference), .. } => format!(": {reference}"),
        Fact::Started(_) | Fact::Attempted { .. } | Fact::Done { .. } | Fact::Pending { .. } => String::new(),
    }
}

fn json(row: &SagaRow) -> Result<serde_json::Value, Failure> {
    let saga = read(row)?;
    let facts: Vec<_> = row.facts.iter().map(|(fact, at)| serde_json::json!({ "at": at, "fact": fact })).collect();
    Ok(serde_json::json!({
        "id": row.id.0, "tenant": row.tenant, "status": saga.status().as_str(), "at": at(&saga), "error": error(&saga), "order": saga.order(),
        "facts": facts,
    }))
}
