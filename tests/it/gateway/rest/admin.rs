//! The audit: balances compared with their postings, and set right by them.

use florin_wire::florin_v1 as pb;
use florin_wire::florin_v1::ledger_client::LedgerClient;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor;

use super::{World, has, key, payment, refund, text};

// Mutations: a rebuild that does not write; a reconciliation that reads the balance twice; one that can only be posted.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_balance_is_found_and_rebuilt() {
    let world = World::start().await;
    let user = world.user("100.00").await;
    let path = format!("admin/accounts/{user}/reconcile");
    let compared = world.post(&path, &json!({})).await.ok(200);
    has(
        &compared,
        "accountId match projectionBalance eventSourceBalance difference projectionVersion eventSourceVersion versionMismatch issues",
    );
    assert_eq!(
        (&compared["match"], &compared["difference"], &compared["issues"]),
        (&json!(true), &json!("0.00000000"), &json!([]))
    );
    let equation = world.get("admin/accounting-equation").await.ok(200);
    assert_eq!((&equation["valid"], &equation["totalProjectionBalance"]), (&json!(true), &json!("0.00000000")));
    assert_eq!(world.post("admin/accounting-equation", &json!({})).await.ok(200), equation);
    assert_eq!(world.get(&path).await.ok(200), compared);
    let all = world.get("admin/accounts/reconcile-all").await.ok(200);
    assert_eq!(world.post("admin/accounts/reconcile-all", &json!({})).await.ok(200), all);
    for changes in [format!("admin/accounts/{user}/rebuild"), "admin/accounts/rebuild-all".into()] {
        assert_eq!(world.get(&changes).await.status, 405, "what changes is no GET");
    }

    let damage = format!(
        "UPDATE balances SET credits = credits + 5 WHERE account = (SELECT id FROM accounts WHERE name = '{user}')"
    );
    world.served.database.folded().await;
    world.served.database.pool.execute(sqlx::AssertSqlSafe(damage)).await.unwrap();
    let compared = world.post(&path, &json!({})).await.ok(200);
    assert_eq!(
        (&compared["match"], &compared["difference"], &compared["eventSourceBalance"]),
        (&json!(false), &json!("0.05000000"), &json!("100.00000000"))
    );
    let all = world.post("admin/accounts/reconcile-all", &json!({})).await.ok(200);
    assert_eq!((&all["mismatches"][0]["accountId"], all["mismatches"].as_array().unwrap().len()), (&json!(user), 1));
    assert_eq!(world.get("admin/accounting-equation").await.ok(200)["valid"], json!(false));
    let rebuilt = world.post("admin/accounts/rebuild-all", &json!({})).await.ok(200);
    assert_eq!(
        (&rebuilt["total"], &rebuilt["successful"], &rebuilt["failed"]),
        (&all["total"], &all["total"], &json!([]))
    );
    assert_eq!(world.post(&path, &json!({})).await.ok(200)["match"], json!(true));
    let one = world.post(&format!("admin/accounts/{user}/rebuild"), &json!({})).await.ok(200);
    assert_eq!((&one["changed"], &one["balance"]), (&json!(false), &json!("100.00000000")));
    for what in ["reconcile", "rebuild"] {
        world.post(&format!("admin/accounts/nobody/{what}"), &json!({})).await.refused(
            404,
            "ACCOUNT_NOT_FOUND",
            "Account not found: nobody",
        );
    }
    world.end().await;
}

fn issues(answer: &Value) -> Vec<&str> {
    answer["issues"].as_array().unwrap().iter().map(|issue| issue.as_str().unwrap()).collect()
}

/// What is done to one transaction behind Florin's back, and what must be said of it.
const DAMAGES: [(&str, &str, &str); 12] = [
    ("payment", "UPDATE journal SET credit_after = credit_after + 1 WHERE id = $1", "the chain comes to"),
    ("payment", "UPDATE journal SET debit_prev = 77 WHERE id = $1", "the row before it is missing"),
    ("payment", "UPDATE journal SET postings = postings + 1 WHERE id = $1", "1 postings are there, of 2"),
    ("payment", "UPDATE journal SET kind = 10 WHERE id = $1", "it moves no money, and has postings"),
    ("payment", "UPDATE journal SET credit_account = 999999 WHERE id = $1", "is not between two accounts"),
    ("payment", "UPDATE journal SET key = gen_random_uuid() WHERE id = $1", "its key is"),
    ("payment", "UPDATE refunded SET given = given + 1 WHERE payment = $1", "what gave it back comes to 400 of 1250"),
    (
        "refund",
        "UPDATE journal SET body = jsonb_set(body, '{gave}', '\"401\"') WHERE id = $1",
        "its postings come to 400",
    ),
    ("hold", "UPDATE holds SET captured = captured + 1 WHERE id = $1", "the steps come to 100 and 0"),
    ("hold", "UPDATE journal SET debit_after = debit_after + 1 WHERE id = $1", "the chain comes to"),
    ("capture", "UPDATE journal SET held = held + 1 WHERE id = $1", "its postings come to 100"),
    ("capture", "UPDATE journal SET follows = id WHERE id = $1", "which is missing"),
];

/// One transaction of each kind that has rows of its own, between ann and a shop; and ann's top-up.
struct Audited {
    world: World,
    ann: String,
    paid: String,
    given: String,
    held: String,
    captured: String,
}

impl Audited {
    async fn start() -> Self {
        let world = World::start().await;
        let (ann, shop) = (world.user("100.00").await, world.open(json!({})).await);
        let mut body = payment(&ann, &shop, "12.50");
        body["idempotencyKey"] = json!(key());
        let paid = text(&world.post("transactions/payment", &body).await.ok(201)["transactionId"]);
        let given = text(&world.post("transactions/refund", &refund(&paid, "4")).await.ok(201)["refundId"]);
        let mut native = LedgerClient::connect(format!("http://{}", world.served.runtime.grpc)).await.unwrap();
        let hold = pb::AuthorizeHoldRequest {
            source_account_id: ann.clone(),
            destination_account_id: shop.clone(),
            amount: "5".into(),
            currency: "USD".into(),
            ..Default::default()
        };
        let held = native.authorize_hold(hold).await.unwrap().into_inner().hold.unwrap().id;
        let capture = pb::CaptureHoldRequest { hold_id: held.clone(), amount: "1".into(), ..Default::default() };
        let captured = native.capture_hold(capture).await.unwrap().into_inner().transaction.unwrap().id;
        Self { world, ann, paid, given, held, captured }
    }

    fn id(&self, name: &str) -> &str {
        match name {
            "refund" => &self.given,
            "hold" => &self.held,
            "capture" => &self.captured,
            _ => &self.paid,
        }
    }

    async fn reconciled(&self, id: &str) -> Value {
        self.world.post(&format!("admin/transactions/{id}/reconcile"), &json!({})).await.ok(200)
    }

    /// What is asked of all transactions at once.
    async fn all(&self, what: &str) -> Value {
        self.world.post(&format!("admin/transactions/{what}-all"), &json!({})).await.ok(200)
    }

    /// Ann's balance is another than her postings come to.
    async fn damage_ann(&self) {
        let damage = format!(
            "UPDATE balances SET credits = credits + 5, version = version + 1 WHERE account = (SELECT id FROM accounts WHERE name = '{}')",
            self.ann
        );
        self.world.served.database.folded().await;
        self.world.served.database.pool.execute(sqlx::AssertSqlSafe(damage)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_of_what_nobody_damaged_and_what_is_not_there_is_not_found() {
    let audited = Audited::start().await;
    for name in ["payment", "refund", "hold", "capture"] {
        let found = audited.reconciled(audited.id(name)).await;
        has(&found, "transactionId match issues accounts");
        assert_eq!(
            (&found["match"], found["accounts"].as_array().unwrap().len()),
            (&json!(true), if name == "hold" { 1 } else { 2 }),
            "{name}: {found}"
        );
        let path = format!("admin/transactions/{}/reconcile", audited.id(name));
        assert_eq!(audited.world.get(&path).await.ok(200), found);
    }
    let all = audited.all("reconcile").await;
    assert_eq!((&all["total"], &all["matched"], &all["mismatches"]), (&json!(5), &json!(5), &json!([])));
    assert_eq!(audited.world.get("admin/transactions/reconcile-all").await.ok(200), all);
    for nothing in ["nothing", "0190cafe-0000-7000-8000-000000000000"] {
        for what in ["reconcile", "rebuild"] {
            let answer = audited.world.post(&format!("admin/transactions/{nothing}/{what}"), &json!({})).await;
            answer.refused(404, "TRANSACTION_NOT_FOUND", &format!("Transaction not found: {nothing}"));
        }
    }
    audited.world.end().await;
}

// Mutations: a check left out of the statement (each damage then is not told); a hold that is no row of its account's
// chain.
#[tokio::test(flavor = "multi_thread")]
async fn each_damage_to_a_transaction_is_told_and_not_rewritten() {
    let audited = Audited::start().await;
    // Nobody guards the tables, and each damage is undone: what comes after it is as it was.
    audited.world.served.database.folded().await;
    let mut connection = audited.world.served.database.pool.acquire().await.unwrap();
    connection.execute("SET session_replication_role = replica").await.unwrap();
    for (name, damage, told) in DAMAGES {
        let id = audited.id(name);
        let undo = Undo::of(&mut connection).await;
        sqlx::query(damage).bind(uuid::Uuid::parse_str(id).unwrap()).execute(&mut *connection).await.unwrap();
        let found = audited.reconciled(id).await;
        assert!(
            issues(&found).iter().any(|issue| issue.contains(told)) && found["match"] == json!(false),
            "{damage}: {found}"
        );
        let all = audited.all("reconcile").await;
        let mismatches = all["mismatches"].as_array().unwrap();
        assert!(
            mismatches.iter().any(|one| one["transactionId"] == id && issues(&found).starts_with(&issues(one))),
            "{damage}: {all}"
        );
        let rebuilt = audited.world.post(&format!("admin/transactions/{id}/rebuild"), &json!({})).await.ok(200);
        assert_eq!(
            (&rebuilt["success"], &rebuilt["issues"]),
            (&json!(false), &found["issues"]),
            "what is written is not rewritten"
        );
        undo.put_back(&mut connection).await;
        assert_eq!(audited.reconciled(id).await["match"], json!(true), "{damage} was undone");
    }
    connection.execute("SET session_replication_role = origin").await.unwrap();
    drop(connection);
    audited.world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_of_a_transaction_are_set_right_with_it_and_the_reason_is_kept() {
    let audited = Audited::start().await;
    let world = &audited.world;
    audited.damage_ann().await;
    let found = audited.reconciled(&audited.paid).await;
    assert_eq!(
        (&found["match"], issues(&found)),
        (&json!(false), vec![]),
        "the transaction is right, an account of it is not"
    );
    let path = format!("admin/transactions/{}/rebuild", audited.paid);
    let rebuilt = world.send(world.request(Method::POST, &path).header("x-reason", "audit 7")).await.ok(200);
    assert_eq!(
        (&rebuilt["success"], &rebuilt["changed"], &rebuilt["accounts"][0]["success"]),
        (&json!(true), &json!(true), &json!(true))
    );
    assert_eq!(audited.reconciled(&audited.paid).await["match"], json!(true));

    audited.damage_ann().await;
    let all = audited.all("rebuild").await;
    assert_eq!(
        (&all["total"], &all["successful"], &all["failed"], &all["accounts"]["failed"]),
        (&json!(5), &json!(5), &json!([]), &json!([]))
    );
    let path = format!("/v1/operator-actions?subject={}&action=account.rebuild", audited.ann);
    let done = world.get(&path).await.ok(200)["items"].clone();
    assert_eq!((&done[0]["reason"], &done[1]["reason"]), (&json!(""), &json!("audit 7")));
    audited.world.end().await;
}

/// Tables as they were.
struct Undo;

const TABLES: [&str; 4] = ["balances", "journal", "refunded", "holds"];

impl Undo {
    async fn of(connection: &mut sqlx::PgConnection) -> Self {
        for table in TABLES {
            connection
                .execute(sqlx::AssertSqlSafe(format!("CREATE TEMP TABLE was_{table} AS SELECT * FROM {table}")))
                .await
                .unwrap();
        }
        Self
    }

    async fn put_back(self, connection: &mut sqlx::PgConnection) {
        for table in TABLES {
            let sql =
                format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM was_{table}; DROP TABLE was_{table}");
            connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        }
    }
}
