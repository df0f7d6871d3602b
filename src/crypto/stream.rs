//! ChaCha20-Poly1305 (RFC 8439) over counted segments, the last one marked.
//!
//!     okm   = DK("... box", sub-key ‖ header[0..80] ‖ header[112..4064])          76 bytes
//!     key, base nonce, commitment = okm[0..32], okm[32..44], okm[44..76]
//!     nonce(i) = base XOR (00000000 ‖ u64(2 i + (1 if i is the last segment else 0)))
//!
//! A key seals one box, and a nonce is a function of the segment's number: there is no state to forget. The header is
//! in the key, so the associated data is empty. The commitment is not in its own derivation, and is compared before
//! any segment is opened: a box that opens under two keys would tell its forger which of the two we hold.

use crate::crypto::derive::{self, BOX};
use crate::crypto::hash;
use crate::crypto::secret::Secret;
use crate::limits::{PAGE, TAG};
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};

/// The tag over `data`, which is sealed in place.
///
/// # Panics
/// Beyond 256 GiB, where the cipher's counter ends.
pub fn seal_once(key: &[u8; 32], nonce: &[u8; 12], data: &mut [u8]) -> [u8; TAG] {
    ChaCha20Poly1305::new(&Key::from(*key))
        .encrypt_inout_detached(&Nonce::from(*nonce), &[], InOutBuf::from(data))
        .expect("far below the cipher's limit")
        .into()
}

/// Opens `data` in place; `None`, and `data` as it was, unless `tag` is right.
pub fn open_once(key: &[u8; 32], nonce: &[u8; 12], data: &mut [u8], tag: &[u8; TAG]) -> Option<()> {
    ChaCha20Poly1305::new(&Key::from(*key))
        .decrypt_inout_detached(
            &Nonce::from(*nonce),
            &[],
            InOutBuf::from(data),
            &Tag::from(*tag),
        )
        .ok()
}

/// Key, base nonce and commitment of one box.
#[derive(Clone, Debug)]
pub struct SegmentKeys {
    key: Secret<32>,
    base: [u8; 12],
    commitment: [u8; 32],
}

impl SegmentKeys {
    /// From the sub-key of the box's kind and its header; the header's commitment and checksum have no part in it.
    pub fn derive(sub_key: &Secret<32>, header: &[u8; PAGE]) -> Self {
        let okm = Secret::<76>::filled(|out| {
            derive::derive(
                BOX,
                &[sub_key.expose(), &header[..80], &header[112..4064]],
                out,
            );
        });
        let (key, rest) = okm.expose().split_at(32);
        let mut base = [0; 12];
        base.copy_from_slice(&rest[..12]);
        let mut commitment = [0; 32];
        commitment.copy_from_slice(&rest[12..]);
        Self {
            key: Secret::filled(|out| out.copy_from_slice(key)),
            base,
            commitment,
        }
    }

    /// What the header says about these keys without giving them away.
    pub fn commitment(&self) -> &[u8; 32] {
        &self.commitment
    }

    /// Whether the header's commitment is this one, in constant time.
    pub fn commits_to(&self, commitment: &[u8; 32]) -> bool {
        hash::same(&self.commitment, commitment)
    }

    /// Seals segment `index` in place: plaintext and then 16 bytes that take the tag.
    ///
    /// # Panics
    /// If `buffer` has no room for the tag.
    pub fn seal(&self, index: u64, last: bool, buffer: &mut [u8]) {
        let (data, tag) = buffer
            .split_last_chunk_mut::<TAG>()
            .expect("a segment has room for its tag");
        *tag = seal_once(self.key.expose(), &self.nonce(index, last), data);
    }

    /// Opens segment `index` in place; the plaintext is all but the last 16 bytes. On `None` the buffer is as it was.
    pub fn open(&self, index: u64, last: bool, buffer: &mut [u8]) -> Option<()> {
        let (data, tag) = buffer.split_last_chunk_mut::<TAG>()?;
        open_once(self.key.expose(), &self.nonce(index, last), data, tag)
    }

    fn nonce(&self, index: u64, last: bool) -> [u8; 12] {
        let count = (index << 1 | u64::from(last)).to_le_bytes();
        let mut nonce = self.base;
        for (byte, with) in nonce[4..].iter_mut().zip(count) {
            *byte ^= with;
        }
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::to_hex;

    /// RFC 8439 2.8.2 with its associated data, which our door leaves empty: so checked at the crate, then our door
    /// against the crate.
    #[test]
    fn the_cipher_is_rfc_8439() {
        let key: [u8; 32] = std::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap());
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                     sunscreen would be it.";
        let aad = [
            0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
        ];
        let mut data = text.to_vec();
        let tag = ChaCha20Poly1305::new(&Key::from(key))
            .encrypt_inout_detached(
                &Nonce::from(nonce),
                &aad,
                InOutBuf::from(data.as_mut_slice()),
            )
            .unwrap();
        assert_eq!(to_hex(&tag), "1ae10b594f09e26a7e902ecbd0600691");
        let mut ours = text.to_vec();
        let tag = seal_once(&key, &nonce, &mut ours);
        assert_eq!(
            ours, data,
            "the keystream does not depend on associated data"
        );
        assert_eq!(open_once(&key, &nonce, &mut ours, &tag), Some(()));
        assert_eq!(ours, text);
    }

    /// The segment construction written out once more, from the specification.
    #[test]
    fn segments_follow_the_specification() {
        let sub_key = Secret::new([5; 32]);
        let mut header = [0; PAGE];
        for (at, byte) in header.iter_mut().enumerate() {
            *byte = u8::try_from(at % 251).unwrap();
        }
        let keys = SegmentKeys::derive(&sub_key, &header);
        let mut okm = [0; 76];
        let material = [&[5; 32][..], &header[0..80], &header[112..4064]].concat();
        let mut hasher = blake3::Hasher::new_derive_key("heirloom 2026-11 box");
        hasher.update(&material).finalize_xof().fill(&mut okm);
        assert_eq!(keys.commitment()[..], okm[44..76]);
        for (index, last, counter) in [
            (0, false, 0_u64),
            (0, true, 1),
            (5, false, 10),
            (511, true, 1023),
        ] {
            let mut nonce: [u8; 12] = okm[32..44].try_into().unwrap();
            for (at, byte) in counter.to_le_bytes().into_iter().enumerate() {
                nonce[4 + at] ^= byte;
            }
            let mut expected = vec![9; 100];
            let tag = seal_once(&okm[..32].try_into().unwrap(), &nonce, &mut expected);
            expected.extend(tag);
            let mut sealed = vec![9; 116];
            keys.seal(index, last, &mut sealed);
            assert_eq!(sealed, expected);
            let mut other = sealed.clone();
            assert_eq!(
                keys.open(index, !last, &mut other),
                None,
                "the last is marked"
            );
            assert_eq!(
                keys.open(index + 1, last, &mut other),
                None,
                "order is kept"
            );
            assert_eq!(other, sealed, "what does not open stays as it was");
            assert_eq!(keys.open(index, last, &mut other), Some(()));
            assert_eq!(other[..100], [9; 100]);
        }
        assert_eq!(keys.open(0, false, &mut [0; 15]), None);
        for changed in [0, 79, 112, 4063] {
            let mut other = header;
            other[changed] ^= 1;
            assert!(!keys.commits_to(SegmentKeys::derive(&sub_key, &other).commitment()));
        }
        for free in [80, 111, 4064, 4095] {
            let mut other = header;
            other[free] ^= 1;
            assert!(keys.commits_to(SegmentKeys::derive(&sub_key, &other).commitment()));
        }
    }
}
