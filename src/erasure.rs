//! Code 1 of parity: shards computed from shards, so that lost ones can be computed from those that are left.
//!
//! Reed-Solomon over GF(2^16) in the high-rate form of the Leopard library. It treats every 64 bytes of a shard alone, so
//! shards are worked on in stripes: the bytes are the same, and a stripe of a whole pack fits into a few MiB.

use crate::error::{Error, Kind, Result};
use crate::limits::PAGE;
use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{HighRateDecoder, HighRateEncoder, RateDecoder, RateEncoder};
use std::ops::Range;

/// Bytes of each shard that are worked on at once; a multiple of 64.
const STRIPE: usize = 512;
const _: () = assert!(PAGE.is_multiple_of(STRIPE) && STRIPE.is_multiple_of(64));

/// Which shards are there: those of the object, then those of its parity.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    /// One for each shard of the object.
    pub object: &'a [bool],
    /// One for each shard of the parity.
    pub parity: &'a [bool],
}

/// The `count` parity shards of an object, joined; its length is a multiple of [`PAGE`].
///
/// # Errors
/// An error in the program where there is no such code.
pub fn parity(object: &[u8], count: usize) -> Result<Vec<u8>> {
    let shards = object.len() / PAGE;
    let engine = DefaultEngine::new();
    let mut work = HighRateEncoder::new(shards, count, STRIPE, engine, None).map_err(wrong)?;
    let mut made = vec![0; count * PAGE];
    for stripe in stripes() {
        for shard in object.chunks_exact(PAGE) {
            work.add_original_shard(&shard[stripe.clone()])
                .map_err(wrong)?;
        }
        let encoded = work.encode().map_err(wrong)?;
        for (shard, bytes) in made.chunks_exact_mut(PAGE).zip(encoded.recovery_iter()) {
            shard[stripe.clone()].copy_from_slice(bytes);
        }
    }
    Ok(made)
}

/// Computes the shards of `object` that are not `left`, in place; `false` where too few are left for that.
///
/// # Errors
/// An error in the program where there is no such code, or lengths and `left` do not fit each other.
pub fn repair(object: &mut [u8], parity: &[u8], left: Left<'_>) -> Result<bool> {
    let there = |shards: &[bool]| shards.iter().filter(|there| **there).count();
    let (shards, count) = (left.object.len(), left.parity.len());
    let lost = shards - there(left.object);
    if object.len() != shards * PAGE || parity.len() != count * PAGE {
        return Err(wrong("lengths"));
    }
    if lost == 0 || lost > there(left.parity) {
        return Ok(lost == 0);
    }
    let engine = DefaultEngine::new();
    let mut work = HighRateDecoder::new(shards, count, STRIPE, engine, None).map_err(wrong)?;
    for stripe in stripes() {
        for (at, shard) in present(object, left.object) {
            work.add_original_shard(at, &shard[stripe.clone()])
                .map_err(wrong)?;
        }
        for (at, shard) in present(parity, left.parity) {
            work.add_recovery_shard(at, &shard[stripe.clone()])
                .map_err(wrong)?;
        }
        let decoded = work.decode().map_err(wrong)?;
        let shards = object.chunks_exact_mut(PAGE).zip(left.object).enumerate();
        for (at, (shard, _)) in shards.filter(|(_, (_, there))| !**there) {
            let bytes = decoded
                .restored_original(at)
                .ok_or_else(|| wrong("a shard"))?;
            shard[stripe.clone()].copy_from_slice(bytes);
        }
    }
    Ok(true)
}

fn stripes() -> impl Iterator<Item = Range<usize>> {
    (0..PAGE / STRIPE).map(|number| number * STRIPE..(number + 1) * STRIPE)
}

fn present<'a>(bytes: &'a [u8], left: &'a [bool]) -> impl Iterator<Item = (usize, &'a [u8])> {
    let shards = bytes.chunks_exact(PAGE).zip(left).enumerate();
    shards.filter_map(|(at, (shard, there))| there.then_some((at, shard)))
}

fn wrong(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Other, "compute parity").because(format!("{why}: this is a bug"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reed_solomon_simd::ReedSolomonEncoder;

    #[test]
    fn stripes_give_the_bytes_of_whole_shards() {
        for (shards, count) in [(2, 2), (3, 2), (40, 2), (100, 5), (9, 5), (64, 32)] {
            let numbers =
                (0_u64..).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[5]);
            let object: Vec<u8> = numbers.take(shards * PAGE).collect();
            let mut whole = ReedSolomonEncoder::new(shards, count, PAGE).unwrap();
            for shard in object.chunks_exact(PAGE) {
                whole.add_original_shard(shard).unwrap();
            }
            let encoded = whole.encode().unwrap();
            let wanted: Vec<u8> = encoded.recovery_iter().flatten().copied().collect();
            assert!(
                parity(&object, count).unwrap() == wanted,
                "{shards} {count}"
            );
        }
    }
}
