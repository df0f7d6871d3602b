//! An immutable table of fixed rows on disk, sorted by key, of which only a fence stays in memory.
//!
//! ```text
//! page 0    "HLT1" · version u32 · rows u64 · length of aux u64 · check 32 bytes · zeros          (big-endian)
//! rows      40 bytes each, the first 16 are the key; ascending, equal keys beside each other
//! fence     the first 8 bytes of every 128th key
//! aux       whatever the owner of the table needs to make sense of its rows
//! ```
//!
//! The index of a large repository has a hundred million rows and must not be in memory: a look-up is one search of the
//! fence and one read of 5 KiB. There is no mmap, so nothing counts as ours that was only looked at, and a failing disk
//! is an error rather than a signal.
//!
//! What must hold:
//! - The check covers the header, the fence and aux. Rows have none: a wrong one makes one blob be stored again or be
//!   looked for in the wrong place, where its id tells.
//! - A file that was cut off, or is of another kind or version, is an error; whoever asked makes the table anew.
//! - Merging keeps constant memory, however long the tables are.

pub mod writer;

#[cfg(test)]
mod tests;

use crate::device::Check;
use crate::device::table::writer::TableWriter;
use crate::error::{During, Error, Kind, Result};
use crate::limits::PAGE;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::{fmt, mem};

/// Bytes of a row.
pub const ROW: usize = 40;
/// Bytes of its key, at its beginning.
pub const KEY: usize = 16;

const MAGIC: [u8; 4] = *b"HLT1";
const VERSION: u32 = 1;
/// The header without its check.
const HEAD: usize = 24;
/// Rows for one word of the fence.
const STRIDE: usize = 128;
const WORD: usize = 8;
/// Rows read at once when all of them are read.
const STREAM_ROWS: usize = 1024;
/// More than this, of fence and aux, is no table of ours: 16 billion rows.
const TAIL_BYTES_MAX: u64 = 1 << 30;

/// One row: the key, then what belongs to it.
pub type Row = [u8; ROW];

/// An open table.
pub struct Table {
    path: PathBuf,
    file: File,
    rows: u64,
    fence_len: usize,
    /// Fence, then aux.
    tail: Vec<u8>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {} of {} rows", self.path.display(), self.rows)
    }
}

impl Table {
    /// Opens a finished table. [`Kind::Damaged`] and [`Kind::NotFound`] are both answered by making it anew.
    pub fn open(path: &Path, check: Check<'_>) -> Result<Self> {
        let what = || format!("open table {}", path.display());
        let file = File::open(path).map_err(|error| Error::io(what(), error))?;
        Self::read(path, file, check).during(what)
    }

    fn read(path: &Path, file: File, check: Check<'_>) -> Result<Self> {
        let damaged = |why: &'static str| Error::new(Kind::Damaged, why);
        let mut head = [0; HEAD + 32];
        read_at(&file, &mut head, 0)?;
        let (head, sum) = head.split_at(HEAD);
        if head[..4] != MAGIC || head[4..8] != VERSION.to_be_bytes() {
            return Err(damaged("it is another sort of file"));
        }
        let (rows, aux_len) = (word(&head[8..16]), word(&head[16..24]));
        let fence_len = rows.div_ceil(STRIDE as u64).checked_mul(WORD as u64);
        let tail_len = fence_len.and_then(|len| len.checked_add(aux_len));
        let tail_at = rows
            .checked_mul(ROW as u64)
            .and_then(|len| len.checked_add(PAGE as u64));
        let (Some(fence_len), Some(tail_len), Some(tail_at)) = (fence_len, tail_len, tail_at)
        else {
            return Err(damaged("its lengths make no sense"));
        };
        let metadata = file.metadata();
        let len = metadata
            .map_err(|error| Error::io("ask for its length", error))?
            .len();
        if tail_at.checked_add(tail_len) != Some(len) || tail_len > TAIL_BYTES_MAX {
            return Err(damaged("its length is not what its header says"));
        }
        let narrow = |len: u64| usize::try_from(len).expect("below a limit of 30 bits");
        let mut tail = vec![0; narrow(tail_len) + HEAD];
        let (stored, copy) = tail.split_at_mut(narrow(tail_len));
        read_at(&file, stored, tail_at)?;
        copy.copy_from_slice(head);
        if check(&tail) != sum {
            return Err(damaged("it fails its check"));
        }
        tail.truncate(narrow(tail_len));
        Ok(Self {
            path: path.to_owned(),
            file,
            rows,
            fence_len: narrow(fence_len),
            tail,
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of rows.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// What the writer put beside the rows.
    pub fn aux(&self) -> &[u8] {
        &self.tail[self.fence_len..]
    }

    /// Hands every row of this key to `each`, in their order.
    pub fn find(&self, key: &[u8; KEY], each: &mut dyn FnMut(&Row)) -> Result<()> {
        self.find_at(key, &mut |_, row| each(row))
    }

    /// The same, each row with its place among all rows.
    pub fn find_at(&self, key: &[u8; KEY], each: &mut dyn FnMut(u64, &Row)) -> Result<()> {
        let (fence, _) = self.tail.as_chunks::<WORD>();
        let fence = &fence[..self.fence_len / WORD];
        // Rows of this key may begin in the stride before the first one that begins with it, and go on in the next.
        let first = fence.partition_point(|begin| begin[..] < key[..WORD]);
        for (stride, begin) in fence.iter().enumerate().skip(first.saturating_sub(1)) {
            if begin[..] > key[..WORD] {
                break;
            }
            let mut bytes = [0; STRIDE * ROW];
            let first = (stride * STRIDE) as u64;
            let rows = self.read_rows(first, &mut bytes)?;
            let begin = rows.partition_point(|row| row[..KEY] < key[..]);
            let found = &rows[begin..];
            found
                .iter()
                .take_while(|row| row[..KEY] == key[..])
                .zip(first + begin as u64..)
                .for_each(|(row, at)| each(at, row));
            if found.last().is_some_and(|row| row[..KEY] > key[..]) {
                break;
            }
        }
        Ok(())
    }

    /// All rows in order, read as they are asked for.
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            table: self,
            next: 0,
            bytes: Vec::new(),
            used: 0,
        }
    }

    /// Fills `bytes` with the rows from `first` on, as far as there are any.
    fn read_rows<'a>(&self, first: u64, bytes: &'a mut [u8]) -> Result<&'a [Row]> {
        let left = (self.rows - first.min(self.rows)).saturating_mul(ROW as u64);
        let len = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let bytes = &mut bytes[..len];
        read_at(&self.file, bytes, PAGE as u64 + first * ROW as u64)
            .during(|| format!("read table {}", self.path.display()))?;
        Ok(bytes.as_chunks().0)
    }
}

/// Streams the rows of one table.
pub struct Rows<'a> {
    table: &'a Table,
    /// The first row that is not in `bytes`.
    next: u64,
    bytes: Vec<u8>,
    used: usize,
}

impl Rows<'_> {
    fn refill(&mut self) -> Result<()> {
        let mut bytes = mem::take(&mut self.bytes);
        bytes.resize(STREAM_ROWS * ROW, 0);
        let rows = self.table.read_rows(self.next, &mut bytes)?.len();
        self.next += rows as u64;
        bytes.truncate(rows * ROW);
        self.bytes = bytes;
        self.used = 0;
        Ok(())
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.used == self.bytes.len() {
            self.used = 0;
            if let Err(error) = self.refill() {
                // Told once, and nothing after it: half a table must not look like a whole one.
                self.next = self.table.rows;
                return Some(Err(error));
            }
        }
        let row = *self.bytes[self.used..].first_chunk()?;
        self.used += ROW;
        Some(Ok(row))
    }
}

/// The tables in a folder, which is made where it is missing. What an interrupted run left half-written is not among
/// them.
///
/// # Errors
/// Those of the folder.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let what = || format!("list {}", folder.display());
    std::fs::create_dir_all(folder).map_err(|error| Error::io(what(), error))?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| Error::io(what(), error))? {
        let path = entry.map_err(|error| Error::io(what(), error))?.path();
        if path.extension().is_some_and(|ending| ending == "table") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a table; one that is gone already is done.
///
/// # Errors
/// Those of the folder.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

/// Merges `tables` into `writer`: rows of one key in the order of the tables.
///
/// `map` sees each row with the position of its table and may change all but the key; `false` leaves the row out.
pub fn merge(
    tables: &[&Table],
    map: &mut dyn FnMut(usize, &mut Row) -> bool,
    writer: &mut TableWriter,
) -> Result<()> {
    merged(tables, &mut |table, _, row| match map(table, row) {
        true => writer.push(row),
        false => Ok(()),
    })
}

/// Hears a row: the position of its table, its own place in it, and what it says.
pub type EachRow<'a> = &'a mut dyn FnMut(usize, u64, &mut Row) -> Result<()>;

/// Hands the rows of all `tables` to `each` in the order of their keys; those of one key in the order of the tables.
///
/// # Errors
/// Those of reading and of `each`.
pub fn merged(tables: &[&Table], each: EachRow<'_>) -> Result<()> {
    let mut all: Vec<Rows<'_>> = tables.iter().map(|table| table.rows()).collect();
    let mut heads: Vec<Option<Row>> = Vec::with_capacity(all.len());
    for rows in &mut all {
        heads.push(rows.next().transpose()?);
    }
    let mut places = vec![0; heads.len()];
    // Runs are merged by eights, so looking at every head is as good as a heap.
    loop {
        let mut least: Option<(usize, &Row)> = None;
        for (at, head) in heads.iter().enumerate() {
            let Some(head) = head else { continue };
            if least.is_none_or(|(_, row)| head[..KEY] < row[..KEY]) {
                least = Some((at, head));
            }
        }
        let Some((at, row)) = least else {
            return Ok(());
        };
        let mut row = *row;
        each(at, places[at], &mut row)?;
        places[at] += 1;
        heads[at] = all[at].next().transpose()?;
    }
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("8 bytes"))
}

fn read_at(file: &File, bytes: &mut [u8], at: u64) -> Result<()> {
    file.read_exact_at(bytes, at).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Error::new(Kind::Damaged, "it ends early");
        }
        Error::io("read it", error)
    })
}
