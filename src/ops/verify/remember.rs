//! What the ledger of a mirror knows, what of it is due, and what a reading adds to it.

use crate::error::Result;
use crate::format::ledger::{LEVEL_CONTENT, LEVEL_STORED};
use crate::host::Host;
use crate::id::Id;
use crate::mirror::parity::Seen;
use crate::mirror::scrub;
use crate::name::{Folder, Name};
use crate::ops::verify::{Level, Only, Report, Scope};
use crate::repo::ledger::{self, Ledger, Reading};
use crate::repo::look::Look;
use crate::repo::presence::Presence;
use crate::repo::{Repo, Writer};
use crate::store::Listed;
use std::collections::BTreeSet;

/// What lies on a mirror and when it was last read back.
pub struct Known {
    listed: Vec<Listed>,
    strangers: u64,
    /// What was read when.
    pub ledger: Ledger,
}

impl Known {
    /// Lists the mirror and reads its ledger.
    ///
    /// # Errors
    /// Those of the store.
    pub fn read(look: &Look, now: i64) -> Result<Self> {
        Self::listing(&look.repo, &look.presence, now)
    }

    /// The same where its packs and marks are known and no more.
    ///
    /// # Errors
    /// Those of the store.
    pub fn listing(repo: &Repo, presence: &Presence, now: i64) -> Result<Self> {
        let store = repo.store();
        let records = ledger::names(&**store)?;
        let (listed, strangers) = scrub::list_all(&**store)?;
        // Nobody leans on a pack that a mark names, and nobody reads it.
        let lives = |listed: &&Listed| {
            let pack = Id::from_hex(listed.name.leaf());
            let is_pack = listed.name.folder() == Folder::Packs;
            !(is_pack && pack.is_some_and(|pack| presence.is_tombed(&pack)))
        };
        let living: Vec<_> = listed.iter().filter(lives).cloned().collect();
        let ledger = Ledger::read(repo, &records, &living, now)?;
        Ok(Self {
            listed,
            strangers,
            ledger,
        })
    }

    /// All of it, or a part.
    pub fn scope<'a>(&'a self, only: Option<Only<'a>>) -> Scope<'a> {
        Scope {
            listed: &self.listed,
            strangers: self.strangers,
            only,
        }
    }

    /// What was last found good before `since`, or never; the longest unread first.
    pub fn due(&self, level: Level, since: i64) -> Vec<&Listed> {
        self.ledger.due(&self.listed, number(level), since)
    }

    /// The objects that the ledger knows one by one.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let names = self.listed.iter().map(|listed| &listed.name);
        names.filter(|name| self.ledger.knows(name))
    }

    /// Bytes of everything that the ledger knows one by one.
    pub fn bytes(&self) -> u64 {
        let known = self.listed.iter();
        let known = known.filter(|listed| self.ledger.knows(&listed.name));
        known.map(|listed| listed.len).sum()
    }

    /// Packs and entries there without parity of so many percent.
    pub fn without_parity(&self, percent: u8) -> u64 {
        Seen::of(&self.listed).lacking(percent).len() as u64
    }

    /// Enters what was read; `whole` says that nothing was left out.
    ///
    /// # Errors
    /// Those of [`Ledger::write`].
    pub fn enter(
        &mut self,
        look: &Look,
        report: &Report,
        (level, whole): (Level, bool),
        (writer, host): (Writer, &dyn Host),
    ) -> Result<()> {
        let damaged: BTreeSet<_> = report.damaged.iter().map(|bad| bad.name.path()).collect();
        // What the ledger knows one by one is good again once it is read and found good.
        let read = |path: &String| {
            let name = Name::at_path(path);
            let parted = [Folder::Ledger, Folder::Parity];
            let always =
                |name: &Name| ledger::short(name).is_none() && !parted.contains(&name.folder());
            whole || name.as_ref().is_some_and(always)
        };
        let before = self.ledger.damaged().into_iter();
        let healed = before.filter(|path| !damaged.contains(path) && read(path));
        let reading = Reading {
            level: number(level),
            good: report.good.clone(),
            healed: healed.collect(),
            damaged: damaged.into_iter().collect(),
            bytes: report.bytes,
        };
        self.ledger.write(&look.repo, writer, host, reading)
    }
}

/// The level as the ledger writes it.
pub fn number(level: Level) -> u8 {
    match level {
        Level::Content => LEVEL_CONTENT,
        Level::Structure | Level::Stored => LEVEL_STORED,
    }
}
