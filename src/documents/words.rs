//! What may be said about a document in a log, a row or an answer: short, on one line, nobody's address in full.

/// Characters of a text that another server said.
pub const SAID_MAX: usize = 300;

/// An e-mail address or a phone number of which only somebody who knows it recognises it: `a***@example.com`,
/// `+49*****12`. The stars do not tell how many characters they stand for.
pub fn masked(value: &str) -> String {
    let value = value.trim();
    if let Some((local, domain)) = value.rsplit_once('@') {
        let first = local.chars().next().filter(|first| local.len() > first.len_utf8() && !first.is_control());
        return format!("{}***@{}", first.map(String::from).unwrap_or_default(), one_line(domain));
    }
    let digits: Vec<char> = value.chars().filter(char::is_ascii_digit).collect();
    let is_phone = value.chars().all(|c| c.is_ascii_digit() || " +-()/.".contains(c));
    match &digits[..] {
        [a, b, rest @ .., y, z] if is_phone && rest.len() >= 3 => {
            format!("{}{a}{b}*****{y}{z}", if value.starts_with('+') { "+" } else { "" })
        }
        _ => "***".to_owned(),
    }
}

/// What another server said: without control characters, its addresses masked, cut to [`SAID_MAX`] characters.
pub fn said(text: &str) -> String {
    let mut said = String::new();
    for piece in one_line(text).split_inclusive(|c: char| c.is_whitespace() || "<>()[]\"',;:=".contains(c)) {
        let token = piece.trim_end_matches(|c: char| c.is_whitespace() || "<>()[]\"',;:=".contains(c));
        if token.contains('@') {
            said.push_str(&masked(token));
            said.push_str(&piece[token.len()..]);
        } else {
            said.push_str(piece);
        }
    }
    said.trim().chars().take(SAID_MAX).collect()
}

/// Characters of a subject, and of a name or a number in a mail.
pub const SHORT_MAX: usize = 200;

/// On one line, cut to [`SHORT_MAX`] characters.
pub fn short(text: &str) -> String {
    one_line(text).trim().chars().take(SHORT_MAX).collect()
}

/// The text with a blank for each run of control characters and line breaks: a header or a field that it stands in
/// stays one.
pub fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
    text.split(breaks).filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_the_domain_is_left_and_of_a_number_its_ends() {
        for (value, shown) in [
            ("ada@example.com", "a***@example.com"),
            ("a@example.com", "***@example.com"),
            ("\u{e4}da@example.com", "\u{e4}***@example.com"),
            ("\"a@b\"@example.com", "\"***@example.com"),
            ("@example.com", "***@example.com"),
            ("ada@exa\r\nmple.com", "a***@exa mple.com"),
            ("+491711234512", "+49*****12"),
            ("+49 (171) 12-345.12", "+49*****12"),
            ("01711234512", "01*****12"),
            ("1234567", "12*****67"),
            ("123456", "***"),
            ("Ada 1234567890", "***"),
            ("", "***"),
        ] {
            assert_eq!(masked(value), shown, "{value}");
        }
    }

    #[test]
    fn what_a_server_said_is_short_on_one_line_and_names_nobody() {
        assert_eq!(
            said("5.1.1 <ada@example.com>: unknown\r\nask ada@example.com"),
            "5.1.1 <a***@example.com>: unknown ask a***@example.com"
        );
        assert_eq!(said("to=ada@example.com, try\x1b[31m later"), "to=a***@example.com, try [31m later");
        assert_eq!(said(&"\u{fc}".repeat(999)).chars().count(), SAID_MAX);
        assert_eq!(said(""), "");
    }
}
