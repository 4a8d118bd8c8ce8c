//! The command line of the one binary. One file per command; no rules of money here.
//!
//! Exit codes: 0 done, 1 an error (also of usage), 2 a payment was declined.

mod actions;
pub mod amount;
mod balance;
mod client;
mod completions;
mod config;
mod customers;
mod dev;
pub mod discovery;
mod dlq;
mod events;
mod export;
mod invoices;
mod keys;
mod migrate;
pub mod options;
mod orders;
mod outbox;
pub mod output;
mod pay;
mod quarantine;
mod sagas;
mod seed;
mod serve;
mod verify;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use output::{Failure, is_broken_pipe};

/// Florin moves money and never loses track of it.
#[derive(Debug, Parser)]
#[command(name = "florin", version, about, arg_required_else_help = true, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run Florin on the servers that the settings name.
    Serve(serve::Args),
    /// Run Florin on servers of its own, for development: PostgreSQL, a broker and demo accounts.
    Dev(dev::Args),
    /// Bring the database's schema up to date and create missing topics.
    Migrate(migrate::Args),
    /// Create the demo accounts.
    Seed(seed::Args),
    /// Read the whole ledger and check that the books balance.
    Verify(verify::Args),
    /// Pay from one account to another.
    Pay(pay::Args),
    /// Show what an account has.
    Balance(balance::Args),
    /// Print published events, one JSON object a line.
    Events(events::Args),
    /// List, show and replay the events that Kafka refused, and the messages from Kafka that could have no effect.
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Send orders to be billed, and list those that wait.
    #[command(subcommand)]
    Orders(orders::Command),
    /// List, show and pay invoices and credit notes.
    #[command(subcommand)]
    Invoices(invoices::Command),
    /// List and show customers, and erase their personal data.
    #[command(subcommand)]
    Customers(customers::Command),
    /// Write the invoices and ledger entries of a day as CSV, unless that was done.
    Export(export::Args),
    /// Look at the publisher's position, and mend it.
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// List accounts about which memory and the database disagreed, and release them.
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// List what operators did, newest first: who, when, to what, why.
    Actions(actions::Args),
    /// See to movements through the provider that are stuck.
    #[command(subcommand)]
    Sagas(sagas::Command),
    /// Make, list and revoke API keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Print the settings in force and where each came from.
    Config(config::Args),
    /// Print the completions of a shell.
    Completions(completions::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Before anything that may speak TLS; a second installation is refused, and that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            let failed = usage.use_stderr();
            let _ = usage.print(); // nobody is left to tell
            return if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match cli.run() {
        Ok(code) => code,
        Err(failure) if is_broken_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            output::report(&failure);
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    fn run(self) -> Result<ExitCode, Failure> {
        let done = |result: Result<(), Failure>| result.map(|()| ExitCode::SUCCESS);
        match self.command {
            Command::Serve(args) => done(
                args.settings().and_then(|settings| block_on_threads(settings.worker_threads, serve::run(settings))),
            ),
            Command::Dev(args) => {
                done(args.settings().and_then(|settings| block_on_threads(settings.worker_threads, dev::run(settings))))
            }
            Command::Migrate(args) => done(block_on(migrate::run(args))),
            Command::Seed(args) => done(block_on(seed::run(args))),
            Command::Verify(args) => block_on(verify::run(args)),
            Command::Pay(args) => block_on(pay::run(args)),
            Command::Balance(args) => done(block_on(balance::run(args))),
            Command::Events(args) => done(events::run(args)),
            Command::Dlq(command) => done(block_on(dlq::run(command))),
            Command::Orders(command) => done(block_on(orders::run(command))),
            Command::Invoices(command) => block_on(invoices::run(command)),
            Command::Customers(command) => done(block_on(customers::run(command))),
            Command::Export(args) => done(block_on(export::run(args))),
            Command::Outbox(command) => done(block_on(outbox::run(command))),
            Command::Quarantine(command) => done(block_on(quarantine::run(command))),
            Command::Actions(args) => done(block_on(actions::run(args))),
            Command::Sagas(command) => done(block_on(sagas::run(command))),
            Command::Keys(command) => done(block_on(keys::run(command))),
            Command::Config(args) => done(config::run(args)),
            Command::Completions(args) => done(completions::run(args)),
        }
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    block_on_threads(0, work)
}

/// `threads`: 0 means one for every two cores. More wake each other up more often, and each wake-up costs as much as a
/// message.
fn block_on_threads<T>(threads: usize, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = if threads == 0 { cores.div_ceil(2) } else { threads };
    // One thread polls in the order in which tasks were woken: a connection writes the answers of a whole batch at
    // once. Several poll first what was woken last, and a connection then writes each answer by itself.
    let mut runtime = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = runtime.worker_threads(threads).enable_all().build()?;
    let result = runtime.block_on(Box::pin(work));
    // a call of a client library that hangs must not keep the process from ending
    runtime.shutdown_timeout(HANGING_MAX);
    result
}

/// How long what hangs at the end is waited for.
const HANGING_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let names: Vec<_> = Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let want = "serve dev migrate seed verify pay balance events dlq orders invoices customers export outbox quarantine actions sagas keys config completions";
        assert_eq!(names.join(" "), want);
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} says nothing of itself", command.get_name());
        }
    }

    #[test]
    fn lines_parse_or_are_refused() {
        for (line, good) in [
            ("serve --grpc-port 1 --set log_level=warn --config florin.toml", true),
            ("dev --data .florin", true),
            ("pay a b 12.50 USD --key k --json", true),
            ("pay a b -5 USD", true),
            ("pay a b 12.50", false),
            ("balance a --server 127.0.0.1:1", true),
            ("events --follow --from-beginning --topic t --topic u", true),
            ("dlq list --limit 5", true),
            ("dlq replay 1 r2 3", true),
            ("dlq list --after r2", true),
            ("dlq show x", false),
            ("dlq replay --all", true),
            ("dlq replay", false),
            ("invoices list --status open --customer c --json", true),
            ("invoices list --status lost", false),
            ("orders send orders.jsonl", true),
            ("orders parked --json", true),
            ("invoices show 7", true),
            ("invoices pdf 7 --language de -o seven.pdf", cfg!(feature = "pdf")),
            ("invoices pay 7 --from ann", true),
            ("invoices pay 7 12.50 --from ann --key k --json", true),
            ("invoices pay 7 --outside", true),
            ("invoices pay 7", false),
            ("invoices pay 7 --from ann --outside", false),
            ("customers list --email ann@example.com --limit 5 --json", true),
            ("customers show c-1", true),
            ("customers erase c-1 --reason asked --yes", true),
            ("export 2026-11-20", true),
            ("export yesterday", false),
            ("outbox repair --yes", true),
            ("actions --subject a --action account.limits --from 2026-01-31T12:00:00Z --limit 5 --json", true),
            ("actions --from yesterday", false),
            ("sagas stuck --json", true),
            ("sagas retry 0199aaaa-0000-7000-8000-000000000000 --reason why", true),
            ("sagas retry 0199aaaa-0000-7000-8000-000000000000", false),
            ("sagas resolve 0199aaaa-0000-7000-8000-000000000000 --as undone --reason why", true),
            ("sagas resolve 0199aaaa-0000-7000-8000-000000000000 --as well --reason why", false),
            ("keys create --tenant shop --scope read,write", true),
            ("keys create --scope fly", false),
            ("keys revoke abc", true),
            ("config --markdown", true),
            ("config --markdown --json", false),
            ("completions bash", true),
            ("verify --json", true),
            ("fly", false),
        ] {
            let parsed = Cli::try_parse_from(std::iter::once("florin").chain(line.split(' ')));
            assert_eq!(parsed.is_ok(), good, "{line}");
        }
    }
}
