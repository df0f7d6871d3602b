//! One look at a repository: what a verb that only reads begins with.

use crate::error::Result;
use crate::monitor::Monitor;
use crate::repo::Repo;
use crate::repo::chain::Chains;
use crate::repo::index::Index;
use crate::repo::loader::Loader;
use crate::repo::presence::Presence;
use std::sync::Arc;

/// What one look at a repository found.
pub struct Look {
    /// The repository.
    pub repo: Arc<Repo>,
    /// Its snapshots.
    pub chains: Chains,
    /// Its packs.
    pub presence: Presence,
    /// Which blob lies where.
    pub index: Arc<Index>,
    /// Reads blobs.
    pub loader: Arc<Loader>,
}

impl Look {
    /// Looks at an open repository.
    ///
    /// # Errors
    /// Those of the store.
    pub fn at(repo: &Arc<Repo>, monitor: &dyn Monitor) -> Result<Self> {
        let chains = Chains::read(repo, monitor)?;
        let presence = Presence::read(repo, monitor)?;
        let index = Index::open(repo, &presence, monitor, &mut |_| Ok(Vec::new()))?;
        Ok(Self::of(repo, chains, presence, Arc::new(index)))
    }

    /// What is known already.
    pub fn of(repo: &Arc<Repo>, chains: Chains, presence: Presence, index: Arc<Index>) -> Self {
        let loader = Arc::new(Loader::new(repo, &index));
        Self {
            repo: Arc::clone(repo),
            chains,
            presence,
            index,
            loader,
        }
    }
}
