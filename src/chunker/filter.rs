//! Stage 1 of the chunker: a secret linear map of sixteen bytes to one, taken at every position, and the plain path.
//!
//! Bytes are vectors over GF(2), bit `k` is coordinate `k`; a matrix is eight bytes, byte `k` the image of `1 << k`.
//! `h(c)` is the sum of `M^j b[c-1-j]` for `j` in 0..16, and `c` is a hit when `h(c)` is the target (format.md 8.3, 8.4).
//! `M` is similar to multiplication by a generator, so its powers up to 254 differ from 1 and the sum is invertible.
//!
//! Every path answers the same call: `hits(bytes, from, out)` sets bit `i` of `out[k]` exactly when
//! `from + 64 k + i` is a hit. `from >= LOOK_BACK`, and the last position is at most `bytes.len()`.

/// Bytes of the stage 1 key stream that [`Stage1::derive`] takes.
///
/// The text reads an endless stream. Seven groups in ten are singular, so the chance that 4,096 bytes do not hold the
/// answer is below 2^-240; a fixed length keeps the seam to the key derivation a plain slice.
pub const STREAM_BYTES: usize = 4096;

/// Positions in one word of hits.
pub(crate) const GROUP: usize = 64;
/// Bytes that a path may read before the first position.
pub(crate) const LOOK_BACK: usize = 2 * GROUP;

/// Bytes that decide a hit.
const REACH: usize = 16;
/// Runs of these bytes are common and must never hit.
const QUIET: [u8; 3] = [0x00, 0x20, 0xff];

/// A matrix over GF(2): byte `k` is the image of `1 << k`.
pub(crate) type Matrix = [u8; 8];

/// The secret of stage 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stage1 {
    matrix: Matrix,
    target: u8,
}

impl Stage1 {
    /// Reads matrix and target from the start of the key stream.
    ///
    /// # Panics
    /// If the stream holds no invertible group with a fit target behind it, which no key stream does.
    pub fn derive(stream: &[u8; STREAM_BYTES]) -> Self {
        let (groups, _) = stream.as_chunks::<8>();
        let (found, basis, inverted) = groups
            .iter()
            .enumerate()
            .find_map(|(at, group)| Some((at, group, inverse(group)?)))
            .expect("a key stream of 512 groups holds an invertible one");
        let matrix = product(basis, &product(&TIMES_X, &inverted));
        let of_sum = inverse(&sum_of_powers(&matrix)).expect("x^16 differs from 1");
        let target = stream[8 * (found + 1)..]
            .iter()
            .copied()
            .find(|target| !QUIET.contains(&apply(&of_sum, *target)))
            .expect("all but three values are fit targets");
        Self { matrix, target }
    }

    /// `M`: byte `k` is the image of `1 << k`.
    pub fn matrix(&self) -> [u8; 8] {
        self.matrix
    }

    /// `t`: the value of `h` that hits.
    pub fn target(&self) -> u8 {
        self.target
    }

    /// `M` to the power of `exponent`.
    pub(crate) fn power(&self, exponent: usize) -> Matrix {
        (0..exponent).fold(IDENTITY, |power, _| product(&self.matrix, &power))
    }
}

const IDENTITY: Matrix = [1, 2, 4, 8, 16, 32, 64, 128];
/// Multiplication by x modulo x^8 + x^4 + x^3 + x^2 + 1.
const TIMES_X: Matrix = [2, 4, 8, 16, 32, 64, 128, 0x1d];

/// The image of `vector`.
pub(crate) fn apply(matrix: &Matrix, vector: u8) -> u8 {
    let columns = matrix.iter().enumerate();
    columns.fold(0, |sum, (k, image)| {
        if vector >> k & 1 == 1 {
            sum ^ image
        } else {
            sum
        }
    })
}

/// First `second`, then `first`.
fn product(first: &Matrix, second: &Matrix) -> Matrix {
    second.map(|image| apply(first, image))
}

fn sum_of_powers(matrix: &Matrix) -> Matrix {
    let (mut sum, mut power) = ([0; 8], IDENTITY);
    for _ in 0..REACH {
        for (into, image) in sum.iter_mut().zip(power) {
            *into ^= image;
        }
        power = product(matrix, &power);
    }
    sum
}

/// Gauss and Jordan on columns: what turns `matrix` into the identity turns the identity into the inverse.
fn inverse(matrix: &Matrix) -> Option<Matrix> {
    let (mut left, mut right) = (*matrix, IDENTITY);
    for bit in 0..8 {
        let pivot = (bit..8).find(|column| left[*column] >> bit & 1 == 1)?;
        left.swap(bit, pivot);
        right.swap(bit, pivot);
        for column in 0..8 {
            if column != bit && left[column] >> bit & 1 == 1 {
                left[column] ^= left[bit];
                right[column] ^= right[bit];
            }
        }
    }
    Some(right)
}

/// The path that runs everywhere: a rolling form of the sum, by two byte tables.
///
/// `h(c) = b[c-1] + M h(c-1) + M^16 b[c-17]`. Each step waits for the one before, so four stretches run side by side.
#[derive(Clone)]
pub(crate) struct Plain {
    step: [u8; 256],
    leave: [u8; 256],
    target: u8,
}

/// Stretches that the plain path scans side by side.
const STRETCHES: usize = 4;

impl Plain {
    pub(crate) fn new(stage1: &Stage1) -> Self {
        let table = |matrix: &Matrix| std::array::from_fn(|byte| apply(matrix, low_byte(byte)));
        Self {
            step: table(&stage1.matrix),
            leave: table(&stage1.power(REACH)),
            target: stage1.target,
        }
    }

    /// See the head of this file.
    pub(crate) fn hits(&self, bytes: &[u8], from: usize, out: &mut [u64]) {
        let even = out.len() - out.len() % STRETCHES;
        let (side_by_side, rest) = out.split_at_mut(even);
        self.scan::<STRETCHES>(bytes, from, side_by_side);
        self.scan::<1>(bytes, from + even * GROUP, rest);
    }

    /// `out` divides into `N` stretches of equal length.
    fn scan<const N: usize>(&self, bytes: &[u8], from: usize, out: &mut [u64]) {
        let groups = out.len() / N;
        let starts: [usize; N] = std::array::from_fn(|n| from + n * groups * GROUP - REACH - 1);
        let mut sums = starts.map(|start| {
            let window = &bytes[start..start + REACH];
            window
                .iter()
                .fold(0, |sum, byte| self.step[usize::from(sum)] ^ byte)
        });
        for group in 0..groups {
            // The byte that leaves the sum, fifteen that stay, then the ones that join.
            let windows: [&[u8; GROUP + REACH]; N] = starts.map(|start| {
                bytes[start + group * GROUP..]
                    .first_chunk()
                    .expect("the caller keeps positions within the bytes")
            });
            let mut values = [[0u8; GROUP]; N];
            for i in 0..GROUP {
                for n in 0..N {
                    let stepped = self.step[usize::from(sums[n])];
                    let left = self.leave[usize::from(windows[n][i])];
                    sums[n] = stepped ^ left ^ windows[n][i + REACH];
                    values[n][i] = sums[n];
                }
            }
            for n in 0..N {
                out[n * groups + group] = equal_to(&values[n], self.target);
            }
        }
    }
}

/// Bit `i` is set where `values[i]` is `target`.
fn equal_to(values: &[u8; GROUP], target: u8) -> u64 {
    // Compilers turn this first loop into vector compares; most groups end here.
    let any = values
        .iter()
        .fold(0, |any, value| any | u8::from(*value == target));
    if any == 0 {
        return 0;
    }
    let bits = values.iter().rev();
    bits.fold(0, |bits, value| bits << 1 | u64::from(*value == target))
}

/// The low eight bits of a table's index.
fn low_byte(index: usize) -> u8 {
    index.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses_invert_and_singular_matrices_have_none() {
        let mut seed = 1u64;
        let mut invertible = 0;
        for _ in 0..1000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            let matrix = (seed ^ seed >> 29).to_le_bytes();
            if let Some(inverted) = inverse(&matrix) {
                invertible += 1;
                assert_eq!(product(&matrix, &inverted), IDENTITY);
                assert_eq!(product(&inverted, &matrix), IDENTITY);
            }
        }
        assert!((250..330).contains(&invertible), "{invertible} of 1000");
        assert_eq!(inverse(&[1, 2, 4, 8, 16, 32, 64, 64]), None);
        assert_eq!(inverse(&[0; 8]), None);
    }

    #[test]
    fn the_first_fit_group_and_target_are_taken() {
        let mut stream = [0; STREAM_BYTES];
        stream[16..24].copy_from_slice(&IDENTITY);
        // v = 0 for 0; then the images of a space and of 0xff, then a fit one.
        let sum = sum_of_powers(&TIMES_X);
        stream[24..28].copy_from_slice(&[0, apply(&sum, 0x20), apply(&sum, 0xff), 7]);
        let stage1 = Stage1::derive(&stream);
        assert_eq!((stage1.matrix(), stage1.target()), (TIMES_X, 7));
        assert_eq!(stage1.power(255), IDENTITY);
        assert_eq!(apply(&stage1.power(8), 1), 0x1d);
    }
}
