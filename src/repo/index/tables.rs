//! The local tables: read, added to, and merged when there are many.

use crate::crypto::hash;
use crate::crypto::secret::Secret;
use crate::device::table::writer::TableWriter;
use crate::device::table::{self, Row, Table};
use crate::error::{Error, Kind, Result};
use crate::format::index::Run;
use crate::id::Id;
use crate::repo::index::row::{Behind, PackInfo, encode_row, pack_number, place, table_name};
use crate::repo::presence::Presence;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// Tables at which all are merged into one.
const TABLES_MAX: usize = 8;

/// One table and what stands behind it.
pub(crate) struct Loaded {
    pub(crate) table: Table,
    pub(crate) behind: Behind,
}

/// All of them.
pub(crate) struct Tables {
    /// Replaced as a whole, so that a look-up costs one count and no lock is held while the disk is read.
    list: RwLock<Arc<Vec<Arc<Loaded>>>>,
    folder: PathBuf,
    check_key: Secret<32>,
}

impl Tables {
    /// None loaded yet.
    pub(crate) fn at(folder: PathBuf, check_key: Secret<32>) -> Self {
        Self {
            list: RwLock::default(),
            folder,
            check_key,
        }
    }

    fn check(&self) -> impl Fn(&[u8]) -> [u8; 32] + '_ {
        |bytes| *hash::keyed(&self.check_key, bytes).as_bytes()
    }

    /// The tables as they are now.
    pub(crate) fn list(&self) -> Arc<Vec<Arc<Loaded>>> {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, tables: Vec<Arc<Loaded>>) {
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tables);
    }

    /// Loads what lies in the folder; what is not whole is removed.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub(crate) fn load(&self, presence: &Presence) -> Result<()> {
        for path in table::list(&self.folder)? {
            let loaded = Table::open(&path, &self.check()).ok().and_then(|table| {
                let behind = Behind::decode(table.aux(), presence)?;
                Some(Loaded { table, behind })
            });
            match loaded {
                Some(loaded) => self.push(loaded),
                None => table::remove(&path)?,
            }
        }
        Ok(())
    }

    fn push(&self, loaded: Loaded) {
        let mut tables = self.list().to_vec();
        tables.push(Arc::new(loaded));
        self.replace(tables);
    }

    /// Adds a run's rows as one more table; `ids` are the runs on the mirror that say the same.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub(crate) fn add_run(&self, run: &Run, ids: &[Id], presence: &Presence) -> Result<()> {
        let packs = run.packs.iter();
        let packs = packs.map(|pack| PackInfo::new(pack.id, pack.kind, pack.file_len, presence));
        self.add_table(run, ids, packs.collect())
    }

    /// As [`Index::add_run`], for packs that this session has just put.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub(crate) fn add_own(&self, run: &Run, ids: &[Id]) -> Result<()> {
        let packs = run.packs.iter();
        let packs = packs.map(|pack| PackInfo::own(pack.id, pack.kind, pack.file_len));
        self.add_table(run, ids, packs.collect())
    }

    fn add_table(&self, run: &Run, ids: &[Id], packs: Vec<PackInfo>) -> Result<()> {
        let behind = Behind::of(packs, ids);
        let aux = behind.encode();
        let path = self.folder.join(table_name(&aux));
        let blocks: Vec<_> = run
            .packs
            .iter()
            .zip(0u32..)
            .flat_map(|(pack, number)| {
                let mut offset = 0u32;
                pack.blocks.iter().map(move |block| {
                    let start = offset;
                    offset = offset.saturating_add(block.stored_len);
                    (number, start, block)
                })
            })
            .collect();
        let mut writer = TableWriter::create(&path)?;
        for row in &run.rows {
            let Some((pack, start, block)) = blocks.get(row.block as usize) else {
                continue;
            };
            let bytes = encode_row(&row.prefix, *pack, *start, block, row.offset, row.len);
            writer.push(&bytes)?;
        }
        writer.finish(&aux, &self.check())?;
        let table = Table::open(&path, &self.check())?;
        self.push(Loaded { table, behind });
        Ok(())
    }

    /// Merges all into one when there are many.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub(crate) fn merge_if_many(&self, presence: &Presence) -> Result<()> {
        let old = self.list();
        if old.len() <= TABLES_MAX {
            return Ok(());
        }
        let (behind, numbers) = merge_behind(&old);
        let aux = behind.encode();
        let path = self.folder.join(table_name(&aux));
        let mut writer = TableWriter::create(&path)?;
        let tables: Vec<&Table> = old.iter().map(|loaded| &loaded.table).collect();
        // Two runs may know one pack, and what they say of it counts once; rows of one key come together.
        let mut said = BTreeSet::<Row>::new();
        table::merge(
            &tables,
            &mut |table, row| {
                let pack = old[table].behind.packs.get(pack_number(row));
                let Some(new) = pack.and_then(|pack| numbers.get(&pack.key())) else {
                    return false;
                };
                row[16..20].copy_from_slice(&new.to_le_bytes());
                if said.first().is_some_and(|one| one[..16] != row[..16]) {
                    said.clear();
                }
                said.insert(*row)
            },
            &mut writer,
        )?;
        writer.finish(&aux, &self.check())?;
        let table = Table::open(&path, &self.check())?;
        for loaded in old.iter() {
            if loaded.table.path() != path {
                table::remove(loaded.table.path())?;
            }
        }
        let behind = Behind::decode(table.aux(), presence)
            .ok_or_else(|| Error::new(Kind::Other, "read back the merged index table"))?;
        self.replace(vec![Arc::new(Loaded { table, behind })]);
        Ok(())
    }
}

/// What stands behind several tables, as behind one; and the new number of each pack.
fn merge_behind(tables: &[Arc<Loaded>]) -> (Behind, HashMap<(Id, u64), u32>) {
    let mut all = Behind::default();
    // One that two runs give two lengths is two packs: the row that is right must not pay for the other.
    let mut packs = HashMap::new();
    let mut runs = HashMap::new();
    for loaded in tables {
        // One that no run names and this mirror lacks is nobody's; any other may lie on another mirror, or is missing.
        let named: HashSet<_> = loaded.behind.named().map(|(_, pack)| pack.key()).collect();
        let kept = |pack: &&PackInfo| pack.listed || named.contains(&pack.key());
        for pack in loaded.behind.packs.iter().filter(kept) {
            packs.entry(pack.key()).or_insert_with(|| {
                all.packs.push(*pack);
                place(all.packs.len() - 1)
            });
        }
        for run in &loaded.behind.runs {
            runs.entry(*run).or_insert_with(|| {
                all.runs.push(*run);
                place(all.runs.len() - 1)
            });
        }
        for (run, pack) in loaded.behind.named() {
            if let (Some(run), Some(pack)) = (runs.get(run), packs.get(&pack.key())) {
                all.names.push((*run, *pack));
            }
        }
    }
    all.names.sort_unstable();
    all.names.dedup();
    (all, packs)
}
