//! heirloom.toml as plain data; its errors name the line.
//!
//! Nothing in it is a secret: where one is needed, a command prints it.

use crate::error::{Error, Kind, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// All that the file says.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The repository that every mirror must hold: 32 digits.
    pub repository: Option<String>,
    /// A file with the passphrase in its first line.
    pub passphrase_file: Option<PathBuf>,
    /// A program that prints it, and its arguments.
    pub passphrase_command: Option<Vec<String>>,
    /// A key file.
    pub key_file: Option<PathBuf>,
    /// `fast`, `auto`, `max` or `off`.
    pub compression: Option<String>,
    /// The mirrors, by name.
    pub mirror: BTreeMap<String, Mirror>,
    /// How stored data is read back.
    pub verify: Verify,
    /// How long snapshots are kept.
    pub retention: Retention,
}

/// The `[retention]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// The rules that `forget` applies when none is given.
    pub keep: Keep,
    /// So many of the newest good snapshots stay whatever the rules say.
    pub min_good: Option<u32>,
    /// How long what is forgotten can be taken back, as in `14d`.
    pub grace: Option<String>,
}

/// `keep = { … }` in it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the flag of `forget` with that name")]
pub struct Keep {
    pub last: Option<u32>,
    pub hourly: Option<u32>,
    pub daily: Option<u32>,
    pub weekly: Option<u32>,
    pub monthly: Option<u32>,
    pub yearly: Option<u32>,
    pub within: Option<String>,
    pub within_hourly: Option<String>,
    pub within_daily: Option<String>,
    pub within_weekly: Option<String>,
    pub within_monthly: Option<String>,
    pub within_yearly: Option<String>,
    pub tag: Vec<String>,
}

/// The `[verify]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Verify {
    /// Within what time every stored byte is to be read back, as in `30d`.
    pub every: Option<String>,
}

/// One `[mirror.NAME]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Mirror {
    /// Where it is.
    pub location: String,
    /// It is not always there, and that is no failure before `max_age` has passed.
    pub removable: bool,
    /// How long it may be away, as in `14d`.
    pub max_age: Option<String>,
    /// Within what time everything there is to be read back, where it differs from `[verify] every`.
    pub verify_every: Option<String>,
    /// How much parity it shall have, as in `5%`; `0` for none.
    pub parity: Option<String>,
    /// What one fire or theft takes.
    pub site: Option<String>,
    /// This device deletes nothing there; prune runs elsewhere.
    pub append_only: bool,
    /// How long the bucket keeps each object that is put, whatever anybody asks, as in `30d`.
    pub object_lock: Option<String>,
    /// The server of a bucket.
    pub endpoint: Option<String>,
    /// The region of a bucket.
    pub region: Option<String>,
    /// Whether the bucket stands in the path of a request.
    pub path_style: Option<bool>,
    /// A PEM file of further certificates.
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP beyond this machine.
    pub allow_http: bool,
    /// Who logs in.
    pub user: Option<String>,
    /// A program that prints the password.
    pub password_command: Option<Vec<String>>,
    /// A program that prints id and secret.
    pub credentials_command: Option<Vec<String>>,
    /// The rclone program and its first arguments.
    pub rclone_command: Option<Vec<String>>,
    /// The ssh program and its first arguments.
    pub ssh_command: Option<Vec<String>>,
    /// How long a call is tried again before the mirror counts as away, as in `15m`.
    pub patience: Option<String>,
}

/// Reads the file's text; `file` is what errors call it.
///
/// # Errors
/// `Usage`, with the line.
pub fn parse(text: &str, file: &str) -> Result<Config> {
    let wrong = |why: String| {
        Error::new(Kind::Usage, format!("read {file}"))
            .because(why)
            .hint("correct the line that is quoted")
    };
    let config: Config = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    for (name, mirror) in &config.mirror {
        if mirror.location.is_empty() {
            return Err(wrong(format!("[mirror.{name}] has no location")));
        }
        check_name(name)?;
    }
    Ok(config)
}

/// Refuses a name that a person could not type or that would not stand in the file as it is.
///
/// # Errors
/// `Usage`.
pub fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= 64 && name.chars().all(fits) {
        return Ok(());
    }
    let what = format!("{name:?} cannot be the name of a mirror");
    Err(Error::new(Kind::Usage, what).hint("letters, digits, - and _"))
}

/// What is written of a new mirror.
#[derive(Clone, Copy, Debug, Default)]
pub struct New<'a> {
    /// Where it is.
    pub location: &'a str,
    /// What one fire or theft takes.
    pub site: Option<&'a str>,
    /// How much parity it shall have, where somebody said so.
    pub parity: Option<&'a str>,
    /// This device deletes nothing there.
    pub append_only: bool,
}

/// The text of one more mirror, to be put behind what stands there.
pub fn mirror_text(name: &str, new: &New<'_>) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = format!("\n[mirror.{name}]\nlocation = {}\n", quoted(new.location));
    for (key, value) in [("site", new.site), ("parity", new.parity)] {
        if let Some(value) = value {
            text.push_str(&format!("{key} = {}\n", quoted(value)));
        }
    }
    if new.append_only {
        text.push_str("append_only = true\n");
    }
    text
}

/// The text without the table of that mirror; `None` where it does not stand as a table of its own.
pub fn without_mirror(text: &str, name: &str) -> Option<String> {
    let head = format!("[mirror.{name}]");
    let mut kept = String::new();
    let mut inside = false;
    let mut found = false;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            inside = line.trim() == head;
            found |= inside;
        }
        if !inside {
            kept.push_str(line);
        }
    }
    // What looks like the head of a table may stand within a text of many lines.
    let mut wanted = parse(text, "").ok()?;
    wanted.mirror.remove(name);
    let right = parse(&kept, "").is_ok_and(|config| config == wanted);
    (found && right).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let error = parse("[mirror.usb]\nlocation = \"/a\"\nremovabel = true\n", "x").unwrap_err();
        let told = error.chain();
        assert!(
            told.contains("line 3") && told.contains("removabel"),
            "{told}"
        );
        assert_eq!(error.kind(), Kind::Usage);
        parse("mirror.usb.removable = true", "x").unwrap_err();
        parse("[mirror.\"a b\"]\nlocation = \"/a\"", "x").unwrap_err();
    }

    #[test]
    fn retention_is_read() {
        let text = "[retention]\nkeep = { daily = 14, within = \"2y\", within-daily = \"1m\", tag = [\"a\"] }\nmin_good = 2\n";
        let retention = parse(text, "x").unwrap().retention;
        assert_eq!(retention.keep.daily, Some(14));
        assert_eq!(retention.keep.within_daily.as_deref(), Some("1m"));
        assert_eq!(retention.min_good, Some(2));
        for wrong in [
            "[retention]\nkeep = { dialy = 14 }",
            "[retention]\nkeep = { daily = -1 }",
            "[retention]\nkeep = 14",
            "[retention]\nmin_god = 2",
        ] {
            let told = parse(wrong, "x").unwrap_err().chain();
            assert!(told.contains("line 2"), "{told}");
        }
    }

    #[test]
    fn mirrors_are_added_and_taken_out() {
        let mut text = String::from("compression = \"max\"\n");
        let usb = New {
            location: "/media/it's \"here\"",
            parity: Some("10%"),
            ..New::default()
        };
        text.push_str(&mirror_text("usb", &usb));
        let s3 = New {
            location: "s3://bucket/x",
            site: Some("elsewhere"),
            append_only: true,
            ..New::default()
        };
        text.push_str(&mirror_text("s3", &s3));
        let config = parse(&text, "x").unwrap();
        assert_eq!(config.mirror["usb"].location, "/media/it's \"here\"");
        assert_eq!(config.mirror["usb"].parity.as_deref(), Some("10%"));
        assert_eq!(config.mirror["s3"].site.as_deref(), Some("elsewhere"));
        assert!(config.mirror["s3"].append_only && !config.mirror["usb"].append_only);
        let less = without_mirror(&text, "usb").unwrap();
        let less = parse(&less, "x").unwrap();
        assert_eq!(less.mirror.keys().collect::<Vec<_>>(), ["s3"]);
        assert_eq!(less.compression.as_deref(), Some("max"));
        assert_eq!(without_mirror(&text, "nas"), None);
        assert_eq!(without_mirror("mirror.a.location = \"/a\"", "a"), None);
        let within = "[mirror.a]\nlocation = \"\"\"/\n[mirror.b]\n[verify]\n\"\"\"\n[mirror.b]\nlocation = \"/b\"\n";
        assert_eq!(without_mirror(within, "b"), None);
    }
}
