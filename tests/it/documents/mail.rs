//! What arrives of a mail, and which refusals another attempt can mend.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use florin::documents::mail::template::{INVOICE_FILE, ShopInvoice};
use florin::documents::mail::{Attachment, Mail, MailConfig, MailError, Mailer, Tls};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::server;
use crate::harness::money::spawn;

fn config() -> MailConfig {
    at(&server("SMTP_SINK"))
}

/// The sink where it offers STARTTLS, its certificate trusted.
fn secure() -> MailConfig {
    let root = std::fs::read(Path::new(&server("SMTP_SINK_DIR")).join("cert.pem")).unwrap();
    MailConfig { root: Some(root), ..at(&server("SMTP_SINK_TLS")) }
}

fn at(sink: &str) -> MailConfig {
    let (host, port) = sink.rsplit_once(':').unwrap();
    MailConfig {
        host: host.into(),
        port: port.parse().unwrap(),
        user: None,
        password: None,
        from: "MAX Stores <billing@example.com>".into(),
        tls: Tls::Auto,
        root: None,
        timeout: Duration::from_secs(15),
    }
}

fn mailer() -> Mailer {
    Mailer::new(config()).unwrap()
}

/// A mail to a mailbox of its own; what its name begins with decides how the sink answers.
fn mail(begins: &str) -> Mail {
    let id = Uuid::new_v4().simple();
    Mail {
        message_id: format!("{id}@florin"),
        to: format!("{begins}-{id}@example.com"),
        to_name: "Ada Lovelace".into(),
        subject: "Invoice".into(),
        text: "Dear Ada".into(),
        html: "<p>Dear Ada</p>".into(),
        attachment: None,
    }
}

/// The mails in the mailbox of this one's receiver, as they came.
fn arrived(mail: &Mail) -> Vec<serde_json::Value> {
    let mailbox = Path::new(&server("SMTP_SINK_DIR")).join(&mail.to);
    let lines = std::fs::read_to_string(mailbox).unwrap_or_default();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_mail_arrives_with_both_bodies_and_its_attachment() {
    let bill = ShopInvoice {
        store: "MAX Stores",
        name: "Ada Lovelace",
        invoice_id: "#17",
        date: "2026-11-20",
        grand_total: "118.00",
        is_attached: true,
    };
    let content = bill.content();
    let pdf = Attachment {
        name: INVOICE_FILE.into(),
        content_type: "application/pdf".into(),
        bytes: Bytes::from("%PDF-1.7"),
    };
    let mail =
        Mail { subject: content.subject, text: content.text, html: content.html, attachment: Some(pdf), ..mail("ok") };
    let receipt = mailer().send(&mail).await.unwrap();
    assert_eq!(receipt.reply, "2.0.0 kept");
    let [kept] = &arrived(&mail)[..] else { panic!("{:?}", arrived(&mail)) };
    assert_eq!((&kept["from"], &kept["tls"]), (&"billing@example.com".into(), &false.into()));
    let data = kept["data"].as_str().unwrap();
    for part in [
        "Subject: Invoice\r\n",
        &format!("Message-ID: <{}>\r\n", mail.message_id),
        "To: \"Ada Lovelace\" <ok-",
        "Content-Type: multipart/mixed;",
        "Content-Type: multipart/alternative;",
        "Dear Ada Lovelace,",
        "Grand Total: 118.00",
        "<td><bdi>118.00</bdi></td>",
        "Content-Disposition: attachment; filename=\"invoice.pdf\"\r\n",
        "Content-Type: application/pdf\r\n",
    ] {
        assert!(data.contains(part), "{part}\nis not in\n{data}");
    }
}

#[tokio::test]
async fn a_refusal_for_now_is_told_from_one_for_ever() {
    let mailer = mailer();
    for (begins, transient, said) in [
        ("greylist", true, "451 4.7.1 <g***@example.com> is greylisted, try again later"),
        ("busy", true, "421 4.3.2 too busy, try again later"),
        ("refused", false, "550 5.1.1 <r***@example.com>: user unknown"),
    ] {
        let mail = mail(begins);
        let refused = mailer.send(&mail).await.unwrap_err();
        assert_eq!((refused.is_transient(), refused.reply()), (transient, said));
        assert_eq!(arrived(&mail).len(), 0);
    }
    let patient = mail("greylist");
    assert!(mailer.send(&patient).await.unwrap_err().is_transient());
    mailer.send(&patient).await.unwrap();
    assert_eq!(arrived(&patient).len(), 1);
}

#[tokio::test]
async fn what_is_no_address_is_never_sent() {
    let nobody = Mail { to: "ada at example.com".into(), ..mail("ok") };
    assert!(matches!(mailer().send(&nobody).await, Err(MailError::Permanent { .. })));
}

#[tokio::test]
async fn a_slow_server_is_not_waited_for_and_its_connection_is_not_used_again() {
    let mailer = Mailer::new(MailConfig { timeout: Duration::from_secs(2), ..config() }).unwrap();
    mailer.send(&mail("ok")).await.unwrap(); // a connection is kept
    let (slow, begin) = (mail("slow"), Instant::now());
    let late = mailer.send(&slow).await.unwrap_err();
    assert_eq!(late, MailError::Transient { reply: "not done within 2s".into() });
    assert!(begin.elapsed() < Duration::from_secs(10));
    // on the old connection the next answer would be the one to the slow mail
    let refused = mailer.send(&mail("refused")).await.unwrap_err();
    assert!(!refused.is_transient(), "{refused}");
    let next = mail("ok");
    mailer.send(&next).await.unwrap();
    assert_eq!((arrived(&next).len(), arrived(&slow).len()), (1, 0));
}

#[tokio::test]
async fn many_mails_share_a_few_connections() {
    let (mailer, mails) = (mailer(), (0..12).map(|_| mail("ok")).collect::<Vec<_>>());
    futures::future::try_join_all(mails.iter().map(|mail| mailer.send(mail))).await.unwrap();
    assert!(mails.iter().all(|mail| arrived(mail).len() == 1));
}

#[tokio::test]
async fn a_mail_goes_over_tls_where_it_is_offered_and_after_a_login() {
    let login =
        |password: &str| MailConfig { user: Some("florin".into()), password: Some(password.into()), ..secure() };
    for (config, tls) in [
        (secure(), true),
        (MailConfig { root: None, ..secure() }, true), // who takes plain for an answer takes any certificate
        (MailConfig { tls: Tls::Required, ..login("secret") }, true),
        (MailConfig { tls: Tls::None, ..secure() }, false),
    ] {
        let mail = mail("ok");
        Mailer::new(config).unwrap().send(&mail).await.unwrap();
        assert_eq!(arrived(&mail).iter().map(|kept| kept["tls"] == tls).collect::<Vec<_>>(), [true]);
    }
    // whoever cannot be trusted, or does not trust us, gets nothing; it is not the mail that is at fault
    let unknown = MailConfig { root: None, tls: Tls::Required, ..secure() };
    for (config, said) in [(unknown, "certificate"), (login("wrong"), "535 5.7.8")] {
        let mail = mail("ok");
        let failed = Mailer::new(config).unwrap().send(&mail).await.unwrap_err();
        assert!(failed.is_transient() && failed.reply().contains(said), "{failed}");
        assert_eq!(arrived(&mail).len(), 0);
    }
    assert!(Mailer::new(MailConfig { root: Some(b"no certificate".to_vec()), ..secure() }).is_err());
}

#[tokio::test]
async fn without_a_server_or_without_tls_nothing_is_sent_for_now() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = gone.local_addr().unwrap().port();
    drop(gone);
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs_up = deaf.local_addr().unwrap().port();
    let hanging_up = spawn(async move {
        loop {
            drop(deaf.accept().await);
        }
    });
    for (config, said) in [
        (MailConfig { port: nobody, ..config() }, "refused"),
        (MailConfig { port: hangs_up, ..config() }, ""),
        (MailConfig { tls: Tls::Required, ..config() }, "STARTTLS is not supported"),
        (MailConfig { tls: Tls::Implicit, ..config() }, ""),
        (MailConfig { user: Some("florin".into()), password: Some("secret".into()), ..config() }, "authentication"),
    ] {
        let mail = mail("ok");
        let failed = Mailer::new(config).unwrap().send(&mail).await.unwrap_err();
        assert!(failed.is_transient() && failed.reply().contains(said), "{said}: {failed}");
        assert_eq!(arrived(&mail).len(), 0);
    }
    hanging_up.abort();
}
