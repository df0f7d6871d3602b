//! Bounded reading and writing of MessagePack: any bytes get an answer, never a panic, never memory on a stranger's
//! word.
//!
//! Depth is capped, the whole input must be consumed, and lengths are checked against the bytes that are left because
//! input is always a slice. Writers emit the shortest form, so equal values have equal bytes.

use crate::error::{Error, Kind, Result};
use crate::limits::RECORD_DEPTH_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The MessagePack of `value`: structs as maps with their field names, absent options left out by the type itself.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    value
        .serialize(&mut serializer)
        .expect("writing to memory cannot fail and our types have known lengths");
    bytes
}

/// Reads exactly one value that fills `bytes`; anything else is [`Kind::Damaged`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T> {
    let mut rest = bytes;
    let mut deserializer = rmp_serde::Deserializer::new(&mut rest);
    deserializer.set_max_depth(RECORD_DEPTH_MAX);
    let value = T::deserialize(&mut deserializer)
        .map_err(|error| Error::new(Kind::Damaged, what).because(error))?;
    if rest.is_empty() {
        return Ok(value);
    }
    Err(Error::new(Kind::Damaged, what).because("bytes follow the record"))
}
