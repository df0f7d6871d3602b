//! A snapshot: what one run over one source found. It lives inside an entry of a chain.
//!
//! ```text
//! source    text             which source
//! tree      id bin           its root
//! parent    id bin           the snapshot it was compared with
//! paths     array of bin     what was asked for
//! excludes  array of text    and what not
//! tags      array of text
//! counts    array            files, folders, bytes, new bytes, skipped
//! kinds     array            [kind, items, warning bits] of all that was recognised
//! losses    bin              loss marks known, 32 bytes each
//! suspect   text             why the source looks collapsed
//! ```
//!
//! Keys are absent when empty. Unknown ones were written by a newer heirloom: they are ignored and counted.

use crate::format::bin::{self, Bin, BinRef, next_bin, next_text, next_texts};
use crate::format::codec::is_default;
use crate::format::keyed::{Counted, Keyed};
use crate::id::Id;
use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What one run over one source found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The source's name.
    pub source: String,
    /// Its root.
    #[serde(serialize_with = "bin::bin")]
    pub tree: Id,
    /// The entry of the snapshot it was compared with.
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    pub parent: Option<Id>,
    /// What was asked for, as raw bytes.
    #[serde(serialize_with = "write_paths", skip_serializing_if = "is_default")]
    pub paths: Vec<Vec<u8>>,
    /// And what not.
    #[serde(skip_serializing_if = "is_default")]
    pub excludes: Vec<String>,
    /// Words the user gave it.
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// How much there was.
    #[serde(skip_serializing_if = "is_default")]
    pub counts: Counts,
    /// All that was recognised: kind, items, warning bits.
    #[serde(skip_serializing_if = "is_default")]
    pub kinds: Vec<(u32, u64, u32)>,
    /// Loss marks this session knew.
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    pub losses: Vec<Id>,
    /// Why the source looks collapsed, if it does.
    #[serde(skip_serializing_if = "is_default")]
    pub suspect: Option<String>,
    /// How many keys of a newer version were ignored when this was read. Never written.
    #[serde(skip)]
    pub unknown: u32,
}

/// How much there was, and how much of it was new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Regular files, by name.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of chunks that were not there before.
    pub new_bytes: u64,
    /// Items that could not be read.
    pub skipped: u64,
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            files,
            folders,
            bytes,
            new_bytes,
            skipped,
        } = self;
        [files, folders, bytes, new_bytes, skipped].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let [files, folders, bytes, new_bytes, skipped] = Deserialize::deserialize(from)?;
        Ok(Self {
            files,
            folders,
            bytes,
            new_bytes,
            skipped,
        })
    }
}

impl Keyed for Snapshot {
    const NEEDED: &'static [&'static str] = &["source", "tree"];

    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "source" => self.source = next_text(map)?,
            "tree" => self.tree = next_bin(map)?,
            "parent" => self.parent = next_bin(map)?,
            "paths" => {
                let paths: Vec<Bin<Vec<u8>>> = map.next_value()?;
                self.paths = paths.into_iter().map(|Bin(path)| path).collect();
            }
            "excludes" => self.excludes = next_texts(map)?,
            "tags" => self.tags = next_texts(map)?,
            "counts" => self.counts = map.next_value()?,
            "kinds" => self.kinds = map.next_value()?,
            "losses" => self.losses = next_bin(map)?,
            "suspect" => self.suspect = Some(next_text(map)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for Snapshot {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Counted { value, unknown } = Deserialize::deserialize(from)?;
        Ok(Self { unknown, ..value })
    }
}

fn write_paths<S: Serializer>(paths: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| BinRef(path)))
}
