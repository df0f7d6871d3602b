//! SipHash-2-4 (Aumasson, Bernstein 2012): a keyed function of short inputs with 64 bits of output.
//!
//! The chunker and the tree splitter both decide by it and stand on the same floor, so it lives below them. One set of
//! rounds serves one message or several side by side; a caller with wide registers gets all lanes for little more
//! than the price of one. Everything is `inline(always)` so that the rounds are compiled with the caller's instructions.

/// Bytes of each message that [`sip24_windows`] hashes.
pub const WINDOW: usize = 64;

/// The four words of state, `LANES` messages side by side.
struct Lanes<const LANES: usize>([[u64; LANES]; 4]);

impl<const LANES: usize> Lanes<LANES> {
    #[inline(always)]
    fn new(key: &[u8; 16]) -> Self {
        let (low, high) = (word(&key[..8]), word(&key[8..]));
        Self([
            [low ^ 0x736f_6d65_7073_6575; LANES],
            [high ^ 0x646f_7261_6e64_6f6d; LANES],
            [low ^ 0x6c79_6765_6e65_7261; LANES],
            [high ^ 0x7465_6462_7974_6573; LANES],
        ])
    }

    #[inline(always)]
    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        for i in 0..LANES {
            a[i] = a[i].wrapping_add(b[i]);
            b[i] = b[i].rotate_left(13) ^ a[i];
            a[i] = a[i].rotate_left(32);
            c[i] = c[i].wrapping_add(d[i]);
            d[i] = d[i].rotate_left(16) ^ c[i];
            a[i] = a[i].wrapping_add(d[i]);
            d[i] = d[i].rotate_left(21) ^ a[i];
            c[i] = c[i].wrapping_add(b[i]);
            b[i] = b[i].rotate_left(17) ^ c[i];
            c[i] = c[i].rotate_left(32);
        }
    }

    #[inline(always)]
    fn absorb(&mut self, words: [u64; LANES]) {
        for (state, word) in self.0[3].iter_mut().zip(words) {
            *state ^= word;
        }
        self.round();
        self.round();
        for (state, word) in self.0[0].iter_mut().zip(words) {
            *state ^= word;
        }
    }

    #[inline(always)]
    fn finish(mut self) -> [u64; LANES] {
        for state in &mut self.0[2] {
            *state ^= 0xff;
        }
        for _ in 0..4 {
            self.round();
        }
        let [a, b, c, d] = self.0;
        let mut out = [0; LANES];
        for i in 0..LANES {
            out[i] = a[i] ^ b[i] ^ c[i] ^ d[i];
        }
        out
    }
}

/// Up to eight bytes as a little-endian word.
#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    if let Ok(whole) = bytes.try_into() {
        return u64::from_le_bytes(whole);
    }
    let mut padded = [0; 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(padded)
}

/// SipHash-2-4 of `data`.
pub fn sip24(key: &[u8; 16], data: &[u8]) -> u64 {
    let mut state = Lanes::<1>::new(key);
    let mut words = data.chunks_exact(8);
    for bytes in &mut words {
        state.absorb([word(bytes)]);
    }
    state.absorb([word(words.remainder()) | (data.len() as u64) << 56]);
    state.finish()[0]
}

/// SipHash-2-4 of each window, all in step.
#[inline(always)]
pub fn sip24_windows<const LANES: usize>(
    key: &[u8; 16],
    windows: &[&[u8; WINDOW]; LANES],
) -> [u64; LANES] {
    let mut state = Lanes::new(key);
    for at in (0..WINDOW).step_by(8) {
        let mut words = [0; LANES];
        for (into, window) in words.iter_mut().zip(windows) {
            *into = word(&window[at..at + 8]);
        }
        state.absorb(words);
    }
    state.absorb([(WINDOW as u64) << 56; LANES]);
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher;

    fn counting<const N: usize>() -> [u8; N] {
        std::array::from_fn(|i| u8::try_from(i).unwrap())
    }

    #[test]
    fn agrees_with_the_reference_vectors() {
        // The authors' reference: key 00..0f, messages of 0, 1, 2 ... counting bytes.
        const EXPECTED: [u64; 9] = [
            0x726f_db47_dd0e_0e31,
            0x74f8_39c5_93dc_67fd,
            0x0d6c_8009_d9a9_4f5a,
            0x8567_6696_d7fb_7e2d,
            0xcf27_94e0_2771_87b7,
            0x1876_5564_cd99_a68d,
            0xcbc9_466e_58fe_e3ce,
            0xab02_00f5_8b01_d137,
            0x93f5_f579_9a93_2462,
        ];
        let message: [u8; 16] = counting();
        for (len, expected) in EXPECTED.into_iter().enumerate() {
            assert_eq!(sip24(&counting(), &message[..len]), expected, "{len}");
        }
        assert_eq!(sip24(&counting(), &message[..15]), 0xa129_ca61_49be_45e5);
    }

    #[test]
    #[expect(deprecated, reason = "an independent SipHash-2-4 to compare with")]
    fn agrees_with_the_standard_library_at_every_length() {
        let message: [u8; 200] = counting();
        for len in 0..=message.len() {
            let mut other = std::hash::SipHasher::new_with_keys(7, 1 << 60);
            other.write(&message[..len]);
            let mut key = [0; 16];
            (key[0], key[15]) = (7, 0x10);
            assert_eq!(sip24(&key, &message[..len]), other.finish(), "{len}");
        }
    }

    #[test]
    fn lanes_agree_with_single_messages() {
        let message: [u8; 128] = counting();
        let windows: [&[u8; WINDOW]; 8] =
            std::array::from_fn(|i| message[i * 8..][..WINDOW].try_into().unwrap());
        let expected = windows.map(|window| sip24(&counting(), window));
        assert_eq!(sip24_windows(&counting(), &windows), expected);
    }
}
