//! SipHash-2-4: the keyed 64-bit function that decides where long folders are split.
//!
//! It stands on the lowest floor because both the chunker and the trees need it and may not import each other.
//! Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; the vectors of the tests are from there.

/// SipHash-2-4 of `data` under `key`.
pub fn sip24(key: &[u8; 16], data: &[u8]) -> u64 {
    let k0 = word(&key[..8]);
    let k1 = word(&key[8..]);
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut words = data.chunks_exact(8);
    for chunk in &mut words {
        absorb(&mut v, word(chunk));
    }
    // The last word holds what is left over, and the length in its top byte.
    absorb(
        &mut v,
        word(words.remainder()) | (data.len() as u64 & 0xff) << 56,
    );
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn absorb(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    round(v);
    round(v);
    v[0] ^= word;
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_paper_hold() {
        let data: Vec<u8> = (0..16).collect();
        let key: [u8; 16] = data[..].try_into().unwrap();
        assert_eq!(sip24(&key, &data[..15]), 0xa129_ca61_49be_45e5);
        assert_eq!(sip24(&key, &[]), 0x726f_db47_dd0e_0e31);
        assert_eq!(sip24(&key, &data[..8]), 0x93f5_f579_9a93_2462);
    }
}
