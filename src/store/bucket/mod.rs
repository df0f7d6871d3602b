//! A bucket: Amazon S3 and all that speaks its language, Google Cloud Storage, Azure Blob Storage.
//!
//! Requests are made and signed by `object_store`, over our own HTTP (`connector.rs`). What an answer means is decided
//! here, by its true status.
//!
//! What must hold:
//! - Nothing here tries again.
//! - `Mine` and `Taken` are said only after reading back: a lost answer of our own comes back as "exists", and some
//!   servers accept the condition and replace all the same.
//! - Objects appear whole under their names; nothing is ever written under `tmp/` but probes.

mod account;
mod clients;
mod connector;
mod deleting;
mod listing;

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::name::{Folder, Name};
use crate::store::access::Access;
use crate::store::address::{BucketAddress, Provider, Settings};
use crate::store::answer::lost;
use crate::store::bucket::clients::Client;
use crate::store::bucket::connector::{Heard, hearing};
use crate::store::retry::Trouble;
use crate::store::runtime::wait;
use crate::store::{Abilities, Listed, Location, Payload, Placed, Store};
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, PutMode, PutOptions, PutPayload};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A server that ignores ranges may send so much for one.
const WHOLE_MAX: u64 = 128 << 20;
/// Where probes of this device lie.
const TEMP: &str = "tmp";

/// The words by which a server says that it does not know the condition of a create.
const CONDITION: [&str; 4] = [
    "If-None-Match",
    "if-none-match",
    "x-goog-if-generation-match",
    "NotImplemented",
];
/// The words by which a delete is refused for the object's sake and not for ours.
const KEPT: [&str; 7] = [
    "Immutab",
    "Retention",
    "retention",
    "WORM",
    "ObjectLock",
    "object lock",
    "LeaseId",
];
/// The words by which a bucket says that it locks nothing.
const NO_LOCK: [&str; 2] = ["ObjectLockConfiguration", "Object Lock"];

/// The objects in one bucket, below one prefix.
pub struct BucketStore {
    location: Location,
    client: Arc<dyn Client>,
    /// Puts the objects of the repository; with a lock where one was asked for.
    locking: Arc<dyn Client>,
    prefix: String,
    tag: String,
    host: Arc<dyn Host>,
    /// Azure says "conflict" where the others say "precondition failed".
    conflict_is_taken: bool,
    /// The server has shown that it does not keep the condition of a create.
    cannot: AtomicBool,
}

impl BucketStore {
    /// The place in the bucket that `address` names. Nothing is asked over the network yet.
    ///
    /// # Errors
    /// [`Kind::Usage`] for settings or credentials that cannot be.
    pub fn open(address: &BucketAddress, settings: &Settings, access: &Access) -> Result<Self> {
        let mut prefix = address.prefix.clone();
        if !prefix.is_empty() {
            Path::parse(&prefix).map_err(|error| {
                Error::new(Kind::Usage, format!("open {address}")).because(error.to_string())
            })?;
            prefix.push('/');
        }
        let clients = account::open(address, settings, access)?;
        Ok(Self {
            location: Location {
                address: address.to_string(),
                abilities: Abilities {
                    put_if_absent: true,
                    delete: true,
                    ranges: true,
                },
            },
            client: clients.plain,
            locking: clients.locking,
            prefix,
            tag: access.tag.clone(),
            host: access.host.clone(),
            conflict_is_taken: matches!(address.provider, Provider::Azure { .. }),
            cannot: AtomicBool::new(false),
        })
    }

    fn path(&self, name: &Name) -> Path {
        let path = format!("{}{}", self.prefix, name.path());
        Path::parse(path).expect("a checked prefix and a name are a path")
    }

    /// What a call means that did not do what it should.
    fn fault(&self, what: String, error: &object_store::Error, heard: Heard) -> Error {
        if let Some(secret) = heard.secret {
            return secret.during(what);
        }
        if let Some(trouble) = &heard.lost {
            return lost(what, trouble);
        }
        match heard.answer {
            Some(answer) if !answer.is_success() => answer.error(what, self.host.now()),
            Some(answer) => senseless(what, &format!("{answer}, but {error}")),
            None => senseless(what, &error.to_string()),
        }
    }

    /// Asks for an object and lets `take` read it.
    fn fetch<T>(
        &self,
        name: &Name,
        options: GetOptions,
        take: impl AsyncFnOnce(GetResult) -> object_store::Result<T>,
    ) -> (object_store::Result<T>, Heard) {
        let path = self.path(name);
        wait(hearing(async {
            let got = self.client.get_opts(&path, options).await?;
            take(got).await
        }))
    }

    fn exists(&self, name: &Name, at: u64) -> Result<()> {
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let len = match self.fetch(name, options, async |got| Ok(got.meta.size)) {
            (Ok(len), _) => len,
            (Err(error), heard) => {
                return Err(self.fault(self.location.reading(name), &error, heard));
            }
        };
        if at > len {
            return Err(too_short(self.location.reading(name), len, &(at..at)));
        }
        Ok(())
    }

    fn send(
        &self,
        name: &Name,
        payload: &Payload,
        mode: PutMode,
    ) -> (object_store::Result<()>, Heard) {
        let path = self.path(name);
        let options = PutOptions::from(mode);
        // What lies below tmp/ belongs to no snapshot and may go at once.
        let client = match name.folder() {
            Folder::Tmp => &self.client,
            _ => &self.locking,
        };
        let (sent, heard) = wait(hearing(async {
            let bytes = PutPayload::from_bytes(Bytes::from_owner(payload.clone()));
            let sent = client.put_opts(&path, bytes, options);
            sent.await.map(|_| ())
        }));
        // A success whose head misses something that only the crate wants is a success.
        let sent = if heard.is_success() { Ok(()) } else { sent };
        (sent, heard)
    }

    /// What stands under a name whose create was answered in one way or the other; `None` if nothing does.
    fn read_back(&self, name: &Name, payload: &Payload) -> Result<Option<Placed>> {
        match self.get(name, payload.len() as u64) {
            Ok(found) if found[..] == payload[..] => Ok(Some(Placed::Mine)),
            Ok(_) => Ok(Some(Placed::Taken)),
            Err(error) if error.kind() == Kind::Damaged => Ok(Some(Placed::Taken)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn cannot(&self) -> Placed {
        self.cannot.store(true, Ordering::Relaxed);
        Placed::Cannot
    }
}

fn senseless(what: String, why: &str) -> Error {
    let why = format!("the server's answer makes no sense: {why}");
    Error::new(Kind::Unreachable, what).because(Trouble::FINAL.told(why))
}

fn too_short(what: String, len: u64, range: &Range<u64>) -> Error {
    let why = format!("it has {len} bytes, asked for {range:?}");
    Error::new(Kind::Damaged, what).because(why)
}

/// Reads all of `got` into `bytes`, unless there are more than `len_max`: then the number of bytes there are.
async fn read_into(
    got: GetResult,
    len_max: u64,
    bytes: &mut Vec<u8>,
) -> object_store::Result<Option<u64>> {
    bytes.clear();
    let len = got.range.end.saturating_sub(got.range.start);
    if len > len_max {
        return Ok(Some(len));
    }
    bytes.reserve_exact(usize::try_from(len).unwrap_or(0));
    let mut stream = got.into_stream();
    while let Some(frame) = stream.next().await {
        let frame = frame?;
        if (bytes.len() + frame.len()) as u64 > len_max {
            return Ok(Some((bytes.len() + frame.len()) as u64));
        }
        bytes.extend_from_slice(&frame);
    }
    Ok((bytes.len() as u64 != len).then_some(bytes.len() as u64))
}

impl Store for BucketStore {
    fn location(&self) -> &Location {
        &self.location
    }

    fn get_into(&self, name: &Name, len_max: u64, into: &mut Vec<u8>) -> Result<()> {
        let what = || self.location.reading(name);
        let take = async |got| read_into(got, len_max, into).await;
        match self.fetch(name, GetOptions::default(), take) {
            (Ok(None), _) => Ok(()),
            (Ok(Some(len)), _) => {
                let why = format!("it has {len} bytes where {len_max} are allowed");
                Err(Error::new(Kind::Damaged, what()).because(why))
            }
            (Err(error), heard) => Err(self.fault(what(), &error, heard)),
        }
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let what = || self.location.reading(name);
        let Some(wanted) = range.end.checked_sub(range.start) else {
            return Err(Error::new(Kind::Damaged, what()).because(format!("asked for {range:?}")));
        };
        if wanted == 0 {
            return self.exists(name, range.start).map(|()| Vec::new());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            ..GetOptions::default()
        };
        let mut bytes = Vec::new();
        let take = async |got: GetResult| {
            let (len, part) = (got.meta.size, got.range.clone());
            let odd = read_into(got, wanted, &mut bytes).await?;
            Ok((odd.is_some() || part != range).then_some(len))
        };
        match self.fetch(name, options, take) {
            (Ok(None), _) => Ok(bytes),
            (Ok(Some(len)), _) => Err(too_short(what(), len, &range)),
            (Err(error), heard) => {
                // Some servers answer a range that covers all, or goes past the end, with everything there is.
                let whole = heard.answer.as_ref().filter(|answer| answer.status == 200);
                match whole.and_then(|answer| answer.len) {
                    Some(len) if len < range.end => Err(too_short(what(), len, &range)),
                    Some(_) => self.cut_out(name, &range),
                    None => Err(self.fault(what(), &error, heard)),
                }
            }
        }
    }

    fn put(&self, name: &Name, payload: &Payload) -> Result<()> {
        let (sent, heard) = self.send(name, payload, PutMode::Overwrite);
        sent.map_err(|error| {
            let unlocked = heard.says(&NO_LOCK);
            let fault = self.fault(self.location.writing(name), &error, heard);
            match unlocked {
                true => fault.hint("object_lock needs a bucket that was made with Object Lock"),
                false => fault,
            }
        })
    }

    fn put_if_absent(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        if self.cannot.load(Ordering::Relaxed) {
            return Ok(Placed::Cannot);
        }
        let what = || self.location.writing(name);
        let (sent, heard) = self.send(name, payload, PutMode::Create);
        let Err(error) = sent else {
            return match self.read_back(name, payload)? {
                Some(Placed::Mine) => Ok(Placed::Mine),
                Some(other) => {
                    // Ours was accepted and is no more: the condition was not kept, for us or for the other one.
                    self.cannot();
                    Ok(other)
                }
                None => Err(Error::new(Kind::Unreachable, what())
                    .because(Trouble::AGAIN.told("what was written cannot be read yet"))),
            };
        };
        match heard.status() {
            Some(501) => Ok(self.cannot()),
            Some(400) if heard.says(&CONDITION) => Ok(self.cannot()),
            Some(412 | 304) => self.decided(name, payload),
            Some(409) if !heard.says(&KEPT) => match self.read_back(name, payload)? {
                Some(placed) => Ok(placed),
                None if self.conflict_is_taken => self.decided(name, payload),
                // Nothing was stored.
                None => Err(self.fault(what(), &error, heard)),
            },
            _ => Err(self.fault(what(), &error, heard)),
        }
    }

    fn list(&self, folder: Folder, each: &mut dyn FnMut(Listed) -> Result<()>) -> Result<u64> {
        let prefix = match folder.path() {
            "" => self.prefix.clone(),
            path => format!("{}{path}/", self.prefix),
        };
        let mut strangers = 0;
        let folders = self.pages(folder, &prefix, &mut |path, len| {
            let below = path.strip_prefix(&self.prefix).unwrap_or_default();
            let leaf = below.rsplit('/').next().unwrap_or_default();
            match Name::new(folder, leaf).filter(|name| name.path() == below) {
                Some(name) => each(Listed { name, len }),
                None => {
                    strangers += 1;
                    Ok(())
                }
            }
        })?;
        Ok(strangers + folders)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        self.remove(self.location.deleting(name), &self.path(name))
    }

    fn sweep(&self) -> Result<()> {
        let prefix = format!("{}{TEMP}/{}-", self.prefix, self.tag);
        let mut found = Vec::new();
        // The folder matters to messages alone.
        self.pages(Folder::Intents, &prefix, &mut |path, _| {
            found.extend(Path::parse(path));
            Ok(())
        })?;
        let what = || format!("clear {TEMP} on {}", self.location);
        found.iter().try_for_each(|path| self.remove(what(), path))
    }
}

impl BucketStore {
    /// Somebody was first, perhaps we ourselves.
    fn decided(&self, name: &Name, payload: &Payload) -> Result<Placed> {
        self.read_back(name, payload)?.ok_or_else(|| {
            Error::new(Kind::Unreachable, self.location.writing(name))
                .because(Trouble::AGAIN.told("it is said to exist and cannot be read"))
        })
    }

    /// A range of an object that the server sends only whole.
    fn cut_out(&self, name: &Name, range: &Range<u64>) -> Result<Vec<u8>> {
        let bytes = self.get(name, WHOLE_MAX)?;
        let part =
            || bytes.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?);
        let found = bytes.len() as u64;
        part()
            .map(<[u8]>::to_vec)
            .ok_or_else(|| too_short(self.location.reading(name), found, range))
    }
}
