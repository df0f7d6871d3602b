//! Blob to pack: sorted tables on this device, made from the mirror's index runs and, where no run knows a pack, from
//! the directory at its end.
//!
//! One read of one page answers a look-up; nothing but a fence and the list of packs stays in memory, whatever the size
//! of the repository.
//!
//! A row counts only if its pack is in this session's own listing and no mark names it, so a stale table can neither
//! lie a chunk into existence nor hide one: it only costs time.

pub mod covers;
pub mod directories;
pub mod reached;
pub mod row;
mod tables;

use crate::error::{Error, Kind, Result};
use crate::format::index::{Run, RunBuilder};
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::limits::INDEX_ROWS_WRITTEN;
use crate::monitor::{Counter, Monitor};
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::index::directories::pack_directory;
use crate::repo::index::row::{Place, kind_of, pack_number, place_of, row_sum};
use crate::repo::index::tables::Tables;
use crate::repo::presence::Presence;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Every blob this session may lean on.
pub struct Index {
    tables: Tables,
    /// The runs that lie on the mirror.
    listed: Mutex<HashSet<Id>>,
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
            tables: Tables::at(repo.cache().join("index"), repo.keys().cache().clone()),
            listed: Mutex::default(),
            missing: Vec::new(),
        };
        index.tables.load(presence)?;
        index.fetch_runs(repo, presence, monitor)?;
        index.read_directories(repo, presence, monitor, publish)?;
        index.missing = index.find_missing(presence);
        index.tables.merge_if_many(presence)?;
        Ok(index)
    }

    /// Packs that have the length a run gives them; a run that gives another says nothing of them.
    pub fn known(&self, presence: &Presence) -> HashSet<Id> {
        let tables = self.tables.list();
        let all = tables.iter().flat_map(|loaded| &loaded.behind.packs);
        let right = all.filter(|pack| presence.packs().get(&pack.id) == Some(&pack.len));
        right.map(|pack| pack.id).collect()
    }

    /// Packs that a run on this mirror names, no mark names and the listing lacks or has at another length.
    fn find_missing(&self, presence: &Presence) -> Vec<Id> {
        let tables = self.tables.list();
        let named = tables.iter().flat_map(|loaded| loaded.behind.named());
        let listed = self.listed();
        let mut missing: Vec<Id> = named
            .filter(|(run, pack)| {
                listed.contains(run)
                    && presence.packs().get(&pack.id) != Some(&pack.len)
                    && !presence.is_tombed(&pack.id)
            })
            .map(|(_, pack)| pack.id)
            .collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// The runs that these tables were made from, each with the packs it names and their lengths.
    pub fn runs(&self) -> HashMap<Id, Vec<(Id, u64)>> {
        let mut runs = HashMap::<Id, Vec<_>>::new();
        for loaded in self.tables.list().iter() {
            for (run, pack) in loaded.behind.named() {
                runs.entry(*run).or_default().push((pack.id, pack.len));
            }
        }
        runs
    }

    /// Whether the run lies on the mirror.
    pub fn is_listed(&self, run: &Id) -> bool {
        self.listed().contains(run)
    }

    fn listed(&self) -> MutexGuard<'_, HashSet<Id>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetch_runs(
        &mut self,
        repo: &Repo,
        presence: &Presence,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let known: HashSet<Id> = self
            .tables
            .list()
            .iter()
            .flat_map(|loaded| loaded.behind.runs.clone())
            .collect();
        repo.store().list(Folder::Index, &mut |listed| {
            self.listed().extend(Id::from_hex(listed.name.leaf()));
            Ok(())
        })?;
        let mut wanted: Vec<_> = self.listed().difference(&known).copied().collect();
        wanted.sort_unstable();
        if wanted.is_empty() {
            return Ok(());
        }
        let total = (Counter::Objects, wanted.len() as u64);
        monitor.phase("reading the index", Some(total));
        for id in wanted {
            let name = Name::hashed(Folder::Index, &id.to_hex());
            let read = repo.read(ObjectKind::IndexRun, &name);
            match read.and_then(|opened| Run::decode(&opened.area, &opened.record)) {
                Ok(run) => self.tables.add_run(&run, &[id], presence)?,
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
        let known = self.known(presence);
        let mut loose: Vec<_> = presence
            .packs()
            .iter()
            .filter(|(id, _)| !known.contains(id) && presence.holds(id))
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
                // It went since it was listed; where an index run names it, that is told.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) if matches!(error.kind(), Kind::Damaged | Kind::TooNew) => {
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
        self.tables.add_run(&run, &ids, presence)
    }

    /// Adds the rows of a run that this session has put, as it has its packs.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn add_own(&self, run: &Run, ids: &[Id]) -> Result<()> {
        self.listed().extend(ids);
        self.tables.add_own(run, ids)
    }

    /// Packs that an index run on this mirror names, no mark names and the listing lacks or has at another length.
    pub fn missing(&self) -> &[Id] {
        &self.missing
    }

    /// Whether a blob with these first 16 bytes is in a pack that may be leant on.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn holds(&self, prefix: &[u8; 16], kind: BlobKind) -> Result<bool> {
        for loaded in self.tables.list().iter() {
            let mut found = false;
            loaded.table.find(prefix, &mut |row| {
                let sound = loaded.behind.packs.get(pack_number(row));
                found |= sound.is_some_and(|pack| pack.present)
                    && place_of(&loaded.behind.packs, row).is_some_and(|place| place.kind == kind);
            })?;
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Every listed copy of a blob, those in packs that no mark names first; one may be damaged.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn places(&self, id: &Id, kind: BlobKind) -> Result<Vec<Place>> {
        self.places_of(&id.prefix(), kind)
    }

    /// The same by the first 16 bytes of its id.
    ///
    /// # Errors
    /// As [`Index::places`].
    pub fn places_of(&self, prefix: &[u8; 16], kind: BlobKind) -> Result<Vec<Place>> {
        let (mut places, mut doubtful) = (Vec::new(), Vec::new());
        for loaded in self.tables.list().iter() {
            let packs = &loaded.behind.packs;
            loaded.table.find(prefix, &mut |row| {
                let sound = packs.get(pack_number(row)).is_some_and(|pack| pack.sound);
                let found = if sound { &mut places } else { &mut doubtful };
                found.extend(place_of(packs, row).filter(|place| place.kind == kind));
            })?;
        }
        places.append(&mut doubtful);
        Ok(places)
    }

    /// Packs that runs on this mirror name, be they there or not.
    pub fn named(&self) -> HashSet<Id> {
        let tables = self.tables.list();
        let listed = self.listed();
        let named = tables.iter().flat_map(|loaded| loaded.behind.named());
        let here = named.filter(|(run, _)| listed.contains(run));
        here.map(|(_, pack)| pack.id).collect()
    }

    /// Whether a blob with these first 16 bytes was in one of these packs, be it there or not.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn was_in(&self, packs: &HashSet<Id>, prefix: &[u8; 16], kind: BlobKind) -> Result<bool> {
        let mut was = false;
        for loaded in self.tables.list().iter() {
            loaded.table.find(prefix, &mut |row| {
                let pack = loaded.behind.packs.get(pack_number(row));
                was |= kind_of(row) == Some(kind) && pack.is_some_and(|it| packs.contains(&it.id));
            })?;
        }
        Ok(was)
    }

    /// For each listed pack and each table that knows it, a sum over what the table says of its blobs; see
    /// [`row::directory_sum`]. One pass over all rows.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn sums(&self) -> Result<HashMap<Id, Vec<u64>>> {
        let mut sums = HashMap::<Id, Vec<u64>>::new();
        for loaded in self.tables.list().iter() {
            let mut own = vec![0u64; loaded.behind.packs.len()];
            for row in loaded.table.rows() {
                let row = row?;
                if let Some(sum) = own.get_mut(pack_number(&row)) {
                    *sum = sum.wrapping_add(row_sum(&row));
                }
            }
            for (pack, sum) in loaded
                .behind
                .packs
                .iter()
                .zip(own)
                .filter(|(pack, _)| pack.listed)
            {
                sums.entry(pack.id).or_default().push(sum);
            }
        }
        Ok(sums)
    }

    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables
            .list()
            .iter()
            .map(|loaded| loaded.table.len())
            .sum()
    }
}
