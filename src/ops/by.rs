//! Who does it.

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
