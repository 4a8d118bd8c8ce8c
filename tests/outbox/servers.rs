//! The servers the tests run against: one PostgreSQL for all of them with a database per test, one Kafka for all of them with topics
//! per test. They end with the process, however it ends: a watchdog holds a pipe from it.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

const BIN: &str = "/usr/lib/postgresql/15/bin";

pub struct Postgres {
    dir: PathBuf,
}

pub fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = fresh_dir("pg");
        let data = dir.join("data");
        run(as_server(&dir, "initdb").args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"]).arg(&data));
        let settings = format!("-k {} -c listen_addresses= -c max_connections=200 -c fsync=off -c full_page_writes=off -c jit=off", dir.display());
        run(as_server(&dir, "pg_ctl").args(["start", "-w", "-s", "-l"]).arg(dir.join("log")).arg("-D").arg(&data).arg("-o").arg(settings));
        watchdog(&format!("kill -QUIT $(head -1 {0}/data/postmaster.pid); sleep 1; rm -rf {0}", dir.display()));
        Postgres { dir }
    })
}

impl Postgres {
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.dir.display())
    }

    pub async fn command(&self, sql: &str) {
        let mut admin = PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut admin).await.unwrap();
    }

    pub async fn database(&self, name: &str) -> PgPool {
        self.command(&format!("CREATE DATABASE {name}")).await;
        let pool = self.pool(name).await;
        sqlx::migrate!("./migrations").run(&pool).await.unwrap();
        pool
    }

    pub async fn pool(&self, name: &str) -> PgPool {
        let options: PgConnectOptions = self.url(name).parse().unwrap();
        PgPoolOptions::new().max_connections(30).connect_with(florin::store::outbox::bounded(options)).await.unwrap()
    }

    /// Runs one of PostgreSQL's programs against a database.
    pub fn tool(&self, program: &str, arguments: &[&str]) {
        run(as_server(&self.dir, program).args(["-h", self.dir.to_str().unwrap(), "-U", "postgres"]).args(arguments));
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

pub struct Kafka {
    dir: PathBuf,
    pub port: u16,
}

pub fn kafka() -> &'static Kafka {
    static SERVER: OnceLock<Kafka> = OnceLock::new();
    SERVER.get_or_init(Kafka::start)
}

impl Kafka {
    pub fn start() -> Self {
        let dir = fresh_dir("kafka");
        let script = std::env::var("DEV_KAFKA").expect("DEV_KAFKA names the script that starts a broker");
        watchdog(&format!("bash {script} stop {0}; rm -rf {0}", dir.display()));
        let me = Self { dir, port: free_port() };
        me.again();
        me
    }

    /// Starts it (again) on the same folder.
    pub fn again(&self) {
        let script = std::env::var("DEV_KAFKA").unwrap();
        run(Command::new("bash").arg(script).arg("start").arg(&self.dir).arg(self.port.to_string()));
    }

    pub fn kill(&self) {
        let pid = std::fs::read_to_string(self.dir.join("pid")).unwrap();
        run(Command::new("kill").arg("-9").arg(pid.trim()));
    }

    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn as_server(dir: &Path, program: &str) -> Command {
    let mut command = Command::new(format!("{BIN}/{program}"));
    command.current_dir(dir).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    if let Some(id) = server_user() {
        command.uid(id).gid(id);
    }
    command
}

fn server_user() -> Option<u32> {
    let id = |arguments: &[&str]| String::from_utf8(Command::new("id").args(arguments).output().unwrap().stdout).unwrap().trim().parse().ok();
    if id(&["-u"]) == Some(0) { id(&["-u", "postgres"]) } else { None }
}

fn fresh_dir(name: &str) -> PathBuf {
    let dir = tempfile::Builder::new().prefix(&format!("florin-{name}-")).tempdir_in("/tmp").unwrap().keep();
    if name == "pg"
        && let Some(id) = server_user()
    {
        chown(&dir, Some(id), None).unwrap();
    }
    dir
}

fn free_port() -> u16 {
    loop {
        let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < 65_000 && std::net::TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

fn run(command: &mut Command) {
    // pg_ctl's server would keep a captured pipe open for ever.
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// Runs a shell command once this process has ended.
fn watchdog(then: &str) {
    let child: Child = Command::new("sh")
        .args(["-c", &format!("trap '' INT TERM; cat >/dev/null; {then}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    std::mem::forget(child); // the pipe closes with the process
}
