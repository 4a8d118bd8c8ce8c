//! Invoice numbers, fiscal years and due dates.

use chrono::{Datelike, Days, Month, NaiveDate};

/// The fiscal year that a day belongs to, by the calendar year in which it begins.
pub fn fiscal_year(day: NaiveDate, first_month: Month) -> i32 {
    if day.month() < first_month.number_from_month() { day.year() - 1 } else { day.year() }
}

/// The last day on which an invoice can be paid in time.
pub fn due_date(issued_on: NaiveDate, days: u16) -> NaiveDate {
    issued_on.checked_add_days(Days::new(u64::from(days))).unwrap_or(NaiveDate::MAX)
}

/// Whether that day is over.
pub fn is_overdue(due_on: NaiveDate, today: NaiveDate) -> bool {
    today > due_on
}

/// Bytes of a template, at most.
const TEMPLATE_BYTES_MAX: usize = 40;
/// Digits that a sequence is padded to, at most.
const WIDTH_MAX: usize = 12;

/// How the numbers of a series are written, such as `INV-{year}-{seq:6}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Year,
    /// Padded with zeros to so many digits.
    Sequence(usize),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberFormatError {
    #[error("the template has {bytes} bytes, more than {TEMPLATE_BYTES_MAX}")]
    Long { bytes: usize },
    #[error("the template {template:?} may have letters, digits and -_/.# beside {{year}}, {{seq}} and {{seq:6}}")]
    Character { template: String },
    #[error("{{{name}}} in a template: there are {{year}}, {{seq}} and {{seq:1}} to {{seq:{WIDTH_MAX}}}")]
    Unknown { name: String },
    #[error("the template {template:?} must have {{seq}} once and {{year}} at most once")]
    Count { template: String },
}

impl NumberFormat {
    /// # Errors
    /// When it is too long, has other characters, or does not have exactly one sequence and at most one year.
    pub fn parse(template: &str) -> Result<Self, NumberFormatError> {
        if template.len() > TEMPLATE_BYTES_MAX {
            return Err(NumberFormatError::Long { bytes: template.len() });
        }
        let wrong = || NumberFormatError::Character { template: template.to_owned() };
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(wrong)?;
            pieces.extend(Self::text(text).ok_or_else(wrong)?);
            pieces.push(Self::named(name)?);
            rest = after;
        }
        pieces.extend(Self::text(rest).ok_or_else(wrong)?);
        let count = |is: fn(&Piece) -> bool| pieces.iter().filter(|piece| is(piece)).count();
        if count(|it| matches!(it, Piece::Sequence(_))) != 1 || count(|it| *it == Piece::Year) > 1 {
            return Err(NumberFormatError::Count { template: template.to_owned() });
        }
        Ok(Self(pieces))
    }

    /// `None`: a character that a number must not have. No piece at all for no text.
    fn text(text: &str) -> Option<Option<Piece>> {
        let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/.#".contains(&b));
        fits.then(|| (!text.is_empty()).then(|| Piece::Text(text.to_owned())))
    }

    fn named(name: &str) -> Result<Piece, NumberFormatError> {
        let width = name.strip_prefix("seq:").and_then(|width| width.parse().ok());
        match (name, width) {
            ("year", _) => Ok(Piece::Year),
            ("seq", _) => Ok(Piece::Sequence(1)),
            (_, Some(width @ 1..=WIDTH_MAX)) => Ok(Piece::Sequence(width)),
            _ => Err(NumberFormatError::Unknown { name: name.to_owned() }),
        }
    }

    /// Whether numbers of different fiscal years differ: if not, the series must not begin anew each year.
    pub fn has_year(&self) -> bool {
        self.0.contains(&Piece::Year)
    }

    /// The number of a place in the series. A sequence that outgrows its padding gets longer.
    pub fn render(&self, year: i32, sequence: u64) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Year => format!("{year:04}"),
            Piece::Sequence(width) => format!("{sequence:0width$}"),
        };
        self.0.iter().map(piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_fiscal_year_is_called_after_the_year_in_which_it_begins() {
        for (on, first_month, year) in [
            ("2026-01-01", Month::January, 2026),
            ("2026-12-31", Month::January, 2026),
            ("2026-03-31", Month::April, 2025),
            ("2026-04-01", Month::April, 2026),
            ("2027-03-31", Month::April, 2026),
            ("2026-11-30", Month::December, 2025),
        ] {
            assert_eq!(fiscal_year(day(on), first_month), year, "{on}");
        }
    }

    #[test]
    fn an_invoice_is_overdue_on_the_day_after_its_due_date() {
        let due_on = due_date(day("2026-12-20"), 30);
        assert_eq!(due_on, day("2027-01-19"));
        assert!(!is_overdue(due_on, due_on) && is_overdue(due_on, day("2027-01-20")));
        assert_eq!(due_date(day("2024-02-28"), 1), day("2024-02-29"));
        assert_eq!(due_date(day("2026-12-20"), 0), day("2026-12-20"));
    }

    #[test]
    fn numbers_are_written_as_the_template_says() {
        for (template, sequence, number) in [
            ("INV-{year}-{seq:6}", 42, "INV-2026-000042"),
            ("INV-{year}-{seq:6}", 1_234_567, "INV-2026-1234567"),
            ("#{seq}", 7, "#7"),
            ("{seq:4}/{year}", 7, "0007/2026"),
            ("{seq}", u64::MAX, "18446744073709551615"),
        ] {
            let format = NumberFormat::parse(template).unwrap();
            assert_eq!(format.render(2026, sequence), number);
            assert_eq!(format.has_year(), template.contains("year"));
        }
    }

    #[test]
    fn a_template_that_cannot_number_a_series_is_refused() {
        let refused = |template: &str| NumberFormat::parse(template).unwrap_err();
        for template in ["", "INV", "{year}", "{seq}{seq:2}", "{year}{year}{seq}"] {
            assert_eq!(refused(template), NumberFormatError::Count { template: template.to_owned() });
        }
        for name in ["", "month", "seq:0", "seq:13", "seq:", "seq:x", "SEQ", "year:2"] {
            let template = format!("A{{{name}}}{{seq}}");
            assert_eq!(refused(&template), NumberFormatError::Unknown { name: name.to_owned() });
        }
        for template in ["INV {seq}", "{seq}}", "{seq", "Ü{seq}", "\"{seq}", "\0{seq}"] {
            assert_eq!(refused(template), NumberFormatError::Character { template: template.to_owned() });
        }
        assert_eq!(refused(&"x".repeat(41)), NumberFormatError::Long { bytes: 41 });
        assert_eq!(
            refused("A{day}").to_string(),
            "{day} in a template: there are {year}, {seq} and {seq:1} to {seq:12}"
        );
    }
}
