//! Mirrors as they can be seen by anyone: names and bytes, no keys.

pub mod copy;
pub mod heal;
pub mod parity;
pub mod probe;
pub mod scrub;
pub mod set;
