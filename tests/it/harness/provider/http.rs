//! The simulator's HTTP, written out by hand: it must be able to break it.

use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Books, How, SECRET};

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Serves until it is aborted; its connections end with it.
pub(super) async fn listen(listener: TcpListener, books: Arc<Mutex<Books>>, open: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, books.clone(), open.clone()));
    }
}

/// One connection, request after request, until somebody hangs up.
async fn serve(mut stream: TcpStream, books: Arc<Mutex<Books>>, open: watch::Receiver<bool>) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let request = read(&mut stream, &mut buffer).await?;
        let (how, answer) = take(&mut books.lock().unwrap(), &request);
        match how {
            How::LosesRequest | How::LosesAnswer => return None,
            How::Late(by) => tokio::time::sleep(by).await,
            How::Holds => drop(open.clone().wait_for(|open| *open).await),
            _ => {}
        }
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// What it does about a request, and what it says.
fn take(books: &mut Books, request: &Request) -> (How, String) {
    let said = |status, body: &str| said(request.header("florin-signature").unwrap_or_default(), status, body);
    if let Some(complaint) = complaint(request) {
        books.complaints.push(complaint);
        return (How::Honest, said(401, ""));
    }
    books.calls.push((
        request.method.clone(),
        request.path.clone(),
        request.header("x-correlation-id").map(str::to_owned),
    ));
    let key = request.header("idempotency-key").unwrap_or_default();
    if request.method == "GET" {
        let how = books.next_plan("status");
        let (status, body) = match &how {
            How::Says(bytes) => return (how.clone(), bytes.clone()),
            How::Answers(status, body) => return (how.clone(), said(*status, body)),
            How::FailsBefore | How::FailsAfter => (500, Value::Null),
            How::LosesRequest => return (how, String::new()),
            _ => books.ask(key),
        };
        return (how, said(status, &body.to_string()));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if body["key"] != key {
        books.complaints.push(format!("{key} is not the key of {body}"));
    }
    let how = books.next_plan(body["action"].as_str().unwrap_or_default());
    match &how {
        How::Says(bytes) => return (how.clone(), bytes.clone()),
        How::Answers(status, body) => return (how.clone(), said(*status, body)),
        How::LosesRequest => return (how, String::new()),
        How::FailsBefore => return (how, said(500, r#"{"error":"out of order"}"#)),
        _ => {}
    }
    let (status, body) = books.submit(&body, &how);
    let answer = said(status, &body.to_string());
    match how {
        How::FailsAfter => (how, said(500, r#"{"error":"out of order"}"#)),
        How::AnswersTwice => (how, answer.repeat(2)),
        _ => (how, answer),
    }
}

/// An answer to the request with this signature, signed.
fn said(request: &str, status: u16, body: &str) -> String {
    let signed = digest(&format!("{request}.{status}.{body}"));
    format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\nflorin-signature: v1={signed}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The HMAC of a text, computed without the product's help.
fn digest(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What is wrong with a request.
fn complaint(request: &Request) -> Option<String> {
    let Some(signed) = request.header("florin-signature") else { return Some("no signature".into()) };
    let Some((time, given)) = signed.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")) else {
        return Some(format!("the signature is {signed}"));
    };
    let age = chrono::Utc::now().timestamp() - time.parse::<i64>().unwrap_or_default();
    if !(-5..=300).contains(&age) {
        return Some(format!("signed {age} s ago"));
    }
    let body = String::from_utf8_lossy(&request.body);
    let right = digest(&format!("{time}.{}.{}.{body}", request.method, request.path));
    if right != given {
        return Some(format!("{} {} is signed {given}, not {right}", request.method, request.path));
    }
    if !request.path.starts_with("/psp/v1/operations") {
        return Some(format!("there is nothing at {}", request.path));
    }
    None
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).ok()?;
            let mut lines = head.split("\r\n");
            let mut first = lines.next()?.split(' ');
            let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: Vec<_> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length = headers
                .iter()
                .find(|(name, _)| name == "content-length")
                .map_or(0, |(_, length)| length.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some(Request { method, path, headers, body });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
