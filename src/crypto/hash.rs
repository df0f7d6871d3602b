//! BLAKE3: the plain hash that names objects, so that `b3sum` checks a mirror without a key, and the keyed one that
//! names blobs, so that nobody outside can tell whether a known file is among them.

use crate::crypto::secret::Secret;
use crate::id::Id;

/// The name of an object with these stored bytes.
pub fn object_id(bytes: &[u8]) -> Id {
    Id::new(*blake3::hash(bytes).as_bytes())
}

/// BLAKE3-256 under a key.
pub fn keyed(key: &Secret<32>, bytes: &[u8]) -> Id {
    Id::new(*blake3::keyed_hash(key.expose(), bytes).as_bytes())
}

/// The same over several parts as if they were one.
pub fn keyed_parts(key: &Secret<32>, parts: &[&[u8]]) -> Id {
    let mut hasher = blake3::Hasher::new_keyed(key.expose());
    for part in parts {
        hasher.update(part);
    }
    Id::new(*hasher.finalize().as_bytes())
}

/// Whether two hashes or commitments are equal, in constant time.
pub fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    blake3::Hash::from_bytes(*one) == blake3::Hash::from_bytes(*other)
}

/// The name of an object whose bytes arrive in pieces.
#[derive(Clone, Default)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next bytes. Pieces that begin and end at multiples of 64 KiB are the fastest.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The id of all bytes so far.
    pub fn finish(&self) -> Id {
        Id::new(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_blake3() {
        // The BLAKE3 test vector for no input.
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(object_id(b"").to_hex(), empty);
        let mut hasher = Hasher::new();
        hasher.update(b"one");
        hasher.update(b"two");
        assert_eq!(hasher.finish(), object_id(b"onetwo"));
        let key = Secret::new([1; 32]);
        assert_eq!(keyed_parts(&key, &[b"one", b"two"]), keyed(&key, b"onetwo"));
        assert_ne!(keyed(&key, b"onetwo"), object_id(b"onetwo"));
        assert!(same(&[3; 32], &[3; 32]) && !same(&[3; 32], &[4; 32]));
    }
}
