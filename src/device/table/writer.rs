//! Writes a table beside its place and moves it there when it is whole.
//!
//! Nothing is synced: a table is a cache, and one that did not survive a crash fails its check and is made anew.

use crate::device::table::{HEAD, KEY, MAGIC, ROW, Row, STRIDE, VERSION, WORD};
use crate::device::{Check, begin_beside, remove};
use crate::error::{Error, Kind, Result};
use crate::limits::PAGE;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const BUFFER: usize = 256 * 1024;

/// A table in the making; dropped unfinished, it leaves nothing behind.
pub struct TableWriter {
    path: PathBuf,
    unfinished: Option<PathBuf>,
    file: BufWriter<File>,
    rows: u64,
    last: [u8; KEY],
    fence: Vec<u8>,
}

impl TableWriter {
    /// Begins a table that will stand at `path`; what is there stays until `finish`.
    pub fn create(path: &Path) -> Result<Self> {
        let begin = || {
            let (file, unfinished) = begin_beside(path)?;
            let mut file = BufWriter::with_capacity(BUFFER, file);
            file.seek(SeekFrom::Start(PAGE as u64))?;
            Ok((file, unfinished))
        };
        let (file, unfinished) = begin().map_err(|error| failed(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            unfinished: Some(unfinished),
            file,
            rows: 0,
            last: [0; KEY],
            fence: Vec::new(),
        })
    }

    /// Adds a row whose key is not below the one before; another is [`Kind::Damaged`].
    pub fn push(&mut self, row: &Row) -> Result<()> {
        let (key, _) = row
            .split_first_chunk::<KEY>()
            .expect("a row is longer than a key");
        if *key < self.last {
            let what = format!("write table {}", self.path.display());
            return Err(Error::new(Kind::Damaged, what).because("rows are out of order"));
        }
        self.last = *key;
        if self.rows.is_multiple_of(STRIDE as u64) {
            self.fence.extend_from_slice(&key[..WORD]);
        }
        self.rows += 1;
        let written = self.file.write_all(row);
        written.map_err(|error| failed(&self.path, error))
    }

    /// The rows so far.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there are none yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Puts the table in its place.
    pub fn finish(mut self, aux: &[u8], check: Check<'_>) -> Result<()> {
        let done = self.place(aux, check);
        done.map_err(|error| failed(&self.path, error))
    }

    fn place(&mut self, aux: &[u8], check: Check<'_>) -> io::Result<()> {
        let mut tail = std::mem::take(&mut self.fence);
        tail.extend_from_slice(aux);
        self.file.write_all(&tail)?;
        self.file.flush()?;
        let mut head = Vec::with_capacity(PAGE);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&VERSION.to_be_bytes());
        head.extend_from_slice(&self.rows.to_be_bytes());
        head.extend_from_slice(&(aux.len() as u64).to_be_bytes());
        debug_assert_eq!(head.len(), HEAD);
        tail.extend_from_slice(&head);
        head.extend_from_slice(&check(&tail));
        head.resize(PAGE, 0);
        self.file.get_ref().write_all_at(&head, 0)?;
        if let Some(unfinished) = &self.unfinished {
            fs::rename(unfinished, &self.path)?;
            self.unfinished = None;
        }
        Ok(())
    }
}

impl Drop for TableWriter {
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished {
            // Swept at the next start if it cannot be removed now.
            let _ = remove(unfinished);
        }
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::io(format!("write table {}", path.display()), error)
}

const _: () = assert!(HEAD + 32 <= PAGE && KEY <= ROW);
