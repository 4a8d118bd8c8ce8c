//! The command line.

mod load;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::bench::{self, Config, billing, large, memory};
use crate::{address, baseline, history, seed};
use load::{BalanceArgs, EntryArgs, PayArgs};

#[derive(Debug, Parser)]
#[command(
    name = "florin-load",
    version,
    about = "Measures Florin, and what one would build instead. Load goes to loopback addresses only."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open accounts with money in Florin's database
    Seed(SeedArgs),
    /// Pay through a running server's gRPC or REST for a while, and print rate, latencies and every outcome
    Pay(PayArgs),
    /// Ask a running server for balances for a while: those of accounts that paid a moment ago are in its memory
    Balances(BalanceArgs),
    /// Write an account with a long history into Florin's database, which must not serve meanwhile
    History(HistoryArgs),
    /// Ask a running server for pages of 50 of an account's entries for a while, over gRPC or REST
    Entries(EntryArgs),
    /// Serve payment.v1 by one SQL transaction per payment
    ServeBaseline(ServeArgs),
    /// Run Florin and the baselines side by side, and write report.md and report.json
    Bench(BenchArgs),
    /// Compare the cost of a payment with none and with millions of payments in the tables
    BenchLarge(LargeArgs),
    /// Watch Florin's memory under minutes of load
    BenchMemory(MemoryArgs),
    /// Measure how fast orders from Kafka become invoices, beside one transaction per order
    BenchBilling(BillingArgs),
}

#[derive(Debug, Args)]
struct BillingArgs {
    /// The program under test, built for release
    #[arg(long)]
    florin: PathBuf,
    /// Where the report goes
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Orders that Florin bills
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    orders: u64,
    /// Orders that the baseline bills
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    baseline_orders: u64,
    /// One of Florin's settings that is not to have its default, to try something
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

impl BillingArgs {
    fn config(self) -> Result<billing::Config> {
        Ok(billing::Config {
            florin: program(&self.florin)?,
            out: self.out,
            orders: self.orders,
            baseline_orders: self.baseline_orders,
            settings: self.settings,
        })
    }
}

#[derive(Debug, Args)]
struct MemoryArgs {
    /// The program under test, built for release
    #[arg(long)]
    florin: PathBuf,
    /// Where the report goes
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Accounts that pay each other
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    accounts: u32,
    /// How long
    #[arg(long, default_value_t = 600.0, value_parser = seconds)]
    seconds: f64,
    /// One of Florin's settings that is not to have its default, to try something
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

impl MemoryArgs {
    fn config(self) -> Result<memory::Config> {
        let length = Duration::from_secs_f64(self.seconds);
        Ok(memory::Config {
            florin: program(&self.florin)?,
            out: self.out,
            accounts: self.accounts,
            length,
            settings: self.settings,
        })
    }
}

#[derive(Debug, Args)]
struct LargeArgs {
    /// The program under test, built for release
    #[arg(long)]
    florin: PathBuf,
    /// Where the report goes
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Payments in the tables
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    payments: u64,
    /// Accounts that pay each other
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    accounts: u32,
    /// Runs with none, and again with all
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    runs: u8,
    /// Measured time of each run
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    run_seconds: f64,
    /// One of Florin's settings that is not to have its default, to try something
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

impl LargeArgs {
    fn config(self) -> Result<large::Config> {
        Ok(large::Config {
            florin: program(&self.florin)?,
            out: self.out,
            payments: self.payments,
            accounts: self.accounts,
            runs: usize::from(self.runs),
            run: Duration::from_secs_f64(self.run_seconds),
            settings: self.settings,
        })
    }
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// The program under test, built for release
    #[arg(long)]
    florin: PathBuf,
    /// Where the reports go
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// One short round with 256 in flight: shows that everything works, not how fast
    #[arg(long, env = "BENCH_QUICK", value_parser = clap::builder::FalseyValueParser::new())]
    quick: bool,
    /// How many times everything is run
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: Option<u8>,
    /// Measured time of each run
    #[arg(long, value_parser = seconds)]
    run_seconds: Option<f64>,
    /// Accounts that pay each other
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    accounts: u32,
    /// The payments' seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One of Florin's settings that is not to have its default, to try something
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

impl BenchArgs {
    fn config(self) -> Result<Config> {
        let (rounds, run_s) = if self.quick { (1, 2.0) } else { (3, 5.0) };
        Ok(Config {
            florin: program(&self.florin)?,
            out: self.out,
            rounds: self.rounds.map_or(rounds, usize::from),
            run: Duration::from_secs_f64(self.run_seconds.unwrap_or(run_s)),
            quick: self.quick,
            accounts: self.accounts,
            seed: self.seed,
            settings: self.settings,
        })
    }
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The baseline's database; it is made when it is not there
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database: String,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:50061")]
    listen: SocketAddr,
    /// How many accounts there shall be
    #[arg(long, default_value_t = 10_000)]
    accounts: u32,
    /// What their names begin with
    #[arg(long, default_value = seed::PREFIX)]
    prefix: String,
}

#[derive(Debug, Args)]
struct HistoryArgs {
    /// Florin's database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database: String,
    /// How many entries
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    entries: u32,
}

#[derive(Debug, Args)]
struct SeedArgs {
    /// Florin's database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database: String,
    /// How many accounts
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    accounts: u32,
    /// What their names begin with
    #[arg(long, default_value = seed::PREFIX)]
    prefix: String,
}

fn seconds(text: &str) -> Result<f64> {
    let n: f64 = text.parse()?;
    ensure!(n > 0.0 && n <= 1_000_000.0, "{n} is not above 0, up to 1000000");
    Ok(n)
}

fn program(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("{} is not there", path.display()))
}

fn setting(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').context("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs the command line; 1 for failures and for runs with errors.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // One thread for whoever asks: a second one only makes the two wake each other up; and a runtime that polls in the
    // order in which it was woken, so that a connection sends many requests at once.
    let mut runtime = match cli.command {
        Command::ServeBaseline(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build();
    let ended = runtime.context("no runtime").and_then(|runtime| runtime.block_on(run(cli)));
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("florin-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Seed(args) => {
            let opened = seed::accounts(&address::database(&args.database)?, args.accounts, &args.prefix).await?;
            println!("{opened} accounts opened, {} were there", u64::from(args.accounts) - opened);
            Ok(ExitCode::SUCCESS)
        }
        Command::History(args) => {
            history::fill(&address::database(&args.database)?, args.entries).await?;
            println!("account {} is there, with {} entries unless it was there before", history::ACCOUNT, args.entries);
            Ok(ExitCode::SUCCESS)
        }
        Command::Entries(args) => load::entries(args).await,
        Command::Pay(args) => load::pay(args).await,
        Command::Balances(args) => load::balances(args).await,
        Command::ServeBaseline(args) => serve_baseline(args).await,
        Command::Bench(args) => until_told(bench::run(args.config()?)).await,
        Command::BenchLarge(args) => until_told(large::run(args.config()?)).await,
        Command::BenchMemory(args) => until_told(memory::run(args.config()?)).await,
        Command::BenchBilling(args) => until_told(billing::run(args.config()?)).await,
    }
}

async fn serve_baseline(args: ServeArgs) -> Result<ExitCode> {
    baseline::create(&args.database, args.accounts, &args.prefix).await?;
    let serving = baseline::serve(args.listen, baseline::sql(&address::database(&args.database)?).await?).await?;
    println!("listening on {}", serving.address);
    serving.ended().await?;
    Ok(ExitCode::SUCCESS)
}

/// Does the work, or stops it when told to: either way everything that it started is stopped.
async fn until_told(work: impl Future<Output = Result<()>>) -> Result<ExitCode> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        done = work => done.map(|()| ExitCode::SUCCESS),
        _ = term.recv() => bail!("told to stop"),
        _ = int.recv() => bail!("told to stop"),
    }
}
