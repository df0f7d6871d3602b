//! The names in one folder, sorted by their bytes.
//!
//! One `WalkDir` of depth one lists the folder. The names are copied into one arena and sorted here: 16 bytes a name
//! and the name itself, where walkdir's own sort would keep 150, so a folder of a million names takes some 36 MB.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use walkdir::WalkDir;

/// One arena, a row for each name, and how far they have been handed out.
#[derive(Default)]
pub(crate) struct Names {
    arena: Vec<u8>,
    sorted: Vec<Row>,
    next: usize,
}

#[derive(Clone, Copy)]
struct Row {
    /// The first eight bytes, which decide nearly every comparison. Names have no zeros, so padding sorts right.
    prefix: u64,
    offset: u32,
    len: u16,
}

impl Names {
    /// Whether there was room.
    pub(crate) fn push(&mut self, name: &[u8]) -> bool {
        let offset = u32::try_from(self.arena.len());
        let (Ok(offset), Ok(len)) = (offset, u16::try_from(name.len())) else {
            return false;
        };
        let mut prefix = [0; 8];
        let shared = name.len().min(8);
        prefix[..shared].copy_from_slice(&name[..shared]);
        self.arena.extend_from_slice(name);
        self.sorted.push(Row {
            prefix: u64::from_be_bytes(prefix),
            offset,
            len,
        });
        true
    }

    /// Reads the names in the folder at `path`; those read before an error stay.
    pub(crate) fn list(&mut self, path: &[u8]) -> std::io::Result<()> {
        let folder = WalkDir::new(OsStr::from_bytes(path));
        for entry in folder.min_depth(1).max_depth(1) {
            let entry = entry.map_err(bare)?;
            if !self.push(entry.file_name().as_bytes()) {
                return Err(std::io::Error::other("the folder holds too many names"));
            }
        }
        Ok(())
    }

    pub(crate) fn sort(&mut self) {
        let arena = &self.arena;
        self.sorted.sort_unstable_by(|a, b| {
            let names = || bytes(arena, *a).cmp(bytes(arena, *b));
            a.prefix.cmp(&b.prefix).then_with(names)
        });
        // Two roots may share a part, and a folder that changes may be listed with a name twice.
        self.sorted
            .dedup_by(|a, b| bytes(arena, *a) == bytes(arena, *b));
    }

    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.sorted
            .binary_search_by(|row| bytes(&self.arena, *row).cmp(name))
            .is_ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(crate) fn more(&self) -> bool {
        self.next < self.sorted.len()
    }

    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let row = self.sorted.get(self.next)?;
        self.next += 1;
        Some(bytes(&self.arena, *row))
    }
}

fn bytes(arena: &[u8], row: Row) -> &[u8] {
    let start = row.offset as usize;
    &arena[start..start + usize::from(row.len)]
}

/// The system's own error, without the path by which we asked.
fn bare(error: walkdir::Error) -> std::io::Error {
    error
        .into_io_error()
        .unwrap_or_else(|| std::io::Error::other("the folder leads into itself"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_the_order_of_their_bytes_and_once() {
        let given: [&[u8]; 9] = [
            b"b",
            b"a",
            b"prefix-long-2",
            b"prefix-long-1",
            b"prefix-l",
            b"\xff",
            b"a-b",
            b"a",
            b"A",
        ];
        let mut names = Names::default();
        for name in given {
            assert!(names.push(name));
        }
        names.sort();
        let mut expected = given.to_vec();
        expected.sort_unstable();
        expected.dedup();
        assert!(names.has(b"prefix-l") && !names.has(b"prefix"));
        assert_eq!(names.len(), expected.len());
        for name in expected {
            assert!(names.more());
            assert_eq!(names.next(), Some(name));
        }
        assert!(names.next().is_none());
    }
}
