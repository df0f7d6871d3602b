//! Events for scripts: one object a line, `begin` first and `exit` last.
//!
//! Within a schema number fields and events may be added and are never removed or redefined. Sizes are bytes, moments
//! RFC 3339 in UTC, ids full length. A path that is no text stands escaped in `path` and exactly in `path_base64`.

use crate::error::Kind;
use crate::monitor::FileAction;
use serde::Serialize;

/// Raised when a field is removed or redefined.
pub const SCHEMA: u32 = 1;

/// Everything a script can be told.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the fields are named in the man page as they stand here"
)]
pub enum Event<'a> {
    /// The first one.
    Begin {
        schema: u32,
        version: &'a str,
        command: &'a str,
        repository: Option<&'a str>,
        device: &'a str,
    },
    /// The last one.
    Exit {
        code: u8,
        kind: &'a str,
        what: &'a str,
        hint: Option<&'a str>,
        outcomes: &'a [u8],
    },
    /// Once a second.
    Progress {
        phase: &'a str,
        done: u64,
        total: Option<u64>,
        bytes_done: u64,
        bytes_total: Option<u64>,
        seconds_left: Option<u64>,
    },
    /// Something wrong that did not stop the work.
    Problem {
        kind: &'a str,
        what: &'a str,
        hint: Option<&'a str>,
    },
    /// One file.
    File {
        action: &'a str,
        path: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_base64: Option<String>,
        bytes: u64,
    },
    /// One snapshot.
    Snapshot(SnapshotEvent<'a>),
    /// What is known of a mirror.
    Mirror {
        name: &'a str,
        state: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        snapshots_behind: Option<u64>,
        /// When the newest snapshot there was made.
        #[serde(skip_serializing_if = "Option::is_none")]
        newest: Option<String>,
        /// What a list says besides.
        #[serde(flatten)]
        held: Option<HeldEvent>,
    },
    /// Something about mirrors that their owner should know.
    Finding {
        rule: &'a str,
        mirrors: [&'a str; 2],
        what: &'a str,
    },
    /// What a prune did on a mirror, or would do on each.
    Pruned {
        #[serde(skip_serializing_if = "Option::is_none")]
        mirror: Option<&'a str>,
        freed: u64,
        rewritten: u64,
        packs: u64,
        snapshots: u64,
        waits: u64,
        /// Objects that the place does not let go yet.
        deferred: u64,
    },
    /// An object that is not what it should be.
    Damage {
        mirror: &'a str,
        object: &'a str,
        what: &'a str,
    },
    /// A file that cannot be had whole.
    Loss {
        source: &'a str,
        path: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_base64: Option<String>,
        snapshots: Vec<String>,
        /// Those that are not named.
        #[serde(skip_serializing_if = "is_none")]
        more_snapshots: u64,
        ranges: Vec<(u64, u64)>,
        bytes: u64,
    },
    /// What would be done.
    Plan {
        action: &'a str,
        what: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// One line of a listing.
    Node {
        path: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_base64: Option<String>,
        kind: &'a str,
        mode: u32,
        user: String,
        group: String,
        bytes: u64,
        time: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        link: Option<String>,
    },
    /// One object spelled out.
    Object { lines: &'a [String] },
    /// One key slot.
    Slot {
        id: String,
        kind: &'a str,
        label: &'a str,
        since: String,
    },
    /// What `init` made.
    #[serde(rename = "summary")]
    Made {
        repository: &'a str,
        fingerprint: &'a str,
        kit: Option<&'a str>,
        key_file: Option<&'a str>,
        next: &'a str,
    },
    /// What `backup` did.
    #[serde(rename = "summary")]
    Saved {
        source: &'a str,
        snapshot: Option<String>,
        counts: Counts,
        new: u64,
        changed: u64,
        unchanged: u64,
        bytes_read: u64,
        bytes_added: u64,
        bytes_stored: u64,
        seconds: f64,
        next: &'a str,
    },
    /// What `restore` did.
    #[serde(rename = "summary")]
    Restored {
        files: u64,
        folders: u64,
        others: u64,
        bytes: u64,
        identical: u64,
        kept: u64,
        deleted: u64,
        incomplete: u64,
        seconds: f64,
        next: &'a str,
    },
    /// What `forget` did.
    #[serde(rename = "summary")]
    Forgotten {
        kept: u64,
        forgotten: u64,
        /// Until when it can be taken back.
        delete_after: Option<String>,
        seconds: f64,
        next: &'a str,
    },
    /// What `verify` found.
    #[serde(rename = "summary")]
    Verified {
        level: &'a str,
        objects: u64,
        bytes: u64,
        packs: u64,
        blobs: u64,
        snapshots: u64,
        damaged: u64,
        losses: u64,
        newer: u64,
        strangers: u64,
        unsteady: u64,
        seconds: f64,
        next: &'a str,
    },
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Regular files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Items that could not be read.
    pub skipped: u64,
}

impl<'a> Event<'a> {
    /// What became of a mirror, where no more is known of it.
    pub fn mirror(name: &'a str, state: &'a str, snapshots_behind: Option<u64>) -> Self {
        Self::Mirror {
            name,
            state,
            snapshots_behind,
            newest: None,
            held: None,
        }
    }
}

/// What a mirror holds, and when the object was last read back that has waited longest.
#[derive(Clone, Debug, Serialize)]
pub struct HeldEvent {
    pub(crate) bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oldest_read: Option<String>,
    pub(crate) never_read: u64,
    pub(crate) damaged: u64,
    pub(crate) without_parity: u64,
    pub(crate) delete: bool,
    pub(crate) append_only: bool,
}

/// One snapshot, as `backup` made it or `snapshots` lists it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SnapshotEvent<'a> {
    /// All digits.
    pub id: String,
    /// Its source's name.
    pub source: &'a str,
    /// The machine that made it.
    pub device: &'a str,
    /// Who ran the backup.
    pub user: &'a str,
    /// When its walk began.
    pub time: String,
    /// What was backed up.
    pub paths: Vec<String>,
    /// Words to find it by.
    pub tags: &'a [String],
    /// What it holds.
    pub counts: Counts,
    /// Why it should not be trusted as the newest good one.
    pub suspect: Option<&'a str>,
    /// No retention takes it.
    pub pinned: bool,
    /// It is removed, and until then it can be taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_after: Option<String>,
    /// Bytes of new content.
    pub bytes_added: u64,
    /// Bytes of new packs; known only to the backup that made them.
    pub bytes_stored: Option<u64>,
}

/// An event as its line.
pub fn line(event: &Event<'_>) -> Vec<u8> {
    let mut line = serde_json::to_vec(event).expect("events are plain values with text keys");
    line.push(b'\n');
    line
}

/// The word for a kind of error.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Other => "other",
        Kind::Denied => "denied",
        Kind::Usage => "usage",
        Kind::Damaged => "damaged",
        Kind::NoRepository => "no-repository",
        Kind::Busy => "busy",
        Kind::NoKey => "no-key",
        Kind::Unreachable => "unreachable",
        Kind::Full => "full",
        Kind::TooNew => "too-new",
        Kind::Refused => "refused",
        Kind::Rollback => "rollback",
        Kind::Interrupted => "interrupted",
        Kind::NotFound => "not-found",
    }
}

/// The word for what happened to a file.
pub fn action_name(action: FileAction) -> &'static str {
    match action {
        FileAction::New => "new",
        FileAction::Changed => "changed",
        FileAction::Unchanged => "unchanged",
        FileAction::Restored => "restored",
        FileAction::Skipped => "skipped",
        FileAction::Incomplete => "incomplete",
    }
}

/// A path that is no text, exactly; nothing for one that is.
pub fn exact(path: &[u8]) -> Option<String> {
    std::str::from_utf8(path).is_err().then(|| base64(path))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_one_line_each() {
        let event = Event::Problem {
            kind: "other",
            what: "a\nb",
            hint: None,
        };
        let expected =
            "{\"event\":\"problem\",\"kind\":\"other\",\"what\":\"a\\nb\",\"hint\":null}\n";
        assert_eq!(String::from_utf8(line(&event)).unwrap(), expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_given_exactly() {
        assert_eq!(exact(b"plain"), None);
        assert_eq!(exact(b"\xff").as_deref(), Some("/w=="));
        assert_eq!(exact(b"\xff\xfe").as_deref(), Some("//4="));
        assert_eq!(exact(b"a\xff\xfe").as_deref(), Some("Yf/+"));
    }
}
