//! The parity of a pack or an entry: what brings damaged pages of it back, without a key.
//!
//!     header[4096] · table · m shards of 4096 · table again · header again
//!
//!     header: 0 magic[8] · 8 version u16 · 10 code · 11 log2 of the shard size · 12 k u32 · 16 m u32 · 20 table length u32
//!     24 object length u64 · 32 object id[32] · 64 BLAKE3 of the table[32] · 96 BLAKE3 of the m shards[32] · 128 zero[3936]
//!     4064 BLAKE3 of bytes 0..4064
//!
//!     table: 8 bytes of BLAKE3 of each of the k object shards and of each of the m parity shards, zeros to a full page
//!
//! What must hold:
//! - Nothing here is secret or authentic. The table only tells which shards to try, and what comes out counts only if its
//!   hash is the name.
//! - Damage may lie anywhere, in the parity too: either header will do, and a shard is taken for whole if either table says
//!   so, wherever in the file it stands.

use crate::crypto::hash;
use crate::erasure::{self, Left};
use crate::error::{Error, Kind, Result};
use crate::format::VERSION;
use crate::id::Id;
use crate::limits::{PACK_BYTES_MAX, PAGE, PARITY_BYTES_MAX, PARITY_PERCENT_MAX};
use std::collections::HashMap;

const WHAT: &str = "read parity";
const MAGIC: [u8; 8] = *b"\x89HLP\r\n\x1a\n";
const CODE: u8 = 1;
const SHARD_LOG2: u8 = 12;
const CHECKED: usize = PAGE - 32;
const _: () = assert!(1 << SHARD_LOG2 == PAGE);

/// The first 8 bytes of a shard's hash.
type Check = [u8; 8];

/// How many shards an object and its parity have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Shards of the object.
    pub object: u32,
    /// Shards of its parity: as many of both together may be damaged.
    pub parity: u32,
}

impl Shape {
    /// Of an object of this length, at so many percent of it; `None` for a length that no pack or entry has.
    pub fn of(len: u64, percent: u8) -> Option<Self> {
        let fits = len > 0 && len <= PACK_BYTES_MAX && len.is_multiple_of(PAGE as u64);
        let object = u32::try_from(len >> SHARD_LOG2).ok().filter(|_| fits)?;
        let percent = percent.clamp(1, PARITY_PERCENT_MAX);
        let parity = object.saturating_mul(percent.into()).div_ceil(100).max(2);
        Some(Self { object, parity })
    }

    fn table_len(self) -> usize {
        let checks = self.object.saturating_add(self.parity) as usize;
        checks.saturating_mul(8).next_multiple_of(PAGE)
    }

    fn object_len(self) -> usize {
        (self.object as usize).saturating_mul(PAGE)
    }

    fn shards_len(self) -> usize {
        (self.parity as usize).saturating_mul(PAGE)
    }

    /// The length of the parity object.
    pub fn file_len(self) -> u64 {
        let page_and_table = self.table_len().saturating_add(PAGE).saturating_mul(2);
        page_and_table.saturating_add(self.shards_len()) as u64
    }

    /// Whether the object can be had from its parity alone.
    pub fn is_enough_alone(self) -> bool {
        self.parity >= self.object
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Header {
    shape: Shape,
    id: Id,
    table: Id,
    shards: Id,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE);
        page.extend(MAGIC);
        page.extend(VERSION.to_le_bytes());
        page.extend([CODE, SHARD_LOG2]);
        page.extend(self.shape.object.to_le_bytes());
        page.extend(self.shape.parity.to_le_bytes());
        let table_len = u32::try_from(self.shape.table_len()).unwrap_or(u32::MAX);
        page.extend(table_len.to_le_bytes());
        page.extend((self.shape.object_len() as u64).to_le_bytes());
        for id in [&self.id, &self.table, &self.shards] {
            page.extend(id.as_bytes());
        }
        page.resize(CHECKED, 0);
        let check = hash::object_id(&page);
        page.extend(check.as_bytes());
        page
    }

    /// Reads one page; magic, version and checksum keep their places for ever.
    fn decode(page: &[u8]) -> Result<Self> {
        let (body, check) = page
            .split_at_checked(CHECKED)
            .ok_or_else(|| damaged("it is cut short"))?;
        if !body.starts_with(&MAGIC) || hash::object_id(body).as_bytes() != check {
            return Err(damaged("its header is damaged"));
        }
        let number = |at: usize| field::<4>(page, at).map(u32::from_le_bytes);
        let id = |at: usize| field::<32>(page, at).map(Id::new);
        if field::<2>(page, 8).map(u16::from_le_bytes)? != VERSION
            || field::<1>(page, 10)? != [CODE]
        {
            return Err(Error::new(Kind::TooNew, WHAT).because("a newer heirloom wrote it"));
        }
        let shape = Shape {
            object: number(12)?,
            parity: number(16)?,
        };
        let header = Self {
            shape,
            id: id(32)?,
            table: id(64)?,
            shards: id(96)?,
        };
        // Before anything is computed from them.
        let most = Shape::of(shape.object_len() as u64, PARITY_PERCENT_MAX);
        let fits = most.is_some_and(|most| (1..=most.parity).contains(&shape.parity));
        match fits && header.encode() == page {
            true => Ok(header),
            false => Err(damaged("its header says what cannot be")),
        }
    }
}

/// The parity object of `object`, whose name is `id`, at so many percent of it. To hash a pack costs a fifth of this, and who
/// has read it has hashed it.
///
/// # Errors
/// `Damaged` for a length that no pack or entry has.
pub fn encode(object: &[u8], id: &Id, percent: u8) -> Result<Vec<u8>> {
    let shape = Shape::of(object.len() as u64, percent)
        .ok_or_else(|| damaged("no pack or entry has this length"))?;
    let shards = erasure::parity(object, shape.parity as usize)?;
    let mut table = Vec::with_capacity(shape.table_len());
    for shard in pages(object).chain(pages(&shards)) {
        table.extend(check_of(shard));
    }
    table.resize(shape.table_len(), 0);
    let header = Header {
        shape,
        id: *id,
        table: hash::object_id(&table),
        shards: hash::object_id(&shards),
    };
    let header = header.encode();
    Ok([&header, &table, &shards, &table, &header]
        .map(Vec::as_slice)
        .concat())
}

/// Whether a parity object is whole, and what it has; `id` names its object.
///
/// # Errors
/// `Damaged` and `TooNew`.
pub fn check(parity: &[u8], id: &Id) -> Result<Shape> {
    let header = Header::decode(parity.get(..PAGE).unwrap_or(parity))?;
    if header.id != *id {
        return Err(damaged("it belongs to another object"));
    }
    let parts = Parts::of(parity, header.shape);
    let length = parity.len() as u64 == header.shape.file_len();
    let tables = parts
        .tables
        .iter()
        .all(|table| hash::object_id(table) == header.table);
    let shards = hash::object_id(parts.shards) == header.shards;
    let twin = parity
        .len()
        .checked_sub(PAGE)
        .and_then(|at| parity.get(at..));
    let headers = twin == parity.get(..PAGE);
    match length && headers && tables && shards {
        true => Ok(header.shape),
        false => Err(damaged("it does not match its own checks")),
    }
}

/// Where the parts stand, each as far as the file goes.
struct Parts<'a> {
    tables: [&'a [u8]; 2],
    shards: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(parity: &'a [u8], shape: Shape) -> Self {
        let rest = parity.get(PAGE..).unwrap_or_default();
        let (first, rest) = cut(rest, shape.table_len());
        let (shards, rest) = cut(rest, shape.shards_len());
        let (second, _) = cut(rest, shape.table_len());
        Self {
            tables: [first, second],
            shards,
        }
    }
}

/// An object that is put together from what is left of it, in one copy or several, and its parity.
pub struct Repair<'a> {
    header: Header,
    parts: Parts<'a>,
    /// What each shard of the object may be known by.
    wanted: HashMap<Check, Vec<usize>>,
    object: Vec<u8>,
    have: Vec<bool>,
}

impl<'a> Repair<'a> {
    /// Begins with nothing but the parity, which may be damaged too; `id` names the object.
    ///
    /// # Errors
    /// `Damaged` where both headers are, and `TooNew`.
    pub fn new(parity: &'a [u8], id: &Id) -> Result<Self> {
        let too_long = parity.len() as u64 > PARITY_BYTES_MAX;
        let twin = parity.len().saturating_sub(PAGE);
        let first = Header::decode(parity.get(..PAGE).unwrap_or(parity));
        let second = || Header::decode(parity.get(twin..).unwrap_or_default());
        let header = match first {
            Err(error) if error.kind() == Kind::Damaged => second().map_err(|_| error),
            other => other,
        }?;
        if header.id != *id || too_long {
            return Err(damaged("it belongs to another object"));
        }
        let shape = header.shape;
        let parts = Parts::of(parity, shape);
        let mut wanted = HashMap::<Check, Vec<usize>>::new();
        for table in parts.tables {
            let checks = checks(table).take(shape.object as usize);
            for (at, check) in checks.enumerate() {
                wanted.entry(check).or_default().push(at);
            }
        }
        Ok(Self {
            object: vec![0; shape.object_len()],
            have: vec![false; shape.object as usize],
            header,
            parts,
            wanted,
        })
    }

    /// How long the object is.
    #[expect(clippy::len_without_is_empty, reason = "no object is empty")]
    pub fn len(&self) -> u64 {
        self.object.len() as u64
    }

    /// Takes the whole shards of a copy of the object, which may be damaged, cut short, or not where it should be.
    pub fn take(&mut self, copy: &[u8]) {
        for page in pages(copy) {
            for at in self.wanted.get(&check_of(page)).into_iter().flatten() {
                let place = self.object.chunks_exact_mut(PAGE).nth(*at);
                match (place, self.have.get_mut(*at)) {
                    // A table that calls all shards alike costs no more than another.
                    (Some(place), Some(have)) if !*have => {
                        place.copy_from_slice(page);
                        *have = true;
                    }
                    _ => {}
                }
            }
        }
    }

    /// The object, if enough is there.
    ///
    /// # Errors
    /// `Damaged` if not, or if what comes out is not the object: then some shard was taken for whole that is not.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let skip = self.have.len();
        let mut tables = self.parts.tables.map(|table| checks(table).skip(skip));
        let mut shards = self.parts.shards.to_vec();
        shards.resize(self.header.shape.shards_len(), 0);
        let left: Vec<bool> = pages(&shards)
            .map(|shard| {
                let check = Some(check_of(shard));
                let said = tables.each_mut().map(Iterator::next);
                said.contains(&check)
            })
            .collect();
        let there = Left {
            object: &self.have,
            parity: &left,
        };
        if !erasure::repair(&mut self.object, &shards, there)? {
            let count = |all: &[bool], wanted| all.iter().filter(|one| **one == wanted).count();
            return Err(damaged(format!(
                "{} of its {} pages are damaged, and its parity brings back {}",
                count(&self.have, false),
                self.have.len(),
                count(&left, true)
            )));
        }
        match hash::object_id(&self.object) == self.header.id {
            true => Ok(self.object),
            false => Err(damaged("what it gives back does not match the name")),
        }
    }
}

/// One damaged copy of an object repaired.
///
/// # Errors
/// As those of [`Repair`].
pub fn repair(copy: &[u8], parity: &[u8], id: &Id) -> Result<Vec<u8>> {
    let mut repair = Repair::new(parity, id)?;
    repair.take(copy);
    repair.finish()
}

fn pages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks_exact(PAGE)
}

fn check_of(shard: &[u8]) -> Check {
    let mut check = Check::default();
    check.copy_from_slice(
        hash::object_id(shard)
            .as_bytes()
            .first_chunk::<8>()
            .unwrap_or(&[0; 8]),
    );
    check
}

fn checks(table: &[u8]) -> impl Iterator<Item = Check> {
    table
        .chunks_exact(8)
        .filter_map(|check| check.try_into().ok())
}

/// The first `len` bytes, or all there are, and the rest.
fn cut(bytes: &[u8], len: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(len).unwrap_or((bytes, &[]))
}

fn field<const N: usize>(page: &[u8], at: usize) -> Result<[u8; N]> {
    let rest = page.get(at..).and_then(|rest| rest.first_chunk());
    rest.copied().ok_or_else(|| damaged("it is cut short"))
}

fn damaged(why: impl Into<String>) -> Error {
    Error::new(Kind::Damaged, WHAT).because(why.into())
}
