//! `mirror list`: what each mirror holds and lacks, and when it was last read back.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::mirror::sync;
use crate::cli::open;
use crate::cli::places;
use crate::error::Result;
use crate::format::ledger::LEVEL_STORED;
use crate::ops::verify::remember::Known;
use crate::repo::chain::Chains;
use crate::repo::ledger::Age;
use crate::repo::mirrors::Mirror;
use crate::repo::presence::Presence;
use crate::ui::counted;
use crate::ui::json::{Event, HeldEvent};
use crate::units::{age_to_text, count_to_text, moment_to_rfc3339, size_to_text};

/// Lists the mirrors.
///
/// # Errors
/// Those of opening; what each lacks is an outcome.
pub fn run(context: &Context, done: &mut Done) -> Result<()> {
    let mut opened = open::repository(context)?;
    let held = open::hold(context, &mut opened.mirrors)?;
    let monitor = &**context.ui();
    let all = Chains::read(opened.whole(), monitor)?;
    let mut behind = Vec::new();
    for mirror in &opened.mirrors.here {
        let here = Chains::read(&mirror.repo, monitor)?;
        let lacks = lacking(&all, &here);
        let newest = here
            .snapshots()
            .last()
            .map(|(_, entry, _)| entry.time.seconds);
        let findings = sync::judge(&held, mirror, &here, &all);
        let state = match (findings.first(), lacks) {
            (Some(finding), _) => {
                let error = finding.error(&mirror.name);
                done.add(Outcome::of(&error), error.chain());
                finding.state()
            }
            (None, 0) => "current",
            (None, _) => {
                behind.push(mirror.name.clone());
                "behind"
            }
        };
        let held = held_there(context, mirror)?;
        tell_state(context, &mirror.name, (state, lacks, newest), &held);
    }
    for away in &opened.mirrors.away {
        behind.push(away.name.clone());
        let (name, why) = (&away.name, away.error.chain());
        context.ui().line(&format!("{name}  not there ({why})"));
        context
            .ui()
            .event(&Event::mirror(name, "unreachable", None));
    }
    let (places, _) = places::all(context)?;
    places::tell_shared(context, &places);
    if !behind.is_empty() {
        let next = format!("heirloom mirror sync {}", behind.join(" "));
        context.ui().line(&format!("         next: {next}"));
        done.add(
            Outcome::Behind,
            format!("{} behind or not there", behind.join(", ")),
        );
        done.hint(next);
    }
    Ok(())
}

/// What a mirror holds, and what is known of it.
struct Held {
    location: String,
    bytes: u64,
    age: Age,
    damaged: usize,
    /// Packs and entries that lack the parity they shall have.
    without_parity: u64,
    /// Whether objects can be deleted there.
    delete: bool,
    /// Whether heirloom.toml says that this device deletes nothing there.
    append_only: bool,
}

fn held_there(context: &Context, mirror: &Mirror) -> Result<Held> {
    let presence = Presence::read(&mirror.repo, &**context.ui())?;
    let store = mirror.repo.store();
    let known = Known::listing(&mirror.repo, &presence, context.host().now().seconds)?;
    let wanted = mirror.parity.filter(|percent| *percent > 0);
    Ok(Held {
        location: store.location().to_string(),
        bytes: known.bytes(),
        age: known.ledger.age(LEVEL_STORED),
        damaged: known.ledger.damaged().len(),
        without_parity: wanted.map_or(0, |percent| known.without_parity(percent)),
        delete: mirror.can_delete(),
        append_only: mirror.append_only,
    })
}

/// `read back within 4 days`.
fn read_back(context: &Context, age: &Age) -> String {
    let Some(oldest) = age.oldest else {
        return "never read back".to_owned();
    };
    let seconds = context.host().now().seconds - oldest;
    let ago = age_to_text(u64::try_from(seconds).unwrap_or(0));
    match age.never {
        0 => format!("read back {ago} ago"),
        never => format!(
            "{} of {} never read back, the rest {ago} ago",
            count_to_text(never),
            counted(age.objects, "object", "objects")
        ),
    }
}

/// One line and one event of a mirror that is there: its state, how many snapshots it lacks, when its newest was made.
fn tell_state(
    context: &Context,
    name: &str,
    (state, lacks, newest): (&str, u64, Option<i64>),
    held: &Held,
) {
    let words = match state {
        "current" => state.to_owned(),
        "behind" => format!("behind by {}", counted(lacks, "snapshot", "snapshots")),
        _ => "shows an older state".to_owned(),
    };
    let local = newest.map(|time| context.local(time));
    let mut words = vec![
        name.to_owned(),
        words,
        local.unwrap_or_else(|| "no snapshot".to_owned()),
        size_to_text(held.bytes),
        read_back(context, &held.age),
    ];
    if held.damaged > 0 {
        words.push(format!("{} damaged", count_to_text(held.damaged as u64)));
    }
    if held.without_parity > 0 {
        words.push(format!(
            "{} without parity",
            count_to_text(held.without_parity)
        ));
    }
    match (held.append_only, held.delete) {
        (true, _) => words.push("append_only".to_owned()),
        (false, false) => words.push("cannot delete".to_owned()),
        (false, true) => {}
    }
    words.push(held.location.clone());
    context.ui().line(&words.join("  "));
    let oldest = held.age.oldest.filter(|_| held.age.never == 0);
    context.ui().event(&Event::Mirror {
        name,
        state,
        snapshots_behind: Some(lacks),
        newest: newest.map(moment_to_rfc3339),
        held: Some(HeldEvent {
            bytes: held.bytes,
            oldest_read: oldest.map(moment_to_rfc3339),
            never_read: held.age.never,
            damaged: held.damaged as u64,
            without_parity: held.without_parity,
            delete: held.delete,
            append_only: held.append_only,
        }),
    });
}

/// Live snapshots that are not visible there.
fn lacking(all: &Chains, here: &Chains) -> u64 {
    let snapshots = all.snapshots();
    let lacks = snapshots.iter().filter(|(id, ..)| !here.is_live(id));
    lacks.count() as u64
}
