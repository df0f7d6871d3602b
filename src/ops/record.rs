//! One entry by itself: something has happened that no snapshot tells.

use crate::error::Result;
use crate::format::chain::What;
use crate::host::Host;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::repo::Repo;
use crate::repo::author::{Author, Stamp};
use crate::repo::chain::Chains;
use crate::repo::publish::{self, Outcome, Session};
use std::sync::Arc;

/// Adds an entry to this device's chain; its id.
///
/// # Errors
/// `Refused`, `TooNew`, and those of the store; `Busy` when a prune ends it again and again.
pub fn run(
    repo: &Arc<Repo>,
    host: &Arc<dyn Host>,
    author: &Author,
    (stamp, what): (Stamp, What),
    monitor: &dyn Monitor,
) -> Result<Id> {
    publish::persist("change", || {
        let chains = Chains::read_to_write(repo, monitor)?;
        let mut session = Session::begin(repo, host, author.writer(), "record")?;
        let mut put = || {
            let entry = author.entry(repo, &chains, stamp.clone(), what.clone())?;
            let sealed = session.seal_entry(&entry)?;
            author.made(entry.seq, sealed.id())?;
            session.commit(&[sealed])
        };
        let done = put();
        session.end(monitor);
        Ok(match done? {
            Outcome::Committed(id) => Some(id),
            Outcome::Aborted => None,
        })
    })
}
