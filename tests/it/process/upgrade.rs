//! `florin migrate`: from empty, from the version before with data, and again. What was released never changes.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::load::{ACCOUNTS, Load, OPENING, account, open_accounts};
use super::site::{Site, brokers, text};
use crate::harness::TestDatabase;

/// SHA-256 of every migration. A line here never changes: a change of the schema is a new file and a new line.
const RELEASED: [(&str, &str); 9] = [
    ("0001_ledger.sql", "469d58039eee36437f90aa0606a2c4d2c342f55b25d47b07cf8c4d4436ddafe8"),
    ("0002_commit_batch.sql", "a17695da60a9cdc400d1f4d0ea7d6e0e2ac8027908273a33ee77dd77f19c3370"),
    ("0003_outbox.sql", "7efb237437fb5da91a34723bb510ceed4d7882f9fcd2be5e2a1433258d1dd378"),
    ("0004_leadership.sql", "5c2daa4877f510ffa3e4761b7c8b1be4df267a15323303f7e9989093d06dfc4b"),
    ("0005_execute.sql", "60f2667cf4126f9ab874d427400105f83d3fb2bc80b48fd685b22e3187b4098f"),
    ("0006_chained_postings.sql", "5f7c8dd7d1a922c311ab78b5e3cf688f6443c71cb4737dcfe648f746e2db3332"),
    ("0007_holds_and_refunds.sql", "8d536425a39052de38d2cd1ec688820b40dda7e79064c965b69feb54a0cbeee4"),
    ("0008_sagas_exchanges_operators.sql", "f2576baba70ead41c5997d8dcd82adf048633385a67d901b6e812760f9136f24"),
    ("0009_accounts_and_currencies_by_call.sql", "e0290066e5f399de30a23ec551698602cc90ef473e53e40a9969d73dca190a87"),
];

#[test]
fn a_released_migration_never_changes() {
    let folder = format!("{}/migrations", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
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
WITH b AS (SELECT nextval('batch_seq') * 1048576 AS base),
     made AS (INSERT INTO accounts (tenant, name, kind, normal_side, currency)
       SELECT 'default', name, 1, 1, 'USD' FROM (SELECT 'opening-USD' UNION ALL SELECT 'acc-' || n FROM generate_series(0, $1::bigint - 1) n) v(name) RETURNING id, name),
     placed AS (SELECT m.id, o.id AS payer, row_number() OVER (ORDER BY m.id) AS place FROM made m, made o WHERE o.name = 'opening-USD' AND m.id <> o.id),
     funded AS (INSERT INTO balances (account, debits, credits, floor, version, last_seq)
       SELECT made.id, CASE name WHEN 'opening-USD' THEN $1 * $2 ELSE 0 END, CASE name WHEN 'opening-USD' THEN 0 ELSE $2 END, CASE name WHEN 'opening-USD' THEN NULL ELSE 0 END, 1,
         base + coalesce(place, $1) FROM b CROSS JOIN made LEFT JOIN placed ON placed.id = made.id),
     opened AS (INSERT INTO transactions (id, tenant, api, kind, status, request, created_at, first_seq, last_seq)
       SELECT gen_random_uuid(), 'default', 2, 3, 1, gen_random_uuid(), now(), base + 1, base + $1 FROM b RETURNING id)
INSERT INTO postings (transaction, n, seq, debit_account, credit_account, amount, debit_balance_after, credit_balance_after, created_at, debit_prev, credit_prev)
  SELECT opened.id, p.place - 1, base + p.place, p.payer, p.id, $2, -$2 * p.place, $2, now(), CASE WHEN p.place > 1 THEN base + p.place - 1 ELSE 0 END, 0 FROM opened, b, placed p";

/// One payment of a cent by the function of the version before, as a lane of it would.
const PAYMENT: &str = "
INSERT INTO lanes (lane, epoch, session, generation) SELECT 0, 1, 1, max(generation) FROM key_generations ON CONFLICT DO NOTHING;
WITH a AS (SELECT min(id) FILTER (WHERE name = 'acc-0') AS d, min(id) FILTER (WHERE name = 'acc-1') AS c FROM accounts),
     t AS (SELECT gen_random_uuid() AS id, gen_random_uuid() AS key, gen_random_uuid() AS request)
SELECT commit_batch(0, 1, 1, clock_timestamp() + interval '1 minute',
  ARRAY[t.key], ARRAY[t.id], ARRAY[t.request], ARRAY[1]::smallint[],
  ARRAY[t.id], ARRAY['default'], ARRAY[1]::smallint[], ARRAY[1]::smallint[], ARRAY[1]::smallint[], ARRAY[t.request], ARRAY['from before'], ARRAY[NULL],
  ARRAY[NULL], ARRAY[NULL], ARRAY[NULL], ARRAY[NULL]::smallint[], ARRAY[NULL], ARRAY[clock_timestamp()], ARRAY[1], ARRAY[1],
  ARRAY[t.id], ARRAY[0]::smallint[], ARRAY[a.d], ARRAY[a.c], ARRAY[1]::numeric[], ARRAY[0]::numeric[], ARRAY[0]::numeric[], ARRAY[NULL]::int[], ARRAY[NULL]::int[],
  ARRAY[clock_timestamp()],
  '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
  ARRAY[a.d, a.c], ARRAY[1, 0]::numeric[], ARRAY[0, 1]::numeric[], ARRAY[1, 1], NULL, ARRAY[0, 0]::numeric[],
  '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL) FROM a, t;";

/// Fails when a migration supposes empty tables, or when the binary's expectations of old rows do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_keeps_the_books_and_serves() {
    let site = Site::unmigrated(TestDatabase::empty().await, brokers());
    let all = sqlx::migrate!("./migrations");
    let newest = florin::store::schema::newest();
    let before = all.iter().map(|migration| migration.version).filter(|version| *version < newest).max().unwrap();
    let mut connection = site.database.pool.acquire().await.unwrap();
    all.run_to(before, &mut *connection).await.unwrap();
    drop(connection);
    let accounts = i64::try_from(ACCOUNTS).unwrap();
    sqlx::query(ACCOUNTS_BEFORE).bind(accounts).bind(OPENING).execute(&site.database.pool).await.unwrap();
    sqlx::raw_sql(PAYMENT).execute(&site.database.pool).await.unwrap();
    let refused = site.run(&["serve"]);
    assert!(text(&refused.stderr).contains(&format!("version {before}, this florin needs {newest}; run `florin migrate`")), "{refused:?}");

    let migrated = site.run(&["migrate"]);
    assert!(
        migrated.status.success() && text(&migrated.stdout).contains(&format!("the schema is now version {newest}: 1 migrations")),
        "{migrated:?}"
    );
    let again = site.run(&["migrate"]);
    assert!(
        again.status.success() && text(&again.stdout).contains("the schema is up to date") && text(&again.stdout).contains("all topics are there")
    );
    site.check_books().await;
    assert_eq!(site.database.count("SELECT count(*) FROM transactions WHERE key = 'from before'").await, 1);
    // A cent back, so that the payers find what they expect.
    let server = site.serve().await;
    let back = server.client().authorize_payment(crate::harness::payment("back", &account(1), &account(0), 1, "USD")).await.unwrap().into_inner();
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
        let (one, other) = (scope.spawn(|| site.run(&["migrate", "--no-topics"])), scope.spawn(|| site.run(&["migrate", "--no-topics"])));
        (one.join().unwrap(), other.join().unwrap())
    });
    assert!(one.status.success() && other.status.success(), "{one:?} {other:?}");
    assert!(site.run(&["migrate", "--check"]).status.success());
    assert!(site.run(&["migrate"]).status.success());
    open_accounts(&site.database).await;
    let server = site.serve().await;
    let load = Load::start(&[server.grpc], 4);
    load.more(20).await;
    load.settle(&site).await;
}
