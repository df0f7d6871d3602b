//! Blob to pack: sorted tables on this device, made from the mirror's index runs and, where no run knows a pack, from
//! the directory at its end.
//!
//! One read of one page answers a look-up; nothing but a fence and the list of packs stays in memory, whatever the size
//! of the repository.
//!
//! A row counts only if its pack is in this session's own listing and no mark names it, so a stale table can neither
//! lie a chunk into existence nor hide one: it only costs time.

pub mod directories;
pub mod row;

use crate::crypto::hash;
use crate::device::table::writer::TableWriter;
use crate::device::table::{self, Table};
use crate::error::{Error, Kind, Result};
use crate::format::index::{Run, RunBuilder};
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::limits::INDEX_ROWS_WRITTEN;
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::index::directories::pack_directory;
use crate::repo::index::row::{
    PackInfo, Place, decode_aux, encode_aux, encode_row, pack_number, place_of, row_sum, table_name,
};
use crate::repo::publish::Presence;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// Tables at which all are merged into one.
const TABLES_MAX: usize = 8;

struct Loaded {
    table: Table,
    packs: Vec<PackInfo>,
    runs: Vec<Id>,
}

/// Every blob this session may lean on.
pub struct Index {
    /// Replaced as a whole, so that a look-up costs one count and no lock is held while the disk is read.
    tables: RwLock<Arc<Vec<Arc<Loaded>>>>,
    folder: PathBuf,
    check_key: crate::crypto::secret::Secret<32>,
    missing: Vec<Id>,
}

impl Index {
    /// Opens the local tables and brings them up to what the mirror has. `publish` hears every run that was made from
    /// directories because the mirror has none: a writer puts it there.
    ///
    /// It works on a thread that ends with it, so that what reading runs leaves in the allocator's hands serves the next
    /// thread instead of staying with the caller for good.
    ///
    /// # Errors
    /// Those of the store and of the cache folder. Damaged runs and directories are problems, not errors.
    pub fn open(
        repo: &Repo,
        presence: &Presence,
        monitor: &dyn Monitor,
        publish: &mut (dyn FnMut(&Run) -> Result<Vec<Id>> + Send),
    ) -> Result<Self> {
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| Self::open_here(repo, presence, monitor, publish));
            opening.join().unwrap_or_else(|_| {
                let what = "the thread that opens the index panicked: this is a bug";
                Err(Error::new(Kind::Other, what))
            })
        })
    }

    fn open_here(
        repo: &Repo,
        presence: &Presence,
        monitor: &dyn Monitor,
        publish: &mut dyn FnMut(&Run) -> Result<Vec<Id>>,
    ) -> Result<Self> {
        let mut index = Self {
            tables: RwLock::default(),
            folder: repo.cache().join("index"),
            check_key: repo.keys().cache().clone(),
            missing: Vec::new(),
        };
        index.load_tables(presence)?;
        index.fetch_runs(repo, presence, monitor)?;
        index.read_directories(repo, presence, monitor, publish)?;
        let wrong = index.packs(presence, false).into_iter();
        index.missing = wrong.filter(|pack| !presence.is_tombed(pack)).collect();
        index.merge_if_many(presence)?;
        Ok(index)
    }

    fn check(&self) -> impl Fn(&[u8]) -> [u8; 32] + '_ {
        |bytes| *hash::keyed(&self.check_key, bytes).as_bytes()
    }

    fn list(&self) -> Arc<Vec<Arc<Loaded>>> {
        Arc::clone(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, tables: Vec<Arc<Loaded>>) {
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tables);
    }

    fn load_tables(&mut self, presence: &Presence) -> Result<()> {
        for path in table::list(&self.folder)? {
            let loaded = Table::open(&path, &self.check()).ok().and_then(|table| {
                let (packs, runs) = decode_aux(table.aux(), presence)?;
                Some(Loaded { table, packs, runs })
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

    /// Packs of which a run gives the length that they have (any other run says nothing), or another one.
    fn packs(&self, presence: &Presence, right: bool) -> HashSet<Id> {
        let tables = self.list();
        let all = tables.iter().flat_map(|loaded| &loaded.packs);
        let is_right = |pack: &PackInfo| presence.packs().get(&pack.id) == Some(&pack.len);
        let wanted = all.filter(|pack| is_right(pack) == right);
        wanted.map(|pack| pack.id).collect()
    }

    fn fetch_runs(&self, repo: &Repo, presence: &Presence, monitor: &dyn Monitor) -> Result<()> {
        let known: HashSet<Id> = self
            .list()
            .iter()
            .flat_map(|loaded| loaded.runs.clone())
            .collect();
        let mut wanted = Vec::new();
        repo.store().list(Folder::Index, &mut |listed| {
            wanted.extend(Id::from_hex(listed.name.leaf()).filter(|id| !known.contains(id)));
            Ok(())
        })?;
        if wanted.is_empty() {
            return Ok(());
        }
        let total = (Counter::Objects, wanted.len() as u64);
        monitor.phase("reading the index", Some(total));
        for id in wanted {
            let name = Name::hashed(Folder::Index, &id.to_hex());
            let read = repo.read(ObjectKind::IndexRun, &name);
            match read.and_then(|opened| Run::decode(&opened.area, &opened.record)) {
                Ok(run) => self.add_run(&run, &[id], presence)?,
                Err(error) if matches!(error.kind(), Kind::Damaged | Kind::TooNew) => {
                    monitor.problem(
                        &error.during(format!("{name} is passed by; packs tell what it held")),
                    );
                }
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
            monitor.count(Counter::Objects, 1);
        }
        Ok(())
    }

    fn read_directories(
        &self,
        repo: &Repo,
        presence: &Presence,
        monitor: &dyn Monitor,
        publish: &mut dyn FnMut(&Run) -> Result<Vec<Id>>,
    ) -> Result<()> {
        let known = self.packs(presence, true);
        let mut loose: Vec<_> = presence
            .packs()
            .iter()
            .filter(|(id, _)| !known.contains(id) && !presence.is_tombed(id))
            .map(|(id, len)| (*id, *len))
            .collect();
        if loose.is_empty() {
            return Ok(());
        }
        loose.sort_unstable();
        monitor.phase(
            "reading packs that no index knows",
            Some((Counter::Objects, loose.len() as u64)),
        );
        let mut builder = RunBuilder::new();
        for (id, len) in loose {
            match pack_directory(repo, &id, len) {
                Ok((kind, directory)) => builder.add_pack(id, kind, len, &directory),
                Err(error)
                    if matches!(error.kind(), Kind::Damaged | Kind::TooNew | Kind::NotFound) =>
                {
                    monitor.problem(&error);
                }
                Err(error) => return Err(error),
            }
            monitor.count(Counter::Objects, 1);
            if builder.rows() >= INDEX_ROWS_WRITTEN {
                self.keep(std::mem::take(&mut builder).finish(), presence, publish)?;
            }
        }
        self.keep(builder.finish(), presence, publish)
    }

    fn keep(
        &self,
        run: Run,
        presence: &Presence,
        publish: &mut dyn FnMut(&Run) -> Result<Vec<Id>>,
    ) -> Result<()> {
        if run.packs.is_empty() {
            return Ok(());
        }
        let ids = publish(&run)?;
        self.add_run(&run, &ids, presence)
    }

    /// Adds a run's rows as one more table; `ids` are the runs on the mirror that say the same.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn add_run(&self, run: &Run, ids: &[Id], presence: &Presence) -> Result<()> {
        let packs = run.packs.iter();
        let packs = packs.map(|pack| PackInfo::new(pack.id, pack.kind, pack.file_len, presence));
        self.add_table(run, ids, packs.collect())
    }

    /// As [`Index::add_run`], for packs that this session has just put.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn add_own(&self, run: &Run, ids: &[Id]) -> Result<()> {
        let packs = run.packs.iter();
        let packs = packs.map(|pack| PackInfo::own(pack.id, pack.kind, pack.file_len));
        self.add_table(run, ids, packs.collect())
    }

    fn add_table(&self, run: &Run, ids: &[Id], packs: Vec<PackInfo>) -> Result<()> {
        let aux = encode_aux(&packs, ids);
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
        self.push(Loaded {
            table,
            packs,
            runs: ids.to_vec(),
        });
        Ok(())
    }

    fn merge_if_many(&self, presence: &Presence) -> Result<()> {
        let old = self.list();
        if old.len() <= TABLES_MAX {
            return Ok(());
        }
        let mut packs = Vec::new();
        let mut numbers = HashMap::new();
        let mut runs = Vec::new();
        for loaded in old.iter() {
            runs.extend(&loaded.runs);
            for pack in loaded.packs.iter().filter(|pack| pack.listed) {
                // One that two runs give two lengths is two packs: the row that is right must not pay for the other.
                numbers.entry((pack.id, pack.len)).or_insert_with(|| {
                    packs.push(*pack);
                    u32::try_from(packs.len() - 1).unwrap_or(u32::MAX)
                });
            }
        }
        runs.sort_unstable();
        runs.dedup();
        let aux = encode_aux(&packs, &runs);
        let path = self.folder.join(table_name(&aux));
        let mut writer = TableWriter::create(&path)?;
        let tables: Vec<&Table> = old.iter().map(|loaded| &loaded.table).collect();
        table::merge(
            &tables,
            &mut |table, row| {
                let pack = old[table].packs.get(pack_number(row));
                let Some(new) = pack.and_then(|pack| numbers.get(&(pack.id, pack.len))) else {
                    return false;
                };
                row[16..20].copy_from_slice(&new.to_le_bytes());
                true
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
        let (packs, runs) = decode_aux(table.aux(), presence)
            .ok_or_else(|| Error::new(Kind::Other, "read back the merged index table"))?;
        self.replace(vec![Arc::new(Loaded { table, packs, runs })]);
        Ok(())
    }

    /// Packs that an index run knows, no mark names and the listing lacks or has at another length.
    pub fn missing(&self) -> &[Id] {
        &self.missing
    }

    /// Whether a blob with these first 16 bytes is in a pack that may be leant on.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn holds(&self, prefix: &[u8; 16], kind: BlobKind) -> Result<bool> {
        for loaded in self.list().iter() {
            let mut found = false;
            loaded.table.find(prefix, &mut |row| {
                let sound = loaded.packs.get(pack_number(row));
                found |= sound.is_some_and(|pack| pack.present)
                    && place_of(&loaded.packs, row).is_some_and(|place| place.kind == kind);
            })?;
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Every listed copy of a blob; one may be damaged.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn places(&self, id: &Id, kind: BlobKind) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        for loaded in self.list().iter() {
            loaded.table.find(&id.prefix(), &mut |row| {
                places.extend(place_of(&loaded.packs, row).filter(|place| place.kind == kind));
            })?;
        }
        Ok(places)
    }

    /// For each listed pack and each table that knows it, a sum over what the table says of its blobs; see
    /// [`row::directory_sum`]. One pass over all rows.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn sums(&self) -> Result<HashMap<Id, Vec<u64>>> {
        let mut sums = HashMap::<Id, Vec<u64>>::new();
        for loaded in self.list().iter() {
            let mut own = vec![0u64; loaded.packs.len()];
            for row in loaded.table.rows() {
                let row = row?;
                if let Some(sum) = own.get_mut(pack_number(&row)) {
                    *sum = sum.wrapping_add(row_sum(&row));
                }
            }
            for (pack, sum) in loaded.packs.iter().zip(own).filter(|(pack, _)| pack.listed) {
                sums.entry(pack.id).or_default().push(sum);
            }
        }
        Ok(sums)
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.list().iter().map(|loaded| loaded.table.len()).sum()
    }
}
