//! Argon2id (RFC 9106, version 1.3): from a passphrase to a key, at a cost that a slot names.
//!
//! A slot is a stranger's word until it opens, so its cost is checked before anything is allocated. The memory is our
//! own buffer: wiped and given back before this returns, so the key derivation never adds to what a run uses later.

use crate::crypto::secret::{Secret, SecretText};
use crate::error::{Error, Kind, Result};
use crate::limits::{
    ARGON2_KIB_MAX, ARGON2_KIB_MIN, ARGON2_LANES_MAX, ARGON2_PASSES_MAX, ARGON2_WORK_MAX,
};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

/// What one guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes; they are worked one after the other.
    pub lanes: u32,
}

impl Default for Argon2Cost {
    /// 128 MiB, 6 passes, 4 lanes: about 0.8 s, and within the memory promise.
    fn default() -> Self {
        Self {
            memory_kib: 128 << 10,
            passes: 6,
            lanes: 4,
        }
    }
}

impl Argon2Cost {
    /// Refuses what no slot of ours would ask for.
    pub fn check(&self) -> Result<()> {
        let lanes = (1..=ARGON2_LANES_MAX).contains(&self.lanes);
        let passes = (1..=ARGON2_PASSES_MAX).contains(&self.passes);
        let work = u64::from(self.memory_kib) * u64::from(self.passes) <= ARGON2_WORK_MAX;
        let most = self.memory_kib <= ARGON2_KIB_MAX;
        let least = u64::from(self.memory_kib) >= 8 * u64::from(self.lanes);
        if lanes && passes && work && most && least {
            return Ok(());
        }
        Err(Error::new(
            Kind::Refused,
            format!(
                "a key slot asks for {} KiB of memory, {} passes and {} lanes, which no slot of heirloom does",
                self.memory_kib, self.passes, self.lanes
            ),
        )
        .hint("Open the repository with another secret, then run: heirloom key list"))
    }

    /// The same, and no more than half of a machine with `ram_bytes` of memory.
    pub fn check_on(&self, ram_bytes: u64) -> Result<()> {
        self.check()?;
        if u64::from(self.memory_kib) << 10 <= ram_bytes / 2 {
            return Ok(());
        }
        Err(Error::new(
            Kind::Refused,
            format!(
                "a key slot asks for {} MiB of memory, more than half of this machine's",
                self.memory_kib >> 10
            ),
        )
        .hint("Use the recovery words or a key file, or open it on a larger machine"))
    }

    /// Refuses costs too low for a new slot.
    pub fn check_new(&self) -> Result<()> {
        self.check()?;
        if self.memory_kib >= ARGON2_KIB_MIN {
            return Ok(());
        }
        Err(Error::new(
            Kind::Refused,
            format!(
                "a new key slot with {} MiB of Argon2 memory; {} MiB is the least",
                self.memory_kib >> 10,
                ARGON2_KIB_MIN >> 10
            ),
        ))
    }
}

/// The key-encryption key of a passphrase: NFC, UTF-8, without line ends at its end.
pub fn stretch(text: &SecretText, salt: &[u8; 32], cost: Argon2Cost) -> Result<Secret<32>> {
    cost.check()?;
    let failed =
        |error: argon2::Error| Error::new(Kind::Other, "stretch the passphrase").because(error);
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let normal = normal_form(text);
    let mut memory = Memory::new(params.block_count())?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(
            normal.as_bytes(),
            salt,
            key.as_mut_slice(),
            memory.0.as_mut_slice(),
        )
        .map_err(failed)?;
    Ok(Secret::new(*key))
}

fn normal_form(text: &SecretText) -> Zeroizing<String> {
    let text = text.expose().trim_end_matches(['\r', '\n']);
    // NFC grows UTF-8 at most threefold (UAX 15), so this never moves and leaves no copy behind.
    let mut normal = Zeroizing::new(String::with_capacity(text.len() * 3));
    normal.extend(text.nfc());
    normal
}

/// Argon2's memory, wiped when dropped.
struct Memory(Vec<Block>);

impl Memory {
    fn new(blocks: usize) -> Result<Self> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(blocks).map_err(|error| {
            Error::new(Kind::Other, "find memory for the passphrase").because(error)
        })?;
        memory.resize(blocks, Block::default());
        Ok(Self(memory))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for block in &mut self.0 {
            block.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const CHEAP: Argon2Cost = Argon2Cost {
        memory_kib: 64,
        passes: 1,
        lanes: 4,
    };

    fn stretched(text: &str) -> Secret<32> {
        stretch(&SecretText::new(text.to_owned()), &[2; 32], CHEAP).unwrap()
    }

    /// The Argon2 of the crate is the published one (RFC 9106 5.3 needs a secret and associated data, so the vector
    /// here is from the reference program: `argon2 somesalt -id -t 2 -m 16 -p 1`, "password").
    #[test]
    fn argon2id_is_the_published_one() {
        let params = Params::new(1 << 16, 2, 1, Some(32)).unwrap();
        let mut out = [0; 32];
        let mut memory = Memory::new(params.block_count()).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                b"password",
                b"somesalt",
                &mut out,
                memory.0.as_mut_slice(),
            )
            .unwrap();
        assert_eq!(
            crate::id::to_hex(&out),
            "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
        );
    }

    #[test]
    fn passphrases_are_normalised_and_lose_their_line_end() {
        let composed = stretched("caf\u{e9}");
        assert!(composed.ct_eq(stretched("cafe\u{301}").expose()));
        assert!(composed.ct_eq(stretched("caf\u{e9}\r\n").expose()));
        assert!(!composed.ct_eq(stretched("cafe").expose()));
        assert!(!composed.ct_eq(stretched("caf\u{e9} ").expose()));
    }

    /// K2: a slot of 4 TiB and 2^32-1 passes is refused at once.
    #[test]
    fn k2_a_bomb_is_refused_before_it_allocates() {
        let began = Instant::now();
        let default = Argon2Cost::default();
        for bomb in [
            Argon2Cost {
                memory_kib: u32::MAX,
                passes: u32::MAX,
                lanes: u32::MAX,
            },
            Argon2Cost {
                memory_kib: ARGON2_KIB_MAX + 1,
                ..default
            },
            Argon2Cost {
                passes: 33,
                ..default
            },
            Argon2Cost {
                lanes: 17,
                ..default
            },
            Argon2Cost {
                memory_kib: ARGON2_KIB_MAX,
                passes: 5,
                lanes: 1,
            },
            Argon2Cost {
                memory_kib: 7,
                passes: 1,
                lanes: 1,
            },
            Argon2Cost {
                passes: 0,
                ..default
            },
            Argon2Cost {
                lanes: 0,
                ..default
            },
        ] {
            let text = SecretText::new("x".to_owned());
            let error = stretch(&text, &[1; 32], bomb).unwrap_err();
            assert_eq!(error.kind(), Kind::Refused);
        }
        assert!(began.elapsed().as_millis() < 10);
        assert!(default.check().is_ok() && default.check_new().is_ok());
        assert!(default.check_on(256 << 20).is_ok());
        assert_eq!(
            default.check_on((256 << 20) - 1).unwrap_err().kind(),
            Kind::Refused
        );
        assert_eq!(CHEAP.check_new().unwrap_err().kind(), Kind::Refused);
    }
}
