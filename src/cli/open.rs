//! From a location and a secret to an open repository, for every verb the same way.
//!
//! The place is looked at before anything is asked: nobody types a passphrase for an empty folder.

use crate::cli::context::Context;
use crate::cli::places::{self, Place};
use crate::cli::secret::{self, Source};
use crate::crypto::hash;
use crate::device::{Device, DeviceLock};
use crate::error::{Error, Kind, Result};
use crate::format::header::RepoId;
use crate::host::Host;
use crate::id::{from_hex, to_hex};
use crate::mirror::set::MirrorSet;
use crate::monitor::Monitor;
use crate::ops::by::By;
use crate::ops::open as opening;
use crate::repo::author::{Author, Stamp};
use crate::repo::found::Found;
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};
use crate::repo::unlock::Unlock;
use crate::repo::{Repo, Writer};
use crate::store::Store;
use crate::ui::counted;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often a person may mistype the passphrase.
const TRIES: usize = 3;
/// Between two looks at a lock.
const PATIENCE: Duration = Duration::from_millis(250);

/// The mirrors that are meant, each with its store or why there is none.
///
/// # Errors
/// `Usage`; of one place alone also its own, and `NoRepository`, which says what is there instead.
pub fn stores(context: &Context) -> Result<Vec<opening::Place>> {
    let (places, chosen) = places::all(context)?;
    let stores = stores_at(context, &places, chosen)?;
    if let ([place], [(_, Ok(store))]) = (&places[..], &stores[..])
        && !Found::at(Arc::clone(store))?.is_something()?
    {
        return Err(nothing_at(place, chosen));
    }
    Ok(stores)
}

fn stores_at(context: &Context, places: &[Place], chosen: bool) -> Result<Vec<opening::Place>> {
    if let [one] = places {
        let store = one.store(context).map_err(|error| match error.kind() {
            Kind::NoRepository => absent(error, chosen),
            _ if one.configured => error.during(one.name.clone()),
            _ => error,
        });
        return Ok(vec![(one.name.clone(), Ok(store?))]);
    }
    let store = |place: &Place| {
        let store = place.store(context).map_err(|error| match error.kind() {
            Kind::NoRepository => error.with_kind(Kind::Unreachable),
            _ => error,
        });
        (place.name.clone(), store)
    };
    Ok(places.iter().map(store).collect())
}

fn absent(error: Error, chosen: bool) -> Error {
    error.hint(if chosen {
        "check the location; is the disk plugged in? `heirloom init` makes a new repository"
    } else {
        "`heirloom backup --init PATH` makes a repository here and saves PATH; -r names another location"
    })
}

fn nothing_at(place: &Place, chosen: bool) -> Error {
    let found = match place.folder() {
        Some(folder) => found_at(folder),
        None => "holds no repository".to_owned(),
    };
    let what = format!("{} {found}", place.address);
    absent(Error::new(Kind::NoRepository, what), chosen)
}

/// Looks at the mirrors that are meant. `wanted` is the repository it must be, where that is known.
fn seen(context: &Context, wanted: Option<RepoId>) -> Result<opening::Seen> {
    let (places, chosen) = places::all(context)?;
    let stores = stores_at(context, &places, chosen)?;
    let seen =
        opening::look(stores, wanted).map_err(|error| match (error.kind(), &places[..]) {
            (Kind::NoRepository, _) => absent(error, chosen),
            (_, [one]) if one.configured => error.during(one.name.clone()),
            _ => error,
        })?;
    match &places[..] {
        [one] if !seen.is_something()? => Err(nothing_at(one, chosen)),
        _ => Ok(seen),
    }
}

/// What a folder without a repository holds instead.
fn found_at(location: &Path) -> String {
    let names: Vec<String> = std::fs::read_dir(location).map_or_else(
        |_| Vec::new(),
        |entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        },
    );
    let has = |all: &[&str]| {
        all.iter()
            .all(|name| names.iter().any(|found| found == name))
    };
    if has(&["config", "data", "index", "keys", "snapshots"]) {
        "is a restic repository".to_owned()
    } else if has(&["config", "data", "README"]) || has(&["config", "data", "locks"]) {
        "is a borg repository".to_owned()
    } else {
        format!(
            "holds {} that heirloom did not write",
            counted(names.len() as u64, "file or folder", "files or folders")
        )
    }
}

/// Begins the names of this device's temporary files on the mirror, before the repository is known.
pub fn tag(context: &Context) -> String {
    let mut material = machine();
    // Reading works without a state folder.
    let state = context.state_dir().unwrap_or_default();
    material.extend_from_slice(state.as_os_str().as_encoded_bytes());
    to_hex(&hash::object_id(&material).as_bytes()[..4])
}

/// Tells machines apart without saying which one this is.
fn machine() -> Vec<u8> {
    let id = std::fs::read("/etc/machine-id");
    let id = id.unwrap_or_else(|_| rustix::system::uname().nodename().to_bytes().to_vec());
    hash::object_id(&[b"heirloom machine ".as_slice(), id.trim_ascii()].concat())
        .as_bytes()
        .to_vec()
}

/// An open repository and what opened it.
pub struct Opened {
    /// Its mirrors.
    pub mirrors: Mirrors,
    /// What reads from several, where there are several.
    pub set: Option<Arc<MirrorSet>>,
    /// Where the secret came from.
    pub source: Source,
}

impl Opened {
    /// The repository as all mirrors show it together.
    pub fn whole(&self) -> &Arc<Repo> {
        &self.mirrors.whole
    }
}

/// Opens the repository with the secret that the context names, or asks for one.
///
/// # Errors
/// `NoRepository`, `NoKey`, `Damaged`, `TooNew`, `Usage`.
pub fn repository(context: &Context) -> Result<Opened> {
    let cache = context.cache_dir()?;
    let wanted = wanted(context)?;
    let mut tries = 0;
    let mut seen = seen(context, wanted)?;
    loop {
        let (source, secret) = secret::to_open(context)?;
        let unlock = unlock_with(context, secret);
        tries += 1;
        match seen.open(&unlock, &cache, &**context.ui()) {
            Ok((mut mirrors, set)) => {
                as_configured(context, &mut mirrors)?;
                let id = mirrors.whole.id();
                context.ui().begin(Some(&to_hex(id.as_bytes())));
                return Ok(Opened {
                    mirrors,
                    set,
                    source,
                });
            }
            Err(error)
                if error.kind() == Kind::NoKey
                    && matches!(source, Source::Prompt)
                    && tries < TRIES =>
            {
                context.ui().note(&error.chain());
            }
            Err(error) => return Err(error),
        }
    }
}

/// Says how much parity each mirror shall have, and where this device deletes nothing.
fn as_configured(context: &Context, mirrors: &mut Mirrors) -> Result<()> {
    let (places, _) = places::all(context)?;
    for mirror in &mut mirrors.here {
        let place = places.iter().find(|place| place.name == mirror.name);
        mirror.parity = place.map(Place::parity).transpose()?.flatten();
        mirror.append_only = place.is_some_and(|place| place.table.append_only);
    }
    Ok(())
}

/// The repository that heirloom.toml expects, unless a location was named on purpose.
fn wanted(context: &Context) -> Result<Option<RepoId>> {
    let named = !context.globals().repo.is_empty() || context.variable("HEIRLOOM_REPO").is_some();
    let Some(text) = context.config().repository.as_ref().filter(|_| !named) else {
        return Ok(None);
    };
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let number = from_hex(&digits).and_then(|bytes| bytes.try_into().ok());
    number.map(RepoId::new).map(Some).ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!("repository: {text:?} is not 32 digits"),
        )
    })
}

/// A secret and how far to go with it on this machine.
pub fn unlock_with(context: &Context, secret: crate::format::key_slot::SlotSecret) -> Unlock {
    let mut unlock = Unlock::new(secret);
    if let Some(most) = context.globals().kdf_limit {
        unlock.slots_tried = most;
    }
    let memory = rustix::system::sysinfo();
    let bytes = u128::from(memory.totalram) * u128::from(memory.mem_unit);
    unlock.memory_kib_max = u32::try_from(bytes / 2 / 1024).unwrap_or(u32::MAX);
    unlock
}

/// Opens the repository and looks at it.
///
/// # Errors
/// As [`repository`].
pub fn look(context: &Context) -> Result<Look> {
    Look::at(repository(context)?.whole(), &**context.ui())
}

/// This device in that repository, locked for one session.
pub struct Held {
    /// The device.
    pub device: Arc<Device>,
    /// The same while it writes.
    pub author: Author,
    lock: DeviceLock,
}

impl Held {
    /// This device as an op sees it, with whoever hears of it.
    pub fn by<'a>(&self, context: &'a Context, monitor: &'a dyn Monitor) -> By<'a> {
        By {
            host: context.host(),
            writer: self.author.writer(),
            monitor,
        }
    }

    /// Everything was done on every mirror, so nothing unfinished lies anywhere.
    pub fn ended_well(&self) {
        self.lock.ended_well();
    }

    /// Nothing was written anywhere.
    pub fn wrote_nothing(&self) {
        self.lock.wrote_nothing();
    }
}

/// Now, here, and by this user.
pub fn stamp(context: &Context) -> Stamp {
    let time = context.host().now();
    Stamp {
        time,
        zone: context.zone_minutes(time.seconds),
        host: context.host().name(),
        user: context.user(),
    }
}

fn started_ns(host: &dyn Host) -> u64 {
    let now = host.now();
    let seconds = now.seconds.unsigned_abs();
    seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::from(now.nanos))
}

/// This device, for a record that takes no session: it waits for nobody.
///
/// # Errors
/// Those of the state folder.
pub fn writer(context: &Context, repo: &Repo) -> Result<Writer> {
    Ok(Writer {
        device: *device(context, repo)?.id(),
        started_ns: started_ns(&**context.host()),
    })
}

/// This device and what it remembers, for whoever writes nothing: it waits for nobody.
///
/// # Errors
/// Those of the state folder.
pub fn author(context: &Context, repo: &Repo) -> Result<Author> {
    let device = Arc::new(device(context, repo)?);
    Author::of_device(&device, repo, started_ns(&**context.host()))
}

fn device(context: &Context, repo: &Repo) -> Result<Device> {
    let (state, cache) = (context.state_dir()?, context.cache_dir()?);
    let host = &**context.host();
    Device::open(&state, &cache, repo.id().as_bytes(), &machine(), host)
}

/// Takes the device's lock, waiting as long as the user wishes, and clears what interrupted runs left behind. Mirrors that
/// are not the ones that were added under their names are taken for away.
///
/// # Errors
/// `Busy`, `Interrupted`, and those of the state folder.
pub fn hold(context: &Context, mirrors: &mut Mirrors) -> Result<Held> {
    let host = &**context.host();
    let repo = &mirrors.whole;
    let device = Arc::new(device(context, repo)?);
    let until = host.elapsed() + context.wait();
    let lock = loop {
        match device.lock() {
            Err(error) if error.kind() == Kind::Busy && host.elapsed() < until => {
                if context.ui().stopped() {
                    return Err(Error::new(Kind::Interrupted, "interrupted"));
                }
                host.sleep(PATIENCE);
            }
            other => break other?,
        }
    };
    device.sweep_leftovers()?;
    let author = Author::of_device(&device, repo, started_ns(host))?;
    mirrors.keep_pinned(&author);
    // On a folder a look costs nothing; elsewhere it is a request, made where there is a reason.
    let near = |mirror: &&Mirror| mirror.repo.store().location().is_near();
    let wanted = |mirror: &&Mirror| lock.was_cut_short() || near(mirror);
    for mirror in mirrors.here.iter().filter(wanted) {
        if let Err(error) = mirror.repo.store().sweep() {
            context.ui().problem(&error);
        }
    }
    Ok(Held {
        device,
        author,
        lock,
    })
}
