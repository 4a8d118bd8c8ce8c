//! `florin completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use super::output::{Failure, say};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: Args) -> Result<(), Failure> {
    // Into memory first: the generator panics when its reader goes away.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "florin", &mut text);
    Ok(say(String::from_utf8_lossy(&text).trim_end())?)
}
