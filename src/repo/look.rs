//! One look at a repository: what a verb that only reads begins with.

use crate::error::Result;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::repo::Repo;
use crate::repo::chain::Chains;
use crate::repo::index::Index;
use crate::repo::loader::Loader;
use crate::repo::presence::Presence;
use std::collections::BTreeSet;
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

    /// Packs that a mirror lacks and others have: an index run names them, somebody lists them whole, no mark names them. Where
    /// a pack went together with the run that names it, the mirror alone could not tell.
    pub fn lacking(&self, here: &Presence) -> BTreeSet<Id> {
        let index = &self.index;
        let named = index.runs().into_iter();
        let named = named
            .filter(|(run, _)| index.is_listed(run))
            .flat_map(|(_, packs)| packs);
        let lacks = |(pack, len): &(Id, u64)| {
            self.presence.packs().get(pack) == Some(len)
                && here.packs().get(pack) != Some(len)
                && !self.presence.is_tombed(pack)
                && !here.is_tombed(pack)
        };
        named.filter(lacks).map(|(pack, _)| pack).collect()
    }

    /// Whether packs lie there and no entry at all: an interrupted first run leaves that, and so does a disk that has lost them.
    pub fn is_nameless(&self) -> bool {
        let has_entry = self
            .chains
            .visible()
            .chain(self.chains.hidden())
            .next()
            .is_some();
        !has_entry && !self.presence.packs().is_empty()
    }

    /// The same of a mirror that shows every entry, so that what it lacks has gone from there and is not on its way.
    pub fn gone_from(&self, here: &Self) -> BTreeSet<Id> {
        let shown: BTreeSet<&Id> = here.chains.visible().map(|(id, _)| id).collect();
        match self.chains.visible().all(|(id, _)| shown.contains(id)) {
            true => self.lacking(&here.presence),
            false => BTreeSet::new(),
        }
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
