//! `florin verify`: clean books stay clean under load, and every corruption is found and named.

mod corruptions;
mod invoices;

use chrono::{TimeDelta, Utc};
use florin::store::verify::{Report, verify, verify_with};
use florin_wire::florin_v1 as pb;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use self::corruptions::{CORRUPTIONS, RIGHT, USED_AGAIN};
use crate::gateway::native::{limit, post};
use crate::harness::{Florin, TestDatabase, until};

async fn verified(database: &TestDatabase) -> Report {
    verify(&database.pool, |_, _, _| {}).await.unwrap()
}

/// Books with payments, a decline, a second currency, holds that are open, captured and let go by Florin itself, a
/// refund that was taken back, a change and an opening by call, an empty account and a retired key; nobody is connected
/// to it any more.
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
    florin.move_money("two", &[("alice", "bob", "2"), ("bob", "alice", "1")]).await.unwrap();

    let mut native = florin.native.clone();
    let hold = |key: &str, amount: &str, expires_at: String| pb::AuthorizeHoldRequest {
        idempotency_key: key.into(),
        source_account_id: "alice".into(),
        destination_account_id: "bob".into(),
        amount: amount.into(),
        currency: "USD".into(),
        expires_at,
        ..Default::default()
    };
    let hold_id = native.authorize_hold(hold("hold", "8", String::new())).await.unwrap().into_inner().hold.unwrap().id;
    native
        .capture_hold(pb::CaptureHoldRequest {
            idempotency_key: "capture".into(),
            hold_id,
            amount: "3".into(),
            ..Default::default()
        })
        .await
        .unwrap();
    native.authorize_hold(hold("short", "1", (Utc::now() + TimeDelta::milliseconds(300)).to_rfc3339())).await.unwrap();
    until("the short hold has expired", || async { florin.database.count("SELECT count(*) FROM derived").await == 1 })
        .await;

    let paid = pb::PostTransactionRequest { kind: "payment".into(), ..post("paid", &[("alice", "bob", "5")]) };
    let paid = florin.post(paid).await.unwrap().transaction.unwrap().id;
    let refund = pb::PostTransactionRequest { refund_of: paid, ..post("refund", &[("bob", "alice", "2")]) };
    let refund = florin.post(refund).await.unwrap().transaction.unwrap().id;
    native
        .reverse_transaction(pb::ReverseTransactionRequest {
            idempotency_key: "reversal".into(),
            id: refund,
            ..Default::default()
        })
        .await
        .unwrap();
    let never = pb::GetOperationRequest {
        idempotency_key: "never".into(),
        api: String::new(),
        issued_at: Utc::now().to_rfc3339(),
    };
    assert_eq!(
        native.get_operation(never).await.unwrap().into_inner().state(),
        pb::get_operation_response::State::Never
    );
    florin
        .update(pb::UpdateAccountRequest { id: "carol".into(), max_balance: limit("9000"), ..Default::default() })
        .await
        .unwrap();
    florin.open("dora", pb::AccountKind::User).await;

    florin.folded().await;
    let (database, reads) = (florin.database.clone(), florin.ledger.parts().pool.clone());
    drop(native);
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
    for table in ["accounts", "balances", "journal", "derived", "operator_actions"] {
        pool.execute(AssertSqlSafe(format!("ALTER TABLE {table} DISABLE TRIGGER ALL"))).await.unwrap();
    }
    pool.execute(
        "ALTER TABLE balances DROP CONSTRAINT balance_within; \
         ALTER TABLE journal DROP CONSTRAINT journal_amount, DROP CONSTRAINT journal_accounts",
    )
    .await
    .unwrap();
    TestDatabase::of(url, pool).damaged()
}

async fn drop_copy(copy: TestDatabase) {
    copy.pool.close().await;
    let (server, name) = copy.url.rsplit_once('/').unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    admin.execute(AssertSqlSafe(format!("DROP DATABASE {name}"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_corruption_is_found_and_named() {
    let books = books().await;
    let clean = unguarded(&books, 0).await;
    let report = verified(&clean).await;
    assert!(report.is_clean(), "{report}");
    let figures = &report.figures;
    assert_eq!(
        (figures.accounts, figures.transactions, figures.declined, figures.postings),
        (7, 42, 1, 39),
        "{report}"
    );
    assert_eq!((figures.keys, figures.keys_retired, figures.events), (38, 1, 42), "{report}");
    assert_eq!(
        figures.currencies.iter().map(|c| (c.currency.as_str(), c.accounts)).collect::<Vec<_>>(),
        [("EUR", 2), ("USD", 5)]
    );
    for checked in &report.checks {
        assert!(
            CORRUPTIONS.iter().chain(invoices::CORRUPTIONS).any(|(check, ..)| *check == checked.check),
            "no corruption tries the check {:?}",
            checked.check
        );
    }
    for (n, (check, says, corruption)) in CORRUPTIONS.iter().chain(invoices::CORRUPTIONS).enumerate() {
        let database = unguarded(&books, n + 1).await;
        database.pool.execute(*corruption).await.unwrap();
        let report = verified(&database).await;
        let found = report.findings.iter().filter(|finding| finding.check == *check);
        let lines: Vec<_> = found
            .map(|finding| format!("{}: expected {}, found {}", finding.what, finding.expected, finding.found))
            .collect();
        assert!(
            lines.iter().any(|line| line.contains(says)),
            "{corruption}\nshould be found by {check:?} saying {says:?}:\n{report}"
        );
        drop_copy(database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_is_no_finding() {
    let books = books().await;
    for (n, (checks, right)) in RIGHT.iter().enumerate() {
        let database = unguarded(&books, n).await;
        database.pool.execute(*right).await.unwrap();
        let report = verified(&database).await;
        assert!(report.findings.iter().all(|finding| !finding.check.starts_with(checks)), "{right}: {report}");
        drop_copy(database).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_findings_are_counted_and_the_first_are_listed() {
    let database = unguarded(&books().await, 0).await;
    database.pool.execute("UPDATE journal SET amount = amount + 1").await.unwrap();
    let report = verified(&database).await;
    let counted = |name: &str| report.checks.iter().find(|checked| checked.check == name).unwrap().findings_total;
    assert_eq!(report.findings.iter().filter(|finding| finding.check == "balance after").count(), 20, "{report}");
    // Of 78 sides one comes out right: the first payment takes from alice what her opening balance had too much.
    assert_eq!((counted("balance after"), counted("balance"), counted("floor")), (77, 5, 0), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_again_after_it_has_left_is_no_finding() {
    let database = unguarded(&books().await, 0).await;
    database.pool.execute(USED_AGAIN).await.unwrap();
    let report = verified(&database).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.figures.keys, 0, "the only partition with keys has forgotten them");
    let kept_longer =
        verify_with(&database.pool, std::time::Duration::from_secs(48 * 3600), |_, _, _| {}).await.unwrap();
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
            let report =
                verify(&florin.database.pool, |name, n, of| steps.push((name.to_owned(), n, of))).await.unwrap();
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
async fn who_reads_the_journal_for_long_does_not_stop_payments() {
    let florin = Florin::start().await;
    florin.database.account("a", 100).await;
    florin.database.account("b", 0).await;
    assert!(florin.pay("j", "a", "b", 1).await.unwrap().error.is_none());
    let pool = &florin.database.pool;
    let mut reader = pool.begin().await.unwrap();
    reader.execute("SELECT count(*) FROM journal").await.unwrap();
    // The partition that is written looks like one whose keys may be forgotten, so that payments need what housekeeping
    // wants to lock.
    pool.execute("UPDATE journal_partitions SET closed_at = '2000-01-01' WHERE number = 1").await.unwrap();
    let began = std::time::Instant::now();
    let forget = pool.execute("SELECT journal_forget_keys('1 hour')").await.unwrap_err();
    assert_eq!(forget.as_database_error().unwrap().code().as_deref(), Some("55P03"), "{forget}");
    pool.execute("SELECT journal_grow(3)").await.unwrap(); // a partition more concerns no reader
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "the journal waited {:?}", began.elapsed());
    assert!(florin.pay("k", "a", "b", 1).await.unwrap().error.is_none());
    reader.rollback().await.unwrap();
    pool.execute("SELECT journal_forget_keys('1 hour')").await.unwrap();
    assert!(florin.pay("l", "a", "b", 1).await.unwrap().error.is_none());
    florin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_steps_see_one_snapshot_and_none_keeps_a_lock() {
    let database = unguarded(&books().await, 0).await;
    let between = "BEGIN; LOCK TABLE accounts, balances, journal, journal_partitions, writers, holds, refunded, derived, declines, dead_letters IN ACCESS EXCLUSIVE MODE NOWAIT; \
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
