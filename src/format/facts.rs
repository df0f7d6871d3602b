//! Small open maps inside records: what a probe found, how a rehearsal went.
//!
//! Text keys, ascending when written. What a key means is the business of who writes it; a reader takes any.

use crate::format::bin::Text;
use crate::format::keyed::KEYS_MAX;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Facts by name.
pub type Facts = BTreeMap<String, Fact>;

/// One value of an open map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Known not to be known.
    Nothing,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes, such as an id.
    Bytes(Vec<u8>),
    /// Several.
    List(Vec<Fact>),
    /// Facts about one thing.
    Map(Facts),
}

impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::List(value) => value.serialize(serializer),
            Self::Map(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Fact {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(FactVisitor)
    }
}

/// The next value of a map, which must be facts.
pub fn next<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Facts, A::Error> {
    match map.next_value()? {
        Fact::Map(facts) => Ok(facts),
        _ => Err(A::Error::custom("not a map")),
    }
}

struct FactVisitor;

impl<'de> Visitor<'de> for FactVisitor {
    type Value = Fact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fact")
    }

    fn visit_unit<E>(self) -> Result<Fact, E> {
        Ok(Fact::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Fact, E> {
        Ok(Fact::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Fact, E> {
        Ok(Fact::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Fact, E> {
        let value = i64::try_from(value).map_err(|_| E::custom("a number above 2^63"))?;
        Ok(Fact::Int(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Fact, E> {
        Ok(Fact::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Fact, E> {
        Ok(Fact::Bytes(value.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Fact, A::Error> {
        let mut list = Vec::new();
        while let Some(fact) = items.next_element()? {
            list.push(fact);
        }
        Ok(Fact::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fact, A::Error> {
        let mut facts = Facts::new();
        while let Some((Text(name), fact)) = map.next_entry::<Text, Fact>()? {
            if facts.insert(name, fact).is_some() || facts.len() > KEYS_MAX {
                return Err(A::Error::custom("a name occurs twice, or too many names"));
            }
        }
        Ok(Fact::Map(facts))
    }
}
