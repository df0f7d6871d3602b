//! Stage 1 with the vector instructions of x86-64, AVX-512 with GFNI or AVX2, and stage 2 with AVX-512. The only
//! unsafe code of the chunker.
//!
//! Both sum sixteen powers in three steps: four powers from four unaligned loads, then twice the sum so far plus
//! itself four and eight positions earlier, which comes from the vector before. GFNI multiplies 64 bytes by a matrix
//! at once; AVX2 looks up both nibbles of each byte. A value of [`Avx512`] or [`Avx2`] exists only where the processor
//! has the instructions, so their methods are safe to call.

#![expect(
    unsafe_code,
    reason = "vector loads, and calls behind a check of the processor"
)]

use crate::chunker::filter::{GROUP, LOOK_BACK, Matrix, Stage1, apply};
use crate::siphash::{WINDOW, sip24_windows};
use std::arch::x86_64::{
    __m256i, __m512i, _mm256_alignr_epi8, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_xor_si256, _mm512_alignr_epi32,
    _mm512_cmpeq_epi8_mask, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_set1_epi8,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_xor_si512,
};

/// Windows that stage 2 hashes at once.
pub(crate) const LANES: usize = 8;

/// The powers of `M` that both paths multiply by.
const POWERS: [usize; 5] = [1, 2, 3, 4, 8];

/// Bytes before a vector that its loads reach back to.
const BACK: usize = 3;

/// The bytes that the loads for the 64 positions from `position` touch.
fn neighbourhood(bytes: &[u8], position: usize) -> &[u8; BACK + GROUP] {
    bytes[position - 1 - BACK..]
        .first_chunk()
        .expect("the caller keeps positions within the bytes")
}

/// AVX-512 with GFNI.
#[derive(Clone)]
pub(crate) struct Avx512 {
    powers: [u64; 5],
    target: u8,
}

impl Avx512 {
    /// `None` where the processor lacks an instruction.
    pub(crate) fn new(stage1: &Stage1) -> Option<Self> {
        let able = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("gfni");
        able.then(|| Self {
            powers: POWERS.map(|exponent| rows(&stage1.power(exponent))),
            target: stage1.target(),
        })
    }

    /// See the head of `filter`.
    pub(crate) fn hits(&self, bytes: &[u8], from: usize, out: &mut [u64]) {
        // SAFETY: `new` found every feature that the function is compiled with.
        unsafe { self.scan(bytes, from, out) }
    }

    /// Stage 2 of eight windows.
    pub(crate) fn hashes(&self, key: &[u8; 16], windows: &[&[u8; WINDOW]; LANES]) -> [u64; LANES] {
        // SAFETY: `new` found every feature that the function is compiled with.
        unsafe { hashes_avx512(key, windows) }
    }

    #[target_feature(enable = "avx512f,avx512bw,gfni")]
    fn scan(&self, bytes: &[u8], from: usize, out: &mut [u64]) {
        debug_assert!(from >= LOOK_BACK);
        let wide = |rows: u64| _mm512_set1_epi64(rows.cast_signed());
        let [m1, m2, m3, m4, m8] = self.powers;
        let (m1, m2, m3, m4, m8) = (wide(m1), wide(m2), wide(m3), wide(m4), wide(m8));
        let target = _mm512_set1_epi8(self.target.cast_signed());
        let four = |near: &[u8; BACK + GROUP]| {
            let second = _mm512_gf2p8affine_epi64_epi8::<0>(load_512::<2>(near), m1);
            let third = _mm512_gf2p8affine_epi64_epi8::<0>(load_512::<1>(near), m2);
            let fourth = _mm512_gf2p8affine_epi64_epi8::<0>(load_512::<0>(near), m3);
            let first_two = _mm512_xor_si512(load_512::<3>(near), second);
            _mm512_xor_si512(first_two, _mm512_xor_si512(third, fourth))
        };
        let eight = |sum: __m512i, before: __m512i| {
            let earlier = _mm512_alignr_epi32::<15>(sum, before);
            _mm512_xor_si512(sum, _mm512_gf2p8affine_epi64_epi8::<0>(earlier, m4))
        };
        let mut fours = four(neighbourhood(bytes, from - GROUP));
        // Only its last eight bytes are used below, and those are right.
        let mut eights = eight(fours, _mm512_setzero_si512());
        for (position, word) in (from..).step_by(GROUP).zip(out) {
            let sum = four(neighbourhood(bytes, position));
            let double = eight(sum, fours);
            let earlier = _mm512_alignr_epi32::<14>(double, eights);
            let all = _mm512_xor_si512(double, _mm512_gf2p8affine_epi64_epi8::<0>(earlier, m8));
            *word = _mm512_cmpeq_epi8_mask(all, target);
            (fours, eights) = (sum, double);
        }
    }
}

/// A matrix as GFNI wants it: byte `7 - i` selects the bits whose parity is bit `i` of the image.
fn rows(matrix: &Matrix) -> u64 {
    let mut rows = [0; 8];
    for (row, i) in rows.iter_mut().rev().zip(0..8) {
        for (image, k) in matrix.iter().zip(0..8) {
            *row |= (image >> i & 1) << k;
        }
    }
    u64::from_le_bytes(rows)
}

/// 64 bytes from `AT` on.
#[target_feature(enable = "avx512f")]
fn load_512<const AT: usize>(near: &[u8; BACK + GROUP]) -> __m512i {
    let bytes = &near[AT..AT + 64];
    // SAFETY: the slice has 64 bytes and the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn hashes_avx512(key: &[u8; 16], windows: &[&[u8; WINDOW]; LANES]) -> [u64; LANES] {
    sip24_windows(key, windows)
}

/// AVX2.
#[derive(Clone)]
pub(crate) struct Avx2 {
    powers: [Nibbles; 5],
    target: u8,
}

/// The images of the low nibbles and of the high nibbles, each table twice because AVX2 looks up in halves.
type Nibbles = [[u8; 32]; 2];

impl Avx2 {
    /// `None` where the processor lacks an instruction.
    pub(crate) fn new(stage1: &Stage1) -> Option<Self> {
        is_x86_feature_detected!("avx2").then(|| Self {
            powers: POWERS.map(|exponent| nibbles(&stage1.power(exponent))),
            target: stage1.target(),
        })
    }

    /// See the head of `filter`.
    pub(crate) fn hits(&self, bytes: &[u8], from: usize, out: &mut [u64]) {
        // SAFETY: `new` found AVX2.
        unsafe { self.scan(bytes, from, out) }
    }

    #[target_feature(enable = "avx2")]
    fn scan(&self, bytes: &[u8], from: usize, out: &mut [u64]) {
        debug_assert!(from >= LOOK_BACK);
        let [m1, m2, m3, m4, m8] = &self.powers;
        let (m1, m2, m3) = (wide(m1), wide(m2), wide(m3));
        let (m4, m8) = (wide(m4), wide(m8));
        let target = _mm256_set1_epi8(self.target.cast_signed());
        let four = |near: &[u8; BACK + GROUP], half: usize| {
            let second = times(load_256(near, half + 2), m1);
            let third = times(load_256(near, half + 1), m2);
            let fourth = times(load_256(near, half), m3);
            let first_two = _mm256_xor_si256(load_256(near, half + 3), second);
            _mm256_xor_si256(first_two, _mm256_xor_si256(third, fourth))
        };
        let before = neighbourhood(bytes, from - GROUP);
        let mut fours = four(before, 32);
        // Only its last eight bytes are used below, and those are right.
        let zero = _mm256_setzero_si256();
        let mut eights = _mm256_xor_si256(fours, times(earlier::<12>(fours, zero), m4));
        for (position, word) in (from..).step_by(GROUP).zip(out) {
            let near = neighbourhood(bytes, position);
            *word = 0;
            for half in [0, 32] {
                let sum = four(near, half);
                let double = _mm256_xor_si256(sum, times(earlier::<12>(sum, fours), m4));
                let all = _mm256_xor_si256(double, times(earlier::<8>(double, eights), m8));
                let equal = _mm256_movemask_epi8(_mm256_cmpeq_epi8(all, target));
                *word |= u64::from(equal.cast_unsigned()) << half;
                (fours, eights) = (sum, double);
            }
        }
    }
}

fn nibbles(matrix: &Matrix) -> Nibbles {
    let mut tables = [[0; 32]; 2];
    for nibble in 0..16u8 {
        for copy in [0, 16] {
            let at = usize::from(nibble) + copy;
            tables[0][at] = apply(matrix, nibble);
            tables[1][at] = apply(matrix, nibble << 4);
        }
    }
    tables
}

/// Both tables in registers.
#[target_feature(enable = "avx2")]
fn wide([low, high]: &Nibbles) -> [__m256i; 2] {
    // SAFETY: both tables have 32 bytes and the loads need no alignment.
    unsafe {
        [
            _mm256_loadu_si256(low.as_ptr().cast()),
            _mm256_loadu_si256(high.as_ptr().cast()),
        ]
    }
}

/// 32 bytes from `at` on.
#[target_feature(enable = "avx2")]
fn load_256(near: &[u8; BACK + GROUP], at: usize) -> __m256i {
    let bytes = &near[at..at + 32];
    // SAFETY: the slice has 32 bytes and the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// The image of each byte.
#[target_feature(enable = "avx2")]
fn times(bytes: __m256i, [low, high]: [__m256i; 2]) -> __m256i {
    let nibble = _mm256_set1_epi8(15);
    let of_low = _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, nibble));
    let shifted = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
    _mm256_xor_si256(of_low, _mm256_shuffle_epi8(high, shifted))
}

/// The 32 bytes that end `16 - KEPT` before the end of `before ‖ bytes`.
#[target_feature(enable = "avx2")]
fn earlier<const KEPT: i32>(bytes: __m256i, before: __m256i) -> __m256i {
    let across = _mm256_permute2x128_si256::<0x21>(before, bytes);
    _mm256_alignr_epi8::<KEPT>(bytes, across)
}
