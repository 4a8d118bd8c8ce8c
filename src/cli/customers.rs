//! `florin customers`: who gets invoices. Personal data are printed here, and stand in no log.

use florin_wire::florin_v1::EraseCustomerRequest;
use sqlx::PgPool;

use super::client::{ClientArgs, failure};
use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::{Failure, columns, note, say};
use crate::billing::registration::full_name;
use crate::protocol::record::DEFAULT_TENANT;
use crate::settings::Mode;
use crate::store::billing::customers::{self as store, CustomerRow};
use crate::teller::native::views::Customer;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List customers, oldest first.
    List(ListArgs),
    /// Show one with all that is known of it.
    Show(ShowArgs),
    /// Erase one's personal data for good: its id, its region and its invoices stay.
    Erase(EraseArgs),
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only the one with this address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
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
    /// The customer's id
    id: String,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct EraseArgs {
    /// The customer's id
    id: String,
    /// Why, in your words: it is kept
    #[arg(long, default_value = "")]
    reason: String,
    /// Do it; without this it is only said what would be done
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    client: ClientArgs,
}

pub async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(args) => list(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
        Command::Show(args) => show(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await,
        Command::Erase(args) => erase(args).await,
    }
}

async fn list(pool: &PgPool, args: &ListArgs) -> Result<(), Failure> {
    let customers = store::list(pool, DEFAULT_TENANT, args.email.as_deref(), None, args.limit).await?;
    if args.json {
        return customers.into_iter().try_for_each(|customer| Ok(say(json(customer)?)?));
    }
    if customers.is_empty() {
        note("no customers");
        return Ok(());
    }
    let row = |customer: &CustomerRow| {
        [
            customer.id.clone(),
            name(customer),
            customer.email.clone().unwrap_or_default(),
            customer.region.clone().unwrap_or_default(),
            customer.language.clone(),
            seconds(customer.created_at),
            customer.erased_at.map(seconds).unwrap_or_default(),
        ]
    };
    Ok(columns(
        ["ID", "NAME", "EMAIL", "REGION", "LANGUAGE", "CREATED AT", "ERASED AT"],
        &customers.iter().map(row).collect::<Vec<_>>(),
    )?)
}

async fn show(pool: &PgPool, args: &ShowArgs) -> Result<(), Failure> {
    let customer = store::get(pool, DEFAULT_TENANT, &args.id).await?;
    let customer = customer.ok_or_else(|| Failure::new(format!("there is no customer {:?}", args.id)))?;
    if args.json {
        return Ok(say(json(customer)?)?);
    }
    let given = |text: &Option<String>| text.clone().unwrap_or_default();
    for (label, text) in [
        ("id", customer.id.clone()),
        ("name", name(&customer)),
        ("email", given(&customer.email)),
        ("mobile", given(&customer.mobile)),
        ("born on", customer.born_on.map(|day| day.to_string()).unwrap_or_default()),
        ("address", customer.address.join(", ")),
        ("tax id", given(&customer.tax_id)),
        ("region", given(&customer.region)),
        ("language", customer.language.clone()),
        ("created at", seconds(customer.created_at)),
        ("erased at", customer.erased_at.map(seconds).unwrap_or_default()),
    ] {
        if !text.is_empty() {
            say(format!("{label:<12}{text}"))?;
        }
    }
    Ok(())
}

/// By the running server, which writes the operator's action.
async fn erase(args: EraseArgs) -> Result<(), Failure> {
    if !args.yes {
        let would = format!("the personal data of customer {:?} would be erased for good", args.id);
        return Err(Failure::new(would).hint("repeat the command with --yes"));
    }
    let request = EraseCustomerRequest { id: args.id, reason: args.reason };
    let answer = args.client.billing().await?.erase_customer(request).await;
    let customer = answer.map_err(|status| failure(&status))?.into_inner().customer;
    let customer = customer.ok_or_else(|| Failure::new("the server answered no customer"))?;
    Ok(say(format!("customer {} is erased since {}", customer.id, customer.erased_at))?)
}

fn name(customer: &CustomerRow) -> String {
    full_name([&customer.first_name, &customer.middle_name, &customer.last_name])
}

fn seconds(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn json(customer: CustomerRow) -> Result<String, Failure> {
    Ok(serde_json::to_string(&Customer::from(customer))?)
}
