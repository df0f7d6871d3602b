//! A mark: packs and purged entries that are to go, named once and for ever.
//!
//! ```text
//! v 1 · device bin16 · time seconds · packs bin · entries bin · loss bool, absent when false
//! ```
//!
//! A loss mark says the opposite of a wish: these packs are missing or beyond repair, and no parent that does not know
//! it may vouch. Whoever does not know every key may not act on a mark, so an unknown one is "too new".

use crate::error::Result;
use crate::format::bin::{self, next_bin};
use crate::format::codec::{is_default, require};
use crate::format::keyed::{self, Keyed};
use crate::id::Id;
use crate::limits::MARK_PACKS_MAX;
use serde::Serialize;
use serde::de::MapAccess;

const WHAT: &str = "read mark";

/// Names that are final.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Who wrote it.
    #[serde(serialize_with = "bin::bin")]
    pub device: [u8; 16],
    /// Seconds since 1970, for people.
    pub time: i64,
    /// Packs that nothing may depend on any more.
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    pub packs: Vec<Id>,
    /// Purged entries.
    #[serde(serialize_with = "bin::bin", skip_serializing_if = "is_default")]
    pub entries: Vec<Id>,
    /// The packs are lost, not wished away.
    #[serde(skip_serializing_if = "is_default")]
    pub loss: bool,
}

impl Mark {
    /// The record of box 7.
    pub fn encode(&self) -> Vec<u8> {
        keyed::encode_versioned(self)
    }

    /// Reads the record of box 7.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mark: Self = keyed::decode_strict(bytes, WHAT)?;
        let names = mark.packs.len().max(mark.entries.len());
        require(names <= MARK_PACKS_MAX, WHAT, "too many names")?;
        Ok(mark)
    }
}

impl Keyed for Mark {
    const NEEDED: &'static [&'static str] = &["device", "time"];
    const VERSIONED: bool = true;

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error> {
        match key {
            "device" => self.device = next_bin(map)?,
            "time" => self.time = map.next_value()?,
            "packs" => self.packs = next_bin(map)?,
            "entries" => self.entries = next_bin(map)?,
            "loss" => self.loss = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
