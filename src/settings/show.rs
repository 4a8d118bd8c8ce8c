//! How settings are shown: the list of `florin config`, the page of the docs, and values without their secrets.

use std::fmt::Write;

use super::kind::Value;
use super::sources::Entry;
use super::table::{Row, TABLE};

const MASK: &str = "***";
/// An error shows no more characters of a value.
const SHOWN_CHARS_MAX: usize = 80;

/// The settings in force, each with its origin, as aligned text.
pub fn list(entries: &[Entry]) -> String {
    let lines: Vec<_> = entries.iter().map(|entry| (entry.row.name, shown(entry), entry.origin.to_string())).collect();
    let name = lines.iter().map(|line| line.0.len()).max().unwrap_or(0);
    let value = lines.iter().map(|line| line.1.chars().count()).max().unwrap_or(0).min(48);
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{:name$}  {:value$}  {}", line.0, line.1, line.2); // writing to a String cannot fail
        text
    })
}

fn shown(entry: &Entry) -> String {
    if entry.value == Value::None { "-".into() } else { masked(entry.row, &entry.value) }
}

/// The settings in force, each with its origin, as a JSON object by name.
pub fn json(entries: &[Entry]) -> serde_json::Value {
    let line = |entry: &Entry| {
        let value = serde_json::json!({ "value": masked(entry.row, &entry.value), "from": entry.origin.to_string() });
        (entry.row.name.to_owned(), value)
    };
    serde_json::Value::Object(entries.iter().map(line).collect())
}

/// The text of `docs/settings.md`.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    let mut group = "";
    for row in TABLE {
        if row.group != group {
            group = row.group;
            let _ = write!(
                page,
                "\n## {group}\n\n| setting | default | allowed | what it does |\n| --- | --- | --- | --- |\n"
            );
        }
        let aliases = row.aliases.iter().fold(String::new(), |text, alias| text + &format!(" (also `{alias}`)"));
        let secret = if row.secret { "; shown without its password" } else { "" };
        let default = match (row.default, row.default_dev) {
            ("", _) => "none".to_owned(),
            (default, None) => format!("`{default}`"),
            (default, Some(dev)) => format!("`{default}`; in `florin dev` `{dev}`"),
        };
        let _ =
            writeln!(page, "| `{}`{aliases} | {default} | {} | {}{secret} |", row.name, row.kind.allowed(), row.help);
    }
    page
}

const HEAD: &str = "# Settings

Made by `florin config --markdown`; a test keeps this page and the program the same.

A setting comes, in rising order, from its default, a config file in TOML (`--config FILE` or `FLORIN_CONFIG`), the environment and
the command line (`--set name=value`; the common ones have flags of their own). In a config file names are in lower case, and tables
may join them: `grpc_port = 1` and `[grpc]` with `port = 1` are the same. An empty variable counts as not set. A name in the file that
Florin does not know is refused. When two names of one setting are given in one place with different values, Florin refuses to start
and names both. `florin config` shows what is in force and where each value came from.
";

/// A value without its secret.
pub fn masked(row: &Row, value: &Value) -> String {
    let text = value.to_string();
    if row.secret { without_password(&text) } else { text }
}

/// A value that is not allowed, quoted, cut, and without what may be a password.
pub fn masked_raw(row: &Row, text: &str) -> String {
    let text = match row.secret {
        true if text.contains("://") => without_password(text),
        true => MASK.into(),
        false => text.to_owned(),
    };
    let cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{cut:?}{}", if cut.len() < text.len() { " (cut)" } else { "" })
}

/// Masks the password in a URL: after the user, and in parameters whose name contains `pass`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{host}"),
            None => format!("{user}@{host}"),
        },
        None => rest.to_owned(),
    };
    let query = query.map_or(String::new(), |query| {
        let parameter = |pair: &str| match pair.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        };
        format!("?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{rest}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Kind;

    #[test]
    fn passwords_are_never_shown() {
        for (url, want) in [
            ("postgres://u:p@h:5432/d", "postgres://u:***@h:5432/d"),
            (
                "postgres://u:p@w@h/d?sslmode=require&sslpassword=x",
                "postgres://u:***@h/d?sslmode=require&sslpassword=***",
            ),
            ("postgres://u@h/d?password=x", "postgres://u@h/d?password=***"),
            ("redis://:p@h", "redis://:***@h"),
            ("redis://h:6379/0", "redis://h:6379/0"),
        ] {
            assert_eq!(without_password(url), want);
        }
    }

    #[test]
    fn a_unit_stands_in_the_name() {
        for row in TABLE {
            let unit = match row.kind {
                Kind::Seconds(..) => "SECONDS",
                Kind::Hours(..) => "HOURS",
                Kind::Bytes(..) => "BYTES",
                _ => "",
            };
            assert!(row.name.contains(unit), "{}", row.name);
        }
    }
}
