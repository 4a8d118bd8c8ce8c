//! `florin invoices`: what was issued, and what became of it.

mod pay;

use std::process::ExitCode;

use sqlx::PgPool;

use super::discovery::pool;
use super::options::SettingsArgs;
use super::output::{Failure, columns, note, say};
use crate::billing::invoice::Status;
use crate::money::decimal_text;
use crate::protocol::record::DEFAULT_TENANT;
use crate::settings::Mode;
use crate::store::billing::invoices::{self as store, InvoiceFilter, InvoiceRow};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List invoices and credit notes, newest first.
    List(ListArgs),
    /// Show one with its lines, its taxes and what became of it.
    Show(ShowArgs),
    /// Pay one, in part or in whole.
    Pay(pay::Args),
    /// Write one as a PDF.
    #[cfg(feature = "pdf")]
    Pdf(PdfArgs),
}

#[cfg(feature = "pdf")]
#[derive(Debug, clap::Args)]
pub struct PdfArgs {
    /// The invoice's id, as `florin invoices list` shows it
    id: i64,
    /// The file; `invoice-ID.pdf` here if there is none
    #[arg(long, short)]
    output: Option<std::path::PathBuf>,
    /// Of its labels: en, de, fr, es, hi, ar, ja
    #[arg(long, default_value = "en")]
    language: String,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only those of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only those of this order or bill
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// Only those of this status: draft, open, paid, void, uncollectible
    #[arg(long, value_parser = status)]
    status: Option<Status>,
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
    /// The invoice's id, as `florin invoices list` shows it
    id: i64,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

fn status(text: &str) -> Result<Status, String> {
    Status::ALL
        .into_iter()
        .find(|status| status.name() == text)
        .ok_or_else(|| "it is one of draft, open, paid, void, uncollectible".to_owned())
}

pub async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::List(args) => list(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await?,
        Command::Show(args) => show(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await?,
        Command::Pay(args) => return pay::run(args).await,
        #[cfg(feature = "pdf")]
        Command::Pdf(args) => pdf(&pool(&args.settings.load(Mode::Tool)?).await?, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(pool: &PgPool, args: &ListArgs) -> Result<(), Failure> {
    let filter = InvoiceFilter {
        tenant: DEFAULT_TENANT.into(),
        customer: args.customer.clone(),
        status: args.status,
        source: args.order.clone(),
        ..InvoiceFilter::default()
    };
    let invoices = store::list(pool, &filter, i64::MAX, args.limit).await?;
    if args.json {
        return invoices.iter().try_for_each(|invoice| Ok(say(json(invoice))?));
    }
    if invoices.is_empty() {
        note("no invoices");
        return Ok(());
    }
    let row = |invoice: &InvoiceRow| {
        let text = |units: i128| decimal_text(units, invoice.currency.exponent);
        [
            invoice.id.to_string(),
            invoice.number.clone().unwrap_or_default(),
            invoice.kind.name().to_owned(),
            invoice.customer.clone(),
            invoice.source.clone().unwrap_or_default(),
            format!("{} {}", text(invoice.balance.total.minor_units()), invoice.currency.code),
            text(invoice.balance.due().minor_units()),
            invoice.balance.status.name().to_owned(),
            invoice.due_on.map(|day| day.to_string()).unwrap_or_default(),
        ]
    };
    Ok(columns(
        ["ID", "NUMBER", "KIND", "CUSTOMER", "ORDER", "TOTAL", "DUE", "STATUS", "DUE ON"],
        &invoices.iter().map(row).collect::<Vec<_>>(),
    )?)
}

async fn show(pool: &PgPool, args: &ShowArgs) -> Result<(), Failure> {
    let invoice = store::get(pool, DEFAULT_TENANT, args.id).await?;
    let invoice = invoice.ok_or_else(|| Failure::new(format!("there is no invoice {}", args.id)))?;
    if args.json {
        return Ok(say(json(&invoice))?);
    }
    let (exponent, code) = (invoice.currency.exponent, invoice.currency.code);
    let text = |units: i128| format!("{} {code}", decimal_text(units, exponent));
    say(format!("{:<13}{}", invoice.kind.name(), invoice.number.as_deref().unwrap_or("(a draft)")))?;
    say(format!("customer     {}", invoice.customer))?;
    if let Some(order) = &invoice.source {
        say(format!("order        {order}"))?;
    }
    for line in &invoice.content.lines {
        let what = line.description.as_deref().unwrap_or(&line.sku);
        say(format!("line         {what}: {} x {} = {} + {} tax", line.quantity, line.unit_price, line.net, line.tax))?;
    }
    for tax in &invoice.content.taxes {
        say(format!("tax          {} % ({}) of {}: {}", tax.percent, tax.treatment, tax.net, tax.tax))?;
    }
    say(format!("subtotal     {}", text(invoice.subtotal.minor_units())))?;
    say(format!("tax          {}", text(invoice.tax.minor_units())))?;
    say(format!("total        {}", text(invoice.balance.total.minor_units())))?;
    say(format!("due          {}", text(invoice.balance.due().minor_units())))?;
    say(format!("status       {}", invoice.balance.status.name()))?;
    for settled in store::settlements(pool, invoice.id).await? {
        let (kind, at) = (settled.kind.name(), settled.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        say(format!("{kind:<13}{} at {at}, due then {}", text(settled.amount), text(settled.due_after)))?;
    }
    Ok(())
}

#[cfg(feature = "pdf")]
async fn pdf(pool: &PgPool, args: &PdfArgs) -> Result<(), Failure> {
    use crate::actors::press::{Language, Paper, Printer};
    let language = Language::of(&args.language).ok_or_else(|| Failure::new(Language::unknown(&args.language)))?;
    let invoice = store::get(pool, DEFAULT_TENANT, args.id).await?;
    let invoice = invoice.ok_or_else(|| Failure::new(format!("there is no invoice {}", args.id)))?;
    let entity = invoice.entity.clone();
    let paper = Paper::of(pool, DEFAULT_TENANT, invoice, Some(language)).await?;
    let paper = paper.ok_or_else(|| Failure::new(format!("there is no legal entity {entity}")))?;
    let printer = crate::actors::papers::Typesetter::default();
    let made = printer.paper(&paper).map_err(Failure::new)?.pdf;
    let path = args.output.clone().unwrap_or_else(|| format!("invoice-{}.pdf", args.id).into());
    std::fs::write(&path, made).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    Ok(say(path.display())?)
}

fn json(invoice: &InvoiceRow) -> serde_json::Value {
    let text = |amount: crate::money::Amount| amount.text(invoice.currency.exponent);
    let balance = &invoice.balance;
    serde_json::json!({
        "id": invoice.id.to_string(), "number": invoice.number, "kind": invoice.kind.name(), "customerId": invoice.customer,
        "orderId": invoice.source, "currency": invoice.currency.code.as_str(), "subtotal": text(invoice.subtotal), "tax": text(invoice.tax),
        "total": text(balance.total), "paid": text(balance.paid), "credited": text(balance.credited), "due": text(balance.due()),
        "status": balance.status.name(), "dueOn": invoice.due_on, "issuedAt": invoice.issued_at, "content": invoice.content,
    })
}
