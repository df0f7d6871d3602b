//! A ciphertext that plain ChaCha20-Poly1305 opens under two keys (format 19.1, A10). Whoever could have us try both would
//! learn which of them we hold; boxes and slots commit to one, and refuse the other before anything is opened.

use heirloom::crypto::derive::{BOX, KEY_FILE, Keys, RootKey, SLOT, derive};
use heirloom::crypto::secret::Secret;
use heirloom::crypto::stream::{SegmentKeys, open_once};
use heirloom::error::Kind;
use heirloom::format::ObjectKind;
use heirloom::format::boxes::Opener;
use heirloom::format::header::{BoxHeader, RepoId, SLOT_BYTES, set_checksum};
use heirloom::format::key_slot::{KeySlot, SlotSecret};
use heirloom::limits::PAGE;
use std::sync::Arc;

/// A number below 2^130 - 5 and a little more, in limbs of 26 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Number([u64; 5]);

const MASK: u64 = (1 << 26) - 1;

impl Number {
    /// From 16 bytes, and one more bit above them.
    fn of(bytes: &[u8; 16], top: u64) -> Self {
        let low = u128::from_le_bytes(*bytes);
        let limb = |at: u32| u64::try_from(low >> (26 * at) & u128::from(MASK)).unwrap();
        let top = (low >> 104) as u64 | top << 24;
        Self([limb(0), limb(1), limb(2), limb(3), top]).reduced()
    }

    fn carried(self) -> Self {
        let mut limbs = self.0;
        for _ in 0..2 {
            for at in 0..5 {
                let over = limbs[at] >> 26;
                limbs[at] &= MASK;
                match at {
                    4 => limbs[0] += over * 5,
                    _ => limbs[at + 1] += over,
                }
            }
        }
        Self(limbs)
    }

    /// Below 2^130 - 5.
    fn reduced(self) -> Self {
        let this = self.carried();
        let mut more = this.0;
        more[0] += 5;
        for at in 0..4 {
            more[at + 1] += more[at] >> 26;
            more[at] &= MASK;
        }
        match more[4] >> 26 {
            0 => this,
            _ => Self([more[0], more[1], more[2], more[3], more[4] & MASK]),
        }
    }

    fn plus(self, other: Self) -> Self {
        let sum = |at: usize| self.0[at] + other.0[at];
        Self([sum(0), sum(1), sum(2), sum(3), sum(4)]).reduced()
    }

    fn minus(self, other: Self) -> Self {
        // Twice the modulus, so that no limb is below zero.
        let twice = [2 * MASK - 8, 2 * MASK, 2 * MASK, 2 * MASK, 2 * MASK];
        let sum = |at: usize| self.0[at] + twice[at] - other.0[at];
        Self([sum(0), sum(1), sum(2), sum(3), sum(4)]).reduced()
    }

    fn times(self, other: Self) -> Self {
        let mut wide = [0u128; 5];
        for (one, a) in self.0.iter().enumerate() {
            for (two, b) in other.0.iter().enumerate() {
                let fold = if one + two >= 5 { 5 } else { 1 };
                wide[(one + two) % 5] += u128::from(*a) * u128::from(*b) * fold;
            }
        }
        for _ in 0..2 {
            for at in 0..5 {
                let over = wide[at] >> 26;
                wide[at] &= u128::from(MASK);
                match at {
                    4 => wide[0] += over * 5,
                    _ => wide[at + 1] += over,
                }
            }
        }
        Self(wide.map(|limb| u64::try_from(limb).unwrap())).reduced()
    }

    fn power(self, exponent: u64) -> Self {
        (0..exponent).fold(Self([1, 0, 0, 0, 0]), |so_far, _| so_far.times(self))
    }

    /// By Fermat: to the power of 2^130 - 7.
    fn inverse(self) -> Self {
        let mut result = Self([1, 0, 0, 0, 0]);
        for bit in (0..130).rev() {
            result = result.times(result);
            if !matches!(bit, 1 | 2) {
                result = result.times(self);
            }
        }
        result
    }

    fn low(self) -> u128 {
        let limbs = self.0.map(u128::from);
        limbs[0] | limbs[1] << 26 | limbs[2] << 52 | limbs[3] << 78 | limbs[4] << 104
    }
}

/// The one-time key of Poly1305: block 0 of ChaCha20 (RFC 8439, 2.6).
fn one_time(key: &[u8; 32], nonce: &[u8; 12]) -> (Number, u128) {
    let mut start = [0u32; 16];
    let all = [&b"expand 32-byte k"[..], key, &[0; 4], nonce].concat();
    for (word, bytes) in start.iter_mut().zip(all.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let mut x = start;
    let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
        for (to, from, mix, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
            x[to] = x[to].wrapping_add(x[from]);
            x[mix] = (x[mix] ^ x[to]).rotate_left(turn);
        }
    };
    for _ in 0..10 {
        for at in 0..4 {
            quarter(at, at + 4, at + 8, at + 12);
        }
        for at in 0..4 {
            quarter(at, 4 + (at + 1) % 4, 8 + (at + 2) % 4, 12 + (at + 3) % 4);
        }
    }
    let word = |at: usize| u128::from(x[at].wrapping_add(start[at]));
    let half = |at: usize| word(at) | word(at + 1) << 32 | word(at + 2) << 64 | word(at + 3) << 96;
    let r = half(0) & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;
    (Number::of(&r.to_le_bytes(), 0), half(4))
}

/// Changes the first block of `data` until one tag is right under both keys; that tag.
fn for_two(keys: [(&[u8; 32], &[u8; 12]); 2], data: &mut [u8]) -> [u8; 16] {
    let [(r1, s1), (r2, s2)] = keys.map(|(key, nonce)| one_time(key, nonce));
    let blocks = data.len() as u64 / 16 + 1;
    let factor = r1.power(blocks).minus(r2.power(blocks)).inverse();
    for change in 0..=u8::MAX {
        data[16] = change;
        let rest = |r: Number| {
            let len = (data.len() as u128) << 64;
            let all = data[16..].as_chunks::<16>().0.iter().copied();
            let all = all.chain([len.to_le_bytes()]);
            all.fold(Number([0; 5]), |sum, block| {
                sum.plus(Number::of(&block, 1)).times(r)
            })
        };
        let (rest1, rest2) = (rest(r1), rest(r2));
        // acc1 + s1 = acc2 + s2 modulo 2^128, which the accumulators may exceed three times over.
        let apart = Number::of(&s2.wrapping_sub(s1).to_le_bytes(), 0);
        for over in 0..4 {
            let above = Number([0, 0, 0, 0, over << 24]).reduced();
            for difference in [apart.plus(above), apart.minus(above)] {
                let x = difference.plus(rest2).minus(rest1).times(factor);
                if x.0[4] >> 24 != 1 {
                    continue;
                }
                let tag = |r: Number, s: u128, rest| {
                    x.times(r.power(blocks)).plus(rest).low().wrapping_add(s)
                };
                if tag(r1, s1, rest1) == tag(r2, s2, rest2) {
                    data[..16].copy_from_slice(&x.low().to_le_bytes());
                    return tag(r1, s1, rest1).to_le_bytes();
                }
            }
        }
    }
    panic!("256 tries at a chance of one in four")
}

fn opens(key: &[u8; 32], nonce: &[u8; 12], data: &[u8], tag: &[u8; 16]) -> bool {
    open_once(key, nonce, &mut data.to_vec(), tag).is_some()
}

#[test]
fn a10_a_box_that_two_keys_would_open_is_opened_by_the_one_it_commits_to() {
    let repo = RepoId::new([7; 16]);
    let all =
        [1, 2].map(|byte| Arc::new(Keys::new(&RootKey::from_bytes([byte; 32]), repo.as_bytes())));
    let mut header = BoxHeader {
        kind: ObjectKind::Commit,
        chunker: 1,
        body_len: 4096,
        repo,
        salt: [9; 32],
        commitment: [0; 32],
        recovery: [0; SLOT_BYTES],
    };
    let bytes = header.encode();
    let of = |keys: &Arc<Keys>| {
        let sub_key = keys.box_key(ObjectKind::Commit as u8);
        let mut okm = [0; 76];
        derive(
            BOX,
            &[sub_key.expose(), &bytes[..80], &bytes[112..4064]],
            &mut okm,
        );
        let mut nonce: [u8; 12] = okm[32..44].try_into().unwrap();
        nonce[4] ^= 1;
        (
            <[u8; 32]>::try_from(&okm[..32]).unwrap(),
            nonce,
            SegmentKeys::derive(sub_key, &bytes),
        )
    };
    let [one, two] = [of(&all[0]), of(&all[1])];
    let mut data = vec![0x5a; 4080];
    let tag = for_two([(&one.0, &one.1), (&two.0, &two.1)], &mut data);
    for (key, nonce, segments) in [&one, &two] {
        assert!(opens(key, nonce, &data, &tag), "plain, it opens under both");
        let mut segment = [&data[..], &tag].concat();
        assert!(segments.open(0, true, &mut segment).is_some());
    }
    for (this, other) in [(0, 1), (1, 0)] {
        let keys = [&one.2, &two.2];
        header.commitment = *keys[this].commitment();
        let file = [&header.encode()[..], &data, &tag].concat();
        let file_len = file.len() as u64;
        let reader = |at: usize| {
            Opener::new(Arc::clone(&all[at]), repo).reader(ObjectKind::Commit, &file, file_len)
        };
        let mut segment = file[PAGE..].to_vec();
        assert!(
            reader(this)
                .unwrap()
                .open_segment(0, &mut segment)
                .is_some()
        );
        let refused = reader(other).map(drop).unwrap_err();
        assert_eq!(refused.kind(), Kind::Damaged, "{}", refused.chain());
        assert!(!keys[other].commits_to(&header.commitment));
    }
    // A corrected checksum helps nobody.
    let mut none = header.encode();
    none[80] ^= 1;
    set_checksum(&mut none);
    let file = [&none[..], &data, &tag].concat();
    for keys in all {
        let opener = Opener::new(keys, repo);
        assert!(opener.open(ObjectKind::Commit, &file).is_err());
    }
}

#[test]
fn a10_a_slot_that_two_secrets_would_open_is_opened_by_the_one_it_commits_to() {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..5].copy_from_slice(b"HLS1\x02");
    bytes[24..40].fill(7);
    bytes[40..72].fill(9);
    let secrets = [1, 2].map(|byte| [byte; 32]);
    let of = |secret: &[u8; 32]| {
        let (mut kek, mut okm) = ([0; 32], [0; 76]);
        derive(KEY_FILE, &[secret], &mut kek);
        derive(SLOT, &[&kek, &bytes[..72], &bytes[152..]], &mut okm);
        let nonce: [u8; 12] = okm[32..44].try_into().unwrap();
        (<[u8; 32]>::try_from(&okm[..32]).unwrap(), nonce, okm)
    };
    let [one, two] = [of(&secrets[0]), of(&secrets[1])];
    let mut wrapped = [0x5a; 32];
    let tag = for_two([(&one.0, &one.1), (&two.0, &two.1)], &mut wrapped);
    for (key, nonce, _) in [&one, &two] {
        assert!(
            opens(key, nonce, &wrapped, &tag),
            "plain, it opens under both"
        );
    }
    let mut slot = bytes;
    slot[104..136].copy_from_slice(&wrapped);
    slot[136..152].copy_from_slice(&tag);
    for (this, commits) in [one, two].iter().enumerate() {
        slot[72..104].copy_from_slice(&commits.2[44..76]);
        let slot = KeySlot::parse(&slot).unwrap();
        let open = |at: usize| {
            let secret = SlotSecret::KeyFile(Secret::new(secrets[at]));
            slot.open(&secret).unwrap()
        };
        assert!(open(this).is_some() && open(1 - this).is_none());
    }
}
