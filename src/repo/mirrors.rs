//! One repository on several mirrors: read as one, written one by one.

use crate::error::{Error, Kind, Result};
use crate::format::facts::Fact;
use crate::repo::Repo;
use crate::repo::author::Author;
use std::sync::Arc;

/// One mirror of the repository.
pub struct Mirror {
    /// What people call it.
    pub name: String,
    /// The repository there, and there alone.
    pub repo: Arc<Repo>,
    /// How many percent of parity it shall have; nothing where nobody cares what it has.
    pub parity: Option<u8>,
    /// This device deletes nothing there: another machine prunes it.
    pub append_only: bool,
}

impl Repo {
    /// Whether objects can be deleted there, as far as its store and the probe that its marker tells of know.
    pub fn can_delete(&self) -> bool {
        let marker = self.mirror();
        let probed = marker.and_then(|marker| marker.probe.get("delete"));
        self.store().location().abilities.delete && probed != Some(&Fact::Bool(false))
    }
}

impl Mirror {
    /// Whether this device can delete objects there.
    pub fn can_delete(&self) -> bool {
        self.repo.can_delete()
    }
}

/// A mirror that cannot be had.
pub struct Away {
    /// What people call it.
    pub name: String,
    /// Why.
    pub error: Error,
}

/// All of them.
pub struct Mirrors {
    /// The repository as all mirrors show it together; it reads from whichever has the right bytes.
    pub whole: Arc<Repo>,
    /// Those that are there, nearest first.
    pub here: Vec<Mirror>,
    /// Those that are not.
    pub away: Vec<Away>,
}

impl Mirrors {
    /// A repository that is open already, on one mirror.
    pub fn one(name: &str, repo: Arc<Repo>) -> Self {
        Self {
            here: vec![Mirror {
                name: name.to_owned(),
                repo: Arc::clone(&repo),
                parity: None,
                append_only: false,
            }],
            whole: repo,
            away: Vec::new(),
        }
    }

    /// What people call them, those that are away too.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        let here = self.here.iter().map(|mirror| &mirror.name);
        here.chain(self.away.iter().map(|away| &away.name))
    }

    /// The mirror that answers and is written first.
    ///
    /// # Errors
    /// Why none is there.
    pub fn leader(&self) -> Result<&Mirror> {
        self.here.first().ok_or_else(|| {
            let why: Vec<_> = self.away.iter().map(|away| away.error.chain()).collect();
            Error::new(Kind::Unreachable, "no mirror is there").because(why.join("; "))
        })
    }

    /// Takes for away the mirrors that are others than those added under their names, and pins the new ones.
    pub fn keep_pinned(&mut self, author: &Author) {
        let here = std::mem::take(&mut self.here);
        for mirror in here {
            let found = mirror.repo.mirror().map(|record| record.id);
            let pinned = author.pinned(&mirror.name);
            match (found, pinned) {
                (Some(found), Some(pinned)) if found != pinned => {
                    let at = mirror.repo.store().location();
                    let what = format!(
                        "{at} is another mirror than the one added as {}",
                        mirror.name
                    );
                    let error = Error::new(Kind::Refused, what).hint(
                        "perhaps it is another disk; heirloom mirror remove and mirror add take it on",
                    );
                    let name = mirror.name;
                    self.away.push(Away { name, error });
                }
                _ => self.here.push(mirror),
            }
        }
    }
}
