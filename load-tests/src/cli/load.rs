//! `pay`, `balances` and `entries`: load for a server that runs already.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use super::seconds;
use crate::balances::BalanceReader;
use crate::grpc::{Dial, GrpcPayer};
use crate::history::{self, EntryReader, Place, TransactionReader};
use crate::holds::HoldPayer;
use crate::mix::{Chooser, Mix};
use crate::record::Figures;
use crate::rest::{self, RestDial, RestPayer};
use crate::run::{self, Payer, Timing};
use crate::{address, batch, seed};

/// Connections over gRPC, which carries many calls on each.
const CONNECTIONS: usize = 4;

/// What all load has in common.
#[derive(Debug, Args)]
struct LoadArgs {
    /// The server's gRPC
    #[arg(long, default_value = "http://127.0.0.1:50051")]
    address: String,
    /// How many are in flight at a time: payments; with --batch messages
    #[arg(long, default_value_t = 256, value_parser = in_flight)]
    in_flight: usize,
    /// Measured time
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Time before that
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    warm_up: f64,
    /// How many accounts there are
    #[arg(long, default_value_t = 10_000)]
    accounts: u32,
    /// What their names begin with
    #[arg(long, default_value = seed::PREFIX)]
    prefix: String,
    /// How payments spread over the accounts
    #[arg(long, value_enum, default_value_t = Mix::Uniform)]
    mix: Mix,
    /// The payments' seed: the same one makes the same payments (with new keys)
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Client ids that the limiter sees
    #[arg(long, default_value_t = 64, value_parser = connections)]
    clients: usize,
    /// Connections; by default 4, and with --rest 256, which is also the most there
    #[arg(long, value_parser = connections)]
    connections: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What `pay` is told.
#[derive(Debug, Args)]
pub struct PayArgs {
    #[command(flatten)]
    load: LoadArgs,
    /// Open loop: payments due per second, whatever the server does
    #[arg(long, value_parser = seconds, conflicts_with_all = ["in_flight", "batch"])]
    open_rate: Option<f64>,
    /// florin.v1 PostTransactions with so many payments per message
    #[arg(long, value_parser = in_flight, conflicts_with_all = ["rest", "holds"])]
    batch: Option<usize>,
    /// Transfers over REST at this address instead of payments over gRPC, on at most 256 connections with one request
    /// each at a time
    #[arg(long, value_name = "http://HOST:PORT", conflicts_with_all = ["address", "holds"])]
    rest: Option<String>,
    /// Hold each payment first, and then capture all of it, over florin.v1: one payment when both are done
    #[arg(long)]
    holds: bool,
}

/// What `balances` is told.
#[derive(Debug, Args)]
pub struct BalanceArgs {
    #[command(flatten)]
    load: LoadArgs,
}

/// What `entries` is told.
#[derive(Debug, Args)]
pub struct EntryArgs {
    /// The server's gRPC
    #[arg(long, default_value = "http://127.0.0.1:50051")]
    address: String,
    /// Transactions over REST at this address instead of entries over gRPC
    #[arg(long, value_name = "http://HOST:PORT", conflicts_with = "address")]
    rest: Option<String>,
    /// Whose
    #[arg(long, default_value = history::ACCOUNT)]
    account: String,
    /// A page in the oldest thousand, to which it walks first
    #[arg(long)]
    oldest: bool,
    /// How many pages are asked for at a time
    #[arg(long, default_value_t = 1, value_parser = in_flight)]
    in_flight: usize,
    /// Measured time
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl LoadArgs {
    fn dial(&self) -> Result<Dial> {
        let endpoint = address::grpc(&self.address)?;
        Ok(Dial {
            endpoint,
            connections: self.connections.unwrap_or(CONNECTIONS),
            clients: self.clients,
            prefix: self.prefix.clone(),
        })
    }

    fn rest_dial(&self, address: &str) -> Result<RestDial> {
        let connections = self.connections.unwrap_or(rest::CONNECTIONS_MAX);
        Ok(RestDial {
            address: address::rest(address)?,
            connections,
            clients: self.clients,
            prefix: self.prefix.clone(),
        })
    }

    fn chooser(&self) -> Result<Chooser> {
        Chooser::new(self.mix, self.accounts, self.seed)
    }

    fn timing(&self) -> Timing {
        Timing { warm_up: Duration::from_secs_f64(self.warm_up), run: Duration::from_secs_f64(self.seconds) }
    }

    async fn run<P: Payer>(&self, payer: P, open_rate: Option<f64>) -> Result<Figures> {
        let (payer, chooser) = (Arc::new(payer), self.chooser()?);
        match open_rate {
            Some(per_s) => run::open(payer, &chooser, per_s, self.timing()).await,
            None => run::closed(payer, &chooser, self.in_flight, self.timing()).await,
        }
    }
}

/// Prints what a run came to; 1 when anything was not done.
fn print(figures: &Figures, json: bool) -> Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string(figures)?);
    } else {
        println!("{figures}");
    }
    Ok(if figures.errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Pays for a while.
///
/// # Errors
/// When the server cannot be reached.
pub async fn pay(args: PayArgs) -> Result<ExitCode> {
    let PayArgs { load, open_rate, batch, rest, holds } = args;
    let figures = match (batch, rest, holds) {
        (Some(payments), ..) => {
            batch::closed(&load.dial()?, &load.chooser()?, payments, load.in_flight, load.timing()).await?
        }
        (None, Some(address), _) => load.run(RestPayer::connect(&load.rest_dial(&address)?).await?, open_rate).await?,
        (None, None, true) => load.run(HoldPayer::connect(&load.dial()?).await?, open_rate).await?,
        (None, None, false) => load.run(GrpcPayer::connect(&load.dial()?).await?, open_rate).await?,
    };
    print(&figures, load.json)
}

/// Asks for balances for a while.
///
/// # Errors
/// When the server cannot be reached.
pub async fn balances(args: BalanceArgs) -> Result<ExitCode> {
    let load = args.load;
    let figures = load.run(BalanceReader::connect(&load.dial()?).await?, None).await?;
    print(&figures, load.json)
}

/// Reads pages of an account's history for a while.
///
/// # Errors
/// When the server cannot be reached.
pub async fn entries(args: EntryArgs) -> Result<ExitCode> {
    let place = if args.oldest { Place::Oldest } else { Place::Newest };
    let timing = Timing { warm_up: Duration::from_secs(1), run: Duration::from_secs_f64(args.seconds) };
    let nobody = Chooser::new(Mix::Uniform, 2, 1)?;
    let figures = match &args.rest {
        Some(address) => {
            let dial = RestDial { address: address::rest(address)?, connections: 1, clients: 1, prefix: String::new() };
            run::closed(
                Arc::new(TransactionReader::connect(&dial, &args.account, place).await?),
                &nobody,
                args.in_flight,
                timing,
            )
            .await?
        }
        None => {
            let dial =
                Dial { endpoint: address::grpc(&args.address)?, connections: 1, clients: 1, prefix: String::new() };
            run::closed(
                Arc::new(EntryReader::connect(&dial, &args.account, place).await?),
                &nobody,
                args.in_flight,
                timing,
            )
            .await?
        }
    };
    print(&figures, args.json)
}

fn in_flight(text: &str) -> Result<usize> {
    whole(text, 10_000)
}

fn connections(text: &str) -> Result<usize> {
    whole(text, 1_000)
}

fn whole(text: &str, max: usize) -> Result<usize> {
    let n = text.parse()?;
    ensure!((1..=max).contains(&n), "{n} is not from 1 to {max}");
    Ok(n)
}
