//! Each finished pack to each other mirror, while the leader's walk goes on; a slow mirror falls behind alone.
//!
//! The packs on the leader are the spool: a mirror is told their names and reads them back, so however slow it is, it
//! keeps nobody waiting and one pack in memory. Mirrors in folders share one buffer and those far away another, lest a
//! bucket keep a disk waiting. When the leader has committed, each mirror is synced from it.

use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::mirror::copy::{Wrong, copy};
use crate::monitor::{Aside, Monitor};
use crate::name::{Folder, Name};
use crate::ops::backup::{bring_all, require_all};
use crate::ops::by::By;
use crate::ops::keys_and_marks;
use crate::ops::sync;
use crate::repo::author::Author;
use crate::repo::chain::Chains;
use crate::repo::heads::Finding;
use crate::repo::look::Look;
use crate::repo::mirrors::Mirror;
use crate::repo::packer;
use crate::repo::publish::Session;
use crate::store::Store;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// Between two looks at whether to go on waiting.
const LOOK: Duration = Duration::from_millis(100);

/// What a mirror is told.
enum Told {
    /// The leader has a new pack of this length.
    Pack(Id, u64),
    /// The leader has committed, or had nothing to commit; and whether it shows all that others show.
    Done(Arc<Look>, bool),
}

/// Buffers for packs on their way: one for folders, one for all that is far.
#[derive(Default)]
pub(crate) struct Couriers {
    near: Mutex<Vec<u8>>,
    far: Mutex<Vec<u8>>,
}

/// The other mirrors of one run.
pub(crate) struct Uploads<'scope> {
    told: Vec<Sender<Told>>,
    threads: Vec<(String, ScopedJoinHandle<'scope, Result<()>>)>,
    /// What each shows before it is written to.
    shown: Receiver<(String, Chains)>,
    /// The same, together; once it was asked for.
    together: OnceCell<Shown>,
    /// Whether there is one in a folder, and one far away.
    near: bool,
    far: bool,
}

/// What the other mirrors show together, those that answer.
pub(crate) struct Shown {
    pub(crate) chains: Chains,
    /// Those that have neither shown it nor said that they cannot.
    pub(crate) silent: Vec<String>,
}

/// What the threads work with.
#[derive(Clone, Copy)]
pub(crate) struct With<'a> {
    pub(crate) leader: &'a Mirror,
    /// All but the leader.
    pub(crate) others: &'a [&'a Mirror],
    pub(crate) author: &'a Author,
    pub(crate) by: By<'a>,
    pub(crate) couriers: &'a Couriers,
}

/// The history of a mirror, for whoever will write there. What is missed in it is looked for once more: while it was read,
/// another device may have removed and purged it, and what was rolled back does not come by itself.
///
/// # Errors
/// `Rollback` where it is not what it was; `TooNew`, and those of the store.
pub(crate) fn sound(author: &Author, mirror: &Mirror, monitor: &dyn Monitor) -> Result<Chains> {
    let chains = Chains::read_to_write(&mirror.repo, monitor)?;
    if require_sound(author, mirror, &chains).is_ok() {
        return Ok(chains);
    }
    let again = Chains::read_to_write(&mirror.repo, monitor)?;
    require_sound(author, mirror, &again)?;
    Ok(again)
}

fn require_sound(author: &Author, mirror: &Mirror, here: &Chains) -> Result<()> {
    let record = mirror.repo.require_writable()?;
    let at = mirror.repo.store().location().to_string();
    let mut findings = author.judge(&record.id, here, here).into_iter();
    // That this device's own chain has forked is said by whoever extends it.
    match findings.find(|finding| matches!(finding, Finding::RolledBack { .. })) {
        Some(finding) => Err(finding.error(&at)),
        None => Ok(()),
    }
}

impl<'scope> Uploads<'scope> {
    /// Starts a thread for each mirror.
    pub(crate) fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        mirrors: &[&'env Mirror],
        with: With<'env>,
    ) -> Self {
        let (show, shown) = unbounded();
        let mut uploads = Self {
            told: Vec::new(),
            threads: Vec::new(),
            shown,
            together: OnceCell::new(),
            near: false,
            far: false,
        };
        for mirror in mirrors {
            let (tell, told) = unbounded();
            match mirror.repo.store().location().is_near() {
                true => uploads.near = true,
                false => uploads.far = true,
            }
            let mirror: &'env Mirror = mirror;
            let show = show.clone();
            let thread = scope.spawn(move || Upload { mirror, with, told }.run(show));
            uploads.told.push(tell);
            uploads.threads.push((mirror.name.clone(), thread));
        }
        uploads
    }

    /// Whether there is no other mirror.
    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What they show together. Waits for each of them to have been looked at, but not longer than `patience`: one that
    /// hangs is not to keep the snapshot from all. `wait` is called meanwhile.
    ///
    /// # Errors
    /// Those of `wait`.
    pub(crate) fn shown(
        &self,
        patience: Duration,
        wait: &mut dyn FnMut() -> Result<()>,
    ) -> Result<&Shown> {
        if let Some(shown) = self.together.get() {
            return Ok(shown);
        }
        let mut chains = Chains::default();
        let mut left: BTreeSet<&String> = self.threads.iter().map(|(name, _)| name).collect();
        let mut waited = Duration::ZERO;
        while waited < patience {
            match self.shown.recv_timeout(LOOK) {
                Ok((name, shown)) => {
                    chains.join(&shown);
                    left.remove(&name);
                }
                // Those that are left have failed.
                Err(RecvTimeoutError::Disconnected) => {
                    left.clear();
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {
                    wait()?;
                    waited += LOOK;
                }
            }
        }
        let silent = left.into_iter().cloned().collect();
        Ok(self.together.get_or_init(|| Shown { chains, silent }))
    }

    /// How many buffers for packs they share.
    pub(crate) fn couriers(&self) -> usize {
        usize::from(self.near) + usize::from(self.far)
    }

    /// Hears of the leader's packs and passes it on.
    pub(crate) fn listener(&self) -> Option<packer::Told> {
        if self.told.is_empty() {
            return None;
        }
        let told = self.told.clone();
        Some(Box::new(move |pack, len| {
            for tell in &told {
                // A mirror that is out does not listen any more.
                let _ = tell.send(Told::Pack(pack, len));
            }
        }))
    }

    /// Lets every mirror take over what the leader shows now, be it all that others show or not, and waits; `None` gives up.
    /// What became of each.
    pub(crate) fn end(self, look: Option<(Arc<Look>, bool)>) -> Vec<(String, Result<()>)> {
        for tell in &self.told {
            if let Some((look, whole)) = &look {
                let _ = tell.send(Told::Done(Arc::clone(look), *whole));
            }
        }
        drop(self.told);
        let ended = |(name, thread): (String, ScopedJoinHandle<'_, _>)| {
            let done = thread.join().unwrap_or_else(|_| {
                let what = "the thread of a mirror panicked: this is a bug";
                Err(Error::new(Kind::Other, what))
            });
            (name, done)
        };
        self.threads.into_iter().map(ended).collect()
    }
}

struct Upload<'a> {
    mirror: &'a Mirror,
    with: With<'a>,
    told: Receiver<Told>,
}

impl Upload<'_> {
    fn run(self, show: Sender<(String, Chains)>) -> Result<()> {
        let (to, by) = (&self.mirror.repo, self.with.by);
        let aside = Aside(by.monitor);
        let by = By {
            monitor: &aside,
            ..by
        };
        let mut chains = sound(self.with.author, self.mirror, &aside)?;
        // A leader that has failed does not listen any more.
        let _ = show.send((self.mirror.name.clone(), chains.clone()));
        drop(show);
        let mut session = Session::begin(to, by.host, by.writer, "backup")?;
        let done = self.follow(&mut session, &mut chains, by);
        let marks = session.presence().marks().clone();
        session.end(&aside);
        let (report, look, whole) = done?;
        if report.is_none_or(|report| report.more) {
            // A collector gave up waiting for this session: begin again with what the leader shows. Or there is more than one
            // session lists.
            return bring_all(&look, self.mirror, self.with.author, by);
        }
        let now = whole.then(|| by.host.now().seconds);
        self.with.author.saw(self.mirror, &chains, &marks, now)
    }

    /// Copies what the leader packs until it has committed, then takes over its entries.
    fn follow(
        &self,
        session: &mut Session,
        chains: &mut Chains,
        by: By<'_>,
    ) -> Result<(Option<sync::Report>, Arc<Look>, bool)> {
        let (look, whole) = loop {
            match self.told.recv() {
                Ok(Told::Pack(pack, len)) => self.pack(session, pack, len, by.monitor)?,
                Ok(Told::Done(look, whole)) => break (look, whole),
                Err(_) => {
                    let what = "the mirror that leads this run has failed";
                    return Err(Error::new(Kind::Unreachable, what));
                }
            }
        };
        let to = session.repo();
        keys_and_marks::bring_keys(&look, to, chains)?;
        keys_and_marks::bring_marks(&look, to, session.presence().marks())?;
        let report = sync::within(&look, session, chains, by)?;
        report.as_ref().map_or(Ok(()), require_all)?;
        Ok((report, look, whole))
    }

    fn pack(&self, session: &mut Session, pack: Id, len: u64, monitor: &dyn Monitor) -> Result<()> {
        session.renew()?;
        let presence = session.presence();
        let wanted = presence.packs().get(&pack) != Some(&len) && !presence.is_tombed(&pack);
        if monitor.interrupted() || !wanted {
            return Ok(());
        }
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        let to: Arc<dyn Store> = Arc::clone(self.mirror.repo.store());
        let courier = match to.location().is_near() {
            true => &self.with.couriers.near,
            false => &self.with.couriers.far,
        };
        let mut buffer = courier.lock().unwrap_or_else(PoisonError::into_inner);
        // What the leader does not give back another may have by now.
        let all = std::iter::once(&self.with.leader).chain(self.with.others);
        let all = all.filter(|mirror| mirror.name != self.mirror.name);
        let all: Vec<&dyn Store> = all.map(|mirror| &**mirror.repo.store() as _).collect();
        let wrong = match session.presence().packs().contains_key(&pack) {
            true => Wrong::Left,
            false => Wrong::Removed,
        };
        copy(&all, &*to, &name, wrong, &mut buffer)?;
        drop(buffer);
        session.has_put(pack, len);
        Ok(())
    }
}
