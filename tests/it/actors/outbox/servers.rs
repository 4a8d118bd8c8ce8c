//! The servers the tests run against: one PostgreSQL for all of them with a database per test (some dump and restore
//! theirs), one Kafka for all of them with topics per test. The kernel ends them with the process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use florin_servers::kafka::DevKafka;
use florin_servers::ports;
use florin_servers::postgres::{Durability, PrivatePostgres};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

pub struct Postgres {
    server: PrivatePostgres,
    dumps: PathBuf,
}

pub fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dumps = fresh_dir("dumps");
        Postgres { server: PrivatePostgres::start(&fresh_dir("postgres"), Durability::Throwaway).unwrap(), dumps }
    })
}

impl Postgres {
    pub fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    pub async fn command(&self, sql: &str) {
        let mut admin = PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut admin).await.unwrap();
    }

    pub async fn database(&self, name: &str) -> PgPool {
        self.command(&format!("CREATE DATABASE {name}")).await;
        let pool = self.pool(name).await;
        florin::store::schema::migrations().run(&pool).await.unwrap();
        pool
    }

    pub async fn pool(&self, name: &str) -> PgPool {
        let options: PgConnectOptions = self.url(name).parse().unwrap();
        PgPoolOptions::new().max_connections(30).connect_with(florin::store::outbox::bounded(options)).await.unwrap()
    }

    /// Runs one of PostgreSQL's client programs against a database.
    pub fn tool(&self, program: &str, database: &str, arguments: &[&str]) {
        let status = Command::new(program)
            .arg("-d")
            .arg(self.url(database))
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{program}: {status}");
    }

    /// A folder for dumps.
    pub fn dir(&self) -> &Path {
        &self.dumps
    }
}

/// A broker of one's own, to be killed.
pub struct Kafka {
    server: Mutex<Option<DevKafka>>,
    brokers: String,
}

/// The broker that KAFKA_BROKERS names, else one for all tests of this process.
pub fn kafka() -> &'static Kafka {
    static SERVER: OnceLock<Kafka> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("KAFKA_BROKERS") {
        Ok(brokers) => Kafka { server: Mutex::new(None), brokers },
        Err(_) => Kafka::start(),
    })
}

impl Kafka {
    pub fn start() -> Self {
        let server = DevKafka::start(&fresh_dir("kafka"), ports::free().unwrap()).unwrap();
        let brokers = server.brokers();
        Self { server: Mutex::new(Some(server)), brokers }
    }

    /// Starts it again on the same folder.
    pub fn again(&self) {
        self.server.lock().unwrap().as_mut().expect("a broker of one's own").restart().unwrap();
    }

    pub fn kill(&self) {
        self.server.lock().unwrap().as_mut().expect("a broker of one's own").kill().unwrap();
    }

    pub fn brokers(&self) -> String {
        self.brokers.clone()
    }
}

/// An empty folder below the build's: what a run leaves behind the next one removes.
fn fresh_dir(name: &str) -> PathBuf {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("outbox-{name}-{number}"));
    let _ = std::fs::remove_dir_all(&dir); // of the run before
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
