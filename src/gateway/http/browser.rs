//! What a page of somebody else's may not do by the browser of somebody who can reach this listener: the browser says
//! by its headers from where it asks, and whoever is no browser does not have to.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::body::is_json;
use super::refusal::Refusal;
use crate::teller::validate::cut;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The setting that names further hosts.
const SETTING: &str = "HTTP_ALLOWED_HOSTS";

/// By which names browsers know this listener.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    names: Vec<String>,
    /// Whoever reaches the listener may do everything, so that the name is all that tells a page of ours from one whose
    /// name somebody made to point here.
    is_unguarded: bool,
}

impl Hosts {
    /// These, beside addresses and names that nobody outside can have. `is_unguarded`: nobody is asked for credentials.
    pub fn new(names: impl IntoIterator<Item = String>, is_unguarded: bool) -> Self {
        Self { names: names.into_iter().map(|name| name.to_ascii_lowercase()).collect(), is_unguarded }
    }

    fn has(&self, host: &str) -> bool {
        self.names.iter().any(|name| *name == host)
    }

    /// Whether a name is one of ours: listed, an address, or one that cannot be bought, as it has no dot (`localhost`, a
    /// container's) or is below `localhost`.
    fn is_ours(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        is_address || !host.contains('.') || host.ends_with(".localhost") || self.has(&host)
    }

    /// Lets a call pass unless a page of another origin makes it. `may_cross`: pages of this origin may; `*`: all pages.
    ///
    /// # Errors
    /// 403 for a host that is not ours and for a page of another origin, 415 for a body that a form could have sent.
    pub fn admit(&self, method: &Method, headers: &HeaderMap, may_cross: Option<&str>) -> Result<(), Refusal> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let host = text(header::HOST).unwrap_or_default();
        let authority = host.parse::<Authority>().ok();
        let name = authority.as_ref().map_or("", Authority::host);
        if self.is_unguarded && !host.is_empty() && (name.is_empty() || !self.is_ours(name)) {
            let why = format!("host {:?} is not one of this listener's: name it in {SETTING}", cut(host));
            return Err(Refusal::new(StatusCode::FORBIDDEN, "HOST_NOT_ALLOWED", why));
        }
        let origin = text(header::ORIGIN);
        if may_cross.is_some_and(|may| may == "*" || origin == Some(may)) {
            return Ok(());
        }
        if let Some(origin) = origin.filter(|origin| !self.is_same(origin, host)) {
            let why = format!("origin {:?} is another than host {:?}: name it in {SETTING}", cut(origin), cut(host));
            return Err(Refusal::new(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", why));
        }
        if method.is_safe() {
            return Ok(()); // a link from elsewhere may lead here
        }
        let site = text(SEC_FETCH_SITE).filter(|_| origin.is_none());
        if let Some(site) = site.filter(|site| !["same-origin", "none"].contains(site)) {
            let why = format!("a browser asks for a page of another site (sec-fetch-site {:?})", cut(site));
            return Err(Refusal::new(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", why));
        }
        if may_cross.is_none() && headers.contains_key(header::CONTENT_TYPE) && !is_json(headers) {
            return Err(Refusal::not_json());
        }
        Ok(())
    }

    /// Whether an origin is this host, on any scheme: whoever ends TLS before us is not asked about it.
    fn is_same(&self, origin: &str, host: &str) -> bool {
        let Some((_, there)) = origin.split_once("://") else { return false };
        there.eq_ignore_ascii_case(host)
            || there.parse::<Authority>().is_ok_and(|there| self.has(&there.host().to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(hosts: &Hosts, method: Method, shown: &[(HeaderName, &str)], may_cross: Option<&str>) -> u16 {
        let headers: HeaderMap = shown.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        hosts.admit(&method, &headers, may_cross).map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    /// Fails when any of the checks is left out, and when a client that is no browser is taken for one.
    #[test]
    fn a_page_of_another_origin_does_nothing_and_clients_go_on_as_they_were() {
        const HOST: HeaderName = header::HOST;
        const ORIGIN: HeaderName = header::ORIGIN;
        const TYPE: HeaderName = header::CONTENT_TYPE;
        let hosts = Hosts::new(["pay.example.com".to_owned()], true);
        let here = (HOST, "127.0.0.1:3000");
        let (post, get) = (Method::POST, Method::GET);
        for (method, shown, may_cross, status) in [
            // curl and libraries, with a body and without one
            (&post, vec![here.clone()], None, 200),
            (&post, vec![here.clone(), (TYPE, "application/json; charset=utf-8")], None, 200),
            (&post, vec![], None, 200),
            (&post, vec![(HOST, "localhost:3000")], None, 200),
            (&post, vec![(HOST, "florin:3000")], None, 200),
            (&post, vec![(HOST, "[::1]:3000")], None, 200),
            (&post, vec![(HOST, "PAY.example.com.")], None, 200),
            // a page of ours
            (&post, vec![here.clone(), (ORIGIN, "http://127.0.0.1:3000"), (SEC_FETCH_SITE, "same-origin")], None, 200),
            (&post, vec![here.clone(), (ORIGIN, "https://pay.example.com")], None, 200),
            (&get, vec![here.clone(), (SEC_FETCH_SITE, "cross-site")], None, 200),
            // a page of somebody else's
            (&post, vec![here.clone(), (ORIGIN, "https://evil.example")], None, 403),
            (&post, vec![here.clone(), (ORIGIN, "null")], None, 403),
            (&post, vec![here.clone(), (ORIGIN, "http://127.0.0.1:8000")], None, 403),
            (&get, vec![here.clone(), (ORIGIN, "https://evil.example")], None, 403),
            (&post, vec![here.clone(), (SEC_FETCH_SITE, "cross-site")], None, 403),
            (&post, vec![here.clone(), (SEC_FETCH_SITE, "same-site")], None, 403),
            (&post, vec![here.clone(), (TYPE, "text/plain")], None, 415),
            (&Method::DELETE, vec![here.clone(), (TYPE, "application/x-www-form-urlencoded")], None, 415),
            // a name that somebody made to point here
            (&get, vec![(HOST, "evil.example"), (ORIGIN, "http://evil.example")], None, 403),
            (&post, vec![(HOST, "127.0.0.1.evil.example")], None, 403),
            (&post, vec![(HOST, "a b")], None, 403),
            // where pages may cross
            (&post, vec![here.clone(), (ORIGIN, "https://shop.example"), (TYPE, "text/plain")], Some("*"), 200),
            (&post, vec![here.clone(), (ORIGIN, "https://shop.example")], Some("https://shop.example"), 200),
            (&post, vec![here.clone(), (ORIGIN, "https://evil.example")], Some("https://shop.example"), 403),
        ] {
            assert_eq!(said(&hosts, method.clone(), &shown, may_cross), status, "{method} {shown:?} {may_cross:?}");
        }
        let guarded = Hosts::new([], false);
        assert_eq!(said(&guarded, Method::POST, &[(HOST, "api.example.com")], None), 200, "credentials are asked for");
        assert_eq!(said(&guarded, Method::POST, &[(HOST, "api.example.com"), (ORIGIN, "https://evil")], None), 403);
    }
}
