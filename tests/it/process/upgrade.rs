//! `florin migrate`: from empty, from the version before with data, and again. What was released never changes.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::load::{ACCOUNTS, Load, OPENING, account, open_accounts};
use super::site::{Site, brokers, text};
use crate::harness::TestDatabase;

/// SHA-256 of every migration. A line here never changes: a change of the schema is a new file and a new line.
const RELEASED: [(&str, &str); 5] = [
    ("0001_ledger.sql", "a4a08b5936c819e17130b9fc381099a178875ebae3b80706707f7d3c6313ef4c"),
    ("0002_functions.sql", "04d52a5aeac4f95865c3d9f57d6b4a5371300c444a3d55625c750951c68d99b9"),
    ("0003_journal.sql", "dfd890b6a4346a2020454144201918aa97fd4e69343228674e502f2d2aed134e"),
    ("0004_fold.sql", "6cf3ad47a8c7fb916f25bed3343e87cb036ca2e9abc18eb0959a449780574cac"),
    ("0005_billing.sql", "e7a66aa224524cca5252b7cf095a7b961447ad5edd8e883ef02f6497778f3e37"),
];

#[test]
fn a_released_migration_never_changes() {
    let folder = format!("{}/migrations", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|name| name.ends_with(".sql")); // the folder of functions changes: a migration names its digest
    files.sort();
    assert_eq!(files, RELEASED.map(|(name, _)| name), "a new migration gets a line in the table, and none leaves it");
    for (name, sum) in RELEASED {
        let bytes = std::fs::read(format!("{folder}/{name}")).unwrap();
        let found = Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(found, sum, "{name} was released: write a new migration instead");
    }
}

/// The payers' accounts as the version before has them: one transaction of many postings opens them all.
const ACCOUNTS_BEFORE: &str = "
WITH b AS (SELECT nextval('opening_batch') << 20 AS base, gen_random_uuid() AS id, gen_random_uuid() AS request),
     made AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency)
       SELECT 'default', name, 1, 1, 'USD' FROM (SELECT 'opening-USD' UNION ALL SELECT 'acc-' || n FROM generate_series(0, $1::bigint - 1) n) v(name) RETURNING id, name),
     placed AS (SELECT m.id, o.id AS payer, row_number() OVER (ORDER BY m.id) - 1 AS n FROM made m, made o WHERE o.name = 'opening-USD' AND m.id <> o.id),
     funded AS (INSERT INTO balances (account, debits, credits, floor, version, last_seq)
       SELECT made.id, CASE name WHEN 'opening-USD' THEN $1 * $2 ELSE 0 END, CASE name WHEN 'opening-USD' THEN 0 ELSE $2 END, CASE name WHEN 'opening-USD' THEN NULL ELSE 0 END,
         CASE name WHEN 'opening-USD' THEN $1 ELSE 1 END, base + coalesce(n, $1 - 1) FROM b CROSS JOIN made LEFT JOIN placed ON placed.id = made.id)
INSERT INTO journal (seq, debit_account, credit_account, debit_prev, credit_prev, created_at, id, request, kind, status, api, n, postings, amount, debit_after, credit_after, tenant)
  SELECT base + n, p.payer, p.id, CASE n WHEN 0 THEN 0 ELSE base + n - 1 END, 0, now(), b.id, CASE n WHEN 0 THEN b.request END, 3, 1, 2, n, $1, $2, -$2 * (n + 1), $2, 'default'
    FROM b, placed p ORDER BY n";

/// One payment of a cent by the function of the version before, as its journal would.
const PAYMENT: &str = "
INSERT INTO writers (writer, epoch, session) VALUES (0, 1, 1);
WITH a AS (SELECT a.id, a.name, b.last_seq, b.credits - b.debits AS balance FROM accounts a JOIN balances b ON b.account = a.id)
SELECT commit_batch(0, 1, 1, clock_timestamp() + interval '1 minute', 16777216, 16777215,
  ARRAY[d.id], ARRAY[c.id], ARRAY[d.last_seq], ARRAY[c.last_seq], ARRAY[clock_timestamp()], ARRAY[gen_random_uuid()],
  ARRAY[encode(substring(sha256('\\x010000000000000001070000000000000064656661756c740b00000000000000'::bytea || 'from before'::bytea) FROM 1 FOR 16), 'hex')::uuid], ARRAY[gen_random_uuid()],
  ARRAY[NULL]::uuid[], ARRAY[NULL]::smallint[], ARRAY[1]::smallint[], ARRAY[1]::smallint[], ARRAY[1]::smallint[], ARRAY[0]::smallint[], ARRAY[1]::smallint[],
  ARRAY[1]::numeric[], ARRAY[NULL]::numeric[], ARRAY[d.balance - 1], ARRAY[c.balance + 1],
  ARRAY['default'], ARRAY['from before'], ARRAY[NULL], ARRAY[NULL], ARRAY[NULL], ARRAY[NULL], ARRAY[NULL], ARRAY[NULL], ARRAY[NULL],
  '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL, false) FROM a d, a c WHERE d.name = 'acc-0' AND c.name = 'acc-1';";

/// Fails when a migration supposes empty tables, or when the binary's expectations of old rows do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_keeps_the_books_and_serves() {
    let site = Site::unmigrated(TestDatabase::empty().await, brokers());
    let all = florin::store::schema::migrations();
    let newest = florin::store::schema::newest();
    let before = all.iter().map(|migration| migration.version).filter(|version| *version < newest).max().unwrap();
    let mut connection = site.database.pool.acquire().await.unwrap();
    all.run_to(before, &mut *connection).await.unwrap();
    drop(connection);
    let accounts = i64::try_from(ACCOUNTS).unwrap();
    sqlx::query(ACCOUNTS_BEFORE).bind(accounts).bind(OPENING).execute(&site.database.pool).await.unwrap();
    sqlx::raw_sql(PAYMENT).execute(&site.database.pool).await.unwrap();
    let refused = site.run(&["serve"]);
    assert!(
        text(&refused.stderr).contains(&format!("version {before}, this florin needs {newest}; run `florin migrate`")),
        "{refused:?}"
    );

    let migrated = site.run(&["migrate"]);
    assert!(
        migrated.status.success()
            && text(&migrated.stdout).contains(&format!("the schema is now version {newest}: 1 migrations")),
        "{migrated:?}"
    );
    let again = site.run(&["migrate"]);
    assert!(
        again.status.success()
            && text(&again.stdout).contains("the schema is up to date")
            && text(&again.stdout).contains("all topics are there")
    );
    site.database.check_books().await;
    site.verify();
    assert_eq!(site.database.count("SELECT count(*) FROM transactions WHERE key = 'from before'").await, 1);
    // A cent back, so that the payers find what they expect.
    let server = site.serve().await;
    let back = server
        .client()
        .authorize_payment(crate::harness::payment("back", &account(1), &account(0), 1, "USD"))
        .await
        .unwrap()
        .into_inner();
    assert!(back.error.is_none(), "{back:?}");
    let load = Load::start(&[server.grpc], 4);
    load.more(50).await;
    load.settle_beside(&site, 2).await;
    assert_eq!(server.terminate(Duration::from_secs(8)).0, 0);
}

/// Fails when a migration cannot run on an empty database, or two at once break each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_empty_twice_and_two_at_once() {
    let site = Site::unmigrated(TestDatabase::empty().await, brokers());
    let (one, other) = std::thread::scope(|scope| {
        let (one, other) = (
            scope.spawn(|| site.run(&["migrate", "--no-topics"])),
            scope.spawn(|| site.run(&["migrate", "--no-topics"])),
        );
        (one.join().unwrap(), other.join().unwrap())
    });
    assert!(one.status.success() && other.status.success(), "{one:?} {other:?}");
    let checked = site.run(&["migrate", "--check"]);
    assert!(checked.status.success() && text(&checked.stdout).contains("as it should be"), "{checked:?}");
    assert!(
        text(&checked.stderr).contains("PostgreSQL's fsync is off, and should be on"),
        "the tests' own server: {checked:?}"
    );
    assert!(site.run(&["migrate"]).status.success());
    open_accounts(&site.database).await;
    let server = site.serve().await;
    let load = Load::start(&[server.grpc], 4);
    load.more(20).await;
    load.settle(&site).await;
}
