//! Registrations of customers, as the topic `users` and `POST /api/v1/user/register` bring them (contract 3).

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::value::RawValue;

use super::order::fields::Fields;
use super::order::{BrokenOrder, cut, message};

/// Bytes of an e-mail address, at most (RFC 5321: 64, `@`, 255).
pub const EMAIL_BYTES_MAX: usize = 320;
/// Bytes before the `@`, and of a label behind it, at most (RFC 5321, RFC 1035).
const LOCAL_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 63;
/// Bytes of a customer's id, at most.
pub const ID_BYTES_MAX: usize = 64;

/// Somebody who can be a customer. Its texts hold no U+0000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// `None`: nobody gave one.
    pub customer_id: Option<String>,
    pub first_name: String,
    /// May be empty.
    pub middle_name: String,
    pub last_name: String,
    pub email: String,
    pub mobile: String,
    pub born_on: Option<NaiveDate>,
    /// A JSON object: the fields that are not known; `None`: there are none.
    pub extra: Option<String>,
}

/// The fields of an object by their names, as they stand there; of two with one name the last counts.
type Raw<'a> = BTreeMap<String, &'a RawValue>;

/// Characters of each part of a name, at most.
pub const NAME_MAX: usize = 50;
/// Characters of a mobile number, at least and at most.
pub const MOBILE: (usize, usize) = (10, 15);

impl Registration {
    /// The fields that are read, in the order of [`Registration`] with the id at the end.
    pub const FIELDS: [&str; 7] = ["firstname", "middlename", "lastname", "email", "mobile", "dob", "customerID"];

    /// Reads a message.
    ///
    /// # Errors
    /// The first fault, in the order of the fields above.
    pub fn parse(bytes: &[u8]) -> Result<Self, BrokenOrder> {
        let text = message(bytes)?;
        let fields = Fields::read(text, Self::FIELDS, None)?;
        let [first_name, middle_name, last_name, email, mobile, dob, customer_id] = std::array::from_fn(|at| at);
        let registration = Self {
            first_name: characters(&fields, first_name, 1, NAME_MAX)?,
            middle_name: match fields.given(middle_name) {
                None | Some("\"\"") => String::new(),
                Some(_) => characters(&fields, middle_name, 0, NAME_MAX)?,
            },
            last_name: characters(&fields, last_name, 1, NAME_MAX)?,
            email: read_email(&fields, email)?,
            mobile: characters(&fields, mobile, MOBILE.0, MOBILE.1)?,
            born_on: read_day(&fields, dob)?,
            customer_id: read_id(&fields, customer_id)?,
            extra: None,
        };
        let mut extra = raw(text)?;
        extra.retain(|name, _| !Self::FIELDS.contains(&name.as_str()));
        Ok(Self { extra: (!extra.is_empty()).then(|| written(&extra)), ..registration })
    }

    /// First, middle and last name, as far as there are such.
    pub fn name(&self) -> String {
        full_name([&self.first_name, &self.middle_name, &self.last_name])
    }

    /// The message with this id in the place of any that it had.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn with_id(bytes: &[u8], customer_id: &str) -> Result<String, BrokenOrder> {
        let id = serde_json::value::to_raw_value(customer_id).map_err(|error| not_json(&error))?;
        let mut fields = raw(message(bytes)?)?;
        fields.insert(Self::FIELDS[6].to_owned(), &id);
        Ok(written(&fields))
    }
}

/// What is not empty of these, with single spaces between.
pub fn full_name(parts: [&str; 3]) -> String {
    parts.into_iter().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn raw(text: &str) -> Result<Raw<'_>, BrokenOrder> {
    serde_json::from_str(text).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> BrokenOrder {
    BrokenOrder::NotJson { why: error.to_string() }
}

fn written(fields: &Raw<'_>) -> String {
    serde_json::to_string(fields).expect("what was JSON is JSON")
}

fn characters<const N: usize>(
    fields: &Fields<'_, N>,
    index: usize,
    min: usize,
    max: usize,
) -> Result<String, BrokenOrder> {
    let json = fields.required(index)?;
    let text = fields.text(index, json, usize::MAX)?.into_owned();
    let characters = text.chars().count();
    if (min..=max).contains(&characters) {
        Ok(text)
    } else {
        Err(BrokenOrder::Characters { field: fields.field(index), min, max, characters, value: cut(json) })
    }
}

/// An address as RFC 5321 has it without quotes: words between dots, `@`, and a name of at least two labels.
fn read_email<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<String, BrokenOrder> {
    let json = fields.required(index)?;
    let text = fields.text(index, json, EMAIL_BYTES_MAX)?;
    if is_email(&text) {
        Ok(text.into_owned())
    } else {
        Err(BrokenOrder::NotOne { field: fields.field(index), expected: "an e-mail address", value: cut(json) })
    }
}

fn is_email(text: &str) -> bool {
    let in_word = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| in_word(c) && !c.is_control() && !c.is_whitespace());
    let in_label = |c: char| c.is_alphanumeric() || c == '-';
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.chars().all(in_label)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        local.len() <= LOCAL_BYTES_MAX
            && local.split('.').all(is_word)
            && domain.contains('.')
            && domain.split('.').all(is_label)
    })
}

fn read_day<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<Option<NaiveDate>, BrokenOrder> {
    let Some(json) = fields.optional(index) else { return Ok(None) };
    let text = fields.text(index, json, 64)?;
    let day = text.get(..10).filter(|_| text.len() == 10 || text.as_bytes().get(10) == Some(&b'T'));
    let day = day.and_then(|day| day.parse::<NaiveDate>().ok());
    day.map(Some).ok_or_else(|| {
        let expected = "a date such as 1990-12-31";
        BrokenOrder::NotOne { field: fields.field(index), expected, value: cut(json) }
    })
}

fn read_id<const N: usize>(fields: &Fields<'_, N>, index: usize) -> Result<Option<String>, BrokenOrder> {
    match fields.optional(index) {
        None => Ok(None),
        Some(json) if json.starts_with('"') => Ok(Some(fields.id(index, json, ID_BYTES_MAX)?.into_owned())),
        Some(json) if json.len() <= ID_BYTES_MAX && json.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Some(json.to_owned()))
        }
        Some(json) => Err(fields.wrong_type(index, "a text or a whole number", json)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = r#"{"firstname":"Ada","lastname":"Lovelace","email":"ada@example.com","mobile":"+4912345678"}"#;

    #[test]
    fn a_whole_registration_is_read_and_what_is_not_known_is_kept_digit_by_digit() {
        let more = r#"{"middlename":"K.","dob":"1815-12-10","customerID":17,"points":12345678901234567890.10,"#;
        let read = Registration::parse(ADA.replacen('{', more, 1).as_bytes()).unwrap();
        let expected = Registration {
            customer_id: Some("17".into()),
            first_name: "Ada".into(),
            middle_name: "K.".into(),
            last_name: "Lovelace".into(),
            email: "ada@example.com".into(),
            mobile: "+4912345678".into(),
            born_on: NaiveDate::from_ymd_opt(1815, 12, 10),
            extra: Some(r#"{"points":12345678901234567890.10}"#.into()),
        };
        assert_eq!(read, expected);
        assert_eq!(read.name(), "Ada K. Lovelace");
        let published = Registration::with_id(ADA.replacen('{', more, 1).as_bytes(), "42").unwrap();
        let again = Registration::parse(published.as_bytes()).unwrap();
        assert_eq!(again, Registration { customer_id: Some("42".into()), ..expected });
    }

    #[test]
    fn each_field_has_its_limits() {
        let long = |name: &str, count: usize| format!(r#""{name}":"{}""#, "x".repeat(count));
        let x = |count| long("x", count).split_once(':').unwrap().1.to_owned();
        for (field, value, is_good) in [
            ("firstname", x(1), true),
            ("firstname", x(50), true),
            ("firstname", x(51), false),
            ("firstname", x(0), false),
            ("firstname", "null".into(), false),
            ("firstname", "7".into(), false),
            ("lastname", x(51), false),
            ("middlename", x(0), true),
            ("middlename", x(50), true),
            ("middlename", x(51), false),
            ("middlename", "null".into(), false),
            ("email", "\"a@b.c\"".into(), true),
            ("email", "\"a@b\"".into(), false),
            ("email", "\"@b.c\"".into(), false),
            ("email", "\"a@@b.c\"".into(), false),
            ("email", "\"a b@c.de\"".into(), false),
            ("email", "\"a@b..c\"".into(), false),
            ("mobile", x(10), true),
            ("mobile", x(15), true),
            ("mobile", x(9), false),
            ("mobile", x(16), false),
            ("mobile", "4912345678".into(), false),
            ("dob", "null".into(), true),
            ("dob", "\"2000-02-29\"".into(), true),
            ("dob", "\"2000-02-29T00:00:00.000Z\"".into(), true),
            ("dob", "\"2001-02-29\"".into(), false),
            ("dob", "\"29.02.2000\"".into(), false),
            ("dob", "20000229".into(), false),
            ("firstname", "\"\\u0000\"".into(), false),
            ("customerID", "\"c-1\"".into(), true),
            ("customerID", "\"c\\u001b1\"".into(), false),
        ] {
            let text = format!(
                "{{{}}}",
                ["firstname", "lastname", "email", "mobile", "dob", "middlename", "customerID"]
                    .into_iter()
                    .filter_map(|name| {
                        let given = match name {
                            _ if name == field => Some(value.clone()),
                            "firstname" | "lastname" => Some(x(3)),
                            "email" => Some("\"a@b.cd\"".into()),
                            "mobile" => Some(x(10)),
                            _ => None,
                        };
                        given.map(|given| format!("\"{name}\":{given}"))
                    })
                    .collect::<Vec<_>>()
                    .join(",")
            );
            let read = Registration::parse(text.as_bytes());
            assert_eq!(read.is_ok(), is_good, "{field} {value}: {read:?}");
            if let Err(broken) = read {
                assert!(broken.to_string().starts_with(field), "{field}: {broken}");
            }
        }
        let told = Registration::parse(ADA.replace("Ada", &"x".repeat(51)).as_bytes()).unwrap_err().to_string();
        assert!(told.starts_with("firstname must have 1 to 50 characters, not 51: \"xxx"), "{told}");
    }
}
