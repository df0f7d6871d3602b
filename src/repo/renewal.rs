//! A newer look at which blob lies where, for whoever reads while another device prunes.
//!
//! What a prune deletes it has written elsewhere before, and named in a mark. A reader stands outside the protocol: nobody
//! waits for it, so that a pack which it knows may go. Then it looks again; what is still nowhere is lost.

use crate::error::Result;
use crate::id::Id;
use crate::monitor::Collected;
use crate::repo::Repo;
use crate::repo::index::Index;
use crate::repo::presence::Presence;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many looks in a row that did not find what was asked for are taken, and no more until a pack goes: what is lost is not
/// what has moved.
const VAIN_MAX: usize = 8;

/// The newest look.
pub(super) struct Renewal {
    newest: Mutex<Arc<Index>>,
    /// Held while somebody looks.
    looking: Mutex<Looking>,
}

struct Looking {
    /// What the newest look listed; nothing before the second.
    packs: Option<HashMap<Id, u64>>,
    /// Packs of which it was asked whether they were let go: each is worth one look.
    asked: HashSet<Id>,
    vain: usize,
}

impl Looking {
    fn lists(&self, pack: &Id) -> bool {
        let packs = self.packs.as_ref();
        packs.is_none_or(|all| all.contains_key(pack))
    }
}

impl Renewal {
    /// Begins with the look that there is.
    pub(super) fn of(index: &Arc<Index>) -> Self {
        Self {
            newest: Mutex::new(Arc::clone(index)),
            looking: Mutex::new(Looking {
                packs: None,
                asked: HashSet::new(),
                vain: 0,
            }),
        }
    }

    /// The newest one.
    pub(super) fn newest(&self) -> Arc<Index> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&newest)
    }

    fn looking(&self) -> MutexGuard<'_, Looking> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a newer one than `seen` that `has` what is asked for, looking again if need be. Of several that wait
    /// one looks.
    ///
    /// # Errors
    /// Those of the store, of the cache folder, and of `has`.
    pub(super) fn look(
        &self,
        repo: &Repo,
        seen: &Arc<Index>,
        has: &dyn Fn(&Index) -> Result<bool>,
    ) -> Result<bool> {
        let mut looking = self.looking();
        let newest = self.newest();
        if !Arc::ptr_eq(&newest, seen) && has(&newest)? {
            return Ok(true);
        }
        if looking.vain >= VAIN_MAX {
            return Ok(false);
        }
        self.take(repo, &mut looking)?;
        let found = has(&self.newest())?;
        looking.vain = if found { 0 } else { looking.vain + 1 };
        Ok(found)
    }

    /// Whether this pack, which is gone, was let go: the newest look does not miss it.
    ///
    /// # Errors
    /// As [`Renewal::look`].
    pub(super) fn look_without(&self, repo: &Repo, pack: &Id) -> Result<bool> {
        let mut looking = self.looking();
        if looking.lists(pack) {
            if !looking.asked.insert(*pack) {
                return Ok(false);
            }
            self.take(repo, &mut looking)?;
            looking.vain = 0;
        }
        // One that an index run still names, and no mark, is missing.
        let is_missing = self.newest().missing().binary_search(pack).is_ok();
        Ok(!looking.lists(pack) && !is_missing)
    }

    fn take(&self, repo: &Repo, looking: &mut Looking) -> Result<()> {
        // What is wrong there was told at the first look.
        let unheard = Collected::default();
        let presence = Presence::read(repo, &unheard)?;
        let index = Index::open(repo, &presence, &unheard, &mut |_| Ok(Vec::new()))?;
        looking.packs = Some(presence.packs().clone());
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(index);
        Ok(())
    }
}
