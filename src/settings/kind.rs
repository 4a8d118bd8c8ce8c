//! The kinds of values that settings take: how they are read, their canonical text, and what is allowed, in words.
//! Pure.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text; empty: none.
    Text,
    /// A name as Kafka allows it: up to so many letters, digits, `.`, `_` and `-`, at least one.
    Name(usize),
    /// As many such names as the second says at most, separated by commas.
    Names(usize, usize),
    /// A host name or an address.
    Host,
    /// Up to so many of them, separated by commas; empty: none.
    Hosts(usize),
    /// Up to so many addresses and networks (`10.0.0.0/8`), separated by commas; empty: none.
    Networks(usize),
    /// A TCP port; 0: any free one.
    Port,
    /// Up to so many TCP ports, separated by commas; empty: none.
    Ports(usize),
    /// `true` or `false`, in several spellings.
    Flag,
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// A number of bytes from the first to the second; `4 MiB` is understood.
    Bytes(u64, u64),
    /// Seconds with up to three decimals; the bounds are in milliseconds.
    Seconds(u64, u64),
    /// Whole hours from the first to the second.
    Hours(u64, u64),
    /// One of these, in any case; each with its other spellings.
    Choice(&'static [(&'static str, &'static [&'static str])]),
    /// A URL with one of these schemes, without a user or a password; empty: none.
    Url(&'static [&'static str]),
    /// Any text, which is never shown; empty: none.
    Secret,
    /// A URL with one of these schemes, in which there may be a password, which is never shown; empty: none.
    SecretUrl(&'static [&'static str]),
    /// `host:port`, several separated by commas; empty: none.
    Brokers,
    /// The path of a file or folder; empty: none.
    Path,
    /// Exactly these words, or empty: for what nobody should switch on by accident.
    Words(&'static str),
}

/// A value that its kind allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing was given, and there is no default.
    None,
    /// In canonical form.
    Text(String),
    Flag(bool),
    /// A count, a port, bytes or hours.
    Whole(u64),
    Span(Duration),
}

impl Kind {
    /// Reads a value; `None`: the text is not allowed, and [`Kind::allowed`] says what is.
    pub fn parse(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        let optional = |valid: bool| match text {
            "" => Some(Value::None),
            _ => valid.then(|| Value::Text(text.into())),
        };
        match *self {
            Self::Text | Self::Path | Self::Secret => optional(!text.contains('\0')),
            Self::Name(bytes_max) => {
                let valid =
                    text.len() <= bytes_max && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
                (valid && !text.is_empty()).then(|| Value::Text(text.into()))
            }
            Self::Names(bytes_max, count_max) => {
                let names: Vec<_> = text.split(',').map(str::trim).collect();
                let valid = names.iter().all(|name| Self::Name(bytes_max).parse(name).is_some());
                (valid && names.len() <= count_max).then(|| Value::Text(names.join(",")))
            }
            Self::Host => (!text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:_[]%".contains(&b)))
            .then(|| Value::Text(text.trim_start_matches('[').trim_end_matches(']').into())),
            Self::Hosts(count_max) => {
                let hosts: Vec<_> = text.split(',').map(str::trim).collect();
                optional(hosts.iter().all(|host| Self::Host.parse(host).is_some()) && hosts.len() <= count_max)
            }
            Self::Networks(count_max) => {
                let mut networks = text.split(',').map(network);
                optional(networks.clone().count() <= count_max && networks.all(|network| network.is_some()))
            }
            Self::Port => whole(text).filter(|n| *n <= 65_535).map(Value::Whole),
            Self::Ports(count_max) => {
                let ports: Vec<_> = text.split(',').map(str::trim).collect();
                let is_port = |port: &&str| whole(port).is_some_and(|port| (1..=65_535).contains(&port));
                optional(ports.iter().all(is_port) && ports.len() <= count_max)
            }
            Self::Flag => flag(text).map(Value::Flag),
            Self::Whole(min, max) | Self::Hours(min, max) => {
                whole(text).filter(|n| (min..=max).contains(n)).map(Value::Whole)
            }
            Self::Bytes(min, max) => bytes(text).filter(|n| (min..=max).contains(n)).map(Value::Whole),
            Self::Seconds(min, max) => {
                milliseconds(text).filter(|n| (min..=max).contains(n)).map(|n| Value::Span(Duration::from_millis(n)))
            }
            Self::Choice(choices) => {
                let is = |name: &str| name.eq_ignore_ascii_case(text);
                let found = choices.iter().find(|(name, others)| is(name) || others.iter().any(|other| is(other)));
                found.map(|(name, _)| Value::Text((*name).into()))
            }
            Self::Url(_) | Self::SecretUrl(_) if text.is_empty() => Some(Value::None),
            Self::Url(schemes) => url(text, schemes).filter(|url| !has_user(url)).map(Value::Text),
            Self::SecretUrl(schemes) => url(text, schemes).map(Value::Text),
            Self::Brokers => brokers(text),
            Self::Words(words) => optional(text == words),
        }
    }

    /// Whether it is never shown whole, and may stand in a file of its own.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret | Self::SecretUrl(_))
    }

    /// What is allowed, in words that follow "allowed is".
    pub fn allowed(&self) -> String {
        match self {
            Self::Text | Self::Secret => "any text".into(),
            Self::Name(bytes_max) => format!("1 to {bytes_max} letters, digits, dots, underscores and dashes"),
            Self::Names(bytes_max, count_max) => format!(
                "up to {count_max} names, separated by commas, of 1 to {bytes_max} letters, digits, dots, underscores and dashes"
            ),
            Self::Host => "a host name or an address".into(),
            Self::Hosts(count_max) => format!("up to {count_max} host names or addresses, separated by commas"),
            Self::Networks(count_max) => {
                format!("up to {count_max} addresses or networks such as 10.0.0.0/8, separated by commas")
            }
            Self::Port => "a port from 0 (any free one) to 65535".into(),
            Self::Ports(count_max) => format!("up to {count_max} ports from 1 to 65535, separated by commas"),
            Self::Flag => "true or false".into(),
            Self::Whole(min, max) => format!("a whole number from {min} to {max}"),
            Self::Bytes(min, max) => format!("bytes from {} to {}", bytes_text(*min), bytes_text(*max)),
            Self::Seconds(min, max) => format!("seconds from {} to {}", seconds_text(*min), seconds_text(*max)),
            Self::Hours(min, max) => format!("whole hours from {min} to {max}"),
            Self::Choice(choices) => choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            Self::Url(schemes) => format!("a URL without a user that starts with {}", any_of(schemes)),
            Self::SecretUrl(schemes) => format!("a URL that starts with {}", any_of(schemes)),
            Self::Brokers => "host:port, several separated by commas".into(),
            Self::Path => "a path".into(),
            Self::Words(words) => format!("exactly these words: {words}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Flag(on) => write!(f, "{on}"),
            Self::Whole(n) => write!(f, "{n}"),
            Self::Span(span) => f.write_str(&seconds_text(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))),
        }
    }
}

/// An address, or a network by its prefix.
pub fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn whole(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn bytes(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let unit = match text[at..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    whole(&text[..at])?.checked_mul(unit)
}

fn bytes_text(n: u64) -> String {
    match n {
        _ if n >= 1 << 30 && n.is_multiple_of(1 << 30) => format!("{} GiB", n >> 30),
        _ if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        _ if n >= 1 << 10 && n.is_multiple_of(1 << 10) => format!("{} KiB", n >> 10),
        _ => n.to_string(),
    }
}

/// Decimal seconds as whole milliseconds. No float is used, so nothing is rounded.
fn milliseconds(text: &str) -> Option<u64> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
    let decimals = decimals.trim_end_matches('0');
    if seconds.is_empty() || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: u64 = format!("{decimals:0<3}").parse().ok()?;
    whole(seconds)?.checked_mul(1_000)?.checked_add(fraction)
}

fn seconds_text(ms: u64) -> String {
    match ms % 1_000 {
        0 => (ms / 1_000).to_string(),
        rest => format!("{}.{}", ms / 1_000, format!("{rest:03}").trim_end_matches('0')),
    }
}

/// Reads a URL. Its scheme may name a driver after a `+`, as Python's tools write it; the driver is dropped.
fn url(text: &str, schemes: &[&str]) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let plain =
        if schemes.contains(&scheme.as_str()) { scheme.as_str() } else { scheme.split('+').next().unwrap_or_default() };
    let driver_known = plain == scheme || scheme.ends_with("+asyncpg");
    (schemes.contains(&plain) && driver_known && !rest.is_empty() && !rest.contains([' ', '\0']))
        .then(|| format!("{plain}://{rest}"))
}

/// Whether something stands before the host.
fn has_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn any_of(schemes: &[&str]) -> String {
    schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(" or ")
}

fn brokers(text: &str) -> Option<Value> {
    let list: Vec<&str> = text.split(',').map(str::trim).filter(|broker| !broker.is_empty()).collect();
    let valid = |broker: &&str| {
        let address = broker.strip_prefix("PLAINTEXT://").unwrap_or(broker);
        address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains('@') && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    match list.is_empty() {
        true => text.is_empty().then_some(Value::None),
        false => list.iter().all(valid).then(|| Value::Text(list.join(","))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_their_kind() {
        let text = |t: &str| Some(Value::Text(t.into()));
        let span = |ms| Some(Value::Span(Duration::from_millis(ms)));
        let level = Kind::Choice(&[("info", &[]), ("warn", &["warning"])]);
        let postgres = Kind::SecretUrl(&["postgres", "postgresql"]);
        for (kind, given, want) in [
            (Kind::Port, "0", Some(Value::Whole(0))),
            (Kind::Port, "65536", None),
            (Kind::Port, "-1", None),
            (Kind::Port, "", None),
            (Kind::Flag, "Yes", Some(Value::Flag(true))),
            (Kind::Flag, "maybe", None),
            (Kind::Whole(1, 10), "1_0", Some(Value::Whole(10))),
            (Kind::Whole(1, 10), "11", None),
            (Kind::Bytes(1, 1 << 30), "4 MiB", Some(Value::Whole(4 << 20))),
            (Kind::Bytes(1, 1 << 30), "4 parsecs", None),
            (Kind::Seconds(100, 60_000), "1.0", span(1_000)),
            (Kind::Seconds(100, 60_000), "0.25", span(250)),
            (Kind::Seconds(100, 60_000), "0.0001", None),
            (Kind::Seconds(100, 60_000), "0.05", None),
            (Kind::Seconds(100, 60_000), "1e3", None),
            (level, "WARNING", text("warn")),
            (level, "loud", None),
            (postgres, "postgresql+asyncpg://u:p@h/d", text("postgresql://u:p@h/d")),
            (postgres, "postgres+smoke://h/d", None),
            (postgres, "mysql://h/d", None),
            (postgres, "", Some(Value::None)),
            (Kind::Brokers, "a:9092, b:9093", text("a:9092,b:9093")),
            (Kind::Brokers, "a", None),
            (Kind::Brokers, ",", None),
            (Kind::Brokers, "u:p@a:9092", None),
            (Kind::Url(&["http"]), "http://h/a@b", text("http://h/a@b")),
            (Kind::Url(&["http"]), "http://u@h", None),
            (Kind::SecretUrl(&["http"]), "http://u@h", text("http://u@h")),
            (Kind::Host, "[::1]", text("::1")),
            (Kind::Hosts(2), "a.example,b", text("a.example,b")),
            (Kind::Hosts(2), "a,b,c", None),
            (Kind::Networks(2), "10.0.0.0/8, ::1", text("10.0.0.0/8, ::1")),
            (Kind::Networks(2), "10.0.0.0/33", None),
            (Kind::Networks(2), "localhost", None),
            (Kind::Name(5), "pay ments", None),
            (Kind::Name(5), "toolong", None),
            (Kind::Words("yes, do"), "yes", None),
            (Kind::Words("yes, do"), "yes, do", text("yes, do")),
        ] {
            assert_eq!(kind.parse(given), want, "{given:?} as {kind:?}");
        }
    }

    #[test]
    fn a_value_reads_back_as_itself() {
        for (kind, given) in
            [(Kind::Seconds(0, 100_000), "1.25"), (Kind::Bytes(0, u64::MAX), "4194304"), (Kind::Flag, "true")]
        {
            assert_eq!(kind.parse(given).unwrap().to_string(), given);
        }
    }
}
