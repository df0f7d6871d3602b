//! What is written into this device's chain goes to every mirror that is there, and what became of each is told.

use crate::cli::context::Context;
use crate::cli::exit::Done;
use crate::cli::kept;
use crate::cli::open::{Held, Opened};
use crate::error::Result;
use crate::format::chain::What;
use crate::ops::backup::Kept;
use crate::ops::record;
use crate::repo::author::Stamp;
use crate::repo::look::Look;

/// Writes these, one after the other.
///
/// # Errors
/// Why no mirror has one of them.
pub fn entries(
    context: &Context,
    (opened, held): (&Opened, &Held),
    look: &mut Look,
    all: impl IntoIterator<Item = (Stamp, What, &'static str)>,
    done: &mut Done,
) -> Result<()> {
    let by = held.by(context, &**context.ui());
    let mut worst = Vec::<Kept>::new();
    for what in all {
        let kept = record::everywhere(&opened.mirrors, look, &held.author, what, by)?;
        for one in kept {
            match worst.iter_mut().find(|other| other.name == one.name) {
                Some(other) if other.failed.is_none() => *other = one,
                Some(_) => {}
                None => worst.push(one),
            }
        }
    }
    context.ui().end_progress();
    kept::tell(context, &worst, &held.author, done)?;
    if worst.iter().all(|kept| kept.failed.is_none()) {
        held.ended_well();
    }
    Ok(())
}
