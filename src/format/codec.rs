//! Bounded reading and writing of MessagePack: any bytes get an answer, never a panic, never memory on a stranger's
//! word.
//!
//! Depth is capped, the whole input must be consumed, and lengths are checked against the bytes that are left because
//! input is always a slice. Writers emit the shortest form, so equal values have equal bytes.

use crate::error::{Error, Kind, Result};
use crate::limits::RECORD_DEPTH_MAX;
use serde::{Deserialize, Serialize};

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
        0xcc | 0xd0 => 1,
        0xcd | 0xd1 => 2,
        0xce | 0xd2 => 4,
        0xcf | 0xd3 => 8,
        _ => return None,
    };
    let digits = rest.get(..width)?;
    let negative = *marker >= 0xd0 && digits.first().is_some_and(|digit| digit & 0x80 != 0);
    let number = digits
        .iter()
        .fold(0, |number, digit| number << 8 | u64::from(*digit));
    (!negative).then_some(number)
}

/// Whether a field is left out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IgnoredAny;

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
        assert_eq!(first_number(b"\x91\xd1\x01\x2c"), Some(300));
        assert_eq!(first_number(b"\x91\xd0\xff"), None);
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
    fn deep_nesting_is_refused() {
        let mut bytes = vec![0x91; 100_000];
        bytes.push(0);
        let answer = decode::<IgnoredAny>(&bytes, "read record");
        assert_eq!(answer.unwrap_err().kind(), Kind::Damaged);
        for innermost in [0x90, 0x80] {
            let nested = |outer: usize| [&vec![0x91; outer][..], &[innermost]].concat();
            assert!(decode::<IgnoredAny>(&nested(14), "read record").is_ok());
            assert!(decode::<IgnoredAny>(&nested(15), "read record").is_err());
        }
    }
}
