//! Billing from the command line.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use super::native::draft;
use crate::gateway::rest::client::Rest;
use crate::process::site::{Site, text};

fn run(site: &Site, command: &[&str], args: &[&str]) -> Output {
    site.run(&[command, args].concat())
}

fn lines(out: &Output) -> Vec<Value> {
    assert!(out.status.success(), "{out:?}");
    text(&out.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoice_is_paid_from_an_account_and_from_outside_by_command() {
    let site = Site::new().await;
    site.database.account("ann", 100_00).await;
    let server = site.serve().await;
    let rest = Rest::new(server.http);
    let made = rest.post("/v1/invoices", &draft("c-1", "100")).await.ok(201);
    let id = made["invoice"]["id"].as_str().unwrap().to_owned();
    rest.post(&format!("/v1/invoices/{id}/issue"), &json!({})).await.ok(200);

    let address = server.grpc.to_string();
    let pay = |args: &[&str]| run(&site, &["invoices", "pay", id.as_str(), "--server", address.as_str()], args);
    let part = ["18.00", "--from", "ann", "--key", "k-1", "--json"];
    let [first] = &lines(&pay(&part))[..] else { panic!("one line") };
    assert_eq!((&first["status"], &first["replayed"]), (&json!("completed"), &json!(false)));
    let invoice = &first["invoice"];
    assert_eq!(
        (&invoice["status"], &invoice["paid"], &invoice["due"]),
        (&json!("open"), &json!("18.00"), &json!("100.00"))
    );
    let again = &lines(&pay(&part))[0];
    assert_eq!((&again["replayed"], &again["transaction_id"]), (&json!(true), &first["transaction_id"]));

    let short = pay(&["--from", "ann"]);
    assert_eq!(short.status.code(), Some(2), "82.00 are not 100.00: {short:?}");
    let said = text(&short.stdout);
    assert!(said.starts_with("declined: invoice INV-") && said.contains("Insufficient funds"), "{said}");
    assert!(said.contains("due          100.00 USD"), "{said}");
    let rest_of_it = pay(&["--outside"]);
    let said = text(&rest_of_it.stdout);
    assert!(
        rest_of_it.status.success() && said.contains("is paid") && said.contains("paid         118.00 USD"),
        "{said}"
    );
    let nothing = pay(&["--outside"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("FAILED_PRECONDITION"), "{nothing:?}");
    server.terminate(Duration::from_secs(15));
    site.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_are_listed_shown_and_erased_by_command() {
    let site = Site::new().await;
    let server = site.serve().await;
    let rest = Rest::new(server.http);
    for (id, name) in [("c-1", "Ada"), ("c-2", "Bob")] {
        let new = json!({ "id": id, "firstName": name, "email": format!("{name}@example.com"), "region": "DE" });
        rest.post("/v1/customers", &new).await.ok(201);
    }
    let ids = |args: &[&str]| {
        let found = lines(&run(&site, &["customers", "list", "--json"], args));
        found.iter().map(|customer| customer["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((ids(&[]), ids(&["--limit", "1"])), (vec!["c-1".to_owned(), "c-2".to_owned()], vec!["c-1".to_owned()]));
    assert_eq!(ids(&["--email", "bob@example.com"]), ["c-2"]);
    let shown = text(&site.run(&["customers", "show", "c-1"]).stdout);
    assert!(shown.contains("name        Ada") && shown.contains("email       ada@example.com"), "{shown}");
    assert_eq!(site.run(&["customers", "show", "c-3"]).status.code(), Some(1));

    let address = server.grpc.to_string();
    let erase = |args: &[&str]| run(&site, &["customers", "erase", "c-1", "--server", address.as_str()], args);
    let asked = erase(&[]);
    assert_eq!(asked.status.code(), Some(1));
    assert!(text(&asked.stderr).contains("repeat the command with --yes"), "{asked:?}");
    assert!(erase(&["--reason", "she asked", "--yes"]).status.success());
    let left = &lines(&site.run(&["customers", "show", "c-1", "--json"]))[0];
    assert_eq!(
        (&left["email"], &left["firstName"], &left["region"]),
        (&Value::Null, &json!(""), &json!("DE")),
        "{left}"
    );
    let actions = lines(&site.run(&["actions", "--action", "customer.erase", "--json"]));
    assert_eq!((&actions[0]["subject"], &actions[0]["reason"]), (&json!("c-1"), &json!("she asked")));
    assert!(!server.process.said().contains("ada@example.com"), "personal data stand in no log");
    server.terminate(Duration::from_secs(15));
    site.verify();
}
