//! Lists of holds over REST.

use florin_wire::florin_v1 as pb;
use serde_json::json;

use super::super::super::{World, text};
use super::super::hold;

/// Mutations: a page that begins with what the last one ended with; a filter that ends the list; a page that looks at
/// everything there is.
#[tokio::test(flavor = "multi_thread")]
async fn holds_are_listed_newest_first_by_state_and_a_page_looks_at_so_many() {
    let world = World::native().await;
    let mut made = Vec::new();
    for n in 0..12 {
        let id = world.held("1").await;
        let state = ["open", "captured", "voided"][n % 3];
        if n % 3 > 0 {
            world.step(&id, if state == "captured" { "capture" } else { "void" }, json!({})).await.ok(201);
        }
        made.insert(0, (id, state));
    }
    world.post("/v1/holds", &hold("shop", "ann", "1")).await.ok(201); // another's
    let of = |state: Option<&str>| {
        made.iter()
            .filter(|(_, known)| state.is_none_or(|state| state == *known))
            .map(|(id, _)| id.clone())
            .collect::<Vec<_>>()
    };
    for size in [1, 3, 4, 5, 12, 50] {
        let path = format!("/v1/holds?accountId=ann&limit={size}");
        assert_eq!(world.walk(&path, "id").await, of(None), "{size}");
        for state in ["open", "captured", "voided"] {
            assert_eq!(world.walk(&format!("{path}&status={state}"), "id").await, of(Some(state)), "{size} {state}");
        }
    }
    let page = world.get("/v1/holds?accountId=ann&limit=5").await.ok(200);
    let token = text(&page["nextPageToken"]);
    for other in ["accountId=shop", "accountId=ann&status=open"] {
        world.get(&format!("/v1/holds?{other}&pageToken={token}")).await.refused_naming(
            400,
            "INVALID_ARGUMENT",
            &["not a token of this query"],
        );
    }
    let mut grpc = world.grpc().await;
    let asked = pb::ListHoldsRequest {
        account_id: "ann".into(),
        status: pb::HoldStatus::Open.into(),
        limit: 3,
        ..Default::default()
    };
    let first = grpc.list_holds(asked.clone()).await.unwrap().into_inner();
    let second = grpc
        .list_holds(pb::ListHoldsRequest { page_token: first.next_page_token, ..asked.clone() })
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<String> = first.items.into_iter().chain(second.items).map(|hold| hold.id).collect();
    assert_eq!((ids, second.next_page_token.as_str()), (of(Some("open")), ""));
    for (bad, code) in [
        (pb::ListHoldsRequest { account_id: String::new(), ..asked.clone() }, tonic::Code::InvalidArgument),
        (pb::ListHoldsRequest { status: 9, ..asked.clone() }, tonic::Code::InvalidArgument),
        (pb::ListHoldsRequest { limit: 1_001, ..asked.clone() }, tonic::Code::InvalidArgument),
        (pb::ListHoldsRequest { page_token: "x".into(), ..asked.clone() }, tonic::Code::InvalidArgument),
        (pb::ListHoldsRequest { account_id: "nobody".into(), ..asked }, tonic::Code::NotFound),
    ] {
        assert_eq!(grpc.list_holds(bad).await.unwrap_err().code(), code);
    }

    // 25,000 that were let go, newer than all although their ids are not: the open ones are found behind them, a bounded page at a time.
    let pool = &world.served.database.pool;
    let many = "INSERT INTO holds (id, debit_account, credit_account, amount, voided, expires_at, seq) \
                SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, a.id, a.id, 1, 1, now(), (1::bigint << 50) + n FROM generate_series(1, 25000) n, accounts a WHERE a.name = 'ann'";
    sqlx::query(many).execute(pool).await.unwrap();
    let first = world.get("/v1/holds?accountId=ann&status=open&limit=4").await.ok(200);
    assert_eq!((first["items"].as_array().unwrap().len(), first["nextPageToken"].is_string()), (0, true), "{first}");
    assert_eq!(world.walk("/v1/holds?accountId=ann&status=open&limit=4", "id").await, of(Some("open")));
    sqlx::query("DELETE FROM holds WHERE id < '00000001-0000-0000-0000-000000000000'").execute(pool).await.unwrap();
    world.end().await;
}
