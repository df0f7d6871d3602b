//! The few primitives in use, each behind one door: BLAKE3, ChaCha20-Poly1305, Argon2id and the BIP39 word list.
//!
//! Nothing here asks the system for randomness or time; both are handed in.

pub mod derive;
pub mod hash;
pub mod passphrase;
pub mod secret;
pub mod stream;
pub mod words;
