//! Maps with text keys, and the version that most of them begin with.
//!
//! Serde's derive would also take an array for a map, numbers for keys, and an unknown key twice; and it could not say
//! how many keys it did not know. What an unknown key means is up to the record: nodes and snapshots go on without it,
//! whoever would act on an intent, a slot or a mark may not.

use crate::error::Result;
use crate::format::codec::{decode, encode, encode_into, require, too_new};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// The version of every record that is a map, and the newest that is read.
pub const RECORD_VERSION: u32 = 1;

/// More keys than any version will have in one map; bounds the search for duplicates.
pub const KEYS_MAX: usize = 64;

/// A map with text keys.
pub trait Keyed: Default {
    /// Keys that must be there.
    const NEEDED: &'static [&'static str];

    /// Whether the map has a version `v`, which is looked at before anything else is.
    const VERSIONED: bool = false;

    /// Takes the value of `key` from `map`; `false`, with the value left where it is, if the key is unknown.
    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error>;
}

/// A map that was read, and how many of its keys were unknown.
pub struct Counted<T> {
    /// What the known keys say.
    pub value: T,
    /// Keys that were ignored.
    pub unknown: u32,
}

/// Text keys only, none twice, all that are needed.
impl<'de, T: Keyed> Deserialize<'de> for Counted<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(KeyedVisitor(PhantomData))
    }
}

struct KeyedVisitor<T>(PhantomData<T>);

impl<'de, T: Keyed> Visitor<'de> for KeyedVisitor<T> {
    type Value = Counted<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut value = T::default();
        let mut seen = Seen::default();
        let mut unknown: u32 = 0;
        while let Some(Key(key)) = map.next_key()? {
            if !seen.insert(key) {
                return Err(A::Error::custom("a key occurs twice, or too many keys"));
            }
            if T::VERSIONED && key == "v" {
                map.next_value::<IgnoredAny>()?;
            } else if !value.take(key, &mut map)? {
                map.next_value::<IgnoredAny>()?;
                unknown = unknown.saturating_add(1);
            }
        }
        if let Some(missing) = T::NEEDED.iter().find(|key| !seen.holds(key)) {
            return Err(A::Error::custom(format_args!("no key {missing}")));
        }
        Ok(Counted { value, unknown })
    }
}

struct Key<'a>(&'a str);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(KeyVisitor).map(Key)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = &'de str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> std::result::Result<Self::Value, E> {
        Ok(key)
    }
}

/// The keys of one map. One-letter keys, which nodes have, cost one bit each and no memory.
#[derive(Default)]
struct Seen<'a> {
    letters: u32,
    words: Vec<&'a str>,
    count: usize,
}

impl<'a> Seen<'a> {
    fn insert(&mut self, key: &'a str) -> bool {
        self.count = self.count.saturating_add(1);
        if self.holds(key) || self.count > KEYS_MAX {
            return false;
        }
        match letter(key) {
            Some(bit) => self.letters |= bit,
            None => self.words.push(key),
        }
        true
    }

    fn holds(&self, key: &str) -> bool {
        match letter(key) {
            Some(bit) => self.letters & bit != 0,
            None => self.words.contains(&key),
        }
    }
}

fn letter(key: &str) -> Option<u32> {
    match key.as_bytes() {
        [letter @ b'a'..=b'z'] => 1_u32.checked_shl(u32::from(letter.abs_diff(b'a'))),
        _ => None,
    }
}

/// The MessagePack of a record that is a map, with its version as the first key.
pub fn encode_versioned<T: Serialize>(value: &T) -> Vec<u8> {
    let body = encode(value);
    let (header, fields) = body.split_first().expect("a map has a header");
    debug_assert!((0x80..0x8f).contains(header), "at most 14 keys");
    let mut bytes = Vec::with_capacity(body.len().saturating_add(3));
    bytes.push(header.saturating_add(1));
    encode_into("v", &mut bytes);
    encode_into(&RECORD_VERSION, &mut bytes);
    bytes.extend_from_slice(fields);
    bytes
}

/// Reads a record that is a map with a version `v`: [`Kind::TooNew`] if that is above ours, whatever else it holds.
/// Also says how many keys were unknown.
pub fn decode_versioned<T: Keyed>(bytes: &[u8], what: &'static str) -> Result<(T, u32)> {
    let version = decode::<Counted<Version>>(bytes, what)?.value.0;
    if version > u64::from(RECORD_VERSION) {
        return Err(too_new(what, format!("record version {version}")));
    }
    require(
        version == u64::from(RECORD_VERSION),
        what,
        "record version 0",
    )?;
    let Counted { value, unknown } = decode(bytes, what)?;
    Ok((value, unknown))
}

/// As [`decode_versioned`], but an unknown key is [`Kind::TooNew`]: who does not know what a record asks for may not act
/// on it.
pub fn decode_strict<T: Keyed>(bytes: &[u8], what: &'static str) -> Result<T> {
    match decode_versioned(bytes, what)? {
        (value, 0) => Ok(value),
        _ => Err(too_new(what, "keys of a newer version")),
    }
}

#[derive(Debug, Default)]
struct Version(u64);

impl Keyed for Version {
    const NEEDED: &'static [&'static str] = &["v"];

    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error> {
        if key == "v" {
            self.0 = map.next_value()?;
        }
        Ok(key == "v")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_version_above_ours_is_too_new_whatever_else_is_there() {
        // {"v": 2, "x": ext type} and {"x": nil, "v": 2}
        for bytes in [
            &b"\x82\xa1v\x02\xa1x\xd4\x01\x02"[..],
            b"\x82\xa1x\xc0\xa1v\x02",
        ] {
            let answer = decode_versioned::<Version>(bytes, "read record");
            assert_eq!(answer.unwrap_err().kind(), Kind::TooNew);
        }
    }

    #[test]
    fn maps_refuse_duplicates_arrays_and_keys_that_are_not_text() {
        for bytes in [
            &b"\x82\xa1v\x01\xa1v\x01"[..],       // known key twice
            b"\x83\xa1v\x01\xa2xx\x01\xa2xx\x01", // unknown key twice
            b"\x91\x01",                          // array for a map
            b"\x81\x00\x01",                      // number for a key
            b"\x81\xc4\x01v\x01",                 // byte string for a key
            b"\x81\xa1v\x01\x00",                 // bytes after it
            b"\x80",                              // nothing in it
            b"\xdf\xff\xff\xff\xff",              // 2^32 - 1 keys
        ] {
            let answer = decode_versioned::<Version>(bytes, "read record");
            assert_eq!(answer.unwrap_err().kind(), Kind::Damaged, "{bytes:02x?}");
        }
    }
}
