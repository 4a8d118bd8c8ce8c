//! `florin verify`: clean books stay clean under load, and every corruption is found and named.

use florin::store::verify::{Report, verify, verify_with};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::harness::{Florin, TestDatabase};

async fn verified(database: &TestDatabase) -> Report {
    verify(&database.pool, |_, _, _| {}).await.unwrap()
}

/// Books with real payments, a decline, a second currency, an empty account and a retired key; nobody is connected to it any more.
async fn books() -> TestDatabase {
    let florin = Florin::start().await;
    for (name, cents) in [("alice", 100_00), ("bob", 0), ("carol", 0)] {
        florin.database.account(name, cents).await;
    }
    florin.database.account_in("emil", 70_00, "EUR").await;
    for n in 0..30 {
        florin.pay(&format!("k{n}"), "alice", "bob", 1_00 + n).await.unwrap();
    }
    florin.pay("back", "bob", "alice", 5_00).await.unwrap();
    florin.pay("too much", "alice", "bob", 500_00).await.unwrap();
    florin.database.pool.execute("INSERT INTO keys_even SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 3").await.unwrap();
    let (database, reads) = (florin.database.clone(), florin.ledger.parts().pool.clone());
    florin.stop().await;
    reads.close().await;
    database
}

/// A copy of the books in which nothing guards the tables.
async fn unguarded(books: &TestDatabase, n: usize) -> TestDatabase {
    books.pool.close().await;
    let (server, name) = books.url.rsplit_once('/').unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}_{n} TEMPLATE {name}"))).await.unwrap();
    let url = format!("{server}/{name}_{n}");
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
    for table in ["accounts", "balances", "transactions", "postings"] {
        pool.execute(AssertSqlSafe(format!("ALTER TABLE {table} DISABLE TRIGGER ALL"))).await.unwrap();
    }
    pool.execute(
        "ALTER TABLE balances DROP CONSTRAINT balance_floor, DROP CONSTRAINT balance_ceiling, DROP CONSTRAINT balance_closed; \
         ALTER TABLE postings DROP CONSTRAINT postings_amount_check, DROP CONSTRAINT postings_check",
    )
    .await
    .unwrap();
    TestDatabase::of(url, pool)
}

async fn drop_copy(copy: TestDatabase) {
    copy.pool.close().await;
    let (server, name) = copy.url.rsplit_once('/').unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    admin.execute(AssertSqlSafe(format!("DROP DATABASE {name}"))).await.unwrap();
}

/// An exchange of the payment `back`'s 5.00 USD into so much EUR, at the rate `$rate` where 1.25 was quoted: 4.00 EUR are due.
macro_rules! exchange {
    ($arrives:literal, $rate:literal) => {
        concat!(
            "UPDATE transactions SET kind = 7 WHERE key = 'back'; \
             INSERT INTO postings SELECT transaction, 1, seq + 1, e.id, o.id, ",
            $arrives,
            ", 0, 0, p.created_at, 0, 0 FROM postings p, accounts e, accounts o WHERE seq = (SELECT max(seq) FROM postings) AND e.name = 'emil' AND o.name = 'opening-EUR'; \
             INSERT INTO rates (tenant, base, quote, rate, source, observed_at) VALUES ('default', 'EUR', 'USD', 1.25, 'test', now()); \
             INSERT INTO exchanges SELECT t.id, r.id, 'EUR', 'USD', ",
            $rate,
            ", 'half_even' FROM transactions t, rates r WHERE t.key = 'back'"
        )
    };
}

/// Check that must name it; what must appear in what it says; the corruption.
const CORRUPTIONS: &[(&str, &str, &str)] = &[
    ("posting account", "999999 (none)", "UPDATE postings SET credit_account = 999999 WHERE seq = (SELECT max(seq) FROM postings)"),
    ("posting account", "accounts bob and bob", "UPDATE postings SET credit_account = debit_account WHERE seq = (SELECT max(seq) FROM postings)"),
    (
        "posting currency",
        "EUR to emil",
        "UPDATE postings SET credit_account = (SELECT id FROM accounts WHERE name = 'emil') WHERE seq = (SELECT max(seq) FROM postings)",
    ),
    ("posting amount", "found 0", "UPDATE postings SET amount = 0 WHERE seq = (SELECT max(seq) FROM postings)"),
    ("posting amount", "found -500", "UPDATE postings SET amount = -amount WHERE seq = (SELECT max(seq) FROM postings)"),
    ("transaction status", "status 7", "UPDATE transactions SET status = 7 WHERE key = 'back'"),
    ("transaction without postings", "0 postings, kind 1", "DELETE FROM postings WHERE seq = (SELECT max(seq) FROM postings)"),
    ("postings without transaction", "1 postings", "DELETE FROM transactions WHERE key = 'back'"),
    ("declined with postings", "1 postings", "UPDATE transactions SET status = 2 WHERE key = 'back'"),
    ("kind with postings", "kind 20", "UPDATE transactions SET kind = 20 WHERE key = 'back'"),
    ("account without balance", "carol", "DELETE FROM balances WHERE account = (SELECT id FROM accounts WHERE name = 'carol')"),
    (
        "balance",
        "account carol of default: expected 0 (debits 0, credits 0), found 1",
        "UPDATE balances SET credits = credits + 1 WHERE account = (SELECT id FROM accounts WHERE name = 'carol')",
    ),
    (
        "balance",
        "account carol of default: expected 0 (debits 0, credits 0), found 0 (debits 5, credits 5)",
        "UPDATE balances SET credits = credits + 5, debits = debits + 5 WHERE account = (SELECT id FROM accounts WHERE name = 'carol')",
    ),
    ("currency totals", "currency EUR", "UPDATE balances SET credits = credits + 1 WHERE account = (SELECT id FROM accounts WHERE name = 'emil')"),
    (
        "balance after",
        "account alice",
        "UPDATE postings SET credit_balance_after = credit_balance_after + 1 WHERE seq = (SELECT max(seq) FROM postings)",
    ),
    ("balance after", "account bob", "UPDATE postings SET debit_balance_after = debit_balance_after - 1 WHERE seq = (SELECT max(seq) FROM postings)"),
    ("chain", "account bob", "UPDATE postings SET seq = seq - (20 << 20) + 5 WHERE seq = (SELECT max(seq) FROM postings)"),
    ("chain", "expected after posting", "UPDATE postings SET credit_prev = 0 WHERE seq = (SELECT max(seq) FROM postings)"),
    ("chain", "newest posting", "UPDATE balances SET last_seq = 7 WHERE account = (SELECT id FROM accounts WHERE name = 'bob')"),
    ("postings of a transaction", "postings", "UPDATE transactions SET first_seq = first_seq - 1 WHERE key = 'back'"),
    ("floor", "account alice", "UPDATE balances SET floor = 100000 WHERE account = (SELECT id FROM accounts WHERE name = 'alice')"),
    ("floor", "at least 0 available", "UPDATE balances SET held = 1 WHERE account = (SELECT id FROM accounts WHERE name = 'carol')"),
    ("ceiling", "at most 1", "UPDATE balances SET ceiling = 1 WHERE account = (SELECT id FROM accounts WHERE name = 'bob')"),
    ("closed", "account bob", "UPDATE balances SET status = 3 WHERE account = (SELECT id FROM accounts WHERE name = 'bob')"),
    ("held", "account bob", "UPDATE balances SET held = 1 WHERE account = (SELECT id FROM accounts WHERE name = 'bob')"),
    (
        "hold",
        "captured 5, voided 0, of none",
        "INSERT INTO holds SELECT gen_random_uuid(), a.id, b.id, 5, 5, 0, now() FROM accounts a, accounts b WHERE a.name = 'alice' AND b.name = 'bob'",
    ),
    ("hold step", "of none", "INSERT INTO hold_steps SELECT gen_random_uuid(), gen_random_uuid(), 0, 1"),
    ("hold step", "expected captured 500", "INSERT INTO hold_steps SELECT id, gen_random_uuid(), 499, 1 FROM transactions WHERE key = 'back'"),
    ("refunded", "expected 0 of 500, found 1 of 500", "INSERT INTO refunded SELECT id, 500, 1 FROM transactions WHERE key = 'back'"),
    ("refund", "of kind 1", "INSERT INTO refunds SELECT id, gen_random_uuid(), 500 FROM transactions WHERE key = 'back'"),
    ("key transaction", "found none", "INSERT INTO keys_odd VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1)"),
    (
        "key request",
        "request",
        "UPDATE keys_even SET request = gen_random_uuid() WHERE transaction = (SELECT id FROM transactions WHERE key = 'back')",
    ),
    (
        "key status",
        "expected status 1, found status 2",
        "UPDATE keys_even SET status = 2 WHERE transaction = (SELECT id FROM transactions WHERE key = 'back')",
    ),
    (
        "retired key",
        "expected no transaction",
        "UPDATE keys_even SET status = 3 WHERE transaction = (SELECT id FROM transactions WHERE key = 'back')",
    ),
    (
        "key in two generations",
        "one transaction",
        "INSERT INTO keys_odd SELECT * FROM keys_even WHERE transaction = (SELECT id FROM transactions WHERE key = 'back')",
    ),
    (
        "exchange",
        "expected kind 7, 2 postings, EUR and USD, found kind 1, 1 postings in USD",
        "INSERT INTO exchanges SELECT id, 1, 'EUR', 'USD', 1.25, 'half_even' FROM transactions WHERE key = 'back'",
    ),
    ("exchange rate", "1.250000000000 EUR/USD, found 1.300000000000 EUR/USD", exchange!("400", "1.3")),
    ("exchange amount", "within 1 of 400.0000, found 402", exchange!("402", "1.25")),
    (
        "saga",
        "expected 0 events of a transaction, found 3 events of a transaction",
        "INSERT INTO sagas SELECT id, tenant, 1, 1, 3, NULL, NULL, now(), now() FROM transactions WHERE key = 'back'",
    ),
    ("saga", "events of none", "INSERT INTO sagas SELECT gen_random_uuid(), 'default', 1, 1, 0, NULL, NULL, now(), now()"),
    (
        "saga event",
        "expected events 1 to 2, found events 1 to 3",
        "INSERT INTO sagas SELECT id, tenant, 1, 1, 2, NULL, NULL, now(), now() FROM transactions WHERE key = 'back'; \
         INSERT INTO saga_events SELECT id, n, '{}', now() FROM transactions, unnest(ARRAY[1, 3]) n WHERE key = 'back'",
    ),
    ("saga event", "expected a saga", "INSERT INTO saga_events VALUES (gen_random_uuid(), 1, '{}', now())"),
    (
        "operator action",
        "account.status of bob of default: expected transaction",
        "INSERT INTO operator_actions VALUES (gen_random_uuid(), 'default', now(), 'key:x', 'account.status', 'bob', '', NULL, NULL, NULL)",
    ),
    (
        "operator action",
        "found kind 1",
        "INSERT INTO operator_actions SELECT id, tenant, now(), 'key:x', 'account.limits', 'bob', '', NULL, NULL, NULL FROM transactions WHERE key = 'back'",
    ),
    (
        "key with two effects",
        "key back of tenant default, API 1",
        "INSERT INTO transactions (id, tenant, api, kind, status, request, key, created_at) SELECT gen_random_uuid(), tenant, api, 20, 1, request, key, created_at + interval '23 hours' FROM transactions WHERE key = 'back'",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_corruption_is_found_and_named() {
    let books = books().await;
    let clean = unguarded(&books, 0).await;
    let report = verified(&clean).await;
    assert!(report.is_clean(), "{report}");
    let figures = &report.figures;
    assert_eq!((figures.accounts, figures.transactions, figures.declined, figures.postings), (6, 33, 1, 33), "{report}");
    assert_eq!((figures.keys, figures.keys_retired), (32, 1), "{report}");
    assert_eq!(figures.currencies.iter().map(|c| (c.currency.as_str(), c.accounts)).collect::<Vec<_>>(), [("EUR", 2), ("USD", 4)]);
    for checked in &report.checks {
        assert!(CORRUPTIONS.iter().any(|(check, ..)| *check == checked.check), "no corruption tries the check {:?}", checked.check);
    }
    for (n, (check, says, corruption)) in CORRUPTIONS.iter().enumerate() {
        let database = unguarded(&books, n + 1).await;
        database.pool.execute(*corruption).await.unwrap();
        let report = verified(&database).await;
        let found = report.findings.iter().filter(|finding| finding.check == *check);
        let lines: Vec<_> = found.map(|finding| format!("{}: expected {}, found {}", finding.what, finding.expected, finding.found)).collect();
        assert!(lines.iter().any(|line| line.contains(says)), "{corruption}\nshould be found by {check:?} saying {says:?}:\n{report}");
        drop_copy(database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_about_exchanges_sagas_and_actions_is_no_finding() {
    let books = books().await;
    for (n, right) in [
        exchange!("400", "1.25"),
        "INSERT INTO sagas SELECT id, tenant, 1, 1, 2, NULL, NULL, now(), now() FROM transactions WHERE key = 'back'; \
         INSERT INTO saga_events SELECT id, n, '{}', now() FROM transactions, unnest(ARRAY[1, 2]) n WHERE key = 'back'",
        "INSERT INTO operator_actions SELECT id, tenant, now(), 'key:x', 'rate.create', 'EUR', '', NULL, NULL, NULL FROM transactions WHERE key = 'back'",
    ]
    .into_iter()
    .enumerate()
    {
        let database = unguarded(&books, n).await;
        database.pool.execute(right).await.unwrap();
        let report = verified(&database).await;
        let wrong = report.findings.iter().find(|finding| ["exchange", "saga", "operator"].iter().any(|name| finding.check.starts_with(name)));
        assert!(wrong.is_none(), "{right}: {report}");
        drop_copy(database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_findings_are_counted_and_the_first_are_listed() {
    let database = unguarded(&books().await, 0).await;
    database.pool.execute("UPDATE postings SET amount = amount + 1").await.unwrap();
    let report = verified(&database).await;
    let counted = |name: &str| report.checks.iter().find(|checked| checked.check == name).unwrap().findings_total;
    assert_eq!(report.findings.iter().filter(|finding| finding.check == "balance after").count(), 20, "{report}");
    // Of 66 sides one comes out right: the first payment takes from alice what her opening balance had too much.
    assert_eq!((counted("balance after"), counted("balance"), counted("floor")), (65, 5, 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_again_after_it_has_left_is_no_finding() {
    let database = unguarded(&books().await, 0).await;
    let again = "INSERT INTO transactions (id, tenant, api, kind, status, request, key, created_at) \
         SELECT gen_random_uuid(), tenant, api, 20, 1, request, key, created_at + interval '24 hours' FROM transactions WHERE key = 'back'";
    database.pool.execute(again).await.unwrap();
    assert!(verified(&database).await.is_clean());
    let kept_longer = verify_with(&database.pool, std::time::Duration::from_secs(48 * 3600), |_, _, _| {}).await.unwrap();
    assert_eq!(kept_longer.findings_total(), 1, "{kept_longer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn books_that_are_being_written_are_read_in_one_snapshot() {
    let florin = Florin::start().await;
    for name in ["a", "b", "c"] {
        florin.database.account(name, 10_000).await;
    }
    let names = ["a", "b", "c"];
    let pay = futures::future::join_all((0..400usize).map(|n| {
        let florin = &florin;
        async move { florin.pay(&format!("k{n}"), names[n % 3], names[(n + 1) % 3], 1).await.unwrap() }
    }));
    let verified_often = async {
        let mut steps = Vec::new();
        for _ in 0..5 {
            steps.clear();
            let report = verify(&florin.database.pool, |name, n, of| steps.push((name.to_owned(), n, of))).await.unwrap();
            assert!(report.is_clean(), "{report}");
        }
        steps
    };
    let (_, steps) = tokio::join!(pay, verified_often);
    assert!(steps.iter().enumerate().all(|(at, (_, n, of))| *n == at && *of == steps.len()), "{steps:?}");
    assert_eq!(verified(&florin.database).await.figures.postings, 400 + 3);
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_the_keys_for_long_does_not_stop_payments() {
    let florin = Florin::start().await;
    florin.database.account("a", 100).await;
    florin.database.account("b", 0).await;
    let mut reader = florin.database.pool.begin().await.unwrap();
    reader.execute("SELECT count(*) FROM keys_odd").await.unwrap();
    let began = std::time::Instant::now();
    let switch = florin.database.pool.execute("SELECT switch_key_generation('0s')").await.unwrap_err();
    assert_eq!(switch.as_database_error().unwrap().code().as_deref(), Some("55P03"), "{switch}");
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "the lanes waited {:?}", began.elapsed());
    assert!(florin.pay("k", "a", "b", 1).await.unwrap().error.is_none());
    reader.rollback().await.unwrap();
    florin.database.pool.execute("SELECT switch_key_generation('0s')").await.unwrap();
    assert!(florin.pay("l", "a", "b", 1).await.unwrap().error.is_none());
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_steps_see_one_snapshot_and_none_keeps_a_lock() {
    let database = unguarded(&books().await, 0).await;
    let between = "BEGIN; LOCK TABLE accounts, balances, transactions, postings, keys_even, keys_odd, outbox IN ACCESS EXCLUSIVE MODE NOWAIT; \
         UPDATE balances SET credits = credits + 1, version = version + 1 WHERE account = (SELECT id FROM accounts WHERE name = 'carol'); COMMIT";
    let mut steps = 0;
    let progress = |_: &str, n: usize, of: usize| {
        let change = async { sqlx::raw_sql(between).execute(&database.pool).await.unwrap() };
        if n > 0 {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(change));
        }
        steps = of;
    };
    let report = verify(&database.pool, progress).await.unwrap();
    assert!(report.is_clean(), "{report}");
    let credits = verified(&database).await;
    let carol = credits.findings.iter().find(|finding| finding.check == "balance").unwrap();
    assert!(carol.found.starts_with(&format!("{} ", steps - 1)), "{credits}");
}
