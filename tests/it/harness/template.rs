//! The template of the tests' databases: made once for a schema, and left to the runs that follow.

use std::fmt::Write;

use florin::store::schema::migrations;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Held while a template is looked for or made: processes that test at once wait for each other.
const LOCK: &str = "SELECT pg_advisory_lock(hashtext('florin_template'))";

/// The template's name, once it is there.
pub async fn ready(server: &str) -> String {
    let sums = migrations().iter().fold(Sha256::new(), |sums, migration| sums.chain_update(&migration.checksum));
    let name = sums.finalize().iter().take(8).fold("florin_template_".to_owned(), |mut name, byte| {
        write!(name, "{byte:02x}").unwrap();
        name
    });
    let mut admin = PgConnection::connect(server).await.unwrap();
    admin.execute(LOCK).await.unwrap(); // let go with the session
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    if !there {
        let making = format!("{name}_making");
        for sql in [format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)"), format!("CREATE DATABASE {making}")] {
            admin.execute(AssertSqlSafe(sql)).await.unwrap(); // a run that was killed may have left half of it
        }
        let mut fresh = PgConnection::connect(&super::database::with_database(server, &making)).await.unwrap();
        migrations().run(&mut fresh).await.unwrap();
        fresh.close().await.unwrap();
        admin.execute(AssertSqlSafe(format!("ALTER DATABASE {making} RENAME TO {name}"))).await.unwrap();
    }
    admin.close().await.unwrap();
    name
}
