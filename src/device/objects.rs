//! Copies of small sealed objects, so that a run asks a mirror only for those that are new.
//!
//! One folder for each folder of the mirror, one file for each object, bytes as they lie on the mirror. Only objects
//! whose content never changes belong here. What is read from here proves itself, by its name or by being opened, and
//! says nothing about what a mirror has: that its listing says.

use crate::name::{Folder, Name};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How the temporary files here end.
const UNFINISHED: &str = ".new";

/// The copies of one repository.
pub struct Objects {
    folder: PathBuf,
}

impl Objects {
    /// Those below `folder`, which need not exist.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(name.folder().path()).join(name.leaf())
    }

    /// The copy of an object. A copy that cannot be read is none.
    pub fn get(&self, name: &Name) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    /// Whether there is a copy.
    pub fn has(&self, name: &Name) -> bool {
        self.path(name).exists()
    }

    /// The names of all copies from `folder`.
    pub fn names(&self, folder: Folder) -> Vec<Name> {
        let Ok(entries) = fs::read_dir(self.folder.join(folder.path())) else {
            return Vec::new();
        };
        let leaves = entries.flatten().map(|entry| entry.file_name());
        leaves
            .filter_map(|leaf| Name::new(folder, leaf.to_str()?))
            .collect()
    }

    /// Keeps a copy. Where there is no room for it, there will be none: it only saves time.
    pub fn put(&self, name: &Name, bytes: &[u8]) {
        let path = self.path(name);
        let fresh = path.with_extension(format!("{}{UNFINISHED}", std::process::id()));
        let folder = self.folder.join(name.folder().path());
        let kept = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&fresh, bytes))
            .and_then(|()| fs::rename(&fresh, &path));
        if kept.is_err() {
            drop(fs::remove_file(fresh));
        }
    }

    /// Removes the copies of `folder` that are not among `leaves`, and what interrupted runs left there.
    pub fn keep_only(&self, folder: Folder, leaves: &BTreeSet<String>) {
        let Ok(entries) = fs::read_dir(self.folder.join(folder.path())) else {
            return;
        };
        for entry in entries.flatten() {
            let wanted = entry
                .file_name()
                .to_str()
                .is_some_and(|leaf| leaves.contains(leaf));
            if !wanted {
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wanted_any_more_goes() {
        let home = tempfile::tempdir().unwrap();
        let objects = Objects::at(home.path());
        let name = |digit: &str| Name::new(Folder::Commits, &digit.repeat(32)).unwrap();
        objects.put(&name("a"), b"one");
        objects.put(&name("b"), b"two");
        fs::write(home.path().join("commits/left.1.new"), b"").unwrap();
        assert_eq!(objects.get(&name("a")).as_deref(), Some(&b"one"[..]));
        objects.keep_only(Folder::Commits, &BTreeSet::from(["b".repeat(32)]));
        assert_eq!(objects.get(&name("a")), None);
        assert_eq!(objects.get(&name("b")).as_deref(), Some(&b"two"[..]));
        assert_eq!(
            fs::read_dir(home.path().join("commits")).unwrap().count(),
            1
        );
    }
}
