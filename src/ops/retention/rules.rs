//! The words of restic and borg: how many to keep of each period, everything within a span, and what has a tag.

use crate::units::{date_of_days, days_of_date};
use std::collections::BTreeMap;
use std::fmt;

const DAY: i64 = 86_400;

/// Which snapshots are alike: the newest of each period is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// Each by itself.
    Last,
    /// Those of one hour.
    Hourly,
    /// Those of one day.
    Daily,
    /// Those of one week, which begins on Monday.
    Weekly,
    /// Those of one month.
    Monthly,
    /// Those of one year.
    Yearly,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 6] = [
        Self::Last,
        Self::Hourly,
        Self::Daily,
        Self::Weekly,
        Self::Monthly,
        Self::Yearly,
    ];

    /// As in `keep = { daily = 14 }`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }

    /// As in "a newer one of its month is kept".
    pub fn noun(self) -> &'static str {
        match self {
            Self::Last => "moment",
            Self::Hourly => "hour",
            Self::Daily => "day",
            Self::Weekly => "week",
            Self::Monthly => "month",
            Self::Yearly => "year",
        }
    }

    /// The number of the period that a moment falls into, by a clock `zone` minutes east of UTC; none for [`Self::Last`],
    /// where no two are alike.
    pub(super) fn number(self, seconds: i64, zone: i32) -> Option<i64> {
        let local = seconds.saturating_add(i64::from(zone) * 60);
        let days = local.div_euclid(DAY);
        let (year, month, _) = date_of_days(days);
        match self {
            Self::Last => None,
            Self::Hourly => Some(local.div_euclid(3600)),
            Self::Daily => Some(days),
            // The first of January 1970 was a Thursday.
            Self::Weekly => Some((days + 3).div_euclid(7)),
            Self::Monthly => Some(year * 12 + i64::from(month)),
            Self::Yearly => Some(year),
        }
    }
}

/// A span of the calendar, as in `1y6m` or `36h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    months: i64,
    days: i64,
    hours: i64,
}

impl Span {
    /// Reads `2y`, `6m`, `4w`, `14d`, `36h` and several in a row. `m` is a month here, as in restic and borg.
    pub fn parse(text: &str) -> Option<Self> {
        let mut span = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let (number, unit) = rest.split_at(digits);
            // A million years are enough, and nothing overflows.
            let number = number.parse().ok().filter(|n: &i64| *n <= 1_000_000)?;
            let (count, worth) = match unit.bytes().next()? {
                b'y' => (&mut span.months, 12),
                b'm' => (&mut span.months, 1),
                b'w' => (&mut span.days, 7),
                b'd' => (&mut span.days, 1),
                b'h' => (&mut span.hours, 1),
                _ => return None,
            };
            *count += number * worth;
            rest = unit.get(1..)?;
        }
        (!text.is_empty()).then_some(span)
    }

    /// The moment that lies so long before another, by a clock `zone` minutes east of UTC. Where a month is too short for the
    /// day it is the month's last day.
    pub(super) fn before(self, seconds: i64, zone: i32) -> i64 {
        let east = i64::from(zone) * 60;
        let local = seconds.saturating_add(east);
        let (year, month, day) = date_of_days(local.div_euclid(DAY));
        let months = year * 12 + i64::from(month) - 1 - self.months;
        let first = |months: i64| {
            let month = u32::try_from(months.rem_euclid(12) + 1).unwrap_or(1);
            days_of_date(months.div_euclid(12), month, 1)
        };
        let last = first(months + 1) - 1;
        let days = (first(months) + i64::from(day) - 1).min(last) - self.days;
        days * DAY + local.rem_euclid(DAY) - self.hours * 3600 - east
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.months / 12, 'y'),
            (self.months % 12, 'm'),
            (self.days, 'd'),
            (self.hours, 'h'),
        ];
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "{number}{unit}")?;
        }
        Ok(())
    }
}

/// What is to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The newest of each of so many periods.
    pub counts: BTreeMap<Period, u32>,
    /// The newest of each period within this span before the newest good snapshot.
    pub within: BTreeMap<Period, Span>,
    /// Whatever has all tags of one of these.
    pub tags: Vec<Vec<String>>,
}

impl Rules {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.within.is_empty() && self.tags.is_empty()
    }
}
