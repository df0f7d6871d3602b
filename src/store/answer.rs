//! What a server's answer means, the same for every store that speaks HTTP.

use crate::error::{Error, Kind};
use crate::host::Timestamp;
use crate::store::retry::Trouble;
use crate::store::wire::{Lost, SPEAKS_TLS};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use std::time::Duration;

/// As much of an error's text as is looked at.
pub(crate) const TEXT_MAX: usize = 16 << 10;
const WORDS_MAX: usize = 300;
/// Servers refuse signatures from further away than 15 minutes; clocks that are this far off deserve a word.
const SKEW_MAX: i64 = 5 * 60;
/// A server's words for a signature from another time.
const SKEWED: [&str; 2] = ["RequestTimeTooSkewed", "RequestExpired"];

/// What servers say to plain HTTP on a port for TLS: Apache, nginx, those in Go.
const TLS_PORT: [&str; 3] = [
    "speaking plain HTTP to an SSL-enabled",
    "plain HTTP request was sent to HTTPS port",
    "HTTP request to an HTTPS server",
];

/// The head of an answer, and what its text said where it was an error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The server's own word for it: `NoSuchBucket`.
    pub(crate) code: String,
    /// Its sentence.
    pub(crate) message: String,
    /// The region that it names.
    pub(crate) region: Option<String>,
    /// Where it points to.
    pub(crate) target: Option<String>,
    /// Not before so much time, it asks.
    pub(crate) after: Option<Duration>,
    /// Its clock, in seconds since 1970.
    pub(crate) date: Option<i64>,
    /// The length of what it sends.
    pub(crate) len: Option<u64>,
    /// It says that it expects TLS here.
    pub(crate) wants_tls: bool,
}

impl Answer {
    /// Reads the head, and the text of an error.
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, text: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let text = String::from_utf8_lossy(&text[..text.len().min(TEXT_MAX)]);
        let date = header(DATE.as_str()).and_then(http_date);
        let after = header(RETRY_AFTER.as_str()).and_then(|value| match value.trim().parse() {
            Ok(seconds) => Some(seconds),
            Err(_) => u64::try_from(http_date(value)? - date?).ok(),
        });
        let code = header("x-ms-error-code").or_else(|| element(&text, "Code"));
        Self {
            status: status.as_u16(),
            code: words(code.unwrap_or_default()),
            message: words(element(&text, "Message").unwrap_or_default()),
            region: header("x-amz-bucket-region")
                .or_else(|| element(&text, "Region"))
                .map(words),
            target: header(LOCATION.as_str()).map(words),
            after: after.map(Duration::from_secs),
            date,
            len: header(CONTENT_LENGTH.as_str()).and_then(|len| len.parse().ok()),
            wants_tls: status == StatusCode::BAD_REQUEST
                && TLS_PORT.iter().any(|words| text.contains(words)),
        }
    }

    /// Whether the server did it.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it is one of those words, or says so in its sentence.
    pub(crate) fn says(&self, words: &[&str]) -> bool {
        let said = |word: &&str| self.code.contains(*word) || self.message.contains(*word);
        words.iter().any(said)
    }

    /// What it means for a call that did not get what it wanted.
    pub(crate) fn error(&self, what: String, now: Timestamp) -> Error {
        let told = |kind: Kind, trouble: Trouble, why: &str| {
            Error::new(kind, what.clone()).because(trouble.told(format!("{why} ({self})")))
        };
        let again = Trouble {
            again: true,
            after: self.after,
        };
        match self.status {
            300..400 => return self.moved(what),
            404 if self.says(&["NoSuchBucket", "ContainerNotFound", "bucket does not exist"]) => {
                return told(
                    Kind::NoRepository,
                    Trouble::FINAL,
                    "there is no such bucket",
                )
                .hint("check the location: a bucket is made by its owner, never by heirloom");
            }
            404 | 410 => return told(Kind::NotFound, Trouble::FINAL, "it is not there"),
            507 => {
                return told(Kind::Full, Trouble::FINAL, "the server has no room left")
                    .hint("make room there and run the same command again: what is complete is not sent twice");
            }
            413 => {
                return told(
                    Kind::Other,
                    Trouble::FINAL,
                    "the server takes no object so large",
                );
            }
            416 => return told(Kind::Damaged, Trouble::FINAL, "it ends before that range"),
            _ => {}
        }
        if self.says(&[
            "QuotaExceeded",
            "StorageFull",
            "InsufficientStorage",
            "NoSpace",
        ]) {
            return told(Kind::Full, Trouble::FINAL, "the server has no room left");
        }
        if let Some((why, hint)) = self.refusal(now) {
            return told(Kind::Unreachable, Trouble::FINAL, why).hint(hint);
        }
        if let (400, Some(_)) = (self.status, &self.region) {
            return self.moved(what);
        }
        match self.status {
            408 | 423 | 425 | 429 | 500 | 502 | 503 | 504 | 509 => {
                told(Kind::Unreachable, again, "the server is busy")
            }
            409 => told(Kind::Unreachable, again, "another call was in the way"),
            _ => told(
                Kind::Unreachable,
                Trouble::FINAL,
                "the server would not do it",
            ),
        }
    }

    /// What a person has to set right before the server does anything, and how.
    fn refusal(&self, now: Timestamp) -> Option<(&'static str, String)> {
        if self.wants_tls {
            let why = "the server speaks nothing but TLS on this port";
            return Some((why, SPEAKS_TLS.to_owned()));
        }
        if self.says(&SKEWED) {
            let hint = self.clock_hint(now).unwrap_or_else(|| {
                "set this device's clock right and try again; if it is right, the server's is wrong"
                    .to_owned()
            });
            let why = "the clocks of this device and of the server differ too much";
            return Some((why, hint));
        }
        let hint = || {
            self.clock_hint(now).unwrap_or_else(|| {
                "check the account and its rights: `heirloom mirror test` tries every kind of call".to_owned()
            })
        };
        self.is_about_credentials()
            .then(|| ("the server refused the credentials", hint()))
    }

    fn is_about_credentials(&self) -> bool {
        matches!(self.status, 401 | 403 | 407) || self.says(&["ExpiredToken", "InvalidToken"])
    }

    fn clock_hint(&self, now: Timestamp) -> Option<String> {
        let off = now.seconds - self.date?;
        let direction = if off > 0 { "ahead of" } else { "behind" };
        (off.abs() > SKEW_MAX).then(|| {
            let span = match off.abs() / 60 {
                minutes @ ..120 => format!("{minutes} minutes"),
                minutes @ ..2880 => format!("{} hours", minutes / 60),
                minutes => format!("{} days", minutes / 1440),
            };
            format!(
                "this device's clock is {span} {direction} the server's: set it right and try again"
            )
        })
    }

    /// A redirect is never followed: credentials would follow it.
    fn moved(&self, what: String) -> Error {
        let error = Error::new(Kind::Usage, what);
        if let Some(region) = &self.region {
            return error
                .because(
                    Trouble::FINAL.told(format!("the bucket is in the region {region} ({self})")),
                )
                .hint(format!(
                    "add ?region={region} to the address, or region = \"{region}\" to the mirror"
                ));
        }
        let target = self.target.as_deref().unwrap_or("another place");
        error
            .because(Trouble::FINAL.told(format!("the server points to {target} ({self})")))
            .hint("if that is right, give it as the address: heirloom never follows by itself")
    }
}

impl std::fmt::Display for Answer {
    /// `503 SlowDown: Please reduce your request rate.`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// What it means that no answer came.
pub(crate) fn lost(what: String, lost: &Lost) -> Error {
    let trouble = Trouble {
        again: lost.again,
        after: None,
    };
    let error = Error::new(Kind::Unreachable, what).because(trouble.told(lost.why.clone()));
    match lost.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The text of the first element of that name. Error texts are small and flat.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once("</")?;
    (!inner.contains('<')).then_some(inner.trim())
}

/// Fit for a terminal: no controls, no more than fits in a few lines.
fn words(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(printable).take(WORDS_MAX).collect()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = parts[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let mut time = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    seconds_since_1970(
        [
            year.parse().ok()?,
            i64::try_from(month).ok()?,
            day.parse().ok()?,
        ],
        [hour, minute, second],
    )
}

/// Year, month, day; hour, minute, second; all UTC.
pub(crate) fn seconds_since_1970(date: [i64; 3], time: [i64; 3]) -> Option<i64> {
    let ([year, month, day], [hour, minute, second]) = (date, time);
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !fits {
        return None;
    }
    // Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`: years begin in March.
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year
        - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], text: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Answer::new(StatusCode::from_u16(status).unwrap(), &map, text.as_bytes())
    }

    fn error_of(answer: &Answer) -> Error {
        let now = Timestamp {
            seconds: 784_111_777,
            nanos: 0,
        };
        answer.error("read it".to_owned(), now)
    }

    #[test]
    fn dates() {
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            http_date("Tue, 29 Feb 2028 23:59:59 GMT"),
            Some(1_835_481_599)
        );
        for bad in [
            "",
            "now",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 6 Foo 1994 08:49:37 GMT",
            "a b c d e f",
        ] {
            assert_eq!(http_date(bad), None);
        }
    }

    #[test]
    fn kinds_and_marks() {
        let retry = Some(Trouble::AGAIN);
        let never = Some(Trouble::FINAL);
        for (status, text, kind, trouble) in [
            (404, "", Kind::NotFound, never),
            (
                404,
                "<Error><Code>NoSuchKey</Code></Error>",
                Kind::NotFound,
                never,
            ),
            (
                404,
                "<Error><Code>NoSuchBucket</Code></Error>",
                Kind::NoRepository,
                never,
            ),
            (
                403,
                "<Error><Code>AccessDenied</Code></Error>",
                Kind::Unreachable,
                never,
            ),
            (
                400,
                "<Error><Code>ExpiredToken</Code></Error>",
                Kind::Unreachable,
                never,
            ),
            (400, "", Kind::Unreachable, never),
            (409, "", Kind::Unreachable, retry),
            (423, "", Kind::Unreachable, retry),
            (500, "", Kind::Unreachable, retry),
            (
                503,
                "<Error><Code>SlowDown</Code></Error>",
                Kind::Unreachable,
                retry,
            ),
            (507, "", Kind::Full, never),
            (
                403,
                "<Error><Code>QuotaExceeded</Code></Error>",
                Kind::Full,
                never,
            ),
            (413, "", Kind::Other, never),
            (416, "", Kind::Damaged, never),
            (302, "", Kind::Usage, never),
        ] {
            let error = error_of(&answer(status, &[], text));
            assert_eq!(
                (error.kind(), Trouble::of(&error)),
                (kind, trouble),
                "{status} {text}"
            );
        }
    }

    #[test]
    fn a_server_may_ask_for_time() {
        let found = answer(503, &[("retry-after", "17")], "");
        assert_eq!(
            Trouble::of(&error_of(&found)).unwrap().after,
            Some(Duration::from_secs(17))
        );
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let found = answer(
            503,
            &[date, ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")],
            "",
        );
        assert_eq!(found.after, Some(Duration::from_secs(60)));
        let found = answer(
            503,
            &[date, ("retry-after", "Sun, 06 Nov 1994 08:40:37 GMT")],
            "",
        );
        assert_eq!(found.after, None);
    }

    #[test]
    fn a_wrong_region_is_named() {
        let found = answer(301, &[("x-amz-bucket-region", "eu-central-1")], "");
        let error = error_of(&found);
        assert!(error.hint_text().unwrap().contains("?region=eu-central-1"));
        let text =
            "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>";
        let error = error_of(&answer(400, &[], text));
        assert!(error.hint_text().unwrap().contains("?region=eu-north-1"));
        let error = error_of(&answer(
            302,
            &[("location", "https://login.example.org/")],
            "",
        ));
        assert!(error.chain().contains("https://login.example.org/"));
    }

    #[test]
    fn a_wrong_clock_is_named() {
        let found = answer(403, &[("date", "Sun, 06 Nov 1994 08:39:37 GMT")], "");
        let hint = error_of(&found).hint_text().unwrap().to_owned();
        assert!(hint.contains("clock is 10 minutes ahead of"), "{hint}");
        let found = answer(403, &[("date", "Sun, 06 Nov 1994 08:49:30 GMT")], "");
        assert!(!error_of(&found).hint_text().unwrap().contains("clock"));
        assert!(
            error_of(&found)
                .chain()
                .contains("refused the credentials (403)")
        );
    }

    #[test]
    fn strange_texts_do_no_harm() {
        for text in [
            "<Code>",
            "<Code></Code>",
            "<Code><b>x</b></Code>",
            "<Code>a\u{1b}[31m</Code>",
            "\u{0}",
        ] {
            let found = answer(500, &[], text);
            assert!(!found.to_string().contains('\u{1b}'));
        }
        let long = format!("<Message>{}</Message>", "x".repeat(20_000));
        assert!(answer(500, &[], &long).message.len() <= WORDS_MAX);
    }
}
