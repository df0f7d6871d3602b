//! Who does it.

use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::monitor::Monitor;
use crate::repo::Writer;
use std::sync::Arc;

/// Who brings it, and who hears of it.
#[derive(Clone, Copy)]
pub struct By<'a> {
    /// The clock and the randomness.
    pub host: &'a Arc<dyn Host>,
    /// This device.
    pub writer: Writer,
    /// Hears of it.
    pub monitor: &'a dyn Monitor,
}

impl By<'_> {
    /// Whether the work may go on.
    ///
    /// # Errors
    /// `Interrupted`, of what goes on where it was when it is run again.
    pub fn require_patience(&self) -> Result<()> {
        match self.monitor.interrupted() {
            true => Err(Error::new(Kind::Interrupted, "interrupted")
                .hint("run the same command again: it goes on where it was")),
            false => Ok(()),
        }
    }
}
