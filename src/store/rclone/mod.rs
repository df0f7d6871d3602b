//! Any other cloud, by way of the rclone program: its configuration and its sign-ins work, and none of them are ours.
//!
//! The child speaks the protocol of restic's REST servers on its pipes; no port is opened. What that protocol is like:
//! - A list knows base names alone and holds all that lies below a folder, so the few names of the top are asked for one
//!   by one. Some clouds keep two files of one name; the second counts as a stranger.
//! - A range past the end is answered with everything, and success.
//! - A put replaces, and there is no other: whether an object is new cannot be decided there.
//! - No folder may be called `data`: rclone would move its objects to subfolders.

mod session;

use crate::error::{Error, Kind, Result};
use crate::name::{Folder, Name};
use crate::store::access::Access;
use crate::store::rclone::session::{Ask, Fault, Outcome, Session, check, is_empty, length};
use crate::store::runtime::wait;
use crate::store::{Abilities, Listed, Location, Payload, Placed, Store};
use http::{Method, Response, StatusCode, header};
use hyper::body::Incoming;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest list that is read: a million names.
const LIST_BYTES_MAX: u64 = 100 << 20;

/// The objects in a folder of a remote of rclone.
pub struct RcloneStore {
    location: Location,
    remote: String,
    access: Access,
    session: Mutex<Option<Arc<Session>>>,
    checked: AtomicBool,
}

/// One file of a list.
#[derive(serde::Deserialize)]
struct Item {
    name: String,
    size: i64,
}

impl RcloneStore {
    /// `remote` is `remote:path`. The program is started with the first call, not yet here.
    ///
    /// # Errors
    /// [`Kind::Usage`] for what rclone could take for an option.
    pub fn open(remote: &str, access: &Access) -> Result<Self> {
        if remote.is_empty() || remote.starts_with('-') {
            return Err(Error::new(Kind::Usage, format!("open rclone:{remote}"))
                .because("a remote does not begin with a dash"));
        }
        Ok(Self {
            location: Location {
                address: format!("rclone:{remote}"),
                abilities: Abilities {
                    put_if_absent: false,
                    delete: true,
                    ranges: true,
                },
            },
            remote: remote.to_owned(),
            access: access.clone(),
            session: Mutex::default(),
            checked: AtomicBool::new(false),
        })
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&self) -> Outcome<Session> {
        if !self.checked.load(Ordering::Relaxed) {
            check(&self.access).await?;
            self.checked.store(true, Ordering::Relaxed);
        }
        Session::open(&self.remote, &self.access).await
    }

    /// Does `act` with the child, which is started first if there is none.
    fn with<T>(
        &self,
        what: impl FnOnce() -> String,
        act: impl AsyncFnOnce(&Session) -> Outcome<T>,
    ) -> Result<T> {
        let mut slot = self.slot();
        let session = match &*slot {
            Some(session) => session.clone(),
            None => match wait(self.start()) {
                Ok(session) => slot.insert(Arc::new(session)).clone(),
                Err(fault) => return Err(fault.told(what())),
            },
        };
        drop(slot);
        wait(act(&session)).map_err(|fault| {
            if fault.is_lost() {
                self.forget(&session);
            }
            fault.told(what())
        })
    }

    fn forget(&self, session: &Arc<Session>) {
        let mut slot = self.slot();
        if slot.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, session)) {
            *slot = None;
        }
    }

    async fn ask(
        &self,
        session: &Session,
        method: Method,
        path: &str,
    ) -> Outcome<Response<Incoming>> {
        let ask = Ask {
            method,
            path,
            range: None,
            payload: None,
        };
        session.ask(ask, &self.access).await
    }

    async fn size(&self, session: &Session, path: &str) -> Outcome<u64> {
        let answer = self.ask(session, Method::HEAD, path).await?;
        length(answer.headers()).ok_or_else(|| Fault::Wrong("rclone does not tell its size".into()))
    }

    async fn range(&self, session: &Session, path: &str, range: Range<u64>) -> Outcome<Vec<u8>> {
        let wrong = |len: u64| Fault::Wrong(format!("it has {len} bytes, asked for {range:?}"));
        if range.start >= range.end {
            let len = self.size(session, path).await?;
            return if range.start == range.end && range.end <= len {
                Ok(Vec::new())
            } else {
                Err(wrong(len))
            };
        }
        let ask = Ask {
            method: Method::GET,
            path,
            range: Some(format!("bytes={}-{}", range.start, range.end - 1)),
            payload: None,
        };
        let answer = match session.ask(ask, &self.access).await {
            Err(Fault::Said(why)) => {
                // Some ranges past the end are refused, and in words that also mean other things.
                let len = self.size(session, path).await?;
                return Err(if range.end > len {
                    wrong(len)
                } else {
                    Fault::Said(why)
                });
            }
            answer => answer?,
        };
        let wanted = range.end - range.start;
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let covered = answer.headers().get(header::CONTENT_RANGE);
            let covered = covered
                .and_then(|covered| covered.to_str().ok())
                .unwrap_or_default();
            if !covered.starts_with(&format!("bytes {}-{}/", range.start, range.end - 1)) {
                return Err(Fault::Wrong(format!("asked for {range:?}, got {covered}")));
            }
        } else if length(answer.headers()) != Some(wanted) || range.start != 0 {
            return Err(wrong(length(answer.headers()).unwrap_or(0)));
        }
        let mut bytes = Vec::new();
        session
            .read(answer, wanted, &mut bytes, &self.access)
            .await?;
        if bytes.len() as u64 != wanted {
            return Err(wrong(bytes.len() as u64));
        }
        Ok(bytes)
    }

    async fn top(&self, session: &Session) -> Outcome<(Vec<Listed>, u64)> {
        let mut listed = Vec::new();
        for leaf in ["README.txt", "FORMAT.txt", "rescue.py", "mirror"] {
            let Some(name) = Name::new(Folder::Top, leaf) else {
                continue;
            };
            match self.size(session, leaf).await {
                Ok(len) => listed.push(Listed { name, len }),
                Err(Fault::Absent) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok((listed, 0))
    }

    async fn list_all(&self, session: &Session, folder: Folder) -> Outcome<(Vec<Listed>, u64)> {
        if folder == Folder::Top {
            return self.top(session).await;
        }
        let path = format!("{}/", folder.path());
        let answer = self.ask(session, Method::GET, &path).await?;
        let mut bytes = Vec::new();
        if !is_empty(&answer) {
            session
                .read(answer, LIST_BYTES_MAX, &mut bytes, &self.access)
                .await?;
        }
        let items: Vec<Item> = serde_json::from_slice(&bytes)
            .map_err(|error| Fault::Lost(format!("rclone's list is not one: {error}")))?;
        let mut strangers = 0;
        let mut listed = Vec::with_capacity(items.len());
        for item in items {
            let Some(name) = Name::new(folder, &item.name) else {
                strangers += 1;
                continue;
            };
            if Access::is_temporary(&name) {
                continue;
            }
            let len = u64::try_from(item.size)
                .map_err(|_| Fault::Wrong(format!("rclone does not tell the size of {name}")))?;
            listed.push(Listed { name, len });
        }
        let all = listed.len();
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        listed.dedup_by(|a, b| a.name == b.name);
        strangers += (all - listed.len()) as u64;
        Ok((listed, strangers))
    }
}

impl Store for RcloneStore {
    fn location(&self) -> &Location {
        &self.location
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        let what = || self.location.reading(name);
        self.with(what, async |session| {
            let answer = self.ask(session, Method::GET, &name.path()).await?;
            session.read(answer, len_max, into, &self.access).await
        })
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let what = || self.location.reading(name);
        self.with(what, async |session| {
            self.range(session, &name.path(), range).await
        })
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let what = || self.location.writing(name);
        self.with(what, async |session| {
            let ask = Ask {
                method: Method::POST,
                path: &name.path(),
                range: None,
                payload: Some(payload),
            };
            session.ask(ask, &self.access).await.map(drop)
        })
    }

    fn put_if_absent(&self, _: &Name, _: &Payload) -> Result<Placed> {
        Ok(Placed::Cannot)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let what = || self.location.listing(folder);
        let (listed, strangers) =
            self.with(what, async |session| self.list_all(session, folder).await)?;
        // Passed on only now: `each` may call this store again.
        listed.into_iter().try_for_each(each)?;
        Ok(strangers)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        let what = || self.location.deleting(name);
        self.with(what, async |session| {
            match self.ask(session, Method::DELETE, &name.path()).await {
                Ok(_) | Err(Fault::Absent) => Ok(()),
                Err(fault) => Err(fault),
            }
        })
    }
}

impl Drop for RcloneStore {
    /// Waits for the child, so that none is left behind.
    fn drop(&mut self) {
        let session = self.slot().take();
        let end = session.as_ref().map(|session| session.end());
        drop(session);
        if let Some(end) = end {
            end.wait();
        }
    }
}
