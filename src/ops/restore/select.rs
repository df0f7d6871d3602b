//! Which paths of the snapshot are wanted.
//!
//! Patterns read as they do for a backup, over the paths that `ls` shows: an anchored one begins at the snapshot's
//! root, whatever part of it is restored. A folder that is excluded takes all below with it; so does one that is
//! included. What the user named as `:PATH` is never excluded itself.

use crate::error::Result;
use crate::source::exclude::{Rules, Wishes};

/// Include and exclude rules, and memory to match with.
pub(crate) struct Select {
    include: Option<Rules>,
    exclude: Rules,
    scratch: Vec<usize>,
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is restored, with all below it.
    Yes,
    /// A folder below which something may be wanted.
    Perhaps,
    /// It is left out, with all below it.
    No,
}

impl Select {
    /// Compiles the patterns.
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        let rules = |globs: &[String]| {
            Rules::new(&Wishes {
                globs: globs.to_vec(),
                ..Wishes::default()
            })
        };
        Ok(Self {
            include: if include.is_empty() {
                None
            } else {
                Some(rules(include)?)
            },
            exclude: rules(exclude)?,
            scratch: Vec::new(),
        })
    }

    /// Judges the item at `path`; `inside` says that a folder above is included.
    pub(crate) fn judge(&mut self, path: &[u8], inside: bool) -> Wanted {
        if self.exclude.by_path(path, &mut self.scratch).is_some() {
            return Wanted::No;
        }
        if inside || self.includes(path) {
            Wanted::Yes
        } else {
            Wanted::Perhaps
        }
    }

    /// Whether the include patterns match `path` itself, or there are none.
    pub(crate) fn includes(&mut self, path: &[u8]) -> bool {
        let include = self.include.as_ref();
        include.is_none_or(|rules| rules.by_path(path, &mut self.scratch).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excluded_wins_and_included_folders_take_all_below() {
        let texts = |globs: &[&str]| {
            globs
                .iter()
                .map(|glob| (*glob).to_owned())
                .collect::<Vec<_>>()
        };
        let mut select = Select::new(&texts(&["/home/docs", "*.jpg"]), &texts(&["*.tmp"])).unwrap();
        assert_eq!(select.judge(b"/home", false), Wanted::Perhaps);
        assert_eq!(select.judge(b"/home/docs", false), Wanted::Yes);
        assert_eq!(select.judge(b"/home/docs/a", true), Wanted::Yes);
        assert_eq!(select.judge(b"/home/docs/a.tmp", true), Wanted::No);
        assert_eq!(select.judge(b"/home/x/a.jpg", false), Wanted::Yes);
        assert_eq!(select.judge(b"/home/x/a.txt", false), Wanted::Perhaps);
        let mut all = Select::new(&[], &[]).unwrap();
        assert_eq!(all.judge(b"/anything", false), Wanted::Yes);
    }
}
