//! Customers register and are billed: over REST, through Kafka, into invoices, notices and mails.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gateway::rest::client::Rest;
use crate::harness::topics::{self, Record};
use crate::process::florin::Server;
use crate::process::site::Site;

const PRESENT: &str = "SELECT count(*) FROM customers";
const BILLED: &str = "SELECT count(*) FROM invoices";
const BURIED: &str = "SELECT count(*) FROM received_letters WHERE published";
const MAILS: &str = "SELECT count(*) FROM mails";

fn user(name: &str) -> Value {
    json!({ "firstname": name, "lastname": "Lovelace", "email": format!("{name}@example.com"), "mobile": "+4912345678" })
}

fn bill(name: &str, price: &str) -> Value {
    let item = json!({ "productId": 7, "quantity": "1", "price": price, "productName": "Pen" });
    json!({ "userId": format!("{name}@example.com"), "items": [item] })
}

struct Answer {
    status: u16,
    body: Value,
    allow_origin: Option<String>,
}

async fn call(server: &Server, method: &str, path: &str, body: Option<String>) -> Answer {
    let mut request = Rest::new(server.http).request(method.parse().unwrap(), path);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    let answer = request.send().await.unwrap();
    let header = answer.headers().get("access-control-allow-origin");
    Answer {
        status: answer.status().as_u16(),
        allow_origin: header.map(|value| value.to_str().unwrap().to_owned()),
        body: serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default(),
    }
}

async fn registered(server: &Server, name: &str) {
    let answer = call(server, "POST", "user/register", Some(user(name).to_string())).await;
    assert_eq!((answer.status, &answer.body["data"]), (201, &json!("User registered successfully")));
}

async fn billed(server: &Server, name: &str, price: &str) {
    let answer = call(server, "POST", "bill/genBill", Some(bill(name, price).to_string())).await;
    assert_eq!((answer.status, answer.body), (200, json!({ "status": true, "data": "Bill generated successfully" })));
}

impl Site {
    async fn records(&self, topic: &str) -> Vec<Record> {
        let (brokers, topic) = (self.brokers.clone(), format!("{}.{topic}", self.name));
        tokio::task::spawn_blocking(move || topics::read(&brokers, &topic)).await.unwrap()
    }

    fn put(&self, topic: &str, bodies: &[Value]) {
        let bodies: Vec<String> = bodies.iter().map(Value::to_string).collect();
        topics::write(&self.brokers, &format!("{}.{topic}", self.name), &bodies);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_registers_over_rest_is_billed_with_tax_and_announced() {
    let site = Site::new().await;
    let server = site.serve().await;
    let sent = json!({ "middlename": "", "dob": "1990-12-31", "customerID": "mine", "shoe": 42.50 });
    let mut ada = user("Ada");
    ada.as_object_mut().unwrap().extend(sent.as_object().unwrap().clone());
    let answer = call(&server, "POST", "user/register", Some(ada.to_string())).await;
    assert_eq!((answer.status, answer.body), (201, json!({ "status": true, "data": "User registered successfully" })));
    site.until("registered", PRESENT, 1).await;
    let again = call(&server, "POST", "user/register", Some(ada.to_string())).await;
    assert_eq!((again.status, again.body), (400, json!({ "status": false, "message": "User already registered" })));

    let records = site.records("users").await;
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!(record.key.as_deref(), Some(&b"userID-Ada@example.com"[..]));
    let id = record.json()["customerID"].as_str().unwrap().to_owned();
    assert!((1..=15).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()), "{id}");
    assert_eq!(record.json()["shoe"], json!(42.5));
    let row: (String, String, String, String, String) =
        sqlx::query_as("SELECT id, email, first_name, born_on::text, extra::text FROM customers")
            .fetch_one(&site.database.pool)
            .await
            .unwrap();
    let texts = (row.0.as_str(), row.1.as_str(), row.2.as_str(), row.3.as_str(), row.4.as_str());
    assert_eq!(texts, (id.as_str(), "Ada@example.com", "Ada", "1990-12-31", r#"{"shoe":42.5}"#));

    billed(&server, "Ada", "0.25").await;
    site.until("billed", BILLED, 1).await;
    let row: (String, String, String, String, String, String) = sqlx::query_as(
        "SELECT subtotal::text, tax::text, total::text, entity || ' ' || currency, customer, source FROM invoices",
    )
    .fetch_one(&site.database.pool)
    .await
    .unwrap();
    let texts = (row.0.as_str(), row.1.as_str(), row.2.as_str(), row.3.as_str(), row.4.as_str());
    assert_eq!(texts, ("25", "5", "30", "max-stores INR", id.as_str()), "18 % of 0.25 is 0.05");
    let posted: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT d.name, c.name, p.amount::text FROM postings p JOIN accounts d ON d.id = p.debit_account JOIN accounts c ON c.id = p.credit_account ORDER BY p.amount DESC",
    )
    .fetch_all(&site.database.pool)
    .await
    .unwrap();
    let receivable = format!("max-stores/Accounts Receivable:{id}:INR");
    let posting = |credit: &str, amount: &str| (receivable.clone(), credit.into(), amount.into());
    assert_eq!(posted, [posting("max-stores/Revenue:INR", "25"), posting("max-stores/Tax Payable:INR", "5")]);

    site.until("a mail waits", MAILS, 1).await;
    let bills = site.records("bills").await;
    let key = String::from_utf8(bills[0].key.clone().unwrap()).unwrap();
    let number = key.strip_prefix("billID-").unwrap();
    assert_eq!(number, row.5);
    assert_eq!(bills[0].json(), bill("Ada", "0.25"));
    let notices = site.records("notify").await;
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    assert_eq!(notice.key.as_deref(), Some(format!("email-{key}").as_bytes()));
    let info = json!({
        "name": "Ada Lovelace", "sendTo": "Ada@example.com", "totalAmount": "0.30", "invoiceID": number, "storeName": "MAX Stores",
    });
    assert_eq!(notice.json()["info"], info);
    let path = notice.json()["filepath"].as_str().unwrap().to_owned();
    assert!(path.starts_with(site.files.path().to_str().unwrap()), "{path}");
    assert!(std::fs::read(&path).unwrap().starts_with(b"%PDF-"));
    assert_eq!(site.billing_events().await.len(), 1);
    server.terminate(Duration::from_secs(15));
    site.verify();
}

/// A producer that is not sure sends once more. Mutation: with `message.id()` for a bill's identity each is billed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bill_that_is_sent_again_under_its_key_is_one_bill_and_one_mail() {
    let site = Site::new().await;
    let server = site.serve().await;
    registered(&server, "Ada").await;
    site.until("registered", PRESENT, 1).await;
    let (topic, of) = (format!("{}.bills", site.name), |price: &str| bill("Ada", price).to_string());
    let put = |key, bodies: &[String]| topics::write_as(&site.brokers, &topic, ("none", key), bodies);
    put(Some("billID-#77"), &[of("1"), of("1"), of("2"), of("1")]);
    put(Some("a shop"), &[of("3"), of("3")]);
    put(None, &[of("3")]);
    site.until("each call is a bill", BILLED, 5).await;
    site.until("each bill is a mail", MAILS, 5).await;
    assert_eq!(site.database.count("SELECT count(*) FROM invoices WHERE source = '#77'").await, 2);
    server.terminate(Duration::from_secs(15));
    site.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_registration_and_no_bill_is_answered_as_the_contract_says() {
    let site = Site::new().await.with("CORS_ALLOW_ORIGIN", "https://shop.example.com");
    let server = site.serve().await;
    let no = |message: &str| json!({ "status": false, "message": message });
    let large = json!({ "firstname": "x".repeat(100 << 10) }).to_string();
    for (path, body, status, expected) in [
        ("user/register", None, 400, no("Nody request body was passed")),
        ("user/register", Some("{}".to_owned()), 400, no("Invalid user data")),
        ("user/register", Some("[]".into()), 400, no("Invalid user data")),
        ("user/register", Some(user("Ada").to_string().replace("+49", "")), 400, no("Invalid user data")),
        ("bill/genBill", None, 400, no("Invalid request")),
        ("bill/genBill", Some("{}".into()), 400, no("userId is missing")),
        ("bill/genBill", Some(bill("Ada", "-1").to_string()), 400, no(r#"items[0].price must not be negative: "-1""#)),
    ] {
        let answer = call(&server, "POST", path, body.clone()).await;
        assert_eq!((answer.status, answer.body), (status, expected), "{path} {body:?}");
        assert_eq!(answer.allow_origin.as_deref(), Some("https://shop.example.com"));
    }
    for path in ["user/register", "bill/genBill"] {
        let answer = call(&server, "POST", path, Some("{".into())).await;
        assert_eq!((answer.status, &answer.body["status"]), (400, &json!(400)), "{}", answer.body);
        assert!(answer.body["message"].as_str().is_some_and(|message| message.contains("JSON")), "{}", answer.body);
        let answer = call(&server, "POST", path, Some(large.clone())).await;
        assert_eq!((answer.status, answer.allow_origin.is_some()), (413, true), "{}", answer.body);
        let answer = call(&server, "OPTIONS", path, None).await;
        assert_eq!((answer.status, answer.allow_origin.as_deref()), (204, Some("https://shop.example.com")));
    }
    assert_eq!(call(&server, "GET", "currencies", None).await.allow_origin, None, "another contract's");
    server.terminate(Duration::from_secs(15));
}

/// Mutation: without halving, the customer whose field PostgreSQL cannot hold keeps all others of its poll out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_user_stops_nobody_and_of_two_with_one_email_the_first_stays() {
    let site = Site::new().await;
    let topics = format!("{0}.users,{0}.register", site.name);
    let site = site.with("KAFKA_USERS_TOPIC", &topics);
    assert!(site.run(&["migrate"]).status.success());
    let with = |name: &str, field: &str, value: Value| {
        let mut user = user(name);
        user[field] = value;
        user
    };
    // all in one partition, so that they are read together and in order
    let users: Vec<Value> = (0..20).map(|n| with(&format!("u{n}"), "customerID", json!(format!("1{n:02}")))).collect();
    let mut all = users.clone();
    all.insert(3, with("void", "note", json!("\u{0}"))); // taken along as it is
    all.insert(5, with("before", "dob", json!("0000-01-01"))); // PostgreSQL knows no such year
    all.insert(7, with("short", "mobile", json!("1")));
    all.insert(9, with("u1", "firstname", json!("Other"))); // the e-mail of another
    all.insert(11, with("twin", "customerID", json!("105"))); // the id of another
    topics::write_to(&site.brokers, &format!("{}.users", site.name), 0, &all);
    site.put("register", &[with("late", "middlename", json!("K."))]);
    let server = site.serve().await;
    site.until("stored", PRESENT, 23).await;
    site.until("buried", BURIED, 2).await;
    let count = async |what: &str| site.database.count(&format!("{PRESENT} WHERE {what}")).await;
    assert_eq!(count("email = 'u1@example.com' AND first_name = 'u1'").await, 1);
    assert_eq!(count("email IN ('u5@example.com', 'twin@example.com')").await, 2);
    let mut letters = site.records("users.dlq").await;
    letters.sort_by_key(|letter| letter.header("florin.code").unwrap().to_owned());
    let codes: Vec<_> = letters.iter().map(|letter| letter.header("florin.code").unwrap()).collect();
    assert_eq!(codes, ["REFUSED", "WRONG_LENGTH"]);
    assert_eq!(letters[1].header("florin.reason"), Some(r#"mobile must have 10 to 15 characters, not 1: "1""#));
    server.terminate(Duration::from_secs(15));
    site.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bill_waits_for_its_customer_and_is_a_dead_letter_if_nobody_comes() {
    let site = Site::new().await;
    let server = site.serve().await;
    billed(&server, "Ada", "100").await;
    site.until("parked", "SELECT count(*) FROM parked_bills", 1).await;
    registered(&server, "Ada").await;
    site.until("billed", BILLED, 1).await;
    site.until("none waits", "SELECT count(*) FROM parked_bills", 0).await;
    server.terminate(Duration::from_secs(15));

    let site = site.with("BILLS_PATIENCE_SECONDS", "1");
    let server = site.serve().await;
    billed(&server, "Nobody", "100").await;
    billed(&server, "Ada", "10").await;
    site.until("buried", BURIED, 1).await;
    site.until("billed", BILLED, 2).await;
    let letters = site.records("bills.dlq").await;
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(letter.header("florin.code"), Some("UNKNOWN_CUSTOMER"));
    assert_eq!(letter.json(), bill("Nobody", "100"));
    assert!(String::from_utf8_lossy(letter.key.as_deref().unwrap()).starts_with("billID-#"));
    server.terminate(Duration::from_secs(15));
    site.verify();
}

/// Mutation: with drawn ids instead of `of_message`, each delivery is an invoice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_a_bill_and_a_delivery_again_is_none() {
    let site = Site::new().await;
    let server = site.serve().await;
    registered(&server, "Ada").await;
    site.until("registered", PRESENT, 1).await;
    for _ in 0..3 {
        billed(&server, "Ada", "10").await; // three times the same words
    }
    site.put("bills", &[bill("Ada", "1"), json!({ "userId": "Ada@example.com", "items": [] })]); // without a key
    site.until("billed", BILLED, 4).await;
    site.until("mails wait", MAILS, 4).await;
    server.terminate(Duration::from_secs(15));
    let site = site.with("KAFKA_BILLING_GROUP", "bills-again").with("KAFKA_NOTIFY_GROUP", "notices-again");
    let server = site.serve().await;
    billed(&server, "Ada", "2").await;
    site.until("billed", BILLED, 5).await;
    site.until("mails wait", MAILS, 5).await;
    assert_eq!(site.database.count("SELECT max(number) FROM invoices").await, 5, "no number is left out");
    assert_eq!(site.billing_events().await.len(), 5);
    site.until("buried once", BURIED, 1).await;
    server.terminate(Duration::from_secs(15));
    site.verify();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_kafka_away_nobody_waits_for_ever() {
    let site = Site::new().await.with("KAFKA_BROKERS", "127.0.0.1:1");
    let server = site.serve().await;
    for (path, body) in [("user/register", user("Ada")), ("bill/genBill", bill("Ada", "1"))] {
        let began = Instant::now();
        let answer = call(&server, "POST", path, Some(body.to_string())).await;
        assert_eq!((answer.status, answer.body), (500, json!({ "status": false, "message": "Something went wrong" })));
        assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    }
    server.terminate(Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_sent_once_a_refused_one_is_a_dead_letter_and_a_busy_server_is_asked_again() {
    let sink = std::env::var("SMTP_SINK").expect("SMTP_SINK names the test mail server: run `make up`");
    let (host, port) = sink.rsplit_once(':').unwrap();
    let site = Site::new().await.with("smtpHost", host).with("smtpPort", port);
    let documents = tempfile::tempdir().unwrap();
    let site = site.with("smtpFrom", "MAX Stores <billing@example.com>");
    let site = site.with("DOCUMENTS_DIR", documents.path().to_str().unwrap());
    let server = site.serve().await;
    let notice = |to: &str| {
        let info = json!({ "name": "Ada", "sendTo": to, "totalAmount": "0.30", "invoiceID": "#17", "storeName": "MAX Stores" });
        json!({ "filepath": "", "info": info })
    };
    let address = |begins: &str| format!("{begins}-{}@example.com", site.name);
    let outside = json!({ "filepath": "/etc/hostname", "info": notice(&address("ok"))["info"] });
    site.put("notify", &[notice(&address("ok")), notice(&address("refused")), notice(&address("greylist")), outside]);
    site.put("notify", &[json!({ "filepath": "" })]);
    site.until("sent", "SELECT count(*) FROM mails WHERE state = 2", 2).await;
    site.until("dead", "SELECT count(*) FROM mails WHERE state = 3", 2).await;
    site.until("buried", BURIED, 3).await;
    assert_eq!(site.database.count("SELECT sum(attempts) FROM mails WHERE state = 2").await, 3, "one was greylisted");
    let mut reasons: Vec<_> = site.records("notify.dlq").await;
    reasons.sort_by_key(|letter| letter.header("florin.reason").unwrap().to_owned());
    let reasons: Vec<_> = reasons.iter().map(|letter| letter.header("florin.reason").unwrap()).collect();
    assert!(reasons[0].starts_with("550 5.1.1 <r***@example.com>"), "{reasons:?}");
    assert!(reasons[1].starts_with("its attachment"), "{reasons:?}");
    assert!(reasons[2].contains("missing field `info`"), "{reasons:?}");
    assert_eq!(server.part("mail").await, "up");
    server.terminate(Duration::from_secs(15));
}

/// Fails when a caller of another tenant registers customers or makes bills of this one, or is told who is registered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shops_are_for_callers_of_their_own_tenant() {
    let site = Site::new().await.with("AUTH_API_KEYS", "true");
    let server = site.serve().await;
    let key = |tenant: &str, scope: &str| {
        let made = site.run(&["keys", "create", "--tenant", tenant, "--scope", scope, "--json"]);
        let made: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{made:?}"));
        made["key"].as_str().unwrap().to_owned()
    };
    let send = async |path: &str, key: &str, body: &Value| {
        let request = Rest::new(server.http).request(reqwest::Method::POST, path).bearer_auth(key).json(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (own, registrar, other) = (key("default", "write"), key("default", "customers"), key("shop", "write"));
    for (path, body) in [("user/register", user("Ada")), ("bill/genBill", bill("Ada", "1"))] {
        let (status, said) = send(path, &other, &body).await;
        assert_eq!((status, said.contains("of tenant default")), (403, true), "{path}: {said}");
    }
    assert_eq!(send("user/register", &registrar, &user("Ada")).await.0, 201);
    assert_eq!(send("bill/genBill", &registrar, &bill("Ada", "1")).await.0, 403, "bills are invoices");
    assert_eq!(send("bill/genBill", &own, &bill("Ada", "1")).await.0, 200);
    server.terminate(Duration::from_secs(15));
}
