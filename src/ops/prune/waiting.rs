//! Who may lean on what a mark names, and whether they have ended (format 11.3, G3 and G4).

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::commit::{CommitSlot, Intent};
use crate::format::mark::Mark;
use crate::id::{Id, to_hex};
use crate::name::{Folder, Name};
use crate::ops::by::By;
use crate::ops::prune::{Options, room};
use crate::repo::author::Author;
use crate::repo::mirrors::Mirror;
use crate::repo::seal;
use crate::store::{Payload, Placed};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Between two looks at whether somebody has ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// A session that has not ended and may lean on what is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// What it does, as it says: `backup`, `sync`.
    pub kind: String,
    /// When it began, as it says, in seconds since 1970.
    pub started: i64,
    /// Whether this program does not end it by itself, however long it has been dead.
    pub for_ever: bool,
}

/// One session and its newest intent.
struct Open {
    session: [u8; 16],
    number: u32,
    intent: Option<Intent>,
}

/// Waits as long as the options say, ends the sessions that are dead, and returns those that are left.
///
/// # Errors
/// `TooNew` where an intent or a slot is newer than this program; those of the store.
pub(super) fn run(
    mirror: &Mirror,
    marks: &BTreeMap<Id, Mark>,
    (author, by): (&Author, By<'_>),
    options: &Options,
) -> Result<Vec<Waits>> {
    let until = by.host.elapsed() + options.wait;
    loop {
        let open = open_sessions(mirror)?;
        let record = mirror.repo.require_writable()?;
        let numbers = open
            .iter()
            .map(|open| (open.session, open.number))
            .collect();
        let now = by.host.now().seconds;
        let since = author.observe(&record.id, &numbers, now)?;
        let mut left = Vec::new();
        for open in open {
            if knows_all(open.intent.as_ref(), marks) {
                continue;
            }
            let own = open
                .intent
                .as_ref()
                .is_some_and(|intent| intent.device == author.device());
            let old = since
                .get(&open.session)
                .is_some_and(|since| now.saturating_sub(*since) >= options.expiry);
            // A session of this device has ended: its lock is ours.
            let is_dead = own || old;
            if record.cas && is_dead {
                abort(mirror, &open, marks, by)?;
                continue;
            }
            if options.end_dead && is_dead && forget(mirror, &open)? {
                continue;
            }
            left.push(Waits {
                kind: open
                    .intent
                    .as_ref()
                    .map_or_else(|| "session".to_owned(), |intent| intent.kind.clone()),
                started: open.intent.as_ref().map_or(0, |intent| intent.started),
                for_ever: !record.cas,
            });
        }
        if left.is_empty() || by.host.elapsed() >= until {
            return Ok(left);
        }
        by.require_patience()?;
        by.host.sleep(PATIENCE);
    }
}

/// Who has seen every mark leans on nothing that they name.
fn knows_all(intent: Option<&Intent>, marks: &BTreeMap<Id, Mark>) -> bool {
    intent.is_some_and(|intent| marks.keys().all(|mark| intent.marks.contains(mark)))
}

/// Sessions with an intent and without a slot, each list read twice: what one leaves out would be deleted under somebody.
fn open_sessions(mirror: &Mirror) -> Result<Vec<Open>> {
    let (mut intents, mut slots) = (BTreeMap::<[u8; 16], BTreeSet<u32>>::new(), BTreeSet::new());
    for _ in 0..2 {
        let store = mirror.repo.store();
        store.list(Folder::Intents, &mut |listed| {
            if let Some((session, number)) = session_of(listed.name.leaf()) {
                intents.entry(session).or_default().insert(number);
            }
            Ok(())
        })?;
        store.list(Folder::Commits, &mut |listed| {
            slots.insert(listed.name.leaf().to_owned());
            Ok(())
        })?;
    }
    let mut open = Vec::new();
    for (session, numbers) in intents {
        if slots.contains(&to_hex(&session)) {
            continue;
        }
        let Some(newest) = numbers.last() else {
            continue;
        };
        // All of them name the same marks; any that can be read will do.
        let mut found = None;
        let mut gone = true;
        for number in &numbers {
            let leaf = format!("{}.{number}", to_hex(&session));
            let Some(name) = Name::new(Folder::Intents, &leaf) else {
                continue;
            };
            match mirror.repo.read(ObjectKind::Intent, &name) {
                Ok(opened) => {
                    gone = false;
                    found = Some(Intent::decode(&opened.record)?);
                    break;
                }
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) if error.kind() == Kind::Damaged => gone = false,
                Err(error) => return Err(error),
            }
        }
        // One whose intents went since the listing has ended with a slot, or without ever having one.
        if !gone {
            open.push(Open {
                session,
                number: *newest,
                intent: found,
            });
        }
    }
    Ok(open)
}

fn session_of(leaf: &str) -> Option<([u8; 16], u32)> {
    let (session, number) = leaf.split_once('.')?;
    let session = crate::id::from_hex(session)?.try_into().ok()?;
    Some((session, number.parse().ok()?))
}

/// Fills the slot with ABORT, unless it has been filled meanwhile.
fn abort(mirror: &Mirror, open: &Open, marks: &BTreeMap<Id, Mark>, by: By<'_>) -> Result<()> {
    let repo = &mirror.repo;
    let slot = CommitSlot::Abort {
        mark: marks.keys().next().copied().unwrap_or(Id::new([0; 32])),
        by: by.writer.device,
    };
    let sealer = repo.sealer(by.writer);
    let bytes = seal(&sealer, ObjectKind::Commit, &slot.encode(), &**by.host)?;
    let Some(name) = Name::new(Folder::Commits, &to_hex(&open.session)) else {
        return Ok(());
    };
    let payload = Payload::new(bytes);
    let goes = marks.values().flat_map(|mark| mark.packs.iter().copied());
    let placed = room::with(mirror, &goes.collect(), &|| {
        repo.store().put_if_absent(&name, &payload)
    })?;
    match placed {
        Placed::Mine | Placed::Taken => Ok(()),
        Placed::Cannot => {
            let what = format!(
                "{} does not create without overwriting any more",
                mirror.name
            );
            Err(Error::new(Kind::Refused, what)
                .hint("heirloom mirror add with its name alone tries it out anew"))
        }
    }
}

/// Deletes the intents of a session that a person says is over; whether the place let them go. Should it be alive after all,
/// it begins again when it finds them gone.
fn forget(mirror: &Mirror, open: &Open) -> Result<bool> {
    let store = mirror.repo.store();
    let mut intents = Vec::new();
    store.list(Folder::Intents, &mut |listed| {
        if session_of(listed.name.leaf()).is_some_and(|(session, _)| session == open.session) {
            intents.push(listed.name);
        }
        Ok(())
    })?;
    for name in intents {
        match store.delete(&name) {
            Err(error) if error.kind() == Kind::Refused => return Ok(false),
            other => other?,
        }
    }
    Ok(true)
}

/// Deletes the intents of sessions that were decided: whoever put them may have died before, or deletes nothing. Returns how
/// many the place does not let go, and the leaves of the slots whose intents are still there.
///
/// # Errors
/// Those of the store.
pub(super) fn clear(mirror: &Mirror, by: By<'_>) -> Result<(u64, BTreeSet<String>)> {
    let store = mirror.repo.store();
    let mut slots = BTreeSet::new();
    store.list(Folder::Commits, &mut |listed| {
        slots.insert(listed.name.leaf().to_owned());
        Ok(())
    })?;
    let mut decided = Vec::new();
    store.list(Folder::Intents, &mut |listed| {
        if session_of(listed.name.leaf())
            .is_some_and(|(session, _)| slots.contains(&to_hex(&session)))
        {
            decided.push(listed.name);
        }
        Ok(())
    })?;
    let mut refused = 0;
    let mut left = BTreeSet::new();
    for name in decided {
        let Err(error) = store.delete(&name) else {
            continue;
        };
        left.extend(session_of(name.leaf()).map(|(session, _)| to_hex(&session)));
        match error.kind() {
            Kind::Refused => refused += 1,
            _ => by.monitor.problem(&error),
        }
    }
    Ok((refused, left))
}
