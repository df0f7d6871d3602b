//! Making a repository: its place, its first key slots and the recovery kit. `init` and `backup --init` share it.
//!
//! What would be lost with a crash is on disk before the repository exists: the kit's file, and the key file.

use crate::cli::context::Context;
use crate::cli::kit::{self, Reserved, Sheet};
use crate::cli::open;
use crate::cli::secret::{self, Source};
use crate::cli::terminal;
use crate::crypto::passphrase::Argon2Cost;
use crate::crypto::secret::Secret;
use crate::crypto::words;
use crate::error::{Error, Kind, Result};
use crate::format::key_slot::SlotSecret;
use crate::id::to_hex;
use crate::repo::Repo;
use crate::repo::keyring::NewSlot;
use crate::store::Store;
use crate::store::folder::FolderStore;
use crate::ui::json::Event;
use crate::ui::prompt;
use clap::Args;
use std::path::{Path, PathBuf};
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
    /// The new repository, open.
    pub repo: Arc<Repo>,
    /// Its objects.
    pub store: Arc<FolderStore>,
    /// Where the kit is.
    pub kit: Option<PathBuf>,
    /// A key file that was made for it.
    pub key_file: Option<PathBuf>,
}

/// Makes a repository at `location` and tells about it.
///
/// # Errors
/// `Refused` where anything stands, `Usage` without a secret, `Full`.
pub fn repository(
    context: &Context,
    location: &Path,
    kit: &KitArgs,
    alone: Alone,
) -> Result<Created> {
    require_vacant(location)?;
    let sheet = match kit.no_kit {
        true => None,
        false => Some(kit::place(context, kit.kit.as_deref(), location)?),
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
    let store = Arc::new(FolderStore::create(location, &open::tag(context))?);
    let objects: Arc<dyn Store> = Arc::<FolderStore>::clone(&store);
    let mut kit = None;
    let mut write = |repo: &Repo| {
        if let Some(reserved) = sheet.take() {
            kit = Some(write_kit(context, reserved, repo, location, &entropy)?);
        }
        Ok(())
    };
    let (cache, host) = (context.cache_dir()?, &**context.host());
    let repo = Repo::init(objects, &slots, &cache, host, &mut write)?;
    // From here on the key file opens something.
    let key_file = made_key_file.map(MadeFile::keep);
    let created = Created {
        repo: Arc::new(repo),
        store,
        kit,
        key_file,
    };
    created.tell(context, location);
    Ok(created)
}

fn require_vacant(location: &Path) -> Result<()> {
    if FolderStore::is_vacant(location).map_err(|error| error.with_kind(Kind::Refused))? {
        return Ok(());
    }
    let what = format!("{} is not empty", location.display());
    Err(Error::new(Kind::Refused, what).hint("nothing is ever overwritten: choose an empty folder, or use what is there with `heirloom backup`"))
}

fn write_kit(
    context: &Context,
    reserved: Reserved,
    repo: &Repo,
    location: &Path,
    entropy: &Secret<16>,
) -> Result<PathBuf> {
    let now = context.host().now().seconds;
    let machine = context.host().name();
    let sheet = Sheet {
        location,
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
    fn tell(&self, context: &Context, location: &Path) {
        let ui = context.ui();
        let id = to_hex(self.repo.id().as_bytes());
        ui.begin(Some(&id));
        ui.line(&format!(
            "repository {} created at {}",
            self.repo.id(),
            location.display()
        ));
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
        ui.event(&Event::Mirror {
            // In heirloom.toml it may have a shorter one, which is given to it when this has succeeded.
            name: &location.to_string_lossy(),
            state: "current",
            snapshots_behind: None,
            newest: None,
        });
    }
}
