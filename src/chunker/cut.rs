//! Where a chunk ends: hits of stage 1, thinned to isolated ones, then stage 2 on each (format.md 8.4).
//!
//! Hits are taken in batches. Survivors of one batch are listed first and hashed eight at a time, which costs at worst
//! one batch of work behind a cut and lets every path keep its pipeline full.

use crate::chunker::filter::{GROUP, Plain, Stage1};
#[cfg(target_arch = "x86_64")]
use crate::chunker::x86::{Avx2, Avx512};
use crate::siphash::{WINDOW, sip24, sip24_windows};
use std::ops::Range;

/// A hit counts only if none lies in so many positions before it.
pub(crate) const LONELY: usize = 32;

/// Words of hits in one batch: 4,096 positions, which stay in the first cache.
const BATCH: usize = 64;
/// Windows hashed in one go.
const LANES: usize = 8;
type Windows<'a> = [&'a [u8; WINDOW]; LANES];

/// One path through both stages.
#[derive(Clone)]
pub(crate) enum Engine {
    Plain(Plain),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Engine {
    pub(crate) fn plain(stage1: &Stage1) -> Self {
        Self::Plain(Plain::new(stage1))
    }

    fn hits(&self, bytes: &[u8], from: usize, out: &mut [u64]) {
        match self {
            Self::Plain(path) => path.hits(bytes, from, out),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(path) => path.hits(bytes, from, out),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(path) => path.hits(bytes, from, out),
        }
    }

    /// Stage 2 of the first `count` windows; the rest of the answer means nothing.
    fn hashes(&self, key: &[u8; 16], windows: &Windows, count: usize) -> [u64; LANES] {
        match self {
            Self::Plain(_) => in_pairs(key, windows, count),
            // Without rotations of whole vectors, side by side is no faster than in pairs.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => in_pairs(key, windows, count),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(path) => path.hashes(key, windows),
        }
    }

    /// The first cut of `threshold` among `positions`, whose first is far enough from the start of `chunk` for whole
    /// windows and whose last is at most its length.
    pub(crate) fn first_cut(
        &self,
        key: &[u8; 16],
        chunk: &[u8],
        positions: Range<usize>,
        threshold: u64,
    ) -> Option<usize> {
        // Whole words that end where the positions end: what is scanned too much lies before the first.
        let groups = (positions.len() + LONELY).div_ceil(GROUP);
        let mut base = positions.end - groups * GROUP;
        let mut words = [0; BATCH];
        let mut survivors = Survivors::new(positions.start);
        while base < positions.end {
            let count = BATCH.min((positions.end - base) / GROUP);
            let batch = &mut words[..count];
            self.hits(chunk, base, batch);
            survivors.collect(batch, base);
            let cut = self.first_below(key, chunk, survivors.list(), threshold);
            if cut.is_some() {
                return cut;
            }
            base += count * GROUP;
        }
        None
    }

    fn first_below(
        &self,
        key: &[u8; 16],
        chunk: &[u8],
        mut survivors: &[usize],
        threshold: u64,
    ) -> Option<usize> {
        let window = |at: usize| -> &[u8; WINDOW] {
            chunk[..at]
                .last_chunk()
                .expect("a chunk is never shorter than a window before its first cut")
        };
        while survivors.len() > 1 {
            let (now, later) = survivors.split_at(survivors.len().min(LANES));
            let mut windows = [window(now[0]); LANES];
            for (into, at) in windows.iter_mut().zip(now) {
                *into = window(*at);
            }
            let hashes = self.hashes(key, &windows, now.len());
            let below = now.iter().zip(hashes).find(|(_, hash)| *hash < threshold);
            if let Some((at, _)) = below {
                return Some(*at);
            }
            survivors = later;
        }
        let last = survivors.first().copied();
        last.filter(|at| sip24(key, window(*at)) < threshold)
    }
}

/// Two at a time hide each other's latency, more do not fit in the registers.
fn in_pairs(key: &[u8; 16], windows: &Windows, count: usize) -> [u64; LANES] {
    let mut hashes = [0; LANES];
    let (pairs, _) = windows.as_chunks::<2>();
    let (into, _) = hashes.as_chunks_mut::<2>();
    for (into, pair) in into.iter_mut().zip(pairs).take(count.div_ceil(2)) {
        *into = sip24_windows(key, pair);
    }
    hashes
}

/// Isolated hits of one batch.
struct Survivors {
    /// Positions before this one are scanned for their hits alone.
    first: usize,
    /// The last word of the batch before.
    before: u64,
    list: [usize; 2 * BATCH],
    len: usize,
}

impl Survivors {
    fn new(first: usize) -> Self {
        Self {
            first,
            before: 0,
            list: [0; 2 * BATCH],
            len: 0,
        }
    }

    fn list(&self) -> &[usize] {
        &self.list[..self.len]
    }

    /// Replaces the list by the survivors among `words`, whose first position is `base`.
    fn collect(&mut self, words: &[u64], base: usize) {
        self.len = 0;
        for (position, word) in (base..).step_by(GROUP).zip(words) {
            if *word != 0 {
                let mut alone = isolated(*word, self.before);
                while alone != 0 {
                    let at = position + alone.trailing_zeros() as usize;
                    alone &= alone - 1;
                    if at >= self.first {
                        // They lie more than 32 apart: two fit in a word, and the list has room for them.
                        self.list[self.len] = at;
                        self.len += 1;
                    }
                }
            }
            self.before = *word;
        }
    }
}

/// The hits of `word` that have none in the 32 positions before them; `before` holds the 64 positions before `word`.
fn isolated(word: u64, before: u64) -> u64 {
    let hits = u128::from(word) << GROUP | u128::from(before);
    // Bit i: a hit in i-1, then in i-1 .. i-2, and so on to i-32.
    let mut near = hits << 1;
    for reach in [1, 2, 4, 8, 16] {
        near |= near << reach;
    }
    let (_, shadowed) = halves(near);
    word & !shadowed
}

/// Low and high word.
fn halves(wide: u128) -> (u64, u64) {
    let bytes = wide.to_le_bytes();
    let (words, _) = bytes.as_chunks::<8>();
    (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_isolated_when_none_of_32_positions_before_it_is_one() {
        for gap in 1..64 {
            let alone = gap > LONELY;
            assert_eq!(isolated(1 << gap, 1 << 63), u64::from(gap > 31) << gap);
            assert_eq!(isolated(1 | 1 << gap, 0), 1 | u64::from(alone) << gap);
        }
        assert_eq!(isolated(u64::MAX, 0), 1);
        assert_eq!(isolated(u64::MAX, 1), 1);
        assert_eq!(isolated(1, 1 << 31), 1);
        assert_eq!(isolated(1, 1 << 32), 0);
        assert_eq!(isolated(1 << 33 | 1, 0), 1 << 33 | 1);
    }
}
