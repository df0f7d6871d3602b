//! The `HEIRLOOM_` variables. A name that is not known is an error: a secret or a location that is silently ignored
//! does more harm than a stop.

use crate::error::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Every variable this program reads, and what it is for.
pub const KNOWN: [(&str, &str); 11] = [
    (
        "HEIRLOOM_REPO",
        "where the repository is, as --repo; commas between several",
    ),
    ("HEIRLOOM_CONFIG", "as --config"),
    ("HEIRLOOM_KEY_FILE", "as --key-file"),
    ("HEIRLOOM_PASSPHRASE_FD", "as --passphrase-fd"),
    ("HEIRLOOM_PASSPHRASE_COMMAND", "as --passphrase-command"),
    ("HEIRLOOM_PASSPHRASE_FILE", "as --passphrase-file"),
    (
        "HEIRLOOM_PASSPHRASE",
        "the passphrase itself; your other processes can see it",
    ),
    ("HEIRLOOM_CACHE_DIR", "as --cache-dir"),
    (
        "HEIRLOOM_STATE_DIR",
        "this device's identity and what it remembers of each repository",
    ),
    ("HEIRLOOM_COMPRESSION", "as --compression of backup"),
    ("HEIRLOOM_PROGRESS", "as --progress"),
];

const PREFIX: &str = "HEIRLOOM_";
/// Set for programs that heirloom runs, and never read.
const HOOKS: &str = "HEIRLOOM_HOOK_";

/// The known ones that are set. An empty value counts as unset, but for the passphrase.
pub fn read(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<&'static str, OsString>> {
    let mut found = BTreeMap::new();
    for (name, value) in all {
        let name = name.to_string_lossy();
        if !name.starts_with(PREFIX) || name.starts_with(HOOKS) {
            continue;
        }
        let Some((known, _)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            let nearest = KNOWN.iter().min_by_key(|(known, _)| distance(known, &name));
            let hint = nearest.map(|(known, _)| format!("the nearest known name is {known}"));
            return Err(Error::new(Kind::Usage, format!("unknown variable {name}"))
                .hint(hint.unwrap_or_default()));
        };
        if !value.is_empty() || *known == "HEIRLOOM_PASSPHRASE" {
            found.insert(*known, value);
        }
    }
    Ok(found)
}

/// Letters to insert, drop or change on the way from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, b) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(pairs: &[(&str, &str)]) -> Result<BTreeMap<&'static str, OsString>> {
        read(
            pairs
                .iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value))),
        )
    }

    #[test]
    fn a_mistyped_name_is_not_ignored() {
        let error = reading(&[("HEIRLOOM_PASSWORD_FILE", "x")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert_eq!(
            error.hint_text(),
            Some("the nearest known name is HEIRLOOM_PASSPHRASE_FILE")
        );
        assert!(
            reading(&[("HEIRLOOM_HOOK_EXIT", "1"), ("PATH", "/bin")])
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            reading(&[("HEIRLOOM_REPO", ""), ("HEIRLOOM_PASSPHRASE", "")])
                .unwrap()
                .len(),
            1
        );
    }
}
