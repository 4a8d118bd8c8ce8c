//! How commands find the Florin that runs here: what the caller says, else the file that `florin dev` keeps in its
//! folder, else the defaults.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::output::{Failure, Hint, note};
use crate::settings::Settings;
use crate::store::Database;

/// The file's name, in the folder of FLORIN_DATA.
pub const FILE: &str = "florin.json";
const SERVER_DEFAULT: &str = "127.0.0.1:50051";
const DATA_DEFAULT: &str = ".florin";
/// How long a `florin dev` may take to start: the first time it fetches Kafka.
const START_MAX: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a `florin dev` says of itself: that it starts, before it listens; where it listens, when it is ready. Removed
/// when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Running {
    /// `host:port` of the gRPC listener.
    pub grpc: Option<String>,
    /// `host:port` of the REST listener.
    pub http: Option<String>,
    /// `host:port` of the metrics listener.
    pub metrics: Option<String>,
    /// The brokers.
    pub kafka: Option<String>,
    /// The database's URL.
    pub database: Option<String>,
    /// First part of the topics' names, if it is not the default one.
    pub topic_prefix: Option<String>,
    /// The process that starts and is not ready yet.
    pub starting: Option<u32>,
}

impl Running {
    /// Reads the file; without one there is nothing to know.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(data: &Path) -> Result<Self, Failure> {
        let path = data.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(Failure::new(format!("{}: {e}", path.display()))),
        };
        serde_json::from_slice(&text)
            .map_err(|e| Failure::new(format!("{}: {e}", path.display())))
            .hint("it is written by `florin dev`: start that again, or name the server with --server")
    }

    /// The same, once a `florin dev` that starts here is ready.
    ///
    /// # Errors
    /// When the file cannot be read, or it is not ready within two minutes.
    pub async fn read_ready(data: &Path) -> Result<Self, Failure> {
        let until = Instant::now() + START_MAX;
        let mut told = false;
        loop {
            let running = Self::read(data)?;
            let Some(process) = running.starting.filter(|process| is_alive(*process)) else {
                // one that was killed while it started left its file
                return Ok(if running.starting.is_some() { Self::default() } else { running });
            };
            if !std::mem::replace(&mut told, true) {
                note("waiting until the `florin dev` that starts here is ready ...");
            }
            if Instant::now() > until {
                let why = format!(
                    "the `florin dev` that starts here (process {process}) is not ready after {} s",
                    START_MAX.as_secs()
                );
                return Err(Failure::new(why))
                    .hint("look at what it says, or name another server with --server HOST:PORT");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Writes the file whole or not at all, readable by its owner only: the database's URL may hold a password.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, data: &Path) -> std::io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let new = data.join(format!("{FILE}.new"));
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(new, data.join(FILE))
    }

    /// Removes the file.
    pub fn forget(data: &Path) {
        let _ = std::fs::remove_file(data.join(FILE)); // it may be gone already
    }
}

/// Where the client commands find the server.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerArgs {
    /// Address of the server; else that of the running `florin dev`, else 127.0.0.1:50051
    #[arg(long, env = "FLORIN_SERVER", value_name = "HOST:PORT")]
    pub server: Option<String>,
    /// Folder of `florin dev`
    #[arg(long, env = "FLORIN_DATA", value_name = "DIR", default_value = DATA_DEFAULT, value_parser = path)]
    pub data: PathBuf,
}

impl ServerArgs {
    /// The address of the gRPC listener. It is named on standard error if the caller did not give it and no
    /// `florin dev` runs here: it may be anybody's.
    ///
    /// # Errors
    /// When the running one's file cannot be read, or it does not become ready.
    pub async fn address(&self) -> Result<String, Failure> {
        if let Some(server) = self.server.clone().filter(|server| !server.is_empty()) {
            return Ok(server);
        }
        let data = if self.data.as_os_str().is_empty() { Path::new(DATA_DEFAULT) } else { &self.data };
        if let Some(running) = Running::read_ready(data).await?.grpc {
            return Ok(running);
        }
        note(format!("no `florin dev` runs in {}: asking the server at {SERVER_DEFAULT}", data.display()));
        Ok(SERVER_DEFAULT.into())
    }
}

fn is_alive(process: u32) -> bool {
    !Path::new("/proc/self").exists() || Path::new(&format!("/proc/{process}")).exists()
}

/// A path that may be empty, as an empty variable gives it: that counts as not set.
///
/// # Errors
/// Never.
pub fn path(text: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(text.into())
}

/// The database: of the settings, else of the running `florin dev`.
///
/// # Errors
/// When neither names one.
pub fn database_url(settings: &Settings) -> Result<SecretString, Failure> {
    let running = || Ok::<_, Failure>(Running::read(&settings.data)?.database.map(SecretString::from));
    let url = match &settings.database.url {
        Some(url) => Some(url.clone()),
        None => running()?,
    };
    url.ok_or_else(|| Failure::new("DATABASE_URL is not set, and no `florin dev` runs here"))
        .hint("set DATABASE_URL, or start `florin dev`")
}

/// The brokers: of the settings, else of the running `florin dev`; with the topics' prefix.
///
/// # Errors
/// When neither names any.
pub fn brokers(settings: &Settings) -> Result<(String, String), Failure> {
    let prefix = settings.kafka.topic_prefix.clone();
    if let Some(brokers) = &settings.kafka.brokers {
        return Ok((brokers.clone(), prefix));
    }
    let running = Running::read(&settings.data)?;
    let found = running.kafka.map(|brokers| (brokers, running.topic_prefix.unwrap_or(prefix)));
    found
        .ok_or_else(|| Failure::new("KAFKA_BROKERS is not set, and no `florin dev` runs here"))
        .hint("set KAFKA_BROKERS, or start `florin dev`")
}

/// A pool of one or two connections on the database, whose schema is the one of this binary.
///
/// # Errors
/// When there is no database, it does not answer, or its schema is another.
pub async fn pool(settings: &Settings) -> Result<sqlx::PgPool, Failure> {
    let url = database_url(settings)?;
    let pool =
        sqlx::postgres::PgPoolOptions::new().max_connections(2).acquire_timeout(settings.database.connect_timeout);
    let pool =
        pool.connect(url.expose_secret()).await.map_err(|e| Failure::new(format!("the database does not answer: {e}")));
    let pool = pool.hint("is it running, and is DATABASE_URL right?")?;
    crate::store::schema::check(&pool).await?;
    Ok(pool)
}

/// The database that the settings name, not looked at yet.
///
/// # Errors
/// When there is none, or its URL cannot be read.
pub fn database(settings: &Settings) -> Result<Database, Failure> {
    Database::new(database_url(settings)?.expose_secret()).map_err(|error| Failure::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_server_is_what_the_caller_says_then_the_running_one_then_the_default() {
        let data = tempfile::tempdir().unwrap();
        let args = |server: Option<&str>| ServerArgs { server: server.map(Into::into), data: data.path().into() };
        assert_eq!(args(None).address().await.ok().unwrap(), SERVER_DEFAULT);
        let running = Running { grpc: Some("127.0.0.1:7".into()), ..Running::default() };
        running.write(data.path()).unwrap();
        assert_eq!(Running::read(data.path()).ok().unwrap(), running);
        assert_eq!(args(None).address().await.ok().unwrap(), "127.0.0.1:7");
        assert_eq!(args(Some("h:1")).address().await.ok().unwrap(), "h:1");
        std::fs::write(data.path().join(FILE), "{").unwrap();
        assert!(args(None).address().await.is_err());
        Running::forget(data.path());
        assert_eq!(args(None).address().await.ok().unwrap(), SERVER_DEFAULT);
    }

    /// Mutation: a client that does not wait, and asks whatever listens at the default address.
    #[tokio::test]
    async fn a_client_waits_for_the_one_that_starts_here_and_not_for_one_that_died() {
        let data = tempfile::tempdir().unwrap();
        let args = ServerArgs { server: None, data: data.path().into() };
        Running { starting: Some(std::process::id()), ..Running::default() }.write(data.path()).unwrap();
        let ready = async {
            tokio::task::yield_now().await;
            Running { grpc: Some("127.0.0.1:7".into()), ..Running::default() }.write(data.path()).unwrap();
        };
        let (address, ()) = tokio::join!(args.address(), ready);
        assert_eq!(address.ok().unwrap(), "127.0.0.1:7");
        Running { starting: Some(u32::MAX), ..Running::default() }.write(data.path()).unwrap();
        assert_eq!(args.address().await.ok().unwrap(), SERVER_DEFAULT);
    }
}
