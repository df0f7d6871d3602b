//! What became of each mirror, told in one line, and what that means for how the run ends.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::open::Opened;
use crate::cli::places;
use crate::error::{Error, Kind, Result};
use crate::ops::backup::Kept;
use crate::repo::author::Author;
use crate::ui::json::Event;
use crate::units::{duration_to_text, size_to_text};

/// Tells it; says nothing of one mirror alone that has everything. A removable mirror may be away without a word until its
/// time is up.
///
/// # Errors
/// `Usage` for a `max_age` that cannot be read.
pub fn tell(context: &Context, kept: &[Kept], author: &Author, done: &mut Done) -> Result<()> {
    let (places, _) = places::all(context)?;
    let mut states = Vec::new();
    let mut behind = Vec::new();
    for one in kept {
        let place = places.iter().find(|place| place.name == one.name);
        let (state, words) = match &one.failed {
            None => ("current", "current".to_owned()),
            Some((Kind::Rollback, why)) => {
                done.add(Outcome::Rollback, why.clone());
                ("rolled-back", "shows an older state".to_owned())
            }
            Some((kind, why)) => {
                let allowed = match place {
                    Some(place) if *kind == Kind::Unreachable => place.may_be_away()?,
                    _ => None,
                };
                let age = author.age(&one.name, context.host().now().seconds);
                match (allowed, age) {
                    (Some(allowed), Some(age)) if age <= allowed => {
                        let ago = duration_to_text(age.as_secs_f64());
                        ("unreachable", format!("not connected, current {ago} ago"))
                    }
                    _ => {
                        behind.push(one.name.clone());
                        let state = match kind {
                            Kind::Unreachable => "unreachable",
                            _ => "behind",
                        };
                        (state, format!("behind ({why})"))
                    }
                }
            }
        };
        states.push(format!("{} {words}", one.name));
        context.ui().event(&Event::mirror(&one.name, state, None));
    }
    if kept.len() > 1 {
        context.ui().line(&states.join("      "));
    }
    if !behind.is_empty() {
        done.add(Outcome::Behind, format!("{} behind", behind.join(", ")));
        done.hint(format!("heirloom mirror sync {}", behind.join(" ")));
    }
    Ok(())
}

/// Which mirror gave how much, and which stopped answering; nothing of one mirror alone.
pub fn tell_served(context: &Context, opened: &Opened) {
    let Some(set) = &opened.set else { return };
    let name_of = |address: &str| {
        let mut here = opened.mirrors.here.iter();
        let found = here.find(|mirror| mirror.repo.store().location().address == address);
        found.map_or_else(|| address.to_owned(), |mirror| mirror.name.clone())
    };
    for (address, why) in set.away() {
        let what = format!("{} stopped answering", name_of(&address));
        let error = Error::new(Kind::Unreachable, what).because(why);
        context.ui().problem(&error);
    }
    let served = set.served().into_iter().filter(|(_, bytes)| *bytes > 0);
    let served =
        served.map(|(address, bytes)| format!("{} {}", name_of(&address), size_to_text(bytes)));
    let served: Vec<_> = served.collect();
    if !served.is_empty() {
        let words = format!("read from {}", served.join(", "));
        context.ui().detail(&words);
    }
}
