//! Which blobs are needed: one bit for each row of the local tables, so that a hundred million blobs take twelve megabytes.

use crate::device::table::{self, Row, Table};
use crate::error::Result;
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::repo::index::Index;
use crate::repo::index::row::{PackInfo, kind_of, pack_number, place_of};
use crate::repo::index::tables::Loaded;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Blobs that were found to be needed.
pub struct Reached {
    tables: Arc<Vec<Arc<Loaded>>>,
    /// For each table a bit for each row.
    bits: Vec<Vec<u64>>,
    /// Those that no table knew.
    more: HashSet<([u8; 16], u8)>,
}

/// What is needed of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Data or tree pack.
    pub kind: ObjectKind,
    /// Bytes of its file.
    pub len: u64,
    /// Bytes of all its blobs.
    pub raw: u64,
    /// Bytes of those that are needed from it: not those that another pack serves as well.
    pub needed: u64,
}

impl Reached {
    /// Nothing yet, over what `index` knows.
    pub fn new(index: &Index) -> Self {
        let tables = index.tables.list();
        let words = |loaded: &Arc<Loaded>| {
            let words = loaded.table.len().div_ceil(64);
            vec![0; usize::try_from(words).unwrap_or(0)]
        };
        Self {
            bits: tables.iter().map(words).collect(),
            tables,
            more: HashSet::new(),
        }
    }

    /// Notes that a blob is needed.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn add(&mut self, kind: BlobKind, id: &Id) -> Result<()> {
        let mut known = false;
        for (loaded, bits) in self.tables.iter().zip(&mut self.bits) {
            loaded.table.find_at(&id.prefix(), &mut |at, row| {
                if is_of(row, kind) {
                    known = true;
                    set(bits, at);
                }
            })?;
        }
        if !known {
            self.more.insert((id.prefix(), kind as u8));
        }
        Ok(())
    }

    /// Whether it is needed.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn contains(&self, kind: BlobKind, prefix: &[u8; 16]) -> Result<bool> {
        if self.more.contains(&(*prefix, kind as u8)) {
            return Ok(true);
        }
        let mut found = false;
        for (loaded, bits) in self.tables.iter().zip(&self.bits) {
            loaded.table.find_at(prefix, &mut |at, row| {
                found |= is_of(row, kind) && is_set(bits, at);
            })?;
        }
        Ok(found)
    }

    /// Hears every needed blob, once for each of its copies.
    ///
    /// # Errors
    /// Those of the cache folder and of `each`.
    pub fn each(&self, each: &mut dyn FnMut(BlobKind, &[u8; 16]) -> Result<()>) -> Result<()> {
        for (loaded, bits) in self.tables.iter().zip(&self.bits) {
            for (at, row) in (0..).zip(loaded.table.rows()) {
                let row = row?;
                if let (true, Some(kind), Some(prefix)) = (
                    is_set(bits, at),
                    BlobKind::from_number(row[31]),
                    row.first_chunk(),
                ) {
                    each(kind, prefix)?;
                }
            }
        }
        for (prefix, kind) in &self.more {
            if let Some(kind) = BlobKind::from_number(*kind) {
                each(kind, prefix)?;
            }
        }
        Ok(())
    }

    /// Whether a needed blob is in no pack that is listed, as far as the tables say.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn has_nowhere(&self) -> Result<bool> {
        if !self.more.is_empty() {
            return Ok(true);
        }
        for (loaded, bits) in self.tables.iter().zip(&self.bits) {
            for (at, row) in (0..).zip(loaded.table.rows()) {
                let row = row?;
                let lies_here = place_of(&loaded.behind.packs, &row).is_some();
                if is_set(bits, at) && !lies_here && self.is_nowhere(&row)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn is_nowhere(&self, row: &Row) -> Result<bool> {
        let (Some(kind), Some(prefix)) = (kind_of(row), row.first_chunk()) else {
            return Ok(false);
        };
        let mut found = false;
        for loaded in self.tables.iter() {
            loaded.table.find(prefix, &mut |row| {
                found |= is_of(row, kind) && place_of(&loaded.behind.packs, row).is_some();
            })?;
        }
        Ok(!found)
    }

    /// What is needed of each pack that may be leant on. Of several copies of a blob the one in the largest pack counts, so
    /// that surplus copies gather in packs that can go.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn uses(&self) -> Result<HashMap<Id, Use>> {
        let mut uses = HashMap::new();
        for pack in self.tables.iter().flat_map(|loaded| &loaded.behind.packs) {
            if pack.sound {
                uses.entry(pack.id).or_insert(Use {
                    kind: pack.kind,
                    len: pack.len,
                    raw: 0,
                    needed: 0,
                });
            }
        }
        let tables: Vec<&Table> = self.tables.iter().map(|loaded| &loaded.table).collect();
        let mut copies = Copies::default();
        table::merged(&tables, &mut |table, at, row| {
            let loaded = &self.tables[table];
            if copies.key != row[..16] {
                copies.count(&mut uses);
                copies.key.copy_from_slice(&row[..16]);
            }
            let pack = loaded.behind.packs.get(pack_number(row));
            if let (Some(pack), Some(place)) = (
                pack.filter(|pack| pack.sound),
                place_of(&loaded.behind.packs, row),
            ) {
                copies.add(pack, place.kind, place.len, is_set(&self.bits[table], at));
            }
            Ok(())
        })?;
        copies.count(&mut uses);
        Ok(uses)
    }
}

/// The copies of the blobs of one key.
#[derive(Default)]
struct Copies {
    key: [u8; 16],
    found: Vec<(BlobKind, Id, u64, u32, bool)>,
}

impl Copies {
    /// Two tables may know one copy.
    fn add(&mut self, pack: &PackInfo, kind: BlobKind, len: u32, needed: bool) {
        let same =
            |found: &&mut (BlobKind, Id, u64, u32, bool)| found.0 == kind && found.1 == pack.id;
        match self.found.iter_mut().find(same) {
            Some(found) => found.4 |= needed,
            None => self.found.push((kind, pack.id, pack.len, len, needed)),
        }
    }

    fn count(&mut self, uses: &mut HashMap<Id, Use>) {
        for kind in BlobKind::ALL {
            let of_kind = self.found.iter().filter(|found| found.0 == kind);
            let serves = of_kind.clone().filter(|found| found.4);
            let serves = serves
                .max_by_key(|found| (found.2, found.1))
                .map(|found| found.1);
            for (_, pack, _, len, _) in of_kind {
                if let Some(found) = uses.get_mut(pack) {
                    found.raw += u64::from(*len);
                    if serves == Some(*pack) {
                        found.needed += u64::from(*len);
                    }
                }
            }
        }
        self.found.clear();
    }
}

fn is_of(row: &Row, kind: BlobKind) -> bool {
    row[31] == kind as u8
}

fn set(bits: &mut [u64], at: u64) {
    if let Some(word) = usize::try_from(at / 64)
        .ok()
        .and_then(|at| bits.get_mut(at))
    {
        *word |= 1 << (at % 64);
    }
}

fn is_set(bits: &[u64], at: u64) -> bool {
    let word = usize::try_from(at / 64).ok().and_then(|at| bits.get(at));
    word.is_some_and(|word| word >> (at % 64) & 1 == 1)
}
