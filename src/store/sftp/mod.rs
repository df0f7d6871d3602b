//! A folder on an SSH server, by way of the user's own ssh: its configuration, agent, jump hosts and known hosts work.
//!
//! An object is written to `tmp/`, synced and renamed to its place, and the folder of that place synced where the server
//! does it; a slot that must not be replaced is linked there. A link keeps the kernel's promise or fails, while renames
//! replace on some servers and look before they leap on others.
//!
//! What must hold:
//! - A connection that broke is never used again; the next call makes another.
//! - "Not found" is believed only while the root is there, and a root that has been seen is never made anew: a disk that
//!   is missing on the server is not an empty mirror.

mod fault;
mod list;
mod session;
mod transfer;
mod write;

use crate::error::{Error, Kind, Result};
use crate::name::{Folder, Name};
use crate::store::access::Access;
use crate::store::address::SftpAddress;
use crate::store::child::End;
use crate::store::runtime::wait;
use crate::store::sftp::fault::{Fault, Outcome};
use crate::store::sftp::session::Session;
use crate::store::{Abilities, Listed, Location, Payload, Placed, Store};
use russh_sftp::protocol::StatusCode;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The objects in a folder of an SSH server.
pub struct SftpStore {
    location: Location,
    address: SftpAddress,
    access: Access,
    session: Mutex<Option<Arc<Session>>>,
    root_seen: AtomicBool,
    /// Links do not work there.
    cannot: AtomicBool,
}

impl SftpStore {
    /// Connects with the first call, not yet here.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a host or a user that ssh could take for an option.
    pub fn open(address: &SftpAddress, access: &Access) -> Result<Self> {
        let user = address.user.as_ref().or(access.user.as_ref());
        if [Some(&address.host), user]
            .into_iter()
            .flatten()
            .any(|word| word.starts_with('-') || word.is_empty())
        {
            return Err(Error::new(Kind::Usage, format!("open {address}"))
                .because("a host or a user does not begin with a dash"));
        }
        Ok(Self {
            location: Location {
                address: address.to_string(),
                abilities: Abilities {
                    put_if_absent: true,
                    delete: true,
                    ranges: true,
                },
            },
            address: address.clone(),
            access: access.clone(),
            session: Mutex::default(),
            root_seen: AtomicBool::new(false),
            cannot: AtomicBool::new(false),
        })
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `act` on the connection, which is made first if there is none; `what` and `needed` are for the error: the
    /// act, and the bytes that it needs room for.
    fn with<T>(
        &self,
        what: impl FnOnce() -> String,
        needed: usize,
        act: impl AsyncFnOnce(&Session) -> Outcome<T>,
    ) -> Result<T> {
        let mut slot = self.slot();
        let session = match &*slot {
            Some(session) => session.clone(),
            None => match wait(Session::open(&self.address, &self.access)) {
                Ok(session) => slot.insert(Arc::new(session)).clone(),
                Err(fault) => return Err(fault.told(what(), &self.address.host)),
            },
        };
        drop(slot);
        let mut fault = match wait(act(&session)) {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        if fault.is(StatusCode::Failure)
            && needed > 0
            && wait(session.is_full(&self.address.path, needed as u64))
        {
            return Err(Error::new(Kind::Full, what())
                .because("no space is left there")
                .hint("make room there and run the same command again: what is complete is not sent twice"));
        }
        if fault.is_lost() {
            self.forget(&session);
            if let Fault::Lost(why) = &fault {
                let words = wait(session.last_words());
                fault = Fault::Lost(format!("{why}: {words}"));
            }
        } else if fault.is(StatusCode::NoSuchFile) && !self.root_is_there(&session) {
            let seen = self.root_seen.load(Ordering::Relaxed);
            let kind = if seen {
                Kind::Unreachable
            } else {
                Kind::NoRepository
            };
            return Err(Error::new(kind, what())
                .because("that folder does not exist on the server")
                .hint("is its disk mounted there? `heirloom mirror test` tells"));
        }
        Err(fault.told(what(), &self.address.host))
    }

    /// The connection that broke is not given to anybody else.
    fn forget(&self, session: &Arc<Session>) {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, session)) {
            *slot = None;
        }
    }

    fn root_is_there(&self, session: &Session) -> bool {
        // Whoever cannot even ask leaves the first answer as it was.
        let there = wait(session.is_folder(&self.address.path)).unwrap_or(true);
        if there {
            self.root_seen.store(true, Ordering::Relaxed);
        }
        there
    }

    fn at(&self, path: &str) -> String {
        match self.address.path.trim_end_matches('/') {
            "." => path.to_owned(),
            root => format!("{root}/{path}"),
        }
    }

    /// The length of an object.
    async fn len(&self, session: &Session, path: &str) -> Outcome<u64> {
        let found = session.look(path).await?;
        self.root_seen.store(true, Ordering::Relaxed);
        if found.permissions.is_some() && !found.file_type().is_file() {
            return Err(Fault::Wrong("it is not a file".into()));
        }
        let told = found.size;
        told.ok_or_else(|| Fault::Wrong("the server does not tell its size".into()))
    }
}

impl Store for SftpStore {
    fn location(&self) -> &Location {
        &self.location
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        let path = self.at(&name.path());
        let what = || self.location.reading(name);
        self.with(what, 0, async |session| {
            let len = self.len(session, &path).await?;
            if len > len_max {
                let why = format!("it has {len} bytes where {len_max} are allowed");
                return Err(Fault::Wrong(why));
            }
            reserve(into, len)?;
            session.read(&path, 0..len, into, &self.access).await
        })
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let path = self.at(&name.path());
        let what = || self.location.reading(name);
        self.with(what, 0, async |session| {
            let len = self.len(session, &path).await?;
            if range.start > range.end || range.end > len {
                let why = format!("it has {len} bytes, asked for {range:?}");
                return Err(Fault::Wrong(why));
            }
            let mut bytes = Vec::new();
            reserve(&mut bytes, range.end - range.start)?;
            session.read(&path, range, &mut bytes, &self.access).await?;
            Ok(bytes)
        })
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let what = || self.location.writing(name);
        self.with(what, payload.len().max(1), async |session| {
            self.replace(session, name, payload).await
        })
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        let what = || self.location.writing(name);
        self.with(what, payload.len().max(1), async |session| {
            if !session.hardlink || self.cannot.load(Ordering::Relaxed) {
                return Ok(Placed::Cannot);
            }
            self.create(session, name, payload).await
        })
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let what = || self.location.listing(folder);
        let (listed, strangers) = self.with(what, 0, async |session| {
            self.list_all(session, folder).await
        })?;
        // Passed on only now: `each` may call this store again.
        listed.into_iter().try_for_each(each)?;
        Ok(strangers)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        let path = self.at(&name.path());
        let what = || self.location.deleting(name);
        let deleted = self.with(what, 0, async |session| match session.remove(&path).await {
            Err(fault) if fault.is(StatusCode::NoSuchFile) => Ok(None),
            Err(fault) if fault.is(StatusCode::PermissionDenied) => Ok(Some(fault)),
            Err(fault) if fault.is_lost() || session.exists(&path).await? => Err(fault),
            _ => Ok(None),
        })?;
        match deleted {
            None => Ok(()),
            Some(fault) => {
                let host = &self.address.host;
                Err(fault
                    .told(self.location.deleting(name), host)
                    .with_kind(Kind::Refused))
            }
        }
    }

    fn sweep(&self) -> Result<()> {
        let what = || format!("clear tmp on {}", self.location);
        let prefix = format!("{}-", self.access.tag);
        self.with(what, 0, async |session| {
            let folder = self.at("tmp");
            let names = match session.names(&folder).await {
                Err(fault) if fault.is(StatusCode::NoSuchFile) => return Ok(()),
                names => names?,
            };
            for (leaf, _) in names {
                if leaf.starts_with(&prefix) && !leaf.contains('/') {
                    match session.remove(&format!("{folder}/{leaf}")).await {
                        Err(fault) if fault.is(StatusCode::NoSuchFile) => {}
                        removed => removed?,
                    }
                }
            }
            Ok(())
        })
    }
}

fn reserve(bytes: &mut Vec<u8>, len: u64) -> Outcome<()> {
    bytes.clear();
    let reserved = usize::try_from(len).is_ok_and(|len| bytes.try_reserve_exact(len).is_ok());
    if reserved {
        return Ok(());
    }
    Err(Fault::Wrong(format!("no memory for {len} bytes")))
}

impl Drop for SftpStore {
    /// Waits for the child, so that none is left behind.
    fn drop(&mut self) {
        let session = self.slot().take();
        let end: Option<End> = session.as_ref().map(|session| session.end());
        drop(session);
        if let Some(end) = end {
            end.wait();
        }
    }
}
