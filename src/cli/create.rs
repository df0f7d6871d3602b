//! Making a repository: its place, its first key slots and the recovery kit. `init` and `backup --init` share it.
//!
//! What would be lost with a crash is on disk before the repository exists: the kit's file, and the key file.

use crate::cli::context::Context;
use crate::cli::kit::{self, Reserved, Sheet};
use crate::cli::open;
use crate::cli::places::Place;
use crate::cli::secret::{self, Source};
use crate::cli::terminal;
use crate::crypto::passphrase::Argon2Cost;
use crate::crypto::secret::Secret;
use crate::crypto::words;
use crate::error::{Error, Kind, Result};
use crate::format::key_slot::SlotSecret;
use crate::id::to_hex;
use crate::mirror::probe::{self, Probe};
use crate::name::Folder;
use crate::repo::Repo;
use crate::repo::found::Found;
use crate::repo::keyring::NewSlot;
use crate::repo::mirrors::{Away, Mirror, Mirrors};
use crate::store::Store;
use crate::store::folder::FolderStore;
use crate::ui::json::Event;
use crate::ui::prompt;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the recovery kit goes.
#[derive(Args, Clone, Debug, Default)]
pub struct KitArgs {
    /// Write the recovery kit to FILE [default: heirloom-kit.txt in the home folder]
    #[arg(long, value_name = "FILE")]
    pub kit: Option<PathBuf>,
    /// Make no recovery words and no kit
    #[arg(long, conflicts_with = "kit")]
    pub no_kit: bool,
}

/// What to do without a secret and without a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// It is an error.
    Refuse,
    /// Make a key file in the default place.
    MakeKeyFile,
}

/// What was made.
pub struct Created {
    /// The new repository, open, on the mirrors that could be made.
    pub mirrors: Mirrors,
    /// Where the kit is.
    pub kit: Option<PathBuf>,
    /// A key file that was made for it.
    pub key_file: Option<PathBuf>,
}

/// Makes a repository at these places and tells about it. It exists as soon as it is at the first one; another that fails is
/// away from then on.
///
/// # Errors
/// `Refused` where anything stands at any of them, `Usage` without a secret, `Full`.
pub fn repository(
    context: &Context,
    places: &[Place],
    kit: &KitArgs,
    alone: Alone,
) -> Result<Created> {
    for place in places {
        require_vacant(context, place)?;
    }
    let parity = places[0].parity()?;
    let sheet = match kit.no_kit {
        true => None,
        false => Some(kit::place(context, kit.kit.as_deref(), places)?),
    };
    let (slot, key_file) = first_slot(context, alone)?;
    let made_key_file = key_file.map(MadeFile);
    let mut sheet = sheet.map(Reserved::new).transpose()?;
    let entropy = Secret::<16>::filled(|bytes| context.host().random(bytes));
    let mut slots = vec![slot];
    if sheet.is_some() {
        slots.push(NewSlot {
            secret: SlotSecret::Words(entropy.clone()),
            cost: Argon2Cost::default(),
            label: "recovery kit".to_owned(),
        });
    }
    let (store, probe) = tried(context, &places[0])?;
    let mut kit = None;
    let mut write = |repo: &Repo| {
        if let Some(reserved) = sheet.take() {
            kit = Some(write_kit(context, reserved, repo, places, &entropy)?);
        }
        Ok(())
    };
    let (cache, host) = (context.cache_dir()?, &**context.host());
    let objects = Arc::clone(&store);
    let repo = Arc::new(Repo::init(objects, &slots, &cache, host, &mut write)?);
    // From here on the key file opens something.
    let key_file = made_key_file.map(MadeFile::keep);
    let mut mirrors = Mirrors::one(&places[0].name, Arc::clone(&repo));
    if let Some(probe) = probe {
        // What was found out about the place is entered in its marker.
        let marked = repo.plant(store, &[], &probe.facts(), host)?;
        mirrors = Mirrors::one(&places[0].name, Arc::new(marked));
    }
    for place in &places[1..] {
        add(context, place, &mut mirrors);
    }
    mirrors.here[0].parity = parity;
    mirrors.here[0].append_only = places[0].table.append_only;
    let created = Created {
        mirrors,
        kit,
        key_file,
    };
    created.tell(context, places);
    Ok(created)
}

/// The store of a place, and what it can do where that has to be tried out.
fn tried(context: &Context, place: &Place) -> Result<(Arc<dyn Store>, Option<Probe>)> {
    if let Some(folder) = place.folder() {
        FolderStore::create(folder, &open::tag(context))?;
        return Ok((place.store(context)?, None));
    }
    let store = place.store(context)?;
    let probe = probe::probe(&*store, &**context.host(), false)?;
    Ok((store, Some(probe)))
}

/// Makes one more mirror of what was made a moment ago.
fn add(context: &Context, place: &Place, mirrors: &mut Mirrors) {
    let here = mirrors.here.iter();
    let taken: Vec<_> = here
        .filter_map(|mirror| Some(mirror.repo.mirror()?.id))
        .collect();
    let host = &**context.host();
    let made = tried(context, place).and_then(|(store, probe)| {
        let facts = match probe {
            Some(probe) => probe.facts(),
            None => probe::probe(&*store, host, false)?.facts(),
        };
        mirrors.whole.plant(store, &taken, &facts, host)
    });
    let name = place.name.clone();
    // What it says was looked at before anything was made.
    let parity = place.parity().ok().flatten();
    match made {
        Ok(repo) => mirrors.here.push(Mirror {
            name,
            repo: Arc::new(repo),
            parity,
            append_only: place.table.append_only,
        }),
        Err(error) => mirrors.away.push(Away { name, error }),
    }
}

fn require_vacant(context: &Context, place: &Place) -> Result<()> {
    let at = place.shown();
    let vacant = match place.folder() {
        Some(folder) => {
            FolderStore::is_vacant(folder).map_err(|error| error.with_kind(Kind::Refused))?
        }
        None => {
            let found = Found::at(place.store(context)?)?;
            !found.is_something()? && found.store().list(Folder::Top, &mut |_| Ok(()))? == 0
        }
    };
    if vacant {
        return Ok(());
    }
    let what = format!("{at} is not empty");
    Err(Error::new(Kind::Refused, what).hint("nothing is ever overwritten: choose an empty folder, or use what is there with `heirloom backup`"))
}

fn write_kit(
    context: &Context,
    reserved: Reserved,
    repo: &Repo,
    places: &[Place],
    entropy: &Secret<16>,
) -> Result<PathBuf> {
    let now = context.host().now().seconds;
    let machine = context.host().name();
    let sheet = Sheet {
        places,
        machine: &machine,
        repository: &repo.id().to_text(),
        fingerprint: &repo.keys().fingerprint(),
        made: &format!(
            "{} by heirloom {}",
            &context.local(now)[..10],
            env!("CARGO_PKG_VERSION")
        ),
        words: &words::to_words(entropy).join(" "),
    };
    reserved.write(&sheet.text())
}

/// The slot that opens it from day to day, and the key file that was made for it.
fn first_slot(context: &Context, alone: Alone) -> Result<(NewSlot, Option<PathBuf>)> {
    let label = context.host().name();
    let cost = Argon2Cost::default();
    let slot = |secret| NewSlot {
        secret,
        cost,
        label,
    };
    let make = |path: PathBuf| -> Result<_> {
        let key = secret::make_key_file(&path, &**context.host())?;
        Ok((SlotSecret::KeyFile(key), Some(path)))
    };
    let (secret, made) = match secret::named(context)? {
        Some(Source::Words) => {
            return Err(Error::new(
                Kind::Usage,
                "the recovery words of a new repository are made, not chosen",
            )
            .hint("leave --words out; the words will be on the recovery kit"));
        }
        Some(Source::KeyFile(path)) if !path.exists() => make(path)?,
        Some(source) => (secret::read(&source)?, None),
        None if terminal::is_there() => (
            SlotSecret::Passphrase(prompt::new_passphrase(&mut terminal::ask)?),
            None,
        ),
        None if alone == Alone::MakeKeyFile => make(context.default_key_file()?)?,
        None => return Err(secret::no_secret(context)),
    };
    Ok((slot(secret), made))
}

/// A key file that goes again unless the repository it opens comes into being.
struct MadeFile(PathBuf);

impl MadeFile {
    fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for MadeFile {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

impl Created {
    fn tell(&self, context: &Context, places: &[Place]) {
        let ui = context.ui();
        let repo = &self.mirrors.whole;
        ui.begin(Some(&to_hex(repo.id().as_bytes())));
        let at = |place: &Place| match place.name == place.address.to_string() {
            true => place.shown(),
            false => format!("{} ({})", place.name, place.shown()),
        };
        let made = places.iter().filter(|place| {
            self.mirrors
                .here
                .iter()
                .any(|mirror| mirror.name == place.name)
        });
        let made: Vec<_> = made.map(at).collect();
        match &made[..] {
            [one] => ui.line(&format!("repository {} created at {one}", repo.id())),
            all => ui.line(&format!(
                "repository {} created on {} mirrors: {}",
                repo.id(),
                all.len(),
                all.join(", ")
            )),
        }
        if let Some(path) = &self.key_file {
            ui.line(&format!(
                "key file: {}: it opens the repository without a question, so keep it to yourself and never beside the copy",
                path.display()
            ));
        }
        match &self.kit {
            Some(path) => ui.line(&format!(
                "recovery kit: {}: print it, then delete the file",
                path.display()
            )),
            None => {
                ui.line("no recovery kit: without the secret nothing can be restored, by anyone")
            }
        }
        for mirror in &self.mirrors.here {
            ui.event(&Event::mirror(&mirror.name, "current", None));
        }
    }
}
