//! Secrets: how they are shown, and the files that they may stand in.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::kind::{Kind, Value};
use super::table::Row;

const MASK: &str = "***";
/// An error shows no more characters of a value.
const SHOWN_CHARS_MAX: usize = 80;
/// Bytes of a file that holds a secret.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Parameters of a URL that are no secrets. Of all others the values are masked.
const SHOWN_PARAMETERS: &[&str] =
    &["application_name", "db", "dbname", "host", "port", "protocol", "sslmode", "sslrootcert", "user"];

/// A value as it may be shown.
pub fn masked(row: &Row, value: &Value) -> String {
    match row.kind {
        Kind::Secret if *value != Value::None => MASK.into(),
        Kind::SecretUrl(_) => masked_url(&value.to_string()),
        _ => value.to_string(),
    }
}

/// A value that is not allowed, quoted, cut, and without what may be a password.
pub fn masked_raw(row: &Row, text: &str) -> String {
    let text = match row.kind {
        Kind::Secret => MASK.into(),
        Kind::SecretUrl(_) | Kind::Url(_) | Kind::Brokers => masked_url(text),
        _ => text.to_owned(),
    };
    let cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{cut:?}{}", if cut.len() < text.len() { " (cut)" } else { "" })
}

/// A URL with the name of its user, but no password, and with those parameters that are no secrets. What is before the
/// last `@` belongs to the password: there it may hold any character.
fn masked_url(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let (user, rest) = match rest.rsplit_once('@') {
        None => (String::new(), rest),
        Some((user, rest)) => match user.split_once(':') {
            Some((user, _)) => (format!("{user}:{MASK}@"), rest),
            None if scheme.starts_with("postgres") => (format!("{user}@"), rest),
            None => (format!("{MASK}@"), rest), // a token, perhaps
        },
    };
    let Some((rest, query)) = rest.split_once('?') else { return format!("{scheme}{user}{rest}") };
    let parameter = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if SHOWN_PARAMETERS.contains(&name) => pair.to_owned(),
        Some((name, _)) => format!("{name}={MASK}"),
        None => MASK.to_owned(),
    };
    let query: Vec<_> = query.split('&').map(parameter).collect();
    format!("{scheme}{user}{rest}?{}", query.join("&"))
}

/// The secret in a file, without the white space around it.
///
/// # Errors
/// In words, which never show what is in the file.
pub fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("it cannot be opened: {error}"))?;
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    let text = text.trim();
    if text.is_empty() { Err("it is empty".into()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_neither_password_nor_unknown_parameter_is_shown() {
        for (url, want) in [
            ("postgres://u:p@h:5432/d", "postgres://u:***@h:5432/d"),
            (
                "postgres://u:p@w@h/d?sslmode=require&sslpassword=x",
                "postgres://u:***@h/d?sslmode=require&sslpassword=***",
            ),
            ("postgres://u:p?w@h/d", "postgres://u:***@h/d"),
            ("postgres://u:p/w#x@h/d", "postgres://u:***@h/d"),
            ("postgres://u@h/d?password=x", "postgres://u@h/d?password=***"),
            ("postgres://h/d?token", "postgres://h/d?***"),
            ("redis://:p@h", "redis://:***@h"),
            ("https://token@h/x?sig=1", "https://***@h/x?sig=***"),
            ("u:p@h:9092", "u:***@h:9092"),
            ("redis://h:6379/0", "redis://h:6379/0"),
        ] {
            assert_eq!(masked_url(url), want);
        }
    }
}
