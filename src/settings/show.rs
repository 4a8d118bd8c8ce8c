//! How settings are shown: the list of `florin config`, and the page of the docs.

use std::fmt::Write;

use super::kind::{Kind, Value};
use super::secret::masked;
use super::sources::Entry;
use super::table::TABLE;

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
        let secret = match row.kind {
            Kind::Secret => format!("; never shown; in a file with `{}_FILE`", row.name),
            Kind::SecretUrl(_) => format!("; shown without its password; in a file with `{}_FILE`", row.name),
            _ => String::new(),
        };
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

Each secret may stand in a file instead (up to 64 KiB; white space around it does not count): the name with `_FILE` names the file, wherever the setting may be given.
`DB_PASSWORD_FILE=/run/secrets/db` is an example.
";

#[cfg(test)]
mod tests {
    use super::*;

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
