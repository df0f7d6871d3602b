//! The marker of a mirror: which mirror this is, and what its location can do.
//!
//! ```text
//! v 1 · protocol 1 · id bin16 · made seconds · cas bool · probe map
//! ```
//!
//! Clients pin the id, so another disk under the same path is noticed. A higher `protocol`, or a key that is not known,
//! means that a newer heirloom keeps house here: reading stays allowed, writing does not.

use crate::error::Result;
use crate::format::bin::{self, next_bin};
use crate::format::codec::{is_default, require};
use crate::format::facts::{self, Facts};
use crate::format::keyed::{self, Keyed};
use serde::Serialize;
use serde::de::MapAccess;

const WHAT: &str = "read mirror record";

/// The publish and prune protocol of this program.
pub const PROTOCOL: u32 = 1;

/// Which mirror this is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MirrorRecord {
    /// The protocol that everyone who writes here keeps to.
    pub protocol: u32,
    /// Random, of this copy alone.
    #[serde(serialize_with = "bin::bin")]
    pub id: [u8; 16],
    /// Seconds since 1970.
    pub made: i64,
    /// Whether put-if-absent has one winner here.
    pub cas: bool,
    /// What else the probe found: `delete`, `range` and more.
    #[serde(skip_serializing_if = "is_default")]
    pub probe: Facts,
    /// How many keys of a newer version were ignored when this was read. Never written.
    #[serde(skip)]
    pub unknown: u32,
}

impl MirrorRecord {
    /// The record of box 9.
    pub fn encode(&self) -> Vec<u8> {
        keyed::encode_versioned(self)
    }

    /// Reads the record of box 9; see [`Self::may_write`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let (record, unknown): (Self, u32) = keyed::decode_versioned(bytes, WHAT)?;
        require(record.protocol > 0, WHAT, "protocol 0")?;
        Ok(Self { unknown, ..record })
    }

    /// Whether this program knows all that is agreed on here; else it may only read.
    pub fn may_write(&self) -> bool {
        self.protocol <= PROTOCOL && self.unknown == 0
    }
}

impl Keyed for MirrorRecord {
    const NEEDED: &'static [&'static str] = &["protocol", "id", "made", "cas"];
    const VERSIONED: bool = true;

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error> {
        match key {
            "protocol" => self.protocol = map.next_value()?,
            "id" => self.id = next_bin(map)?,
            "made" => self.made = map.next_value()?,
            "cas" => self.cas = map.next_value()?,
            "probe" => self.probe = facts::next(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
