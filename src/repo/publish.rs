//! Publish on one mirror: intent, upload, barrier, commit slot (format 11.2).
//!
//! A session announces itself before it looks at what exists, and is decided by one small object that it or the
//! collector can create, not both. What is deleted while it runs is only what it has seen marked.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::boxes::Sealer;
use crate::format::chain::Entry;
use crate::format::commit::{CommitSlot, Intent};
use crate::host::Host;
use crate::id::{Id, to_hex};
use crate::monitor::{Collected, Monitor};
use crate::name::{Folder, Name};
use crate::repo::keyring;
use crate::repo::presence::{self, Presence};
use crate::repo::{Repo, Writer, seal};
use crate::store::{Payload, Placed, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often a long session renews its intent.
const RENEW: Duration = Duration::from_secs(600);
/// How often a collector's ABORT is answered by beginning again.
const ATTEMPTS: usize = 5;

/// One run of Publish, from its intent to its commit slot.
pub struct Session {
    repo: Arc<Repo>,
    host: Arc<dyn Host>,
    sealer: Arc<Sealer>,
    writer: Writer,
    id: [u8; 16],
    purpose: &'static str,
    intents: u32,
    renewed: Duration,
    marks: BTreeSet<Id>,
    presence: Presence,
    /// The commit slot was asked for, and nobody knows what it holds.
    open: bool,
    /// The commit slot holds COMMIT or ABORT.
    decided: bool,
}

impl Session {
    /// P1 to P3: announces the session, then reads marks, then lists packs.
    ///
    /// # Errors
    /// `Refused` where writing is not safe, `TooNew`, and those of the store.
    pub fn begin(
        repo: &Arc<Repo>,
        host: &Arc<dyn Host>,
        writer: Writer,
        purpose: &'static str,
    ) -> Result<Self> {
        let marker = repo.require_writable()?;
        if !marker.may_write() {
            let what = format!("{} follows a newer protocol", repo.store().location());
            return Err(Error::new(Kind::TooNew, what)
                .hint("upgrade heirloom; reading and restoring still work, nothing is damaged"));
        }
        let mut session = Self {
            repo: Arc::clone(repo),
            host: Arc::clone(host),
            sealer: Arc::new(repo.sealer(writer)),
            writer,
            id: [0; 16],
            purpose,
            intents: 0,
            renewed: Duration::ZERO,
            marks: BTreeSet::new(),
            presence: Presence::default(),
            open: false,
            decided: false,
        };
        let begun = session
            .announce()
            .and_then(|()| keyring::complete(&**repo.store(), repo.ring(), repo.id()));
        if let Err(error) = begun {
            // Else every prune would wait for it, and where nobody can write ABORT for good.
            session.end(&Collected::default());
            return Err(error);
        }
        Ok(session)
    }

    fn announce(&mut self) -> Result<()> {
        self.host.random(&mut self.id);
        self.intents = 0;
        // Named in the intent are the marks known before it, on whichever mirror they were seen: what they name is never
        // leant on here. Everything else that counts is read after it (P2, P3).
        let known = presence::remembered_marks(&self.repo);
        self.marks = known.keys().copied().collect();
        self.put_intent()?;
        self.presence = Presence::to_lean_on(&self.repo, known)?;
        Ok(())
    }

    fn put_intent(&mut self) -> Result<()> {
        let intent = Intent {
            session: self.id,
            device: self.writer.device,
            kind: self.purpose.to_owned(),
            marks: self.marks.iter().copied().collect(),
            started: self.host.now().seconds,
        };
        let bytes = seal(
            &self.sealer,
            ObjectKind::Intent,
            &intent.encode(),
            &*self.host,
        )?;
        self.repo
            .store()
            .put(&self.intent_name(self.intents), &Payload::new(bytes))?;
        self.intents += 1;
        self.renewed = self.host.elapsed();
        Ok(())
    }

    fn intent_name(&self, n: u32) -> Name {
        Name::new(Folder::Intents, &format!("{}.{n}", to_hex(&self.id)))
            .expect("session and number make a leaf")
    }

    /// Puts another intent when the last one is ten minutes old, so that a collector sees that we live.
    ///
    /// # Errors
    /// Those of the store.
    pub fn renew(&mut self) -> Result<()> {
        if self.host.elapsed().saturating_sub(self.renewed) >= RENEW {
            self.put_intent()?;
        }
        Ok(())
    }

    /// A pack that this session has put under a name that no mark has: it may be leant on from now on.
    pub fn has_put(&mut self, pack: Id, len: u64) {
        self.presence.add(pack, len);
    }

    /// The repository on this session's mirror.
    pub fn repo(&self) -> &Arc<Repo> {
        &self.repo
    }

    /// What this session may lean on.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The same, for what the listing left out.
    pub fn presence_mut(&mut self) -> &mut Presence {
        &mut self.presence
    }

    /// Seals this session's boxes.
    pub fn sealer(&self) -> &Arc<Sealer> {
        &self.sealer
    }

    /// Seals an entry; nothing is put yet.
    ///
    /// # Errors
    /// Where no reader would accept it.
    pub fn seal_entry(&self, entry: &Entry) -> Result<SealedEntry> {
        let record = entry.encode();
        Entry::decode(&record)?;
        let bytes = seal(&self.sealer, ObjectKind::Entry, &record, &*self.host)?;
        Ok(SealedEntry::of(bytes))
    }

    /// P7 and P8: puts the entries, oldest first, and decides the session. Everything they lean on is durable before.
    ///
    /// An ABORT found there means that a collector gave up waiting for us: [`Outcome::Aborted`], after which nothing
    /// of this session is visible and the caller begins again; its packs are simply found. So does an intent that has gone,
    /// where nobody can write ABORT and a person said that we had died.
    ///
    /// # Errors
    /// Those of the store.
    pub fn commit(&mut self, entries: &[SealedEntry]) -> Result<Outcome> {
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        let newest = *ids.last().expect("a session that commits has an entry");
        let record = CommitSlot::Commit(ids).encode();
        // What no reader accepts is never put.
        CommitSlot::decode(&record)?;
        let bytes = seal(&self.sealer, ObjectKind::Commit, &record, &*self.host)?;
        // Where the probe found no single winner nobody writes ABORT, and the name is nobody else's.
        let decides = self.repo.mirror().is_some_and(|record| record.cas);
        if !decides && self.is_given_up()? {
            return Ok(Outcome::Aborted);
        }
        for entry in entries {
            let name = Name::hashed(Folder::Entries, &entry.id.to_hex());
            self.repo.store().put(&name, &entry.payload)?;
            self.repo.copies().put(&name, &entry.payload);
        }
        let name = Name::new(Folder::Commits, &to_hex(&self.id)).expect("a session is 32 digits");
        let payload = Payload::new(bytes);
        let store = self.repo.store();
        let placed = match decides {
            true => store.put_if_absent(&name, &payload),
            false => store.put(&name, &payload).map(|()| Placed::Mine),
        };
        // No room is an answer; without one the slot may yet be filled.
        self.open = placed
            .as_ref()
            .is_err_and(|error| error.kind() != Kind::Full);
        let placed = placed?;
        self.decided = placed != Placed::Cannot;
        match placed {
            Placed::Mine => {}
            Placed::Taken => return Ok(Outcome::Aborted),
            // A plain put could go over an ABORT.
            Placed::Cannot => return Err(self.cannot_decide()),
        }
        self.repo.copies().put(&name, &payload);
        Ok(Outcome::Committed(newest))
    }

    /// Whether a person said meanwhile that this session has died: its first intent has gone, and nothing else takes that.
    fn is_given_up(&self) -> Result<bool> {
        match self.repo.store().get_range(&self.intent_name(0), 0..1) {
            Err(error) if error.kind() == Kind::NotFound => Ok(true),
            other => other.map(|_| false),
        }
    }

    fn cannot_decide(&self) -> Error {
        let at = self.repo.store().location();
        let what = format!(
            "{at} does not create without overwriting any more, as it did when it was added"
        );
        Error::new(Kind::Refused, what)
            .hint("heirloom mirror add with its name alone tries it out anew and writes down what it can do")
    }

    /// P9, also for a session that ends without a commit: its intents go, as far as the mirror lets them. Where the slot was
    /// asked for and nothing answered they stay: it may yet come to hold COMMIT, and whoever collects has to see to that.
    ///
    /// Where nothing can be deleted they stay for whoever collects, who clears those of sessions that were decided. One that
    /// was not is given up in its own slot: else every prune would wait for it a day, or for ever.
    pub fn end(self, monitor: &dyn Monitor) {
        if self.open {
            return;
        }
        let mut stays = !self.repo.can_delete();
        for n in 0..self.intents {
            if stays {
                break;
            }
            match self.repo.store().delete(&self.intent_name(n)) {
                Err(error) if error.kind() == Kind::Refused => stays = true,
                Err(error) => monitor.problem(&error),
                Ok(()) => {}
            }
        }
        if stays
            && !self.decided
            && let Err(error) = self.give_up()
        {
            monitor.problem(&error);
        }
    }

    /// Fills the own slot with ABORT: nobody else writes COMMIT there, and this session has not asked to.
    fn give_up(&self) -> Result<()> {
        let slot = CommitSlot::Abort {
            mark: Id::new([0; 32]),
            by: self.writer.device,
        };
        let bytes = seal(
            &self.sealer,
            ObjectKind::Commit,
            &slot.encode(),
            &*self.host,
        )?;
        let name = Name::new(Folder::Commits, &to_hex(&self.id)).expect("a session is 32 digits");
        let (store, payload) = (self.repo.store(), Payload::new(bytes));
        match self.repo.mirror().is_some_and(|record| record.cas) {
            true => store.put_if_absent(&name, &payload).map(drop),
            false => store.put(&name, &payload),
        }
    }
}

/// An entry as it will lie on every mirror.
#[derive(Clone)]
pub struct SealedEntry {
    id: Id,
    payload: Payload,
}

impl SealedEntry {
    /// Of the bytes of a sealed entry.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self {
            id: hash::object_id(&bytes),
            payload: Payload::new(bytes),
        }
    }

    /// The hash of its bytes.
    pub fn id(&self) -> Id {
        self.id
    }
}

/// How a session was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The entries are visible; this is the newest.
    Committed(Id),
    /// Nothing of the session is visible; begin again.
    Aborted,
}

/// Runs a session until no collector ends it: `None` says that one did, and what was sent is found again. `what` is being
/// done, for the error.
///
/// # Errors
/// `Busy` when a collector ends it again and again; those of `once`.
pub fn persist<T>(what: &str, mut once: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    for _ in 0..ATTEMPTS {
        if let Some(done) = once()? {
            return Ok(done);
        }
    }
    let what = format!("a prune ended this {what} several times");
    Err(Error::new(Kind::Busy, what).hint("run it again when the prune has ended"))
}

/// Whether a session may be at work there: one that has not ended leaves an intent.
///
/// # Errors
/// Those of the store.
pub fn has_intents(store: &dyn Store) -> Result<bool> {
    let mut any = false;
    store.list(Folder::Intents, &mut |_| {
        any = true;
        Ok(())
    })?;
    Ok(any)
}
