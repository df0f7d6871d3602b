//! Sizes, moments and durations, to text and back. Sizes are binary; moments are UTC here, local in `ui`.

/// `1.4 GiB`, `412.6 MiB`, `17 B`: three or four digits that matter.
pub fn size_to_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Reads `512`, `64K`, `64KiB`, `1.5 MiB`, `2g`. All units are binary, as people who type them here mean it.
pub fn size_from_text(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift);
    }
    let value = number.parse::<f64>().ok()? * f64::from(2).powi(shift);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a byte is dropped on purpose"
    )]
    (0.0..9e18).contains(&value).then_some(value as u64)
}

/// `12,345,678`.
pub fn count_to_text(n: u64) -> String {
    let digits = n.to_string();
    let first = digits.len() % 3;
    let mut text = digits[..first].to_owned();
    for group in digits.as_bytes()[first..].chunks(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend(group.iter().map(|digit| char::from(*digit)));
    }
    text
}

/// `0.4 s`, `41 s`, `11 min`, `3 h 20 min`.
pub fn duration_to_text(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounded, and a float cast saturates"
    )]
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..90 => format!("{whole} s"),
        90..5400 => format!("{} min", (whole + 30) / 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `12 min`, `5 hours`, `4 days`: how long ago something was, roughly.
pub fn age_to_text(seconds: u64) -> String {
    match seconds {
        0..5400 => format!("{} min", seconds.div_ceil(60).max(1)),
        5400..172_800 => format!("{} hours", (seconds + 1800) / 3600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

/// Year, month 1-12 and day 1-31 of a count of days since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
pub fn date_of_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 {
        month_shifted + 3
    } else {
        month_shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (
        year,
        u32::try_from(month).unwrap_or(1),
        u32::try_from(day).unwrap_or(1),
    )
}

/// The day, counted from 1970-01-01, of a year, month 1-12 and day 1-31: the inverse of [`date_of_days`], from the same
/// source.
pub fn days_of_date(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_shifted = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `2026-11-22T03:12:05Z`, RFC 3339 in UTC, of seconds since 1970.
pub fn moment_to_rfc3339(seconds: i64) -> String {
    let (year, month, day) = date_of_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z",
        second % 60
    )
}

/// `2026-11-22 03:12` at an offset of `zone` minutes east of UTC.
pub fn moment_to_text(seconds: i64, zone: i32) -> String {
    let local = seconds.saturating_add(i64::from(zone) * 60);
    let (year, month, day) = date_of_days(local.div_euclid(86_400));
    let second = local.rem_euclid(86_400);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}",
        second / 3600,
        second / 60 % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_go_both_ways() {
        assert_eq!(size_to_text(17), "17 B");
        assert_eq!(size_to_text(1536), "1.5 KiB");
        assert_eq!(size_to_text(u64::MAX), "16384.0 PiB");
        assert_eq!(size_from_text("64KiB"), Some(65536));
        assert_eq!(size_from_text("1.5 m"), Some(3 << 19));
        // As it is shown.
        assert_eq!(size_from_text("2.5 PiB"), Some(5 << 49));
        for wrong in ["", "x", "1 parsec", "-1", "99999999T"] {
            assert_eq!(size_from_text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn days_and_dates_go_both_ways() {
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = date_of_days(days);
            assert_eq!(days_of_date(year, month, day), days);
        }
    }

    #[test]
    fn moments_follow_the_calendar() {
        assert_eq!(moment_to_rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment_to_rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(moment_to_rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(moment_to_rfc3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(moment_to_text(0, 90), "1970-01-01 01:30");
        assert_eq!(count_to_text(1_234_567), "1,234,567");
        assert_eq!(count_to_text(0), "0");
        assert_eq!(duration_to_text(700.0), "12 min");
        assert_eq!(age_to_text(0), "1 min");
        assert_eq!(age_to_text(7200), "2 hours");
        assert_eq!(age_to_text(4 * 86_400 + 5), "4 days");
    }
}
