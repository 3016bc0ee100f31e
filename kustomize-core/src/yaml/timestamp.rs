//! The dates that go-yaml takes for timestamps.

use std::fmt;

/// A point in time as go-yaml reads it and as Go's JSON prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    offset_minutes: i32,
}

impl Timestamp {
    /// Reads `2006-1-2`, `2006-1-2 15:4:5.9` and `2006-1-2T15:4:5.9Z07:00`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut reader = Reader { rest: &text[5..] };
        let (month, _) = (reader.number()?, reader.expect('-')?);
        let day = reader.number()?;
        let year = text[..4].parse().ok()?;
        if !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) {
            return None;
        }
        let date = Self { year, month, day, hour: 0, minute: 0, second: 0, nanosecond: 0, offset_minutes: 0 };
        match reader.next() {
            None => Some(date),
            Some(' ') => date.with_time(&mut reader),
            Some('T' | 't') => {
                let time = date.with_time(&mut reader)?;
                Some(Self { offset_minutes: reader.zone()?, ..time })
            }
            Some(_) => None,
        }
        .filter(|_| reader.rest.is_empty())
    }

    fn with_time(self, reader: &mut Reader<'_>) -> Option<Self> {
        let (hour, _) = (reader.number()?, reader.expect(':')?);
        let (minute, _) = (reader.number()?, reader.expect(':')?);
        let second = reader.number()?;
        let nanosecond = reader.fraction();
        (hour < 24 && minute < 60 && second < 60).then_some(Self { hour, minute, second, nanosecond, ..self })
    }

    /// Whether RFC 3339 can say it, which Go's JSON insists on.
    pub(crate) fn is_printable(self) -> bool {
        self.offset_minutes.abs() < 24 * 60
    }
}

/// RFC 3339 with as many digits of the second as it needs.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, .. } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanosecond != 0 {
            let digits = format!("{:09}", self.nanosecond);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset_minutes == 0 {
            return f.write_str("Z");
        }
        let (sign, offset) = (if self.offset_minutes < 0 { '-' } else { '+' }, self.offset_minutes.abs());
        write!(f, "{sign}{:02}:{:02}", offset / 60, offset % 60)
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let first = self.rest.chars().next()?;
        self.rest = &self.rest[first.len_utf8()..];
        Some(first)
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    /// One or two digits.
    fn number(&mut self) -> Option<u32> {
        let digits = self.rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        number.parse().ok()
    }

    /// `.123` in nanoseconds, cut after nine digits; nothing is zero.
    fn fraction(&mut self) -> u32 {
        let Some(fraction) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return 0;
        }
        self.rest = &fraction[digits..];
        (0..9).fold(0, |value, at| {
            let digit = if at < digits { u32::from(fraction.as_bytes()[at] - b'0') } else { 0 };
            value * 10 + digit
        })
    }

    /// `Z` or `+07:00`, in minutes. As in Go, 24 hours and 60 minutes are still in range.
    fn zone(&mut self) -> Option<i32> {
        let sign = match self.next()? {
            'Z' => return Some(0),
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        let (digits, rest) = self.rest.split_at_checked(5)?;
        let (hours, minutes) =
            digits.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i32>().ok())?;
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        self.rest = rest;
        (hours <= 24 && minutes <= 60).then_some(sign * (hours * 60 + minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_normalised_as_go_prints_them() {
        for (text, printed) in [
            ("2001-01-01", "2001-01-01T00:00:00Z"),
            ("2001-1-2", "2001-01-02T00:00:00Z"),
            ("2001-12-14t21:59:43.10-05:00", "2001-12-14T21:59:43.1-05:00"),
            ("2001-12-14 21:59:43.10", "2001-12-14T21:59:43.1Z"),
            ("2001-12-14T21:59:43+00:00", "2001-12-14T21:59:43Z"),
            ("2000-02-29T1:2:3.1234567891Z", "2000-02-29T01:02:03.123456789Z"),
        ] {
            assert_eq!(Timestamp::parse(text).map(|time| time.to_string()).as_deref(), Some(printed));
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "2001-02-29",
            "2001-13-01",
            "2001-1",
            "2001-01-01T",
            "2001-01-01 1:2",
            "2001-12-14 21:59:43.10 -5",
            "2001-01-01T25:00:00Z",
            "2001-01-01é",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
