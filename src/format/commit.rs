//! Intent and commit slot: a session announces itself, and is decided by one small object.
//!
//! ```text
//! intent   v 1 · session bin16 · device bin16 · kind text · marks bin, ids seen · started seconds
//! slot     v 1 · commit bin, entry ids          COMMIT
//!          v 1 · abort mark id bin · by bin16   ABORT
//! ```
//!
//! Whoever does not know every key may not act on either, so an unknown one is "too new".

use crate::error::Result;
use crate::format::bin::{self, next_bin, next_text};
use crate::format::codec::{self, is_default, require};
use crate::format::keyed::{self, Keyed};
use crate::id::Id;
use crate::limits::{COMMIT_ENTRIES_MAX, ENTRY_IDS_MAX};
use serde::Serialize;
use serde::de::MapAccess;

/// "I am about to depend on packs here."
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Intent {
    /// The session.
    #[serde(serialize_with = "bin::bin")]
    pub session: [u8; 16],
    /// Whose it is.
    #[serde(serialize_with = "bin::bin")]
    pub device: [u8; 16],
    /// What it does: `backup`, `sync`, `undelete`, `heal`.
    pub kind: String,
    /// Marks it has seen.
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    pub marks: Vec<Id>,
    /// Seconds since 1970, for people.
    pub started: i64,
}

impl Intent {
    /// The record of box 5.
    pub fn encode(&self) -> Vec<u8> {
        keyed::encode_versioned(self)
    }

    /// Reads the record of box 5.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        const WHAT: &str = "read intent";
        let intent: Self = keyed::decode_strict(bytes, WHAT)?;
        let marks = intent.marks.len() <= ENTRY_IDS_MAX;
        require(marks, WHAT, "too many marks")?;
        Ok(intent)
    }
}

impl Keyed for Intent {
    const NEEDED: &'static [&'static str] = &["session", "device", "kind", "started"];
    const VERSIONED: bool = true;

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error> {
        match key {
            "session" => self.session = next_bin(map)?,
            "device" => self.device = next_bin(map)?,
            "kind" => self.kind = next_text(map)?,
            "marks" => self.marks = next_bin(map)?,
            "started" => self.started = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The one object that decides whether a session happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitSlot {
    /// These entries are visible.
    Commit(Vec<Id>),
    /// The session must start again.
    Abort {
        /// The mark it had not seen.
        mark: Id,
        /// The device that gave up waiting.
        by: [u8; 16],
    },
}

#[derive(Default, Serialize)]
struct Fields {
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    commit: Option<Vec<Id>>,
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    abort: Option<Id>,
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    by: Option<[u8; 16]>,
}

impl CommitSlot {
    /// The record of box 6.
    pub fn encode(&self) -> Vec<u8> {
        let fields = match self {
            Self::Commit(entries) => Fields {
                commit: Some(entries.clone()),
                ..Fields::default()
            },
            Self::Abort { mark, by } => Fields {
                abort: Some(*mark),
                by: Some(*by),
                ..Fields::default()
            },
        };
        keyed::encode_versioned(&fields)
    }

    /// Reads the record of box 6.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        const WHAT: &str = "read commit slot";
        let Fields { commit, abort, by } = keyed::decode_strict(bytes, WHAT)?;
        match (commit, abort, by) {
            (Some(entries), None, None) if entries.len() <= COMMIT_ENTRIES_MAX => {
                Ok(Self::Commit(entries))
            }
            (None, Some(mark), Some(by)) => Ok(Self::Abort { mark, by }),
            _ => Err(codec::damaged(WHAT, "neither COMMIT nor ABORT")),
        }
    }
}

impl Keyed for Fields {
    const NEEDED: &'static [&'static str] = &[];
    const VERSIONED: bool = true;

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error> {
        match key {
            "commit" => self.commit = next_bin(map)?,
            "abort" => self.abort = next_bin(map)?,
            "by" => self.by = next_bin(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
