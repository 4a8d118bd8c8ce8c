//! Times as producers write them.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

/// `2026-11-20T02:09:34.076259` or `20261120T020934,076259`, with a space for the `T`, without the seconds or their
/// fraction, the minutes or all of the time, which is midnight then; with `Z`, `+05:30`, `+0530` or `+05` behind, also
/// after a space, or with nothing, which is UTC. Second 60 is the first of the next minute, hour 24 of the next day.
///
/// `None`: it is none of this, or outside of the years 1970 to 9999.
pub(super) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let mut rest = Rest(text);
    let (date, is_basic) = rest.date()?;
    let (mut hour, mut minute, mut second, mut nanos, mut offset) = (0, 0, 0, 0, 0);
    if !rest.0.is_empty() {
        rest.one_of("T t")?;
        hour = rest.number(2, 24)?;
        if rest.begins_number(is_basic) {
            minute = rest.further(is_basic, 59)?;
            if rest.begins_number(is_basic) {
                second = rest.further(is_basic, 60)?;
                if rest.begins('.') || rest.begins(',') {
                    nanos = rest.fraction()?;
                }
            }
        }
        if hour == 24 && (minute, second, nanos) != (0, 0, 0) {
            return None;
        }
        offset = rest.offset()?;
    }
    let time = NaiveTime::from_hms_nano_opt(hour % 24, minute, second.min(59), nanos)?;
    let (leap, night) = (i64::from(second == 60), i64::from(hour == 24));
    let shift = TimeDelta::try_seconds(leap)? + TimeDelta::try_days(night)? - TimeDelta::try_minutes(offset)?;
    let at = date.and_time(time).and_utc().checked_add_signed(shift)?;
    let (first, end) = (NaiveDate::from_ymd_opt(1970, 1, 1)?, NaiveDate::from_ymd_opt(9999, 12, 31)?);
    let end = end.checked_add_days(Days::new(1))?;
    (at.date_naive() >= first && at.date_naive() < end).then_some(at)
}

/// What is not read yet.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn begins(&self, with: char) -> bool {
        self.0.starts_with(with)
    }

    fn one_of(&mut self, chars: &str) -> Option<char> {
        let first = self.0.chars().next().filter(|it| chars.contains(*it))?;
        self.0 = &self.0[first.len_utf8()..];
        Some(first)
    }

    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize, max: u32) -> Option<u32> {
        let text = self.0.get(..digits).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
        self.0 = &self.0[digits..];
        text.parse().ok().filter(|number| *number <= max)
    }

    fn colon_and_number(&mut self, max: u32) -> Option<u32> {
        self.one_of(":")?;
        self.number(2, max)
    }

    /// Whether a number of two digits follows, behind a colon unless the form is the basic one.
    fn begins_number(&self, is_basic: bool) -> bool {
        if is_basic { self.0.starts_with(|c: char| c.is_ascii_digit()) } else { self.begins(':') }
    }

    fn further(&mut self, is_basic: bool, max: u32) -> Option<u32> {
        if is_basic { self.number(2, max) } else { self.colon_and_number(max) }
    }

    /// A day, and whether it is written without hyphens.
    fn date(&mut self) -> Option<(NaiveDate, bool)> {
        let year = i32::try_from(self.number(4, 9999)?).ok()?;
        let is_basic = !self.begins('-');
        let mut next = |max| {
            if !is_basic {
                self.one_of("-")?;
            }
            self.number(2, max)
        };
        Some((NaiveDate::from_ymd_opt(year, next(12)?, next(31)?)?, is_basic))
    }

    /// Nanoseconds, of 1 to 9 digits.
    fn fraction(&mut self) -> Option<u32> {
        self.one_of(".,")?;
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let number = self.number(digits, 999_999_999).filter(|_| digits <= 9)?;
        Some(number * 10u32.pow(u32::try_from(9 - digits).ok()?))
    }

    /// Minutes east of UTC, to the end of the text.
    fn offset(&mut self) -> Option<i64> {
        if self.begins(' ') && self.0.len() > 1 {
            self.one_of(" ")?;
        }
        if self.0.is_empty() || matches!(self.0, "Z" | "z") {
            return Some(0);
        }
        let east = if self.one_of("+-")? == '+' { 1 } else { -1 };
        let hours = self.number(2, 23)?;
        let minutes = match self.0.is_empty() {
            true => 0,
            false if self.begins(':') => self.colon_and_number(59)?,
            false => self.number(2, 59)?,
        };
        self.0.is_empty().then_some(east * i64::from(hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_producers_write() {
        for (text, utc) in [
            ("2026-11-20T02:09:34.076259", "2026-11-20T02:09:34.076259Z"),
            ("2026-11-20T02:09:34Z", "2026-11-20T02:09:34Z"),
            ("2026-11-20t02:09:34z", "2026-11-20T02:09:34Z"),
            ("2026-11-20 02:09:34.5", "2026-11-20T02:09:34.500Z"),
            ("2026-11-20T02:09", "2026-11-20T02:09:00Z"),
            ("2026-11-20T02:09:34.123456789Z", "2026-11-20T02:09:34.123456789Z"),
            ("2026-11-20T02:09:34+05:30", "2026-11-19T20:39:34Z"),
            ("2026-11-20T02:09:34-0800", "2026-11-20T10:09:34Z"),
            ("2026-11-20T02:09:34+02", "2026-11-20T00:09:34Z"),
            ("2024-02-29T00:00:00", "2024-02-29T00:00:00Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("20261120", "2026-11-20T00:00:00Z"),
            ("20261120T020934Z", "2026-11-20T02:09:34Z"),
            ("20261120T0209+0530", "2026-11-19T20:39:00Z"),
            ("2026-11-20T02", "2026-11-20T02:00:00Z"),
            ("2026-11-20T02Z", "2026-11-20T02:00:00Z"),
            ("2026-11-20T24:00:00Z", "2026-11-21T00:00:00Z"),
            ("2026-11-20T02:09:34,5Z", "2026-11-20T02:09:34.500Z"),
            ("2026-11-20 02:09:34 +00:00", "2026-11-20T02:09:34Z"),
            ("2026-11-20T02:09:34 Z", "2026-11-20T02:09:34Z"),
        ] {
            assert_eq!(parse(text), Some(utc.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "2026-11-20T",
            "2026-11-20Z",
            "2026-11-20T24:00:01Z",
            "2026-11-20T0209",
            "2026-1120",
            "202611",
            "20261120T02:09",
            "2026-11-20T02:60:00Z",
            "2026-11-20T02:09:61Z",
            "2026-11-20T02:09:34.Z",
            "2026-11-20T02:09:34.1234567890Z",
            "2026-11-20T02:09:34 ",
            "2026-11-20T02:09:34+25:00",
            "2026-11-20T02:09:34+05:3",
            "2026-11-20T02:09:34Z+01:00",
            "2026-11-20T02:09:34+01:00x",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-1-2T03:04:05Z",
            "10000-01-01T00:00:00Z",
            "+2026-11-20T02:09:34Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:60Z",
            "9999-12-31T23:59:59-00:01",
            "Fri, 20 Nov 2026 02:09:34 GMT",
            "٢٠٢٦-11-20T02:09:34Z",
            " 2026-11-20T02:09:34Z",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
