//! An entry: one link of a device's chain.
//!
//! ```text
//! v 1 · repo bin16 · device bin16 · seq · prev id bin, absent at 0
//! heads     [device bin16, seq, entry id bin] of every other device seen
//! acked     [mirror bin16, seq] of the newest own entry known to be visible there
//! time      [seconds, nanoseconds]        zone      minutes east of UTC
//! host · user · program   text            what      [word, value]
//!
//! ["snapshot", map]                ["remove", [[[device, seq, entry id, prev or nil] ...], reason]]
//! ["undelete", ids bin]            ["pin", [ids bin, reason]]       ["unpin", ids bin]
//! ["accept", [source, entry id]]   ["kit checked", seconds]         ["drill", map]
//! ["slot removed", id bin]         ["device", name]
//! ```
//!
//! Lists of ids are one byte string of 32 bytes each. An entry's id is the plain hash of its stored bytes. An unknown
//! word keeps the chain whole and is shown as unknown; prune refuses to work beside it.

use crate::error::Result;
use crate::format::bin::{self, Bin, BinRef, Text, next_bin, next_text};
use crate::format::codec::{self, is_default, require};
use crate::format::facts::{Fact, Facts};
use crate::format::keyed::{self, Keyed};
use crate::format::snapshot::Snapshot;
use crate::host::Timestamp;
use crate::id::Id;
use crate::limits::{ENTRY_HEADS_MAX, ENTRY_IDS_MAX};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const WHAT: &str = "read entry";
const NANOS_MAX: u32 = 999_999_999;
const ZONE_MAX: i32 = 24 * 60;

/// One link of a device's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The repository.
    #[serde(serialize_with = "bin::bin")]
    pub repo: [u8; 16],
    /// Whose chain this is.
    #[serde(serialize_with = "bin::bin")]
    pub device: [u8; 16],
    /// Rises from 0; a number whose entry never came to lie anywhere is passed over.
    pub seq: u64,
    /// The entry before it; none at 0.
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    pub prev: Option<Id>,
    /// The newest entries of every other device this one has seen, on any mirror.
    #[serde(skip_serializing_if = "is_default")]
    pub heads: Vec<Head>,
    /// Mirror, and the newest own entry known to be visible there.
    #[serde(serialize_with = "write_acked", skip_serializing_if = "is_default")]
    pub acked: Vec<([u8; 16], u64)>,
    /// When the walk began.
    #[serde(serialize_with = "write_time")]
    pub time: Timestamp,
    /// Minutes east of UTC.
    #[serde(skip_serializing_if = "is_default")]
    pub zone: i32,
    /// The machine's name.
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    /// The user's name.
    #[serde(skip_serializing_if = "is_default")]
    pub user: String,
    /// The version of heirloom.
    #[serde(skip_serializing_if = "is_default")]
    pub program: String,
    /// What happened.
    pub what: What,
    /// How many keys of a newer version were ignored when this was read. Never written.
    #[serde(skip)]
    pub unknown: u32,
}

/// The newest entry of a device, as another has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub device: [u8; 16],
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub entry: Id,
}

/// What is kept of a removed entry, so that its chain still joins when it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Whose.
    pub device: [u8; 16],
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub entry: Id,
    /// The entry before it.
    pub prev: Option<Id>,
}

impl Removed {
    /// What is kept of this entry.
    pub fn of(id: Id, entry: &Entry) -> Self {
        Self {
            device: entry.device,
            seq: entry.seq,
            entry: id,
            prev: entry.prev,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A source was stored.
    Snapshot(Box<Snapshot>),
    /// Snapshots are to go.
    Remove {
        /// Which.
        entries: Vec<Removed>,
        /// Why.
        reason: String,
    },
    /// Removed snapshots are to stay.
    Undelete(Vec<Id>),
    /// Snapshots that no retention may take.
    Pin {
        /// Which.
        ids: Vec<Id>,
        /// Why.
        reason: String,
    },
    /// They are as others again.
    Unpin(Vec<Id>),
    /// A suspect snapshot is as it should be.
    Accept {
        /// Its source.
        source: String,
        /// Its entry.
        entry: Id,
    },
    /// The printed kit was tried, at this second.
    KitChecked(i64),
    /// A restore was rehearsed.
    Drill(Facts),
    /// A key slot was taken away; sync deletes it everywhere.
    SlotRemoved(Id),
    /// The device's name.
    DeviceName(String),
    /// A word of a newer version.
    Unknown(String),
}

impl What {
    fn ids(&self) -> usize {
        match self {
            Self::Snapshot(snapshot) => snapshot.losses.len(),
            Self::Remove { entries, .. } => entries.len(),
            Self::Undelete(ids) | Self::Unpin(ids) | Self::Pin { ids, .. } => ids.len(),
            _ => 0,
        }
    }
}

impl Entry {
    /// The record of box 4.
    pub fn encode(&self) -> Vec<u8> {
        keyed::encode_versioned(self)
    }

    /// Reads the record of box 4.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (Fields(entry, what), unknown) = keyed::decode_versioned(bytes, WHAT)?;
        let what = what.ok_or_else(|| codec::damaged(WHAT, "no key what"))?;
        let entry = Self {
            what,
            unknown,
            ..entry
        };
        entry.check()?;
        Ok(entry)
    }

    fn check(&self) -> Result<()> {
        let joined = self.prev.is_some() == (self.seq > 0);
        require(joined, WHAT, "a first entry with another before it")?;
        let seen = self.heads.len().max(self.acked.len()) <= ENTRY_HEADS_MAX;
        require(seen, WHAT, "too many heads")?;
        let ids = self.what.ids() <= ENTRY_IDS_MAX;
        require(ids, WHAT, "too many ids")?;
        let nanos = self.time.nanos <= NANOS_MAX;
        require(nanos, WHAT, "a second of nanoseconds")?;
        let zone = (-ZONE_MAX..=ZONE_MAX).contains(&self.zone);
        require(zone, WHAT, "an offset of more than a day")
    }
}

/// What was read so far; `what` has no default.
struct Fields(Entry, Option<What>);

impl Default for Fields {
    fn default() -> Self {
        let entry = Entry {
            repo: [0; 16],
            device: [0; 16],
            seq: 0,
            prev: None,
            heads: Vec::new(),
            acked: Vec::new(),
            time: Timestamp::default(),
            zone: 0,
            host: String::new(),
            user: String::new(),
            program: String::new(),
            what: What::Unknown(String::new()),
            unknown: 0,
        };
        Self(entry, None)
    }
}

impl Keyed for Fields {
    const NEEDED: &'static [&'static str] = &["repo", "device", "seq", "time", "what"];
    const VERSIONED: bool = true;

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error> {
        let Self(entry, what) = self;
        match key {
            "repo" => entry.repo = next_bin(map)?,
            "device" => entry.device = next_bin(map)?,
            "seq" => entry.seq = map.next_value()?,
            "prev" => entry.prev = next_bin(map)?,
            "heads" => entry.heads = map.next_value()?,
            "acked" => {
                let acked: Vec<(Bin<[u8; 16]>, u64)> = map.next_value()?;
                entry.acked = acked
                    .into_iter()
                    .map(|(Bin(mirror), seq)| (mirror, seq))
                    .collect();
            }
            "time" => {
                let (seconds, nanos) = map.next_value()?;
                entry.time = Timestamp { seconds, nanos };
            }
            "zone" => entry.zone = map.next_value()?,
            "host" => entry.host = next_text(map)?,
            "user" => entry.user = next_text(map)?,
            "program" => entry.program = next_text(map)?,
            "what" => *what = Some(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn write_acked<S: Serializer>(
    acked: &[([u8; 16], u64)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(acked.iter().map(|(mirror, seq)| (BinRef(mirror), seq)))
}

fn write_time<S: Serializer>(
    time: &Timestamp,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    (time.seconds, time.nanos).serialize(serializer)
}

impl Serialize for Head {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let entry = BinRef(self.entry.as_bytes());
        (BinRef(&self.device), self.seq, entry).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let (Bin(device), seq, Bin(entry)) = Deserialize::deserialize(from)?;
        Ok(Self { device, seq, entry })
    }
}

impl Serialize for Removed {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let entry = BinRef(self.entry.as_bytes());
        let prev = self.prev.as_ref().map(|id| BinRef(id.as_bytes()));
        (BinRef(&self.device), self.seq, entry, prev).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Removed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let (Bin(device), seq, Bin(entry), prev) = Deserialize::deserialize(from)?;
        let prev: Option<Bin<Id>> = prev;
        Ok(Self {
            device,
            seq,
            entry,
            prev: prev.map(|Bin(id)| id),
        })
    }
}

impl Serialize for What {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let bin = |ids: &Vec<Id>| Bin(ids.clone());
        match self {
            Self::Snapshot(snapshot) => ("snapshot", snapshot).serialize(to),
            Self::Remove { entries, reason } => ("remove", (entries, reason)).serialize(to),
            Self::Undelete(ids) => ("undelete", bin(ids)).serialize(to),
            Self::Pin { ids, reason } => ("pin", (bin(ids), reason)).serialize(to),
            Self::Unpin(ids) => ("unpin", bin(ids)).serialize(to),
            Self::Accept { source, entry } => ("accept", (source, Bin(*entry))).serialize(to),
            Self::KitChecked(seconds) => ("kit checked", seconds).serialize(to),
            Self::Drill(facts) => ("drill", facts).serialize(to),
            Self::SlotRemoved(id) => ("slot removed", Bin(*id)).serialize(to),
            Self::DeviceName(name) => ("device", name).serialize(to),
            Self::Unknown(word) => (word, ()).serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(WhatVisitor)
    }
}

struct WhatVisitor;

impl<'de> Visitor<'de> for WhatVisitor {
    type Value = What;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word and its value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<What, A::Error> {
        let Text(word) = next(&mut seq)?;
        Ok(match word.as_str() {
            "snapshot" => What::Snapshot(next(&mut seq)?),
            "remove" => {
                let (entries, Text(reason)) = next(&mut seq)?;
                What::Remove { entries, reason }
            }
            "undelete" => What::Undelete(next::<Bin<_>, _>(&mut seq)?.0),
            "pin" => {
                let (Bin(ids), Text(reason)) = next(&mut seq)?;
                What::Pin { ids, reason }
            }
            "unpin" => What::Unpin(next::<Bin<_>, _>(&mut seq)?.0),
            "accept" => {
                let (Text(source), Bin(entry)) = next(&mut seq)?;
                What::Accept { source, entry }
            }
            "kit checked" => What::KitChecked(next(&mut seq)?),
            "drill" => match next(&mut seq)? {
                Fact::Map(facts) => What::Drill(facts),
                _ => return Err(A::Error::custom("a rehearsal without facts")),
            },
            "slot removed" => What::SlotRemoved(next::<Bin<_>, _>(&mut seq)?.0),
            "device" => What::DeviceName(next::<Text, _>(&mut seq)?.0),
            _ => {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                What::Unknown(word)
            }
        })
    }
}

fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    seq: &mut A,
) -> std::result::Result<T, A::Error> {
    seq.next_element()?
        .ok_or_else(|| A::Error::custom("a word without its value"))
}
