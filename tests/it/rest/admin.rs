//! The audit: balances compared with their postings, and set right by them.

use serde_json::json;
use sqlx::Executor;

use super::{World, has};

// Mutations: a rebuild that does not write; a reconciliation that reads the balance twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_balance_is_found_and_rebuilt() {
    let world = World::start().await;
    let user = world.user("100.00").await;
    let path = format!("admin/accounts/{user}/reconcile");
    let compared = world.post(&path, &json!({})).await.ok(200);
    has(&compared, "accountId match projectionBalance eventSourceBalance difference projectionVersion eventSourceVersion versionMismatch issues");
    assert_eq!((&compared["match"], &compared["difference"], &compared["issues"]), (&json!(true), &json!("0.00000000"), &json!([])));
    let equation = world.get("admin/accounting-equation").await.ok(200);
    assert_eq!((&equation["valid"], &equation["totalProjectionBalance"]), (&json!(true), &json!("0.00000000")));
    assert_eq!(world.post("admin/accounting-equation", &json!({})).await.ok(200)["accountCount"], equation["accountCount"]);

    let damage = format!("UPDATE balances SET credits = credits + 5 WHERE account = (SELECT id FROM accounts WHERE name = '{user}')");
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
    assert_eq!((&rebuilt["total"], &rebuilt["successful"], &rebuilt["failed"]), (&all["total"], &all["total"], &json!([])));
    assert_eq!(world.post(&path, &json!({})).await.ok(200)["match"], json!(true));
    let one = world.post(&format!("admin/accounts/{user}/rebuild"), &json!({})).await.ok(200);
    assert_eq!((&one["changed"], &one["balance"]), (&json!(false), &json!("100.00000000")));
    for what in ["reconcile", "rebuild"] {
        world.post(&format!("admin/accounts/nobody/{what}"), &json!({})).await.refused(404, "ACCOUNT_NOT_FOUND", "Account not found: nobody");
    }
    world.end().await;
}
