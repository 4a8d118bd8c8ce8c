//! The options by which commands are given settings.

use std::path::PathBuf;

use crate::settings::{Entry, Mode, Settings, Sources};

use super::output::{Failure, Hint};

/// Settings from the command line; everything else comes from the config file and the environment.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// Config file in TOML [env: FLORIN_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Any setting by its name; `florin config` lists them
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Folder of `florin dev` [env: FLORIN_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Address of the gRPC listener [env: GRPC_HOST]
    #[arg(long, value_name = "HOST")]
    pub grpc_host: Option<String>,
    /// Port of the gRPC listener, 0 for any free one [env: GRPC_PORT]
    #[arg(long, value_name = "PORT")]
    pub grpc_port: Option<String>,
    /// Port of the REST listener, 0 for any free one [env: HTTP_PORT]
    #[arg(long, value_name = "PORT")]
    pub http_port: Option<String>,
    /// Port of the metrics listener, 0 for any free one [env: METRICS_PORT]
    #[arg(long, value_name = "PORT")]
    pub metrics_port: Option<String>,
    /// The database; other users of the machine may see it here, not in the environment [env: DATABASE_URL]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// The brokers, separated by commas [env: KAFKA_BROKERS]
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka_brokers: Option<String>,
    /// Redis [env: REDIS_URL]
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
    /// trace, debug, info, warn, error or off [env: LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// json or console [env: LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl SettingsArgs {
    /// Reads all sources of settings.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub fn load(&self, mode: Mode) -> Result<Settings, Failure> {
        self.load_with_entries(mode).map(|(settings, _)| settings)
    }

    /// The same, with the list of what is in force.
    ///
    /// # Errors
    /// As [`SettingsArgs::load`].
    pub fn load_with_entries(&self, mode: Mode) -> Result<(Settings, Vec<Entry>), Failure> {
        let sources = Sources::read(self.config.as_deref(), self.flags());
        sources
            .and_then(|sources| Settings::load(&sources, mode))
            .hint("`florin config --markdown` prints every setting with what it allows")
    }

    fn flags(&self) -> Vec<(String, String)> {
        let own = [
            ("FLORIN_DATA", &self.data),
            ("GRPC_HOST", &self.grpc_host),
            ("GRPC_PORT", &self.grpc_port),
            ("HTTP_PORT", &self.http_port),
            ("METRICS_PORT", &self.metrics_port),
            ("DATABASE_URL", &self.database_url),
            ("KAFKA_BROKERS", &self.kafka_brokers),
            ("REDIS_URL", &self.redis_url),
            ("LOG_LEVEL", &self.log_level),
            ("LOG_FORMAT", &self.log_format),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        own.chain(self.set.iter().cloned()).collect()
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("allowed is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    #[test]
    fn every_flag_is_a_setting() {
        let some = || Some("x".to_owned());
        let args = SettingsArgs {
            config: None,
            set: vec![],
            data: some(),
            grpc_host: some(),
            grpc_port: some(),
            http_port: some(),
            metrics_port: some(),
            database_url: some(),
            kafka_brokers: some(),
            redis_url: some(),
            log_level: some(),
            log_format: some(),
        };
        assert_eq!(args.flags().len(), 10);
        for (name, _) in args.flags() {
            assert!(settings::find(&name).is_some(), "{name}");
        }
    }
}
