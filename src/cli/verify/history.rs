//! What `verify` makes of the history that a mirror shows: an entry that was there and is not is missed by nobody who
//! only reads what is there.

use crate::cli::context::Context;
use crate::cli::exit::{Done, Outcome};
use crate::cli::open;
use crate::error::{Kind, Result};
use crate::ops::verify::{self, Report};
use crate::repo::author::Author;
use crate::repo::chain::Chains;
use crate::repo::heads::Finding;
use crate::repo::look::Look;
use crate::repo::mirrors::{Mirror, Mirrors};

/// What this device remembers and what all mirrors show together.
pub struct History {
    author: Option<Author>,
    /// Nothing where there is one mirror, which shows it by itself.
    all: Option<Chains>,
}

impl History {
    /// Reads both. Without a memory what entries say of each other is asked alone.
    ///
    /// # Errors
    /// Those of the mirrors.
    pub fn read(context: &Context, mirrors: &Mirrors) -> Result<Self> {
        let several = mirrors.here.len() + mirrors.away.len() > 1;
        let all = several.then(|| Chains::read(&mirrors.whole, &**context.ui()));
        let author = open::author(context, &mirrors.whole);
        // Who never wrote anywhere may have nowhere to remember it.
        if let Err(error) = &author
            && error.kind() == Kind::Damaged
        {
            context.ui().problem(error);
        }
        Ok(Self {
            author: author.ok(),
            all: all.transpose()?,
        })
    }

    /// Adds to `report` what is wrong with the history that a mirror shows, and says what no reading mends.
    pub fn judge(
        &self,
        context: &Context,
        (mirror, look): (&Mirror, &Look),
        report: &mut Report,
        done: &mut Done,
    ) {
        let (Some(author), Some(record)) = (&self.author, mirror.repo.mirror()) else {
            return;
        };
        let all = self.all.as_ref().unwrap_or(&look.chains);
        for finding in author.judge(&record.id, &look.chains, all) {
            if let Finding::Unlisted { entry, .. } = finding {
                verify::missing::unlisted(&[entry], report, &**context.ui());
                continue;
            }
            // That is told of each entry that a slot lists.
            if look.chains.missing().next().is_some() {
                continue;
            }
            let error = finding.error(&mirror.name);
            context.ui().problem(&error);
            done.add(Outcome::of(&error), error.chain());
            report.gone += 1;
        }
    }
}
