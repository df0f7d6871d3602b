//! A ledger record: which objects of one mirror were read back when, and found good.
//!
//! ```text
//! v 1 · mirror bin16 · device bin16 · time seconds · level
//! objects            bin, the first 8 bytes of each name found good, ascending
//! damaged · healed   arrays of full names, as text: `packs/3f/3f9a...`
//! bytes              how many were read
//! ```
//!
//! It is convenience: a record that is lost costs another reading. Names are paths because an object that is damaged
//! need not be one whose name is a hash.

use crate::error::Result;
use crate::format::bin::{self, next_bin, next_texts};
use crate::format::codec::{is_default, require};
use crate::format::keyed::{self, Keyed};
use crate::limits::LEDGER_OBJECTS_MAX;
use serde::Serialize;
use serde::de::MapAccess;

const WHAT: &str = "read ledger record";

/// Listed, with the right length.
pub const LEVEL_LISTED: u8 = 1;
/// All bytes hashed against the name.
pub const LEVEL_STORED: u8 = 2;
/// Opened, decompressed, ids recomputed.
pub const LEVEL_CONTENT: u8 = 3;

/// What one reading of a mirror found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LedgerRecord {
    /// The mirror; a record that names another is ignored.
    #[serde(serialize_with = "bin::bin")]
    pub mirror: [u8; 16],
    /// Who read.
    #[serde(serialize_with = "bin::bin")]
    pub device: [u8; 16],
    /// Seconds since 1970.
    pub time: i64,
    /// How thoroughly: [`LEVEL_LISTED`], [`LEVEL_STORED`], [`LEVEL_CONTENT`].
    pub level: u8,
    /// The first 8 bytes of each name found good, ascending.
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    pub objects: Vec<[u8; 8]>,
    /// Paths of objects found bad.
    #[serde(skip_serializing_if = "is_default")]
    pub damaged: Vec<String>,
    /// Paths of objects made good again.
    #[serde(skip_serializing_if = "is_default")]
    pub healed: Vec<String>,
    /// How many bytes were read.
    #[serde(skip_serializing_if = "is_default")]
    pub bytes: u64,
}

impl LedgerRecord {
    /// The record of box 8.
    pub fn encode(&self) -> Vec<u8> {
        keyed::encode_versioned(self)
    }

    /// Reads the record of box 8.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (record, _): (Self, u32) = keyed::decode_versioned(bytes, WHAT)?;
        let level = (LEVEL_LISTED..=LEVEL_CONTENT).contains(&record.level);
        require(level, WHAT, "an unknown level")?;
        let counts = [
            record.objects.len(),
            record.damaged.len(),
            record.healed.len(),
        ];
        let few = counts.iter().all(|count| *count <= LEDGER_OBJECTS_MAX);
        require(few, WHAT, "too many objects")?;
        require(record.objects.is_sorted(), WHAT, "objects out of order")?;
        Ok(record)
    }

    /// Whether it says that the object whose name begins with these bytes was good.
    pub fn found_good(&self, name: [u8; 8]) -> bool {
        self.objects.binary_search(&name).is_ok()
    }
}

impl Keyed for LedgerRecord {
    const NEEDED: &'static [&'static str] = &["mirror", "device", "time", "level"];
    const VERSIONED: bool = true;

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error> {
        match key {
            "mirror" => self.mirror = next_bin(map)?,
            "device" => self.device = next_bin(map)?,
            "time" => self.time = map.next_value()?,
            "level" => self.level = map.next_value()?,
            "objects" => self.objects = next_bin(map)?,
            "damaged" => self.damaged = next_texts(map)?,
            "healed" => self.healed = next_texts(map)?,
            "bytes" => self.bytes = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
