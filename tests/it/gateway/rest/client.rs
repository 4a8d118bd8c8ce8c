//! A client as users of the accounts REST API write one: HTTP and JSON, and nothing of Florin's. It holds every answer
//! against what all have in common.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// The header that ties an answer to its request.
pub const CORRELATION: &str = "x-correlation-id";

/// A way to one server.
#[derive(Clone)]
pub struct Rest {
    base: String,
    http: reqwest::Client,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// `X-Correlation-ID`.
    pub correlation: String,
    pub content_type: String,
    /// `X-Next-Page-Token`.
    pub next_page: Option<String>,
    pub text: String,
    /// The body if it is JSON, else null.
    pub body: Value,
}

impl Rest {
    pub fn new(address: SocketAddr) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // another test was first
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        Self { base: format!("http://{address}"), http }
    }

    /// A request; the path is below `/api/v1` unless it begins with `/`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{}", self.base, whole(path)))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// Posts what no JSON library would write.
    pub async fn post_raw(&self, path: &str, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, path).body(body);
        self.send(content_type.into_iter().fold(request, |request, kind| request.header(CONTENT_TYPE, kind))).await
    }

    /// Sends it and holds the answer against what all answers have in common: none is a 5xx, each carries a correlation
    /// id, and a refusal has the error body of the accounts REST API.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap()
    }

    /// The same where the server may hang up instead.
    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let request = request.build()?;
        let (asked, path) =
            (format!("{} {}", request.method(), cut(request.url().as_str())), request.url().path().to_owned());
        let response = self.http.execute(request).await?;
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let (status, correlation, content_type) = (response.status(), header(CORRELATION), header("content-type"));
        let next_page = Some(header("x-next-page-token")).filter(|token| !token.is_empty());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        let answer = Answer { status: status.as_u16(), correlation, content_type, next_page, text, body };
        assert!(!status.is_server_error(), "{asked}: {answer:?}");
        if [StatusCode::URI_TOO_LONG, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE].contains(&status) {
            return Ok(answer); // the head could not be read: there is nothing to answer to
        }
        assert!(!answer.correlation.is_empty(), "{asked}: no correlation id: {answer:?}");
        if status.is_client_error() {
            answer.check_error_body(&asked, &path);
        }
        Ok(answer)
    }
}

impl Answer {
    /// The body of an answer that must be this one.
    #[track_caller]
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.content_type.starts_with("application/json"), "{}: {}", self.content_type, self.text);
        self.body
    }

    /// The lines of the message: one, or those of a validation.
    pub fn messages(&self) -> Vec<String> {
        let message = &self.body["message"];
        let lines = message.as_array().map_or(std::slice::from_ref(message), Vec::as_slice);
        lines.iter().map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// It was refused so, and a line of the message is exactly this. Codes may be alternatives: `A|B`; none means any.
    #[track_caller]
    pub fn refused(&self, status: u16, codes: &str, message: &str) {
        self.refused_naming(status, codes, &[]);
        assert!(self.messages().iter().any(|line| line == message), "{:?} does not say {message:?}", self.messages());
    }

    /// It was refused so, and the message contains all of these.
    #[track_caller]
    pub fn refused_naming(&self, status: u16, codes: &str, words: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text);
        let code = self.body["code"].as_str().unwrap();
        assert!(
            codes.is_empty() || codes.split('|').any(|allowed| allowed == code),
            "{code} is not {codes}: {}",
            self.text
        );
        let message = self.messages().join("\n");
        for word in words {
            assert!(message.contains(word), "{message:?} does not name {word:?}");
        }
    }

    /// Mutation: a refusal that the framework writes by itself (415, 413, 405, a bad path) has another body, or none.
    fn check_error_body(&self, asked: &str, path: &str) {
        let body = &self.body;
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{asked}: {name} is no text: {self:?}"));
        assert!(self.content_type.starts_with("application/json"), "{asked}: {self:?}");
        assert_eq!(body["statusCode"], self.status, "{asked}: {self:?}");
        let phrase = StatusCode::from_u16(self.status).unwrap().canonical_reason().unwrap();
        assert_eq!(text("error"), phrase, "{asked}: {self:?}");
        assert!(
            !text("code").is_empty()
                && text("code").bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'),
            "{self:?}"
        );
        assert!(self.messages().iter().all(|line| !line.is_empty() && line.len() < 400), "{asked}: {self:?}");
        assert!(!self.messages().is_empty(), "{asked}: {self:?}");
        assert!(is_time(&body["timestamp"]), "{asked}: {self:?}");
        assert!(text("path").starts_with(&path.chars().take(16).collect::<String>()), "{asked}: {self:?}");
        assert_eq!(text("correlationId"), self.correlation, "{asked}: {self:?}");
    }
}

fn whole(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/{path}") }
}

fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Percent-encodes every byte that is no letter or digit.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// A time as JSON writes it.
pub fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok())
}

/// A UUID in its usual spelling.
pub fn is_uuid(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 36 && uuid::Uuid::try_parse(text).is_ok())
}

/// Decimal text, or a JSON number, in units of 10^-8.
#[track_caller]
pub fn units(value: &Value) -> i128 {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    assert!(fraction.len() <= 8, "{text} has more than 8 decimals");
    sign * format!("{whole}{fraction:0<8}").parse::<i128>().unwrap_or_else(|_| panic!("{text:?} is no decimal"))
}

/// The text by which a stored amount reads back: exactly 8 decimals.
pub fn stored(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}.{fraction:0<8}")
}
