//! Bounded reading and writing of MessagePack: any bytes get an answer, never a panic, never memory on a stranger's
//! word.
//!
//! Depth is capped, the whole input must be consumed, and lengths are checked against the bytes that are left because
//! input is always a slice. Writers emit the shortest form, so equal values have equal bytes.
//!
//! Maps are read through [`Keyed`] rather than through serde's derive, which would also take an array for a map,
//! numbers for keys, and an unknown key twice. Byte strings are read through [`Bin`], which takes nothing else.

use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::limits::RECORD_DEPTH_MAX;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// The version of every record that is a map, and the newest that is read.
pub const RECORD_VERSION: u32 = 1;

/// More keys than any version will have in one map; bounds the search for duplicates.
const KEYS_MAX: u32 = 64;

/// The MessagePack of `value`: structs as maps with their field names, absent options left out by the type itself.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes);
    bytes
}

/// Appends the MessagePack of `value` to `bytes`.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    let mut serializer = rmp_serde::Serializer::new(bytes).with_struct_map();
    value
        .serialize(&mut serializer)
        .expect("writing to memory cannot fail and our types have known lengths");
}

/// Reads exactly one value that fills `bytes`; anything else is [`Kind::Damaged`].
pub fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8], what: &'static str) -> Result<T> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(RECORD_DEPTH_MAX);
    let value =
        T::deserialize(&mut deserializer).map_err(|error| damaged(what, error.to_string()))?;
    // The reader does not show what is left. Asking for one more scalar reads one marker byte, and only the end of
    // the input makes that fail in this way.
    match bool::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(damaged(what, "bytes follow the record")),
    }
}

/// An error that says which record is damaged and why.
pub fn damaged(what: &'static str, why: impl Into<String>) -> Error {
    Error::new(Kind::Damaged, what).because(why.into())
}

/// An error that says which record a newer heirloom wrote.
pub fn too_new(what: &'static str, why: impl Into<String>) -> Error {
    Error::new(Kind::TooNew, what).because(why.into())
}

/// Refuses a record unless `fine`.
pub fn require(fine: bool, what: &'static str, why: &'static str) -> Result<()> {
    if fine {
        Ok(())
    } else {
        Err(damaged(what, why))
    }
}

/// The header of an array of `len` items, in the shortest form.
pub fn array_header(len: usize, bytes: &mut Vec<u8>) {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..=15), _) => bytes.push(0x90 | short),
        (_, Ok(middle)) => {
            bytes.push(0xdc);
            bytes.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            let long = u32::try_from(len).expect("no record has 2^32 items");
            bytes.push(0xdd);
            bytes.extend_from_slice(&long.to_be_bytes());
        }
    }
}

/// The number an array begins with, by which its layout is told; `None` if `bytes` do not begin like that.
pub fn first_number(bytes: &[u8]) -> Option<u64> {
    let (marker, rest) = bytes.split_first()?;
    let rest = match marker {
        0x91..=0x9f => rest,
        0xdc => rest.get(2..)?,
        0xdd => rest.get(4..)?,
        _ => return None,
    };
    let (marker, rest) = rest.split_first()?;
    let width = match marker {
        0x00..=0x7f => return Some(u64::from(*marker)),
        0xcc => 1,
        0xcd => 2,
        0xce => 4,
        0xcf => 8,
        _ => return None,
    };
    let digits = rest.get(..width)?;
    Some(
        digits
            .iter()
            .fold(0, |number, digit| number << 8 | u64::from(*digit)),
    )
}

/// Whether a field is left out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What is written as one byte string.
pub trait Bytewise: Sized {
    /// Calls `each` with the bytes.
    fn with_bytes<R>(&self, each: impl FnOnce(&[u8]) -> R) -> R;
    /// `None` if there is no such value.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Bytewise for Vec<u8> {
    fn with_bytes<R>(&self, each: impl FnOnce(&[u8]) -> R) -> R {
        each(self)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl<const N: usize> Bytewise for [u8; N] {
    fn with_bytes<R>(&self, each: impl FnOnce(&[u8]) -> R) -> R {
        each(self)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl Bytewise for Id {
    fn with_bytes<R>(&self, each: impl FnOnce(&[u8]) -> R) -> R {
        each(self.as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes)
    }
}

/// Only for fields that are left out when absent: there are no bytes for `None`.
impl<T: Bytewise> Bytewise for Option<T> {
    fn with_bytes<R>(&self, each: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Some(value) => value.with_bytes(each),
            None => each(&[]),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        T::from_bytes(bytes).map(Some)
    }
}

/// Ids back to back.
impl Bytewise for Vec<Id> {
    fn with_bytes<R>(&self, each: impl FnOnce(&[u8]) -> R) -> R {
        each(
            &self
                .iter()
                .flat_map(|id| *id.as_bytes())
                .collect::<Vec<u8>>(),
        )
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ids = bytes.chunks(size_of::<Id>());
        ids.map(Id::from_slice).collect()
    }
}

/// Eight-byte beginnings of names, back to back.
impl Bytewise for Vec<[u8; 8]> {
    fn with_bytes<R>(&self, each: impl FnOnce(&[u8]) -> R) -> R {
        each(self.as_flattened())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.chunks(8).map(|chunk| chunk.try_into().ok()).collect()
    }
}

/// A value whose MessagePack is a byte string.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Bin<T>(pub T);

impl<T: Bytewise> Serialize for Bin<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        bin(&self.0, serializer)
    }
}

impl<'de, T: Bytewise> Deserialize<'de> for Bin<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let bytes = from.deserialize_any(BytesVisitor)?;
        T::from_bytes(bytes)
            .map(Bin)
            .ok_or_else(|| D::Error::custom("a byte string of the wrong length"))
    }
}

/// For `serialize_with`: the field as one byte string.
pub fn bin<T: Bytewise, S: Serializer>(
    value: &T,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    value.with_bytes(|bytes| serializer.serialize_bytes(bytes))
}

/// The next value of a map, which must be a byte string.
pub fn next_bin<'de, T: Bytewise, A: MapAccess<'de>>(
    map: &mut A,
) -> std::result::Result<T, A::Error> {
    map.next_value::<Bin<T>>().map(|Bin(value)| value)
}

/// A byte string where it lies.
pub struct BinRef<'a>(pub &'a [u8]);

impl<'de> Deserialize<'de> for BinRef<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(BytesVisitor).map(BinRef)
    }
}

impl Serialize for BinRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = &'de [u8];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> std::result::Result<Self::Value, E> {
        Ok(bytes)
    }
}

/// A map with text keys.
pub trait Keyed: Default {
    /// Keys that must be there.
    const NEEDED: &'static [&'static str];

    /// Takes the value of `key` from `map`; `false`, with the value left where it is, if the key is unknown.
    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error>;

    /// Hears how many keys were unknown, if any were.
    fn unknown(&mut self, count: u32);
}

/// Reads a map: text keys only, none twice, all that are needed.
pub fn keyed<'de, T: Keyed, D: Deserializer<'de>>(from: D) -> std::result::Result<T, D::Error> {
    from.deserialize_any(KeyedVisitor(PhantomData))
}

struct KeyedVisitor<T>(PhantomData<T>);

impl<'de, T: Keyed> Visitor<'de> for KeyedVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<T, A::Error> {
        let mut value = T::default();
        let mut seen = Seen::default();
        let mut unknown: u32 = 0;
        while let Some(Key(key)) = map.next_key()? {
            if !seen.insert(key) {
                return Err(A::Error::custom("a key occurs twice, or too many keys"));
            }
            if !value.take(key, &mut map)? {
                map.next_value::<IgnoredAny>()?;
                unknown = unknown.saturating_add(1);
            }
        }
        if let Some(missing) = T::NEEDED.iter().find(|key| !seen.holds(key)) {
            return Err(A::Error::custom(format_args!("no key {missing}")));
        }
        if unknown > 0 {
            value.unknown(unknown);
        }
        Ok(value)
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
    count: u32,
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

/// Reads a record that is a map with a version `v`: [`Kind::TooNew`] if that is above ours, whatever else it holds.
pub fn decode_versioned<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    what: &'static str,
) -> Result<T> {
    let Versioned(version) = decode(bytes, what)?;
    if version > u64::from(RECORD_VERSION) {
        return Err(too_new(what, format!("record version {version}")));
    }
    require(
        version == u64::from(RECORD_VERSION),
        what,
        "record version 0",
    )?;
    decode(bytes, what)
}

#[derive(Default)]
struct Versioned(u64);

impl Keyed for Versioned {
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

    fn unknown(&mut self, _: u32) {}
}

impl<'de> Deserialize<'de> for Versioned {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        keyed(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_headers_are_the_shortest_and_are_read_back() {
        for (len, header) in [
            (0, &[0x90][..]),
            (15, &[0x9f]),
            (16, &[0xdc, 0, 16]),
            (65_535, &[0xdc, 0xff, 0xff]),
            (65_536, &[0xdd, 0, 1, 0, 0]),
        ] {
            let mut bytes = Vec::new();
            array_header(len, &mut bytes);
            assert_eq!(bytes, header);
        }
        assert_eq!(first_number(&encode(&(7_u64, 1))), Some(7));
        assert_eq!(first_number(&encode(&(u64::MAX, 1))), Some(u64::MAX));
        assert_eq!(first_number(&encode(&vec![300; 20])), Some(300));
        for wrong in [
            &[][..],
            &[0x90],
            &[0x91],
            &[0x91, 0xcf, 0],
            &[0xdc, 0],
            &[0x91, 0xff],
        ] {
            assert_eq!(first_number(wrong), None);
        }
    }

    #[test]
    fn a_version_above_ours_is_too_new_whatever_else_is_there() {
        // {"v": 2, "x": ext type} and {"x": nil, "v": 2}
        for bytes in [
            &b"\x82\xa1v\x02\xa1x\xd4\x01\x02"[..],
            b"\x82\xa1x\xc0\xa1v\x02",
        ] {
            let answer = decode_versioned::<IgnoredAny>(bytes, "read record");
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
            let answer = decode_versioned::<IgnoredAny>(bytes, "read record");
            assert_eq!(answer.unwrap_err().kind(), Kind::Damaged, "{bytes:02x?}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let mut bytes = vec![0x91; 100_000];
        bytes.push(0);
        let answer = decode::<IgnoredAny>(&bytes, "read record");
        assert_eq!(answer.unwrap_err().kind(), Kind::Damaged);
    }
}
