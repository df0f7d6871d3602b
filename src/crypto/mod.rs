//! The few primitives in use, each behind one door.

pub mod derive;
pub mod hash;
pub mod passphrase;
pub mod secret;
pub mod stream;
pub mod words;
