//! The flags that every verb takes.

use crate::limits::PARITY_PERCENT_MAX;
use clap::{ArgAction, Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// A bar on a terminal, nothing elsewhere
    Auto,
    /// A bar on a terminal
    Bar,
    /// A line every ten seconds
    Lines,
    /// Nothing
    None,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

/// The flags that every verb takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common options")]
pub struct Globals {
    /// Where the repository is, once for each mirror: a folder, s3://bucket/prefix, sftp://host/path and others [default:
    /// the mirrors of heirloom.toml, else heirloom/repository in $XDG_DATA_HOME or ~/.local/share]
    #[arg(short, long, value_name = "LOCATION", global = true)]
    pub repo: Vec<OsString>,
    /// Work with this mirror of heirloom.toml alone, once for each
    #[arg(
        short = 'M',
        long,
        value_name = "NAME",
        global = true,
        conflicts_with = "repo"
    )]
    pub mirror: Vec<String>,
    /// The configuration [default: heirloom/heirloom.toml in $XDG_CONFIG_HOME or ~/.config, if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Send at most so many bytes a second to mirrors far away, as in 2MiB
    #[arg(long, value_name = "SIZE", global = true)]
    pub limit_upload: Option<String>,
    /// Receive at most so many bytes a second
    #[arg(long, value_name = "SIZE", global = true)]
    pub limit_download: Option<String>,
    /// Read the passphrase from the first line of FILE
    #[arg(
        short,
        long,
        value_name = "FILE",
        alias = "password-file",
        global = true
    )]
    pub passphrase_file: Option<PathBuf>,
    /// Read the passphrase from what a shell command prints
    #[arg(
        long,
        value_name = "COMMAND",
        alias = "password-command",
        global = true
    )]
    pub passphrase_command: Option<OsString>,
    /// Read the passphrase from an open descriptor
    #[arg(long, value_name = "N", global = true)]
    pub passphrase_fd: Option<u32>,
    /// Open with a key file [default: heirloom/key in $XDG_CONFIG_HOME or ~/.config, if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    pub key_file: Option<PathBuf>,
    /// Ask for the twelve recovery words
    #[arg(long, global = true)]
    pub words: bool,
    /// Passphrase slots to try at most, each about a second [default: 3]
    #[arg(long, value_name = "N", global = true)]
    pub kdf_limit: Option<usize>,
    /// One JSON object per line on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Errors and the summary only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Name each file
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// How progress is shown [default: auto]
    #[arg(long, value_name = "HOW", global = true)]
    pub progress: Option<Progress>,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub color: Color,
    /// Where to keep what can be made again
    #[arg(long, value_name = "DIR", global = true)]
    pub cache_dir: Option<PathBuf>,
    /// Keep no cache: slower, never different
    #[arg(long, conflicts_with = "cache_dir", global = true)]
    pub no_cache: bool,
    /// Memory to keep within, at least 147MiB
    #[arg(long, value_name = "SIZE", default_value = "160MiB", global = true)]
    pub memory: String,
    /// Wait so long for another heirloom of this device, as in 90s, 15m or 2h
    #[arg(long, value_name = "DURATION", aliases = ["retry-lock", "lock-wait"], global = true)]
    pub wait: Option<String>,
}

/// `5%`, `5`, `0`.
pub fn percent(text: &str) -> Option<u8> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number.filter(|percent| *percent <= PARITY_PERCENT_MAX)
}

/// `90`, `90s`, `15m`, `2h`.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let worth = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(
        number.parse::<u64>().ok()?.checked_mul(worth)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_people_type_them() {
        assert_eq!(duration("90"), Some(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        for wrong in ["", "s", "2 weeks", "-1", "1.5h"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
