//! `key`: what opens the repository. Slots stand twice on the mirror; a new one is written before an old one goes.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::open::{self, Opened};
use crate::cli::secret::{self, Source};
use crate::cli::spread;
use crate::cli::terminal;
use crate::crypto::passphrase::Argon2Cost;
use crate::error::{Error, Kind, Result};
use crate::format::chain::What;
use crate::format::key_slot::{KeySlot, SlotKind, SlotSecret};
use crate::id::Id;
use crate::ops::keys_and_marks::take_slot;
use crate::repo::Repo;
use crate::repo::keyring::slot_id;
use crate::repo::keyring::{self, NewSlot};
use crate::repo::look::Look;
use crate::ui::escape_text;
use crate::ui::json::Event;
use crate::ui::prompt;
use crate::ui::table::{Side, Table};
use crate::units::moment_to_rfc3339;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::sync::Arc;

/// List, add, remove and change what opens the repository
#[derive(Args, Debug)]
pub struct KeyArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand, Debug)]
enum Act {
    /// List the key slots
    List,
    /// Add a passphrase or a key file
    ///
    /// The common options name the secret that opens the repository now; those below name the new one.
    Add(AddArgs),
    /// Remove a key slot
    ///
    /// What was opened by it before cannot be taken back from whoever has a copy of the repository as it was.
    Remove(RemoveArgs),
    /// Change the passphrase
    Passwd(PasswdArgs),
}

#[derive(Args, Debug)]
struct AddArgs {
    /// What the slot is called in the list [default: this machine's name]
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// A key file, made if it does not exist
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// The first line of FILE is the new passphrase
    #[arg(
        long,
        value_name = "FILE",
        alias = "new-password-file",
        conflicts_with = "new_key_file"
    )]
    new_passphrase_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct RemoveArgs {
    /// The slot's id as in the list, or its first digits
    #[arg(value_name = "ID")]
    id: String,
}

#[derive(Args, Debug)]
struct PasswdArgs {
    /// The first line of FILE is the new passphrase
    #[arg(long, value_name = "FILE", alias = "new-password-file")]
    new_passphrase_file: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
/// Those of opening; `Refused` for the last slot.
pub fn run(args: &KeyArgs, context: &Context) -> Result<Done> {
    if let (Act::Add(_), Some(path)) = (&args.act, &context.globals().key_file)
        && !path.exists()
    {
        let what = format!(
            "the key file {} does not exist, and --key-file names what opens the repository now",
            path.display()
        );
        return Err(Error::new(Kind::Usage, what)
            .hint("to make a new key file: heirloom key add --new-key-file FILE"));
    }
    let mut opened = open::repository(context)?;
    let mut done = Done::well();
    match &args.act {
        Act::List => list(context, opened.whole()),
        Act::Add(args) => add(args, context, &opened, &mut done)?,
        Act::Remove(args) => remove(args, context, &mut opened, &mut done)?,
        Act::Passwd(args) => passwd(args, context, &mut opened, &mut done)?,
    }
    Ok(done)
}

fn list(context: &Context, repo: &Repo) {
    let mut slots: Vec<_> = repo.ring().named().collect();
    slots.sort_by_key(|(id, slot)| (slot.note(repo.root()), **id));
    let mut table = Table::new(&[Side::Left; 4]);
    for (id, slot) in slots {
        let (since, label) = note(repo, slot);
        table.row(vec![
            id.short(),
            slot.kind().noun().to_owned(),
            escape_text(&label),
            context.local(since).chars().take(10).collect(),
        ]);
        tell(context, repo, id, slot);
    }
    for line in table.lines() {
        context.ui().line(&line);
    }
}

fn note(repo: &Repo, slot: &KeySlot) -> (i64, String) {
    let (since, label) = slot.note(repo.root()).unwrap_or_default();
    (i64::try_from(since).unwrap_or(0), label)
}

fn tell(context: &Context, repo: &Repo, id: &Id, slot: &KeySlot) {
    let (since, label) = note(repo, slot);
    context.ui().event(&Event::Slot {
        id: id.to_hex(),
        kind: slot.kind().noun(),
        label: &label,
        since: moment_to_rfc3339(since),
    });
}

/// On every mirror that is there; a later sync brings it to the others.
fn put(
    context: &Context,
    opened: &Opened,
    (secret, label): (SlotSecret, &str),
    done: &mut Done,
) -> Result<Id> {
    let repo = opened.whole();
    for mirror in &opened.mirrors.here {
        mirror.repo.require_writable()?;
    }
    let slot = NewSlot {
        secret,
        cost: Argon2Cost::default(),
        label: label.to_owned(),
    };
    let slot = slot.seal(repo.root(), repo.id(), &**context.host())?;
    for mirror in &opened.mirrors.here {
        keyring::put_slot(&**mirror.repo.store(), &slot)?;
    }
    for away in &opened.mirrors.away {
        let what = format!("{} opens as before", away.name);
        context
            .ui()
            .problem(&Error::new(Kind::Unreachable, what.clone()).because(away.error.chain()));
        done.add(Outcome::Behind, what);
        done.hint(format!("heirloom mirror sync {}", away.name));
    }
    let id = slot_id(&slot);
    tell(context, repo, &id, &slot);
    Ok(id)
}

fn new_passphrase(file: Option<&PathBuf>) -> Result<SlotSecret> {
    let text = match file {
        Some(path) => secret::file(path)?,
        None if terminal::is_there() => prompt::new_passphrase(&mut terminal::ask)?,
        None => {
            return Err(Error::new(
                Kind::Usage,
                "no new secret was given, and there is no terminal to ask on",
            )
            .hint("name one with --new-passphrase-file FILE"));
        }
    };
    Ok(SlotSecret::Passphrase(text))
}

fn add(args: &AddArgs, context: &Context, opened: &Opened, done: &mut Done) -> Result<()> {
    let secret = match &args.new_key_file {
        Some(path) if path.exists() => secret::read(&Source::KeyFile(path.clone()))?,
        Some(path) => {
            let key = secret::make_key_file(path, &**context.host())?;
            context.ui().line(&format!(
                "key file: {}: keep it to yourself and never beside the copy",
                path.display()
            ));
            SlotSecret::KeyFile(key)
        }
        None => new_passphrase(args.new_passphrase_file.as_ref())?,
    };
    let label = args.label.clone().unwrap_or_else(|| context.host().name());
    let noun = secret.kind().noun();
    let id = put(context, opened, (secret, &label), done)?;
    context.ui().line(&format!(
        "{}  {noun}  {}  added",
        id.short(),
        escape_text(&label)
    ));
    Ok(())
}

/// Records in this device's chain that a slot is taken away, so that every mirror learns of it, and takes it away where
/// it can.
fn take_away(context: &Context, opened: &mut Opened, slot: Id, done: &mut Done) -> Result<()> {
    let held = open::hold(context, &mut opened.mirrors)?;
    let what = (open::stamp(context), What::SlotRemoved(slot), "record");
    let mut look = Look::at(opened.whole(), &**context.ui())?;
    spread::entries(context, (opened, &held), &mut look, [what], done)?;
    for mirror in &opened.mirrors.here {
        // A mirror that fails now takes it away when it is synced: the entry says so.
        let (opens, error) = match take_slot(&mirror.repo, &slot) {
            Ok(true) => continue,
            Ok(false) => {
                let what = "nothing is deleted there by this device";
                let next = "heirloom mirror sync on a machine that may delete there takes it away";
                ("still opens", Error::new(Kind::Refused, what).hint(next))
            }
            Err(error) => ("may still open", error),
        };
        let what = format!("{} {opens} with it", mirror.name);
        context.ui().problem(&error.during(what.clone()));
        done.add(Outcome::Behind, what);
    }
    Ok(())
}

fn remove(
    args: &RemoveArgs,
    context: &Context,
    opened: &mut Opened,
    done: &mut Done,
) -> Result<()> {
    let repo = Arc::clone(opened.whole());
    let mut fitting = repo
        .ring()
        .named()
        .filter(|(id, _)| id.starts_with(&args.id));
    let Some((id, slot)) = fitting.next() else {
        return Err(
            Error::new(Kind::NotFound, format!("no key slot {}", args.id))
                .hint("heirloom key list"),
        );
    };
    if args.id.is_empty() || fitting.next().is_some() {
        return Err(Error::new(
            Kind::Usage,
            format!("{:?} is the beginning of several key slots", args.id),
        )
        .hint("give more digits; heirloom key list"));
    }
    repo.require_writable()?;
    if repo.ring().slots().count() == 1 {
        return Err(Error::new(
            Kind::Refused,
            "this is the last key slot: without it nothing here could be read again",
        )
        .hint("add another one first: heirloom key add"));
    }
    take_away(context, opened, *id, done)?;
    let ui = context.ui();
    ui.line(&format!("{}  {}  removed", id.short(), slot.kind().noun()));
    tell(context, &repo, id, slot);
    ui.note("copies of the repository that were made earlier still open with it");
    if slot.kind() == SlotKind::Words {
        ui.note("every pack written so far carries a copy of it: whoever has the words can still read those");
    }
    Ok(())
}

fn passwd(
    args: &PasswdArgs,
    context: &Context,
    opened: &mut Opened,
    done: &mut Done,
) -> Result<()> {
    let (repo, source) = (Arc::clone(opened.whole()), opened.source.clone());
    let passphrases: Vec<_> = repo
        .ring()
        .named()
        .filter(|(_, slot)| slot.kind() == SlotKind::Passphrase)
        .collect();
    let old = match passphrases.as_slice() {
        [] => {
            return Err(Error::new(
                Kind::NotFound,
                "no passphrase opens this repository, so none can be changed",
            )
            .hint("heirloom key add"));
        }
        [(id, slot)] => (**id, note(&repo, slot).1),
        several => opened_by(context, &repo, several, &source)?,
    };
    let secret = new_passphrase(args.new_passphrase_file.as_ref())?;
    let id = put(context, opened, (secret, &old.1), done)?;
    if id != old.0 {
        take_away(context, opened, old.0, done)?;
    }
    context.ui().line(&format!(
        "{}  passphrase  {}  in place of {}",
        id.short(),
        escape_text(&old.1),
        old.0.short()
    ));
    context
        .ui()
        .note("copies of the repository that were made earlier still open with the old passphrase");
    Ok(())
}

/// Of several passphrase slots the one that the given passphrase opens.
fn opened_by(
    context: &Context,
    repo: &Repo,
    slots: &[(&Id, &KeySlot)],
    source: &Source,
) -> Result<(Id, String)> {
    let secret = match source {
        // A descriptor gives its line once only.
        Source::KeyFile(_) | Source::Words | Source::Descriptor(_) => None,
        Source::Prompt => {
            context
                .ui()
                .note("which of the passphrases is to be changed? Type it again");
            Some(secret::read(source)?)
        }
        source => Some(secret::read(source)?),
    };
    if let Some(secret) = secret {
        for (id, slot) in slots {
            if slot.open(&secret)?.is_some() {
                return Ok((**id, note(repo, slot).1));
            }
        }
    }
    Err(Error::new(
        Kind::Usage,
        "several passphrases open this repository, and it is not clear which one to change",
    )
    .hint("open it with that passphrase, or use: heirloom key add, then heirloom key remove ID"))
}
