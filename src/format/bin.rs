//! Byte strings: ids, names and packed lists of them, always as MessagePack `bin` and never as text or array. And text,
//! which is never `bin`: serde's own `String` would take either.

use crate::id::Id;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

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
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bin(&self.0, serializer)
    }
}

impl<'de, T: Bytewise> Deserialize<'de> for Bin<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = from.deserialize_any(BytesVisitor)?;
        T::from_bytes(bytes)
            .map(Bin)
            .ok_or_else(|| D::Error::custom("a byte string of the wrong length"))
    }
}

/// For `serialize_with`: the field as one byte string.
pub fn bin<T: Bytewise, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.with_bytes(|bytes| serializer.serialize_bytes(bytes))
}

/// The next value of a map, which must be a byte string.
pub fn next_bin<'de, T: Bytewise, A: MapAccess<'de>>(map: &mut A) -> Result<T, A::Error> {
    map.next_value::<Bin<T>>().map(|Bin(value)| value)
}

/// A text, and nothing that merely could be one.
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor)
    }
}

/// The next value of a map, which must be text.
pub fn next_text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<String, A::Error> {
    map.next_value::<Text>().map(|Text(text)| text)
}

/// The next value of a map, which must be an array of texts.
pub fn next_texts<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<String>, A::Error> {
    let texts: Vec<Text> = map.next_value()?;
    Ok(texts.into_iter().map(|Text(text)| text).collect())
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }
}

/// A byte string where it lies.
pub struct BinRef<'a>(pub &'a [u8]);

impl<'de> Deserialize<'de> for BinRef<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(BytesVisitor).map(BinRef)
    }
}

impl Serialize for BinRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = &'de [u8];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(bytes)
    }
}
