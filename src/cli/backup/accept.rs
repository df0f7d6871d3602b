//! `backup --accept ID`: what was suspect is as it should be.

use crate::cli::context::Context;
use crate::cli::open::{self, Held};
use crate::error::Result;
use crate::ops::backup::shrink;
use crate::ops::record;
use crate::repo::look::Look;
use crate::repo::mirrors::Mirrors;
use crate::repo::snapshots::{self, Filter};

/// Says so on every mirror that is there; the backup that follows tells what became of each.
///
/// # Errors
/// `Usage`, `NotFound`; why no mirror has it.
pub(super) fn run(
    context: &Context,
    (mirrors, held): (&Mirrors, &Held),
    source: &str,
    id: &str,
) -> Result<()> {
    let by = held.by(context, &**context.ui());
    let mut look = Look::at(&mirrors.whole, by.monitor)?;
    let (all, now) = (Filter::default(), context.host().now().seconds);
    let found = snapshots::whole(&look.chains, id.as_bytes(), &all, now)?;
    for what in shrink::accept(&look.chains, source, found.id)? {
        let what = (open::stamp(context), what, "accept");
        record::everywhere(mirrors, &mut look, &held.author, what, by)?;
    }
    Ok(())
}
