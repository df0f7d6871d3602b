//! A folder on a WebDAV server.
//!
//! An object is sent to `tmp/` and moved to its place, so that a cut upload leaves nothing under a final name. The move
//! first asks not to overwrite: Apache deletes a target before it moves onto it, and so only a true replacement takes
//! that path.
//!
//! What must hold:
//! - Nothing here tries again. Making a folder that is missing and doing the call that missed it is no other attempt.
//! - `put_if_absent` is never promised: servers look first and move then, several writers win, and no lock helps that
//!   they may grant twice.
//! - A password goes out over TLS, to this machine itself, or where the user allowed plain HTTP.

mod calls;

use crate::dav::{self, Found, Malformed, Meaning};
use crate::error::{Error, Kind, Result};
use crate::name::{Folder, Name};
use crate::store::access::Access;
use crate::store::address::{Settings, WebdavAddress};
use crate::store::retry::Trouble;
use crate::store::webdav::calls::{Ask, Calls, Got};
use crate::store::{Abilities, Listed, Location, Payload, Placed, Store};
use bytes::Bytes;
use std::ops::Range;

/// Where objects lie until they are whole.
const TEMP: &str = "tmp";
/// A server that ignores ranges may send so much for one.
const WHOLE_MAX: u64 = 128 << 20;

/// The objects in one folder of a WebDAV server.
pub struct WebdavStore {
    location: Location,
    access: Access,
    calls: Calls,
}

impl WebdavStore {
    /// The folder that `address` names. Nothing is asked over the network yet.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a plain connection beyond this machine that was not allowed, or certificates that are none.
    pub fn open(address: &WebdavAddress, settings: &Settings, access: &Access) -> Result<Self> {
        let location = Location {
            address: address.to_string(),
            abilities: Abilities {
                put_if_absent: false,
                delete: true,
                ranges: true,
            },
        };
        let opening = || format!("open {location}");
        let calls =
            Calls::new(address, settings, access).map_err(|error| error.during(opening()))?;
        Ok(Self {
            calls,
            access: access.clone(),
            location,
        })
    }

    fn fault(&self, what: String, got: &Got) -> Error {
        got.answer.error(what, self.access.host.now())
    }

    /// Makes a folder below the root, and those above it where they are missing; whether any was.
    fn make_folder(&self, what: &str, path: &str) -> Result<bool> {
        let mut missing = vec![self.calls.path(path)];
        let mut made = false;
        while let Some(path) = missing.last().cloned() {
            let got = self.calls.send(what, Ask::folder("MKCOL", &path))?;
            match (dav::meaning(got.answer.status), path.rsplit_once('/')) {
                (Meaning::Done, _) => {
                    made = true;
                    missing.pop();
                }
                // Not allowed where something is already.
                _ if got.answer.status == 405 => {
                    missing.pop();
                }
                (Meaning::NoParent | Meaning::Absent, Some((parent, _))) if missing.len() < 64 => {
                    missing.push(parent.to_owned());
                }
                _ => return Err(self.fault(what.to_owned(), &got)),
            }
        }
        Ok(made)
    }

    /// Does a call, and once more if the folder at `parent` had to be made.
    fn with_folder(&self, what: &str, parent: &str, act: impl Fn() -> Result<Got>) -> Result<Got> {
        let got = act()?;
        // A move into a missing folder: Apache says 500, rclone 403, others 409 as they should.
        let may_miss = matches!(got.answer.status, 403 | 404 | 409 | 500);
        if may_miss && self.make_folder(what, parent)? {
            return act();
        }
        Ok(got)
    }

    fn upload(&self, what: &str, temp: &str, payload: &Payload) -> Result<()> {
        let path = self.calls.path(temp);
        let got = self.with_folder(what, TEMP, || {
            let body = Bytes::from_owner(payload.clone());
            self.calls.send(what, Ask::new("PUT", &path).body(body))
        })?;
        match dav::meaning(got.answer.status) {
            Meaning::Done => Ok(()),
            _ => Err(self.fault(what.to_owned(), &got)),
        }
    }

    fn place(&self, what: &str, temp: &str, name: &Name) -> Result<()> {
        let (from, to) = (self.calls.path(temp), name.path());
        let parent = to.rsplit_once('/').map_or("", |(parent, _)| parent);
        let target = self.calls.path(&to);
        let go = |overwrite: &'static str| {
            let ask = Ask::new("MOVE", &from).header("overwrite", overwrite);
            self.calls
                .send(what, ask.header("destination", &self.calls.url(&target)))
        };
        let mut got = self.with_folder(what, parent, || go("F"))?;
        if dav::meaning(got.answer.status) == Meaning::Precondition {
            got = go("T")?;
        }
        match dav::meaning(got.answer.status) {
            Meaning::Done => Ok(()),
            // What was sent is gone: somebody cleared `tmp/`, or an earlier answer was lost.
            Meaning::Absent | Meaning::Precondition => {
                let why = format!("what was sent is no longer under {temp} ({})", got.answer);
                Err(Error::new(Kind::Unreachable, what.to_owned())
                    .because(Trouble::AGAIN.told(why)))
            }
            _ => Err(self.fault(what.to_owned(), &got)),
        }
    }

    /// What lies in a folder below the root; `None` if there is none while the root is there.
    fn entries(&self, what: &str, path: &str) -> Result<Option<Vec<Found>>> {
        let full = self.calls.path(path);
        let got = self.propfind(what, &full, "1")?;
        if dav::meaning(got.answer.status) == Meaning::Absent {
            let root = self.propfind(what, &self.calls.path(""), "0")?;
            return match dav::meaning(root.answer.status) {
                Meaning::Absent => {
                    let why = Trouble::FINAL.told("there is no such folder on the server");
                    Err(Error::new(Kind::NoRepository, what.to_owned()).because(why))
                }
                Meaning::Done => Ok(None),
                _ => Err(self.fault(what.to_owned(), &root)),
            };
        }
        if got.answer.status != 207 && !got.answer.is_success() {
            return Err(self.fault(what.to_owned(), &got));
        }
        let found =
            dav::multistatus(&got.body).map_err(|malformed| unreadable(what, &malformed))?;
        below(&full, found).map(Some).ok_or_else(|| {
            let why = Trouble::FINAL.told("the server lists another folder than was asked for");
            Error::new(Kind::Unreachable, what.to_owned()).because(why)
        })
    }

    fn propfind(&self, what: &str, path: &str, depth: &'static str) -> Result<Got> {
        let ask = Ask::folder("PROPFIND", path)
            .header("depth", depth)
            .header("content-type", "application/xml; charset=utf-8")
            .body(Bytes::from_static(dav::PROPFIND.as_bytes()));
        self.calls
            .send(what, ask.len_max(dav::MULTISTATUS_MAX as u64))
    }

    /// Passes on what is an object of `folder`; the number of strangers.
    fn sort(
        &self,
        folder: Folder,
        sub: &str,
        found: Vec<Found>,
        each: &mut dyn FnMut(Listed) -> Result<()>,
    ) -> Result<u64> {
        let mut strangers = 0;
        for Found {
            path: leaf,
            is_folder,
            len,
            failed,
        } in found
        {
            if let Some(status) = failed.filter(|status| *status != 404) {
                let why = format!("the server cannot read {leaf} itself ({status})");
                let what = self.location.listing(folder);
                return Err(Error::new(Kind::Unreachable, what).because(Trouble::AGAIN.told(why)));
            }
            if is_folder || failed.is_some() {
                strangers += u64::from(is_folder && !is_ours(folder, sub, &leaf));
                continue;
            }
            let lies_right = |name: &Name| {
                let path = name.path();
                match folder.is_split() {
                    true => path.rsplit('/').nth(1) == Some(sub),
                    false => sub.is_empty(),
                }
            };
            let Some(name) = Name::new(folder, &leaf).filter(lies_right) else {
                strangers += 1;
                continue;
            };
            if Access::is_temporary(&name) {
                continue;
            }
            let len = len.ok_or_else(|| {
                let why = Trouble::FINAL.told(format!("the server gives no size for {leaf}"));
                Error::new(Kind::Unreachable, self.location.listing(folder)).because(why)
            })?;
            each(Listed { name, len })?;
        }
        Ok(strangers)
    }

    fn delete_path(&self, what: &str, path: &str) -> Result<()> {
        let got = self
            .calls
            .send(what, Ask::new("DELETE", &self.calls.path(path)))?;
        match (dav::meaning(got.answer.status), got.answer.status) {
            (_, 403 | 405) => {
                let why = format!("the server keeps it ({})", got.answer);
                Err(Error::new(Kind::Refused, what.to_owned()).because(Trouble::FINAL.told(why)))
            }
            (Meaning::Done, status) if status != 207 => Ok(()),
            (Meaning::Absent, _) => Ok(()),
            _ => Err(self.fault(what.to_owned(), &got)),
        }
    }
}

/// A folder that belongs there, or that listing goes into.
fn is_ours(folder: Folder, sub: &str, leaf: &str) -> bool {
    match folder {
        Folder::Top => leaf == TEMP || Folder::ALL.iter().any(|known| known.path() == leaf),
        _ => folder.is_split() && sub.is_empty() && is_digits(leaf),
    }
}

fn is_digits(leaf: &str) -> bool {
    leaf.len() == 2 && leaf.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

/// The leaves of what lies in the folder at `path`, which is in the answer itself. A server behind another may call it
/// by another path: then it is the shortest one.
fn below(path: &str, mut found: Vec<Found>) -> Option<Vec<Found>> {
    let own = match found.iter().position(|found| found.path == path) {
        Some(own) => own,
        None => {
            let shortest = |at: &usize| found[*at].path.len();
            (0..found.len())
                .filter(|at| found[*at].is_folder)
                .min_by_key(shortest)?
        }
    };
    let own = found.swap_remove(own).path;
    for found in &mut found {
        let leaf = found.path.strip_prefix(&own)?;
        let leaf = leaf.strip_prefix('/').or(own.is_empty().then_some(leaf))?;
        found.path = Some(leaf).filter(|leaf| !leaf.contains('/'))?.to_owned();
    }
    Some(found)
}

const LOGIN: &str = "that is often a login page: check the address (Nextcloud: remote.php/dav/files/USER/FOLDER) and use an app password";

fn unreadable(what: &str, malformed: &Malformed) -> Error {
    let trouble = match malformed {
        Malformed::Cut => Trouble::AGAIN,
        _ => Trouble::FINAL,
    };
    let told = trouble.told(format!("the server's listing makes no sense: {malformed}"));
    let error = Error::new(Kind::Unreachable, what.to_owned()).because(told);
    match malformed {
        Malformed::Html => error.hint(LOGIN),
        _ => error,
    }
}

fn too_short(what: String, len: u64, range: &Range<u64>) -> Error {
    let why = format!("it has {len} bytes, asked for {range:?}");
    Error::new(Kind::Damaged, what).because(why)
}

impl Store for WebdavStore {
    fn location(&self) -> &Location {
        &self.location
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        let what = self.location.reading(name);
        let path = self.calls.path(&name.path());
        let got = self
            .calls
            .send(&what, Ask::new("GET", &path).len_max(len_max))?;
        if got.answer.status != 200 {
            return Err(self.fault(what, &got));
        }
        if got.is_page && dav::is_html(&got.body) {
            return Err(unreadable(&what, &Malformed::Html));
        }
        if got.is_cut {
            let why = format!("it has more than the {len_max} bytes that are allowed");
            return Err(Error::new(Kind::Damaged, what).because(why));
        }
        *into = got.body;
        Ok(())
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let what = self.location.reading(name);
        let path = self.calls.path(&name.path());
        let Some(wanted) = range.end.checked_sub(range.start) else {
            return Err(Error::new(Kind::Damaged, what).because(format!("asked for {range:?}")));
        };
        if wanted == 0 {
            let got = self.calls.send(&what, Ask::new("HEAD", &path))?;
            return match got.answer.len {
                _ if got.answer.status != 200 => Err(self.fault(what, &got)),
                Some(len) if len < range.start => Err(too_short(what, len, &range)),
                _ => Ok(Vec::new()),
            };
        }
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let ask = Ask::new("GET", &path)
            .header("range", &header)
            .len_max(WHOLE_MAX.max(wanted));
        let got = self.calls.send(&what, ask)?;
        let len = got.body.len() as u64;
        match got.answer.status {
            206 if got.starts_at(range.start) && len == wanted => Ok(got.body),
            206 => Err(too_short(what, range.start.saturating_add(len), &range)),
            // It sends all there is.
            200 => match (usize::try_from(range.start), usize::try_from(range.end)) {
                (Ok(start), Ok(end)) if end <= got.body.len() => Ok(got.body[start..end].to_vec()),
                _ => Err(too_short(what, len, &range)),
            },
            _ => Err(self.fault(what, &got)),
        }
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let what = self.location.writing(name);
        let temp = format!("{TEMP}/{}", self.access.temporary());
        let placed = self
            .upload(&what, &temp, payload)
            .and_then(|()| self.place(&what, &temp, name));
        if placed.is_err() {
            // The error that brought us here is the one to tell; what stays is swept at the next start.
            let _ = self.delete_path(&what, &temp);
        }
        placed
    }

    fn put_if_absent(&self, _: &Name, _: &Payload) -> Result<Placed> {
        Ok(Placed::Cannot)
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let what = self.location.listing(folder);
        let Some(found) = self.entries(&what, folder.path())? else {
            return Ok(0);
        };
        let mut subs = Vec::new();
        if folder.is_split() {
            let inside = |found: &&Found| found.is_folder && is_digits(&found.path);
            subs.extend(found.iter().filter(inside).map(|found| found.path.clone()));
        }
        let mut strangers = self.sort(folder, "", found, each)?;
        for sub in subs {
            // One that vanished meanwhile held nothing that stays.
            let path = format!("{}/{sub}", folder.path());
            let found = self.entries(&what, &path)?.unwrap_or_default();
            strangers += self.sort(folder, &sub, found, each)?;
        }
        Ok(strangers)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        self.delete_path(&self.location.deleting(name), &name.path())
    }

    fn sweep(&self) -> Result<()> {
        let what = format!("clear {TEMP} on {}", self.location);
        let prefix = format!("{}-", self.access.tag);
        for found in self.entries(&what, TEMP)?.unwrap_or_default() {
            if !found.is_folder && found.path.starts_with(&prefix) {
                self.delete_path(&what, &format!("{TEMP}/{}", found.path))?;
            }
        }
        Ok(())
    }
}
