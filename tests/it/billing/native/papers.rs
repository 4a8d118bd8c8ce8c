//! Invoices as PDF and by mail, and the logos on them.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, pb, text, with};
use crate::documents::server;
use crate::harness::served::Served;

const SVG: &str = "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHdpZHRoPSI5IiBoZWlnaHQ9IjkiPjxyZWN0IHdpZHRoPSI5IiBoZWlnaHQ9IjkiLz48L3N2Zz4=";

/// A PDF as it was answered: its type, how it is to be kept, its bytes.
async fn pdf(desk: &Desk, path: &str) -> (String, String, Vec<u8>) {
    let answer = desk.world.request(Method::GET, path).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let (kind, disposition) = (header("content-type"), header("content-disposition"));
    (kind, disposition, answer.bytes().await.unwrap().to_vec())
}

impl Desk {
    /// One with the tests' mail server.
    async fn with_mail() -> Self {
        let sink = server("SMTP_SINK");
        let (host, port) = sink.rsplit_once(':').unwrap();
        let settings = [("SMTP_HOST", host), ("SMTP_PORT", port), ("SMTP_FROM", "Florin <billing@example.com>")];
        Self::of(Served::with(&settings).await).await
    }

    async fn entity(&self, fields: Value) -> super::Answer {
        let body = with(&json!({ "name": "Florin" }), fields);
        self.world.send(self.world.request(Method::PUT, "/v1/entities/default").json(&body)).await
    }

    /// A customer with an address of its own, who reads German; the address.
    async fn customer(&self, id: &str) -> String {
        let email = format!("{id}-{}@example.com", uuid::Uuid::new_v4().simple());
        let new = json!({ "id": id, "email": email, "firstName": "Ada", "lastName": "Lovelace", "language": "de" });
        self.world.post("/v1/customers", &new).await.ok(201);
        email
    }

    async fn mails(&self, state: i16) -> i64 {
        let sql = "SELECT count(*) FROM mails WHERE state = $1";
        sqlx::query_scalar(sql).bind(state).fetch_one(&self.pool).await.unwrap()
    }

    async fn until_sent(&self, count: i64) {
        crate::harness::until("mails are sent", async || self.mails(2).await == count).await;
        assert_eq!(self.mails(1).await, 0, "none is left");
    }
}

/// The mails in a mailbox, as they came.
fn arrived(to: &str) -> Vec<String> {
    let mailbox = Path::new(&server("SMTP_SINK_DIR")).join(to);
    let lines = std::fs::read_to_string(mailbox).unwrap_or_default();
    let data = |line: &str| text(&serde_json::from_str::<Value>(line).unwrap()["data"]);
    lines.lines().map(data).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_and_invoices_are_printed_in_the_language_that_is_asked_for() {
    let desk = Desk::open().await;
    let draft = desk.draft("c-1", "40").await;
    let (kind, disposition, bytes) = pdf(&desk, &format!("/v1/invoices/{draft}/pdf")).await;
    assert_eq!((kind.as_str(), &bytes[..5]), ("application/pdf", &b"%PDF-"[..]));
    assert_eq!(disposition, format!("attachment; filename=\"draft-{draft}.pdf\""));

    let id = desk.issued("c-1", "40").await;
    let number = text(&desk.invoice(&id).await["number"]);
    let path = format!("/v1/invoices/{id}/pdf");
    let (_, disposition, english) = pdf(&desk, &path).await;
    assert_eq!(disposition, format!("attachment; filename=\"{number}.pdf\""));
    let (.., german) = pdf(&desk, &format!("{path}?language=de-AT")).await;
    assert_ne!(english, german);
    let request = |language: &str| pb::GetInvoicePdfRequest { id: id.clone(), language: language.into() };
    let over_grpc = desk.client().await.get_invoice_pdf(request("de")).await.unwrap().into_inner().pdf;
    assert_eq!(over_grpc, german, "the same document gives the same bytes");

    desk.customer("c-1").await;
    assert_eq!(pdf(&desk, &path).await.2, german, "the customer reads German");
    let refused = desk.client().await.get_invoice_pdf(request("xx")).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    let unknown = desk.world.get(&format!("{path}?language=xx")).await;
    unknown.refused_naming(400, "INVALID_ARGUMENT", &["language \"xx\" is not one of en, de, fr"]);
    desk.world.get("/v1/invoices/77777/pdf").await.refused_naming(404, "INVOICE_NOT_FOUND", &["77777"]);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_sent_to_its_customer_or_elsewhere_once_for_each_key() {
    let desk = Desk::with_mail().await;
    let email = desk.customer("c-1").await;
    let draft = desk.draft("c-1", "40").await;
    desk.step(&draft, "send", json!({})).await.refused_naming(400, "FAILED_PRECONDITION", &["is a draft"]);
    let id = desk.issued("c-1", "40").await;
    let number = text(&desk.invoice(&id).await["number"]);
    let answer = desk.step(&id, "send", json!({ "idempotencyKey": "s-1", "reason": "she asked" })).await.ok(202);
    assert_eq!((&answer["replayed"], &answer["mail"]["to"]), (&json!(false), &json!(email)));
    assert_eq!((&answer["mail"]["invoiceId"], &answer["mail"]["state"]), (&json!(id), &json!("due")));
    desk.until_sent(1).await;
    let again = desk.step(&id, "send", json!({ "idempotencyKey": "s-1" })).await.ok(202);
    assert_eq!((&again["replayed"], &again["mail"]["state"]), (&json!(true), &json!("sent")));
    let other = json!({ "idempotencyKey": "s-1", "to": "other@example.com" });
    desk.step(&id, "send", other).await.refused_naming(409, "IDEMPOTENCY_KEY_REUSED", &[]);
    let [mail] = &arrived(&email)[..] else { panic!("{:?}", arrived(&email)) };
    for part in [
        &format!("Subject: Rechnung {number} von Florin\r\n"),
        "Guten Tag Ada Lovelace,",
        "Content-Type: application/pdf\r\n",
        &format!("filename=\"{number}.pdf\""),
    ] {
        assert!(mail.contains(part), "{part}\nis not in\n{mail}");
    }

    let nobodys = desk.issued("c-2", "1").await;
    let refused = desk.step(&nobodys, "send", json!({})).await;
    refused.refused_naming(400, "INVALID_ARGUMENT", &["to is required: customer c-2 has no e-mail address"]);
    let wrong = desk.step(&nobodys, "send", json!({ "to": "nobody" })).await;
    wrong.refused_naming(400, "INVALID_ARGUMENT", &["to \"nobody\" is not an address"]);
    let to = format!("elsewhere-{}@example.com", uuid::Uuid::new_v4().simple());
    let request = pb::SendInvoiceRequest { id: nobodys.clone(), to: to.clone(), ..Default::default() };
    let sent = desk.client().await.send_invoice(request).await.unwrap().into_inner().mail.unwrap();
    assert_eq!((sent.state(), sent.to.as_str()), (pb::MailState::Due, to.as_str()));
    desk.until_sent(2).await;
    assert_eq!(arrived(&to).len(), 1);
    let actions = desk.world.get("/v1/operator-actions?action=invoice.send").await.ok(200);
    assert_eq!(actions["items"].as_array().unwrap().len(), 2);
    assert!(!actions.to_string().contains('@'), "addresses are not kept with what operators did: {actions}");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_nothing_is_promised() {
    let desk = Desk::open().await;
    let id = desk.issued("c-1", "40").await;
    let no_server = "there is no mail server (SMTP_HOST is not set)";
    desk.step(&id, "send", json!({ "to": "ann@example.com" })).await.refused(400, "FAILED_PRECONDITION", no_server);
    let refused = desk.entity(json!({ "mailsInvoices": true })).await;
    refused.refused_naming(400, "FAILED_PRECONDITION", &["mailsInvoices cannot be true", no_server]);
    desk.end().await;
}

/// Mutation: without ON CONFLICT or the id of the document, a batch that is written again would mail twice or fail.
#[tokio::test(flavor = "multi_thread")]
async fn an_entity_that_wants_it_mails_each_document_once_when_it_is_issued() {
    let desk = Desk::with_mail().await;
    let email = desk.customer("c-1").await;
    desk.issued("c-1", "1").await; // before anybody wanted it
    assert_eq!(desk.entity(json!({ "mailsInvoices": true })).await.ok(200)["mailsInvoices"], true);
    let id = desk.issued("c-1", "40").await;
    desk.issued("c-2", "40").await; // nobody knows an address
    desk.step(&id, "credit", json!({ "amount": "10", "idempotencyKey": "c-1" })).await.ok(200);
    desk.step(&id, "credit", json!({ "amount": "10", "idempotencyKey": "c-1" })).await.ok(200);
    desk.until_sent(2).await;
    let subjects: Vec<String> = arrived(&email)
        .iter()
        .map(|mail| mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned())
        .collect();
    assert!(subjects.iter().any(|subject| subject.starts_with("Rechnung ")), "{subjects:?}");
    assert!(subjects.iter().any(|subject| subject.starts_with("Gutschrift ")), "{subjects:?}");

    desk.world.post("/v1/customers/c-1/erase", &json!({})).await.ok(200);
    let left = "SELECT count(*) FROM mails WHERE recipient <> ''";
    assert_eq!(sqlx::query_scalar::<_, i64>(left).fetch_one(&desk.pool).await.unwrap(), 0, "addresses are erased");
    desk.issued("c-1", "2").await;
    assert_eq!((desk.mails(1).await, desk.mails(2).await), (0, 2));
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logo_stays_until_another_one_is_given_and_what_cannot_be_printed_is_none() {
    let desk = Desk::open().await;
    let id = desk.issued("c-1", "40").await;
    let path = format!("/v1/invoices/{id}/pdf");
    let (.., plain) = pdf(&desk, &path).await;
    let digest = desk.entity(json!({ "logo": SVG })).await.ok(200)["logoSha256"].clone();
    assert_eq!(digest.as_str().map(str::len), Some(64));
    let (.., decorated) = pdf(&desk, &path).await;
    assert_ne!(decorated, plain);
    assert_eq!(desk.entity(json!({ "phone": "1" })).await.ok(200)["logoSha256"], digest, "it stays");
    for (logo, words) in [
        ("no base64", "logo must be base64 of at most 262144 bytes"),
        ("bm8gcGljdHVyZQ==", "logo is neither: it may be a PNG or an SVG"),
        (&"A".repeat(400_000), "logo is 300000 bytes long, the limit is 262144"),
    ] {
        desk.entity(json!({ "logo": logo })).await.refused_naming(400, "INVALID_ARGUMENT", &[words]);
    }
    let request = pb::PutEntityRequest { id: "default".into(), name: "Florin".into(), ..Default::default() };
    let mut client = desk.client().await;
    let kept = client.put_entity(request.clone()).await.unwrap().into_inner().entity.unwrap();
    assert_eq!(json!(kept.logo_sha256), digest);
    let request = pb::PutEntityRequest { logo: Some(Vec::new()), ..request };
    assert_eq!(client.put_entity(request).await.unwrap().into_inner().entity.unwrap().logo_sha256, "");
    let actions = desk.world.get("/v1/operator-actions?action=entity.put").await.ok(200);
    assert_eq!(actions["items"][0]["before"]["logoSha256"], digest);
    desk.end().await;
}

// Fails when mails are promised without end, to a mail server that takes none.
#[tokio::test(flavor = "multi_thread")]
async fn of_mails_that_callers_ask_for_ten_thousand_wait_at_most() {
    let desk = Desk::with_mail().await;
    desk.customer("c-1").await;
    let id = desk.issued("c-1", "40").await;
    let waiting = "INSERT INTO mails (tenant, id, kind, recipient, next_at) \
                     SELECT 't', 'w' || n, 1, 'w@example.com', 'infinity' FROM generate_series(1, 10000) n";
    sqlx::query(waiting).execute(&desk.pool).await.unwrap();
    let refused = desk.step(&id, "send", json!({})).await;
    refused.refused_naming(400, "FAILED_PRECONDITION", &["10000 mails are due, which is the limit"]);
    desk.end().await;
}
