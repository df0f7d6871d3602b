//! One row of a local table, and the list of packs behind the rows.
//!
//! ```text
//! prefix[16] · pack u32 · block offset u32 · stored u24 · raw u24 · codec u8 · kind u8 · offset u24 · length u24 · 0 u16
//! ```
//!
//! Everything needed to fetch the blob stands in its row, so a look-up is one read of one page.

use crate::crypto::hash;
use crate::device::table::Row;
use crate::format::directory::{BlockRow, Codec, Directory};
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::repo::presence::Presence;
use crate::siphash::sip24;

/// Where a blob lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The pack, by name.
    pub pack: Id,
    /// Data or tree pack.
    pub pack_kind: ObjectKind,
    /// Length of the pack's file.
    pub pack_len: u64,
    /// Where its block begins in the pack's plaintext.
    pub block_offset: u32,
    /// Bytes of the block as stored.
    pub stored_len: u32,
    /// Bytes of the block expanded.
    pub raw_len: u32,
    /// How it is stored.
    pub codec: Codec,
    /// Chunk, tree or list.
    pub kind: BlobKind,
    /// Where the blob begins in the expanded block.
    pub offset: u32,
    /// Its length.
    pub len: u32,
}

/// Bytes of a pack behind a table.
const PACK_BYTES: usize = 41;

/// A pack as a table knows it.
#[derive(Clone, Copy)]
pub(crate) struct PackInfo {
    pub(crate) id: Id,
    pub(crate) kind: ObjectKind,
    pub(crate) len: u64,
    /// Listed, so that reading it is worth trying: what was cut short still gives what lies before the cut.
    pub(crate) listed: bool,
    /// Listed at its length and named by no mark: it may be leant on.
    pub(crate) present: bool,
    /// Listed at its length and named by no mark, for readers too: what a mark names is read where nothing else is left.
    pub(crate) sound: bool,
}

impl PackInfo {
    /// A pack that a run or a table names, in the light of the listing.
    pub(crate) fn new(id: Id, kind: ObjectKind, len: u64, presence: &Presence) -> Self {
        let found = presence.packs().get(&id);
        Self {
            id,
            kind,
            len,
            listed: found.is_some(),
            present: found == Some(&len) && presence.holds(&id),
            sound: found == Some(&len) && !presence.is_tombed(&id),
        }
    }

    /// Name and length: a pack that two runs give two lengths is two.
    pub(crate) fn key(&self) -> (Id, u64) {
        (self.id, self.len)
    }

    /// One that this session has just put.
    pub(crate) fn own(id: Id, kind: ObjectKind, len: u64) -> Self {
        Self {
            id,
            kind,
            len,
            listed: true,
            present: true,
            sound: true,
        }
    }
}

/// Where the row says its blob lies; `None` if its pack is not listed or the row is broken.
pub(crate) fn place_of(packs: &[PackInfo], row: &Row) -> Option<Place> {
    let pack = packs.get(pack_number(row)).filter(|pack| pack.listed)?;
    Some(Place {
        pack: pack.id,
        pack_kind: pack.kind,
        pack_len: pack.len,
        block_offset: u32::from_le_bytes([row[20], row[21], row[22], row[23]]),
        stored_len: get_u24(&row[24..27]),
        raw_len: get_u24(&row[27..30]),
        codec: Codec::from_number(row[30])?,
        kind: kind_of(row)?,
        offset: get_u24(&row[32..35]),
        len: get_u24(&row[35..38]),
    })
}

/// What its blob is, unless the row is broken.
pub(crate) fn kind_of(row: &Row) -> Option<BlobKind> {
    BlobKind::from_number(row[31])
}

/// The number of the row's pack in its table.
pub(crate) fn pack_number(row: &Row) -> usize {
    u32::from_le_bytes([row[16], row[17], row[18], row[19]]) as usize
}

/// What a table that agrees with a pack's directory sums up to. Order does not matter, every field does. It finds
/// accidents, not forgery: index runs are sealed.
pub fn directory_sum(directory: &Directory) -> u64 {
    let mut sum = 0u64;
    for (place, block) in directory.places() {
        let mut offset = 0;
        for at in place.blobs {
            let (Some(id), Some(len)) = (directory.ids.get(at), directory.lens.get(at)) else {
                continue;
            };
            let start = u32::try_from(place.offset).unwrap_or(u32::MAX);
            sum = sum.wrapping_add(row_sum(&encode_row(
                &id.prefix(),
                0,
                start,
                block,
                offset,
                *len,
            )));
            offset += len;
        }
    }
    sum
}

pub(crate) fn row_sum(row: &Row) -> u64 {
    let mut row = *row;
    // Packs have different numbers in different tables.
    row[16..20].fill(0);
    sip24(b"heirloom row sum", &row)
}

pub(crate) fn encode_row(
    prefix: &[u8; 16],
    pack: u32,
    start: u32,
    block: &BlockRow,
    offset: u32,
    len: u32,
) -> Row {
    let mut bytes: Row = [0; 40];
    bytes[..16].copy_from_slice(prefix);
    bytes[16..20].copy_from_slice(&pack.to_le_bytes());
    bytes[20..24].copy_from_slice(&start.to_le_bytes());
    put_u24(&mut bytes[24..27], block.stored_len);
    put_u24(&mut bytes[27..30], block.raw_len);
    bytes[30] = block.codec as u8;
    bytes[31] = block.kind as u8;
    put_u24(&mut bytes[32..35], offset);
    put_u24(&mut bytes[35..38], len);
    bytes
}

fn put_u24(into: &mut [u8], value: u32) {
    into.copy_from_slice(&value.to_le_bytes()[..3]);
}

fn get_u24(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}

/// Tables of equal packs have equal names.
pub(crate) fn table_name(aux: &[u8]) -> String {
    format!("{}.table", &hash::object_id(aux).to_hex()[..32])
}

/// What stands behind a table's rows: its packs, and the runs that say the same, each with the packs it names. Several
/// mirrors share these tables, and a run lies on some of them only.
#[derive(Clone, Default)]
pub(crate) struct Behind {
    pub(crate) packs: Vec<PackInfo>,
    pub(crate) runs: Vec<Id>,
    /// Which run names which pack, by their places above.
    pub(crate) names: Vec<(u32, u32)>,
}

impl Behind {
    /// Runs that all name all of these packs.
    pub(crate) fn of(packs: Vec<PackInfo>, runs: &[Id]) -> Self {
        let pairs = (0..runs.len()).flat_map(|run| (0..packs.len()).map(move |pack| (run, pack)));
        Self {
            names: pairs.map(|(run, pack)| (place(run), place(pack))).collect(),
            runs: runs.to_vec(),
            packs,
        }
    }

    /// Each run with each pack it names.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&Id, &PackInfo)> {
        self.names.iter().filter_map(|(run, pack)| {
            Some((
                self.runs.get(*run as usize)?,
                self.packs.get(*pack as usize)?,
            ))
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let (packs, runs) = (self.packs.len(), self.runs.len());
        let mut aux =
            Vec::with_capacity(16 + packs * PACK_BYTES + runs * 32 + self.names.len() * 8);
        aux.extend((packs as u64).to_le_bytes());
        aux.extend((runs as u64).to_le_bytes());
        for pack in &self.packs {
            aux.extend(pack.id.as_bytes());
            aux.push(pack.kind as u8);
            aux.extend(pack.len.to_le_bytes());
        }
        for run in &self.runs {
            aux.extend(run.as_bytes());
        }
        for (run, pack) in &self.names {
            aux.extend(run.to_le_bytes());
            aux.extend(pack.to_le_bytes());
        }
        aux
    }

    /// Reads that back in the light of the listing; `None` if it is not whole.
    pub(crate) fn decode(aux: &[u8], presence: &Presence) -> Option<Self> {
        let (packs, rest) = aux.split_first_chunk::<8>()?;
        let (runs, rest) = rest.split_first_chunk::<8>()?;
        let bytes = |count: &[u8; 8], each: usize| {
            usize::try_from(u64::from_le_bytes(*count))
                .ok()?
                .checked_mul(each)
        };
        let (packs, rest) = rest.split_at_checked(bytes(packs, PACK_BYTES)?)?;
        let (runs, names) = rest.split_at_checked(bytes(runs, 32)?)?;
        let packs = packs.chunks_exact(PACK_BYTES).map(|pack| {
            let id = Id::from_slice(&pack[..32])?;
            let len = u64::from_le_bytes(pack[33..].try_into().ok()?);
            let kind = ObjectKind::from_number(pack[32])?;
            Some(PackInfo::new(id, kind, len, presence))
        });
        let number = |bytes: &[u8]| bytes.try_into().ok().map(u32::from_le_bytes);
        let names = names.chunks_exact(8);
        Some(Self {
            packs: packs.collect::<Option<_>>()?,
            runs: runs
                .chunks_exact(32)
                .map(Id::from_slice)
                .collect::<Option<_>>()?,
            names: names
                .map(|pair| Some((number(&pair[..4])?, number(&pair[4..])?)))
                .collect::<Option<_>>()?,
        })
    }
}

/// A number of something there are few of.
pub(crate) fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
