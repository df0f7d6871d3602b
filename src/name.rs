//! An object's name: folder and leaf, the same on every mirror.
//!
//! The leaf alone tells the subfolder of `packs/` and `parity/`: its first two hex digits.

use Folder::{
    Commits, Entries, Index, Intents, Keys, Keys2, Ledger, Marks, Packs, Parity, Tmp, Top,
};
use std::fmt;

/// The folders of a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Folder {
    /// The top: `README.txt`, `FORMAT.txt`, `rescue.py` and `mirror`.
    Top,
    /// Key slots.
    Keys,
    /// The second copy of each key slot.
    Keys2,
    /// Data packs and tree packs.
    Packs,
    /// Parity of packs and entries.
    Parity,
    /// Index runs.
    Index,
    /// Entries of device chains.
    Entries,
    /// Marks: what is to be deleted.
    Marks,
    /// Commit slots.
    Commits,
    /// Intents.
    Intents,
    /// What was read back when.
    Ledger,
    /// What is on its way to its place, and what a trial of the mirror leaves for a moment. No part of a repository.
    Tmp,
}

impl Folder {
    /// Every folder of a repository, in the order of FORMAT.txt; [`Folder::Tmp`] is none of them.
    pub const ALL: [Self; 11] = [
        Top, Keys, Keys2, Packs, Parity, Index, Entries, Marks, Commits, Intents, Ledger,
    ];

    /// Its path below the mirror's root; empty for the top.
    pub const fn path(self) -> &'static str {
        match self {
            Top => "",
            Keys => "keys",
            Keys2 => "keys2",
            Packs => "packs",
            Parity => "parity",
            Index => "index",
            Entries => "entries",
            Marks => "marks",
            Commits => "commits",
            Intents => "intents",
            Ledger => "ledger",
            Tmp => "tmp",
        }
    }

    /// Whether its objects lie in subfolders named by their first two digits.
    pub const fn is_split(self) -> bool {
        matches!(self, Packs | Parity)
    }

    /// Whether its leaves are the hash of the object's bytes, so that anyone can check them without a key.
    pub const fn is_named_by_hash(self) -> bool {
        matches!(
            self,
            Packs | Index | Entries | Marks | Keys | Keys2 | Ledger
        )
    }

    fn accepts(self, leaf: &str) -> bool {
        let hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        };
        match self {
            Top => matches!(leaf, "README.txt" | "FORMAT.txt" | "rescue.py" | "mirror"),
            Commits => hex(leaf, 32),
            Intents => leaf.split_once('.').is_some_and(|(session, n)| {
                let number = n.bytes().all(|c| c.is_ascii_digit());
                hex(session, 32)
                    && number
                    && (n == "0" || !n.starts_with('0'))
                    && (1..=9).contains(&n.len())
            }),
            Tmp => {
                (1..=64).contains(&leaf.len())
                    && leaf
                        .bytes()
                        .all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'z' | b'-'))
            }
            _ => hex(leaf, 64),
        }
    }
}

/// Folder and leaf of one object. A leaf that does not fit its folder cannot be made.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    folder: Folder,
    leaf: String,
}

impl Name {
    /// `None` if `leaf` is not what that folder holds.
    pub fn new(folder: Folder, leaf: &str) -> Option<Self> {
        folder.accepts(leaf).then(|| Self {
            folder,
            leaf: leaf.to_owned(),
        })
    }

    /// The object of `folder` whose bytes hash to `hex`: 64 digits.
    ///
    /// # Panics
    /// If the folder's objects are not named by a hash or the digits are not such: an error in the program.
    pub fn hashed(folder: Folder, hex: &str) -> Self {
        assert!(
            folder.is_named_by_hash() || folder == Parity,
            "{folder:?} is not named by hash"
        );
        Self::new(folder, hex).expect("64 lower-case hex digits")
    }

    /// The marker of a mirror.
    pub fn marker() -> Self {
        Self {
            folder: Top,
            leaf: "mirror".to_owned(),
        }
    }

    /// The object whose [`Name::path`] this is.
    pub fn at_path(path: &str) -> Option<Self> {
        let (folder, leaf) = match (path.split_once('/'), path.rsplit_once('/')) {
            (Some((folder, _)), Some((_, leaf))) => (folder, leaf),
            _ => ("", path),
        };
        let mut folders = Folder::ALL.into_iter();
        let folder = folders.find(|known| known.path() == folder)?;
        Self::new(folder, leaf).filter(|name| name.path() == path)
    }

    /// Where it lies.
    pub fn folder(&self) -> Folder {
        self.folder
    }

    /// The last part of its path.
    pub fn leaf(&self) -> &str {
        &self.leaf
    }

    /// The path below the mirror's root, with `/` between the parts.
    pub fn path(&self) -> String {
        match (self.folder.path(), self.folder.is_split()) {
            ("", _) => self.leaf.clone(),
            (folder, true) => format!("{folder}/{}/{}", &self.leaf[..2], self.leaf),
            (folder, false) => format!("{folder}/{}", self.leaf),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl fmt::Display for Name {
    /// As messages say it: `pack 3f9ac2e1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.folder {
            Top => return f.write_str(&self.leaf),
            Keys | Keys2 => "key slot",
            Packs => "pack",
            Parity => "parity",
            Index => "index run",
            Entries => "entry",
            Marks => "mark",
            Commits => "commit slot",
            Intents => "intent",
            Ledger => "ledger record",
            Tmp => return write!(f, "temporary object {}", self.leaf),
        };
        write!(f, "{word} {}", &self.leaf[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_must_fit_its_folder() {
        let id = "ab".repeat(32);
        assert_eq!(
            Name::new(Packs, &id).unwrap().path(),
            format!("packs/ab/{id}")
        );
        assert_eq!(
            Name::new(Entries, &id).unwrap().path(),
            format!("entries/{id}")
        );
        assert_eq!(Name::hashed(Packs, &id).to_string(), "pack abababab");
        for name in [
            Name::hashed(Packs, &id),
            Name::hashed(Keys2, &id),
            Name::marker(),
        ] {
            assert_eq!(Name::at_path(&name.path()), Some(name));
        }
        for path in [
            "",
            "packs",
            "packs/",
            "packs/cd/",
            &format!("packs/{id}"),
            "/mirror",
        ] {
            assert_eq!(Name::at_path(path), None, "{path}");
        }
        assert!(Name::new(Intents, &format!("{}.12", "0".repeat(32))).is_some());
        let temporary = Name::new(Tmp, "probe-1").unwrap();
        assert_eq!(temporary.path(), "tmp/probe-1");
        assert_eq!(temporary.to_string(), "temporary object probe-1");
        assert!(!Folder::ALL.contains(&Tmp) && !Tmp.is_named_by_hash());
        for (folder, leaf) in [
            (Packs, "../../etc/passwd"),
            (Packs, &id.to_uppercase()[..]),
            (Commits, &id),
            (Intents, &"0".repeat(32)),
            (Intents, &format!("{}.01", "0".repeat(32))),
            (Intents, &format!("{}.", "0".repeat(32))),
            (Top, "mirror2"),
            (Tmp, ""),
            (Tmp, ".."),
            (Tmp, "A"),
            (Tmp, &"a".repeat(65)),
        ] {
            assert!(Name::new(folder, leaf).is_none(), "{leaf}");
        }
    }
}
