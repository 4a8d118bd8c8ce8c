//! Where load may go: to this machine and nowhere else. Nobody shall hit a system that others use by a slip of the
//! hand.

use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use http::Uri;
use sqlx::postgres::PgConnectOptions;
use tonic::transport::Endpoint;

/// Parses `http://HOST:PORT`, whose host must be this machine.
///
/// # Errors
/// When it is no such address, or not on the loopback interface.
pub fn grpc(text: &str) -> Result<Endpoint> {
    Ok(Endpoint::from(plain(text, "http://127.0.0.1:50051")?))
}

/// Parses `http://HOST:PORT` of a REST server, whose host must be this machine.
///
/// # Errors
/// When it is no such address, or not on the loopback interface.
pub fn rest(text: &str) -> Result<Uri> {
    let example = "http://127.0.0.1:3000";
    let uri = plain(text, example)?;
    if uri.port().is_none() || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        bail!("{text} is no address such as {example}");
    }
    Ok(uri)
}

fn plain(text: &str, example: &str) -> Result<Uri> {
    let uri: Uri = text.parse().with_context(|| format!("{text} is no address such as {example}"))?;
    if uri.scheme_str() != Some("http") {
        bail!("{text} is no address such as {example}");
    }
    loopback(uri.host().unwrap_or_default())?;
    Ok(uri)
}

/// Parses a PostgreSQL address, which must be a Unix socket or this machine.
///
/// # Errors
/// When it is no such address, or on another machine.
pub fn database(text: &str) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = text.parse().context("the database's address cannot be read")?;
    if options.get_socket().is_none() && !options.get_host().starts_with('/') {
        loopback(options.get_host())?;
    }
    Ok(options)
}

/// A name other than `localhost` is not looked up: it may lead anywhere tomorrow.
fn loopback(host: &str) -> Result<()> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
        return Ok(());
    }
    bail!("{host} is not this machine: load goes to loopback addresses only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_gets_load() {
        for good in ["http://127.0.0.1:50051", "http://localhost:1", "http://[::1]:50051", "http://127.8.9.1:5"] {
            assert!(grpc(good).is_ok() && rest(good).is_ok(), "{good}");
        }
        let wrong = [
            "http://10.0.0.1:50051",
            "http://0.0.0.0:50051",
            "http://example.com",
            "https://127.0.0.1:1",
            "127.0.0.1:1",
            "http://localhost.example.com:1",
        ];
        for wrong in wrong {
            assert!(grpc(wrong).is_err() && rest(wrong).is_err(), "{wrong}");
        }
        for wrong in ["http://127.0.0.1", "http://127.0.0.1:3000/api/v1", "http://127.0.0.1:3000/?a=b"] {
            assert!(rest(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_databases_of_this_machine_get_load() {
        for good in ["postgres://postgres@127.0.0.1:5432/x", "postgres://postgres@localhost/x?host=%2Ftmp%2Fsocket"] {
            assert!(database(good).is_ok(), "{good}");
        }
        for wrong in ["postgres://postgres@db.example.com/x", "postgres://postgres@192.168.1.1/x"] {
            assert!(database(wrong).is_err(), "{wrong}");
        }
    }
}
