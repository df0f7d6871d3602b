//! Local time: how many minutes east of UTC a moment is here, read from the system's zone file (RFC 9636).
//!
//! Transitions are listed up to some year; after the last one the rule at the end of the file holds. Where anything
//! cannot be read the answer is UTC: a wrong clock face harms nobody, and safety never asks for it.

use std::ffi::OsStr;
use std::path::Path;

const ZONES: &str = "/usr/share/zoneinfo";

/// The zone of this machine.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    /// From this moment on, seconds east; ascending.
    transitions: Vec<(i64, i64)>,
    before: i64,
    rule: Option<Rule>,
}

/// `CET-1CEST,M3.5.0,M10.5.0/3`, in seconds east of UTC.
#[derive(Clone, Debug)]
struct Rule {
    standard: i64,
    summer: Option<(i64, Day, Day)>,
}

/// The `day`-th (0 is Sunday) of week `week` (5 is the last) of `month`, at `second` local time.
#[derive(Clone, Copy, Debug)]
struct Day {
    month: i64,
    week: i64,
    day: i64,
    second: i64,
}

impl Zone {
    /// As the variable `TZ` says, else as `/etc/localtime` does.
    pub fn of_system(tz: Option<&OsStr>) -> Self {
        let text = tz
            .and_then(OsStr::to_str)
            .map(|text| text.trim_start_matches(':'));
        let path = match text {
            None => Path::new("/etc/localtime").to_path_buf(),
            Some("") => return Self::default(),
            Some(name) if !name.starts_with('/') && name.split('/').any(|part| part == "..") => {
                return Self::default();
            }
            Some(name) => Path::new(ZONES).join(name),
        };
        let read = std::fs::read(path)
            .ok()
            .and_then(|bytes| Self::parse(&bytes));
        let rule = || {
            text.and_then(Rule::parse).map(|rule| Self {
                rule: Some(rule),
                ..Self::default()
            })
        };
        read.or_else(rule).unwrap_or_default()
    }

    /// Minutes east of UTC at that moment.
    pub fn minutes(&self, seconds: i64) -> i32 {
        let after = self
            .transitions
            .partition_point(|(from, _)| *from <= seconds);
        let east = match (&self.rule, after.checked_sub(1)) {
            (Some(rule), _) if after == self.transitions.len() => rule.east(seconds),
            (_, Some(last)) => self.transitions[last].1,
            (_, None) => self.before,
        };
        i32::try_from(east / 60).unwrap_or(0)
    }

    fn parse(file: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let counts = |header: &[u8]| -> Option<[usize; 6]> {
            header.starts_with(b"TZif").then_some(())?;
            let count = |at: usize| header.get(20 + 4 * at..24 + 4 * at).map(number);
            Some([
                count(0)?,
                count(1)?,
                count(2)?,
                count(3)?,
                count(4)?,
                count(5)?,
            ])
        };
        // The first block has times of 32 bits and is passed over.
        let [utc, standard, leaps, times, types, chars] = counts(file)?;
        let file = file.get(44 + times * 5 + types * 6 + chars + leaps * 8 + standard + utc..)?;
        let [utc, standard, leaps, times, types, chars] = counts(file)?;
        let body = file.get(44..)?;
        let east = |kind: usize| -> Option<i64> {
            let at = times * 9 + kind * 6;
            Some(i64::from(i32::from_be_bytes(
                body.get(at..at + 4)?.try_into().ok()?,
            )))
        };
        let mut zone = Self {
            before: east(0)?,
            ..Self::default()
        };
        for at in 0..times {
            let from = i64::from_be_bytes(body.get(at * 8..at * 8 + 8)?.try_into().ok()?);
            zone.transitions
                .push((from, east(usize::from(*body.get(times * 8 + at)?))?));
        }
        let footer = body.get(times * 9 + types * 6 + chars + leaps * 12 + standard + utc..)?;
        zone.rule = std::str::from_utf8(footer)
            .ok()
            .and_then(|text| Rule::parse(text.trim_matches('\n')));
        Some(zone)
    }
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let (rest, standard) = offset(name(parts.next()?)?)?;
        if rest.is_empty() {
            return Some(Self {
                standard,
                summer: None,
            });
        }
        let summer = match name(rest)? {
            "" => standard + 3600,
            rest => offset(rest)?.1,
        };
        Some(Self {
            standard,
            summer: Some((summer, day(parts.next()?)?, day(parts.next()?)?)),
        })
    }

    fn east(&self, seconds: i64) -> i64 {
        let Some((summer, begins, ends)) = &self.summer else {
            return self.standard;
        };
        let (year, _, _) = crate::units::date_of_days((seconds + self.standard).div_euclid(86_400));
        let begins = begins.in_year(year) - self.standard;
        let ends = ends.in_year(year) - summer;
        let is_summer = if begins < ends {
            (begins..ends).contains(&seconds)
        } else {
            !(ends..begins).contains(&seconds)
        };
        if is_summer { *summer } else { self.standard }
    }
}

impl Day {
    /// Seconds from 1970, local time.
    fn in_year(self, year: i64) -> i64 {
        let (next_year, next_month) = if self.month == 12 {
            (year + 1, 1)
        } else {
            (year, self.month + 1)
        };
        let (first, after) = (days(year, self.month), days(next_year, next_month));
        let weekday = (first + 4).rem_euclid(7);
        let mut day = first + (self.day - weekday).rem_euclid(7) + 7 * (self.week - 1);
        while day >= after {
            day -= 7;
        }
        day * 86_400 + self.second
    }
}

/// Days from 1970 to the first of a month; the inverse of `units::date_of_days`.
fn days(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// What follows a zone's name.
fn name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        return quoted.split_once('>').map(|(_, rest)| rest);
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    (text.len() - rest.len() >= 3).then_some(rest)
}

/// `-1`, `5:30`: hours west; what follows, and seconds east.
fn offset(text: &str) -> Option<(&str, i64)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || "+-:".contains(c)))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    clock(number).map(|seconds| (rest, -seconds))
}

/// `3`, `-1:30`, `02:00:00`.
fn clock(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut seconds = 0;
    for (part, worth) in digits.splitn(3, ':').zip([3600, 60, 1]) {
        seconds += part.parse::<u16>().ok().map(i64::from)? * worth;
    }
    Some(sign * seconds)
}

/// `M3.5.0/2`.
fn day(text: &str) -> Option<Day> {
    let (date, time) = text.split_once('/').unwrap_or((text, "2"));
    let mut numbers = date
        .strip_prefix('M')?
        .split('.')
        .map(|part| part.parse::<i64>().ok());
    let day = Day {
        month: numbers.next()??,
        week: numbers.next()??,
        day: numbers.next()??,
        second: clock(time)?,
    };
    let fits =
        (1..=12).contains(&day.month) && (1..=5).contains(&day.week) && (0..7).contains(&day.day);
    fits.then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruled(text: &str) -> Zone {
        Zone {
            rule: Rule::parse(text),
            ..Zone::default()
        }
    }

    #[test]
    fn summer_comes_and_goes() {
        let berlin = ruled("CET-1CEST,M3.5.0,M10.5.0/3");
        // 2026-03-29 and 2026-10-25, 01:00 UTC.
        assert_eq!(berlin.minutes(1_774_745_999), 60);
        assert_eq!(berlin.minutes(1_774_746_000), 120);
        assert_eq!(berlin.minutes(1_792_889_999), 120);
        assert_eq!(berlin.minutes(1_792_890_000), 60);
        let south = ruled("AEST-10AEDT,M10.1.0,M4.1.0/3");
        assert_eq!(south.minutes(1_767_225_600), 660);
        assert_eq!(south.minutes(1_782_864_000), 600);
        assert_eq!(ruled("<+0545>-5:45").minutes(0), 345);
        assert_eq!(ruled("EST5EDT,M3.2.0,M11.1.0").minutes(1_768_435_200), -300);
    }

    #[test]
    fn what_cannot_be_read_is_utc() {
        for wrong in [
            "",
            "x",
            "CET",
            "CET-1CEST",
            "CET-1CEST,M13.1.0,M1.1.0",
            "CET-1CEST,J1,J2",
        ] {
            assert!(Rule::parse(wrong).is_none(), "{wrong}");
        }
        assert!(Zone::parse(b"TZif").is_none());
        assert!(Zone::parse(&[0; 100]).is_none());
        assert_eq!(
            Zone::of_system(Some(OsStr::new("../../etc/passwd"))).minutes(0),
            0
        );
    }
}
