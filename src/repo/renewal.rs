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
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many looks in a row that show nothing new are taken: what is damaged is not what has moved.
const FRUITLESS_MAX: usize = 8;

/// The newest look.
pub(super) struct Renewal {
    state: Mutex<State>,
}

struct State {
    index: Arc<Index>,
    /// What the newest look listed; nothing before the second.
    packs: Option<HashMap<Id, u64>>,
    fruitless: usize,
}

impl Renewal {
    /// Begins with the look that there is.
    pub(super) fn of(index: &Arc<Index>) -> Self {
        Self {
            state: Mutex::new(State {
                index: Arc::clone(index),
                packs: None,
                fruitless: 0,
            }),
        }
    }

    /// The newest one.
    pub(super) fn newest(&self) -> Arc<Index> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state.index)
    }

    /// Whether there is a newer one than `seen`, looking again if need be. Of several that wait one looks.
    ///
    /// # Errors
    /// Those of the store and of the cache folder.
    pub(super) fn look(&self, repo: &Repo, seen: &Arc<Index>) -> Result<bool> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&state.index, seen) {
            return Ok(true);
        }
        state.look(repo)
    }

    /// Whether the newest look shows that this pack, which is gone, was let go.
    ///
    /// # Errors
    /// As [`Renewal::look`].
    pub(super) fn look_without(&self, repo: &Repo, pack: &Id) -> Result<bool> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lists = |state: &State| {
            state
                .packs
                .as_ref()
                .is_none_or(|all| all.contains_key(pack))
        };
        if lists(&state) && !state.look(repo)? {
            return Ok(false);
        }
        // One that an index run still names, and no mark, is missing.
        Ok(!lists(&state) && state.index.missing().binary_search(pack).is_err())
    }
}

impl State {
    fn look(&mut self, repo: &Repo) -> Result<bool> {
        if self.fruitless >= FRUITLESS_MAX {
            return Ok(false);
        }
        // What is wrong there was told at the first look.
        let unheard = Collected::default();
        let presence = Presence::read(repo, &unheard)?;
        let index = Index::open(repo, &presence, &unheard, &mut |_| Ok(Vec::new()))?;
        let packs = presence.packs();
        if self.packs.as_ref() == Some(packs) {
            self.fruitless += 1;
            return Ok(false);
        }
        self.packs = Some(packs.clone());
        self.fruitless = 0;
        self.index = Arc::new(index);
        Ok(true)
    }
}
