//! What need not be read again: the stat of every item of the last snapshot of one source.
//!
//! Siblings lie together, so that a folder is one read wherever it is, in the order of their names. No name is kept,
//! only its keyed hash:
//!
//! ```text
//! header[4096]  magic · version · snapshot id · start of that run · root block · H(body) · check of all this
//! block         records[72] of the siblings · for each folder among them, in order: folder[48]
//! record        name hash[16] · device u64 · inode u64 · size u64 · mtime i64 u32 · ctime i64 u32 · is folder u8 · 0[7]
//! folder        tree id[32] · its block: offset u64 · records u32 · folders u32
//! ```
//!
//! The header is keyed and covers the body: whatever is torn, foreign or stale makes the whole file count as absent,
//! which costs time and nothing else.

use crate::crypto::hash::Hasher;
use crate::error::{Error, Kind, Result};
use crate::host::Timestamp;
use crate::id::Id;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"HLSTATE1";
const HEADER: usize = 4096;
const RECORD: usize = 72;
const FOLDER: usize = 48;
const CHECKED: usize = 160;

/// What one stat said of an item, under the hash of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Record {
    /// Keyed hash of the name.
    pub name: [u8; 16],
    /// The device it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Content changed.
    pub mtime: Timestamp,
    /// Anything changed; `seconds` of `i64::MAX` makes the item count as changed next time.
    pub ctime: Timestamp,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// A folder's tree and where the records of what is in it lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its tree.
    pub tree: Id,
    offset: u64,
    records: u32,
    folders: u32,
}

impl Folder {
    /// How many items are in it.
    pub fn len(&self) -> usize {
        self.records as usize
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }
}

/// Keyed check of a header; the caller has the key.
pub type Check<'a> = &'a dyn Fn(&[u8]) -> [u8; 32];

/// The last run's records.
pub struct StateReader {
    file: File,
    len: u64,
    snapshot: Id,
    started: Timestamp,
    root: Folder,
}

impl StateReader {
    /// Opens a state file; `None` if there is none or it is not whole, ours and of this version.
    pub fn open(path: &Path, check: Check<'_>) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).ok()?;
        let stored: &[u8; 32] = header[CHECKED..].first_chunk()?;
        if header[..8] != *MAGIC || check(&header[..CHECKED]) != *stored {
            return None;
        }
        let u64_at =
            |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let u32_at =
            |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let mut hasher = Hasher::new();
        let mut piece = vec![0; 1 << 18];
        loop {
            match file.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => hasher.update(&piece[..n]),
                Err(_) => return None,
            }
        }
        if hasher.finish().as_bytes() != &header[128..160] {
            return None;
        }
        Some(Self {
            len: file.metadata().ok()?.len(),
            file,
            snapshot: Id::from_slice(&header[8..40])?,
            started: Timestamp {
                seconds: u64_at(40).cast_signed(),
                nanos: u32_at(48),
            },
            root: Folder {
                tree: Id::from_slice(&header[56..88])?,
                offset: u64_at(88),
                records: u32_at(96),
                folders: u32_at(100),
            },
        })
    }

    /// The snapshot these records belong to.
    pub fn snapshot(&self) -> Id {
        self.snapshot
    }

    /// When the run that wrote them began.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The root folder.
    pub fn root(&self) -> Folder {
        self.root
    }

    /// What was in a folder.
    ///
    /// # Errors
    /// A failing disk.
    pub fn siblings(&self, folder: &Folder) -> Result<Siblings> {
        let (records, folders) = (folder.records as usize, folder.folders as usize);
        let bytes = records * RECORD + folders * FOLDER;
        if folder.offset.saturating_add(bytes as u64) > self.len {
            return Err(Error::new(
                Kind::Other,
                "the state file names records beyond its end",
            ));
        }
        let mut block = vec![0; bytes];
        self.file
            .read_exact_at(&mut block, folder.offset)
            .map_err(|error| Error::io("read the state of the last run", error))?;
        Ok(Siblings {
            block,
            records,
            next: 0,
            folders_before: Vec::new(),
            by_name: None,
        })
    }
}

/// The records of one folder, asked for in the order of names.
pub struct Siblings {
    block: Vec<u8>,
    records: usize,
    next: usize,
    /// For each record, how many folders come before it; made with `by_name`.
    folders_before: Vec<u32>,
    by_name: Option<HashMap<[u8; 16], usize>>,
}

impl Siblings {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The record under this name hash, and the folder it stands for. In the common case it is the one after the last.
    pub fn find(&mut self, name: &[u8; 16]) -> Option<(Record, Option<Folder>)> {
        let at = if self.name_at(self.next) == Some(name) {
            self.next
        } else {
            self.look_up(name)?
        };
        self.next = at + 1;
        let record = decode_record(&self.block[at * RECORD..(at + 1) * RECORD]);
        let folder = record.is_folder.then(|| self.folder_of(at)).flatten();
        Some((record, folder))
    }

    fn name_at(&self, at: usize) -> Option<&[u8]> {
        (at < self.records).then(|| &self.block[at * RECORD..at * RECORD + 16])
    }

    fn look_up(&mut self, name: &[u8; 16]) -> Option<usize> {
        let (block, records) = (&self.block, self.records);
        let by_name = self.by_name.get_or_insert_with(|| {
            let names = (0..records).map(|at| {
                let mut name = [0; 16];
                name.copy_from_slice(&block[at * RECORD..at * RECORD + 16]);
                (name, at)
            });
            names.collect()
        });
        by_name.get(name).copied()
    }

    fn folder_of(&mut self, at: usize) -> Option<Folder> {
        if self.folders_before.is_empty() {
            let mut before = 0;
            self.folders_before = (0..self.records)
                .map(|at| {
                    let mine = before;
                    before += u32::from(self.block[at * RECORD + 64]);
                    mine
                })
                .collect();
        }
        let start = self.records * RECORD + self.folders_before[at] as usize * FOLDER;
        let bytes = self.block.get(start..start + FOLDER)?;
        Some(Folder {
            tree: Id::from_slice(&bytes[..32])?,
            offset: u64::from_le_bytes(bytes[32..40].try_into().ok()?),
            records: u32::from_le_bytes(bytes[40..44].try_into().ok()?),
            folders: u32::from_le_bytes(bytes[44..48].try_into().ok()?),
        })
    }
}

/// Writes the records of this run beside the old ones and takes their place when the run has ended well.
pub struct StateWriter {
    path: PathBuf,
    beside: PathBuf,
    file: BufWriter<File>,
    hasher: Hasher,
    offset: u64,
}

impl Drop for StateWriter {
    /// Given up without [`StateWriter::finish`], which has nothing left to remove.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.beside);
    }
}

impl StateWriter {
    /// Begins; what stands at `path` stays until [`StateWriter::finish`].
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn create(path: &Path) -> Result<Self> {
        let beside = path.with_extension("new");
        let failed = |error| Error::io(format!("create {}", beside.display()), error);
        let mut file = BufWriter::with_capacity(1 << 18, File::create(&beside).map_err(failed)?);
        file.write_all(&[0; HEADER]).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            beside,
            file,
            hasher: Hasher::new(),
            offset: HEADER as u64,
        })
    }

    /// Appends the records of what is in one folder; `folders` are those among them, in order.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn add(&mut self, tree: Id, records: &[Record], folders: &[Folder]) -> Result<Folder> {
        let place = Folder {
            tree,
            offset: self.offset,
            records: u32::try_from(records.len()).unwrap_or(0),
            folders: u32::try_from(folders.len()).unwrap_or(0),
        };
        for record in records {
            self.write(&encode_record(record))?;
        }
        for folder in folders {
            self.write(&encode_folder(folder))?;
        }
        Ok(place)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.offset += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .map_err(|error| Error::io("write the state of this run", error))
    }

    /// Takes the place of the old file, for this snapshot and the run that began at `started`.
    ///
    /// # Errors
    /// Those of the state folder.
    pub fn finish(
        mut self,
        snapshot: Id,
        started: Timestamp,
        root: Folder,
        check: Check<'_>,
    ) -> Result<()> {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8..40].copy_from_slice(snapshot.as_bytes());
        header[40..48].copy_from_slice(&started.seconds.to_le_bytes());
        header[48..52].copy_from_slice(&started.nanos.to_le_bytes());
        header[56..104].copy_from_slice(&encode_folder(&root));
        header[128..160].copy_from_slice(self.hasher.finish().as_bytes());
        let check = check(&header[..CHECKED]);
        header[CHECKED..CHECKED + 32].copy_from_slice(&check);
        let flushed = self.file.flush();
        let failed = |error| Error::io(format!("write {}", self.beside.display()), error);
        flushed.map_err(failed)?;
        self.file
            .get_ref()
            .write_all_at(&header, 0)
            .map_err(failed)?;
        std::fs::rename(&self.beside, &self.path).map_err(failed)
    }
}

fn encode_record(record: &Record) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[..16].copy_from_slice(&record.name);
    bytes[16..24].copy_from_slice(&record.device.to_le_bytes());
    bytes[24..32].copy_from_slice(&record.inode.to_le_bytes());
    bytes[32..40].copy_from_slice(&record.size.to_le_bytes());
    bytes[40..48].copy_from_slice(&record.mtime.seconds.to_le_bytes());
    bytes[48..52].copy_from_slice(&record.mtime.nanos.to_le_bytes());
    bytes[52..60].copy_from_slice(&record.ctime.seconds.to_le_bytes());
    bytes[60..64].copy_from_slice(&record.ctime.nanos.to_le_bytes());
    bytes[64] = u8::from(record.is_folder);
    bytes
}

fn decode_record(bytes: &[u8]) -> Record {
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let mut name = [0; 16];
    name.copy_from_slice(&bytes[..16]);
    Record {
        name,
        device: u64_at(16),
        inode: u64_at(24),
        size: u64_at(32),
        mtime: Timestamp {
            seconds: u64_at(40).cast_signed(),
            nanos: u32_at(48),
        },
        ctime: Timestamp {
            seconds: u64_at(52).cast_signed(),
            nanos: u32_at(60),
        },
        is_folder: bytes[64] == 1,
    }
}

fn encode_folder(folder: &Folder) -> [u8; FOLDER] {
    let mut bytes = [0; FOLDER];
    bytes[..32].copy_from_slice(folder.tree.as_bytes());
    bytes[32..40].copy_from_slice(&folder.offset.to_le_bytes());
    bytes[40..44].copy_from_slice(&folder.records.to_le_bytes());
    bytes[44..48].copy_from_slice(&folder.folders.to_le_bytes());
    bytes
}
