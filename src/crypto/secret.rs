//! Bytes and text that are wiped when dropped, compared in constant time and never shown.
//!
//! They live on the heap, so that moving a secret moves a pointer and leaves no copy behind on the stack.

use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// `N` secret bytes.
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes the bytes over and wipes the copy it was handed.
    pub fn new(mut bytes: [u8; N]) -> Self {
        let kept = Self(Box::new(bytes));
        bytes.zeroize();
        kept
    }

    /// A secret written in place by `fill`.
    pub fn filled(fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = Box::new([0; N]);
        fill(bytes.as_mut_slice());
        Self(bytes)
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Whether `other` are the same bytes; the time taken does not depend on where they differ.
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        // Hashes of BLAKE3 compare in constant time, and unequal secrets have unequal hashes.
        other.len() == N && blake3::hash(self.0.as_slice()) == blake3::hash(other)
    }
}

impl<const N: usize> Clone for Secret<N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A passphrase, or any other text that must not be shown.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_compare_and_are_not_shown() {
        let secret = Secret::new([7; 32]);
        assert!(secret.ct_eq(&[7; 32]));
        assert!(!secret.ct_eq(&[7; 31]));
        for at in 0..32 {
            let mut other = [7; 32];
            other[at] ^= 0x80;
            assert!(!secret.ct_eq(&other));
        }
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(
            format!("{:?}", SecretText::new("hush".to_owned())),
            "SecretText"
        );
    }
}
