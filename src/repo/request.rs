//! Which blocks of a pack are asked for together. Pure.

use std::ops::Range;

/// Stored bytes asked for at once, at the most, unless one block has more.
const REQUEST_BYTES: u64 = 4 << 20;
/// A gap between two blocks up to this is read rather than left out.
const GAP_BYTES: u64 = 256 << 10;

/// How many of these blocks, the first ones, one request takes: where each begins and ends in its pack, ascending.
pub fn together(mut blocks: impl Iterator<Item = Range<u64>>) -> usize {
    let Some(first) = blocks.next() else { return 0 };
    let mut end = first.end;
    let beside = blocks.take_while(|next| {
        let near = next.start <= end.saturating_add(GAP_BYTES);
        end = next.end;
        near && end.saturating_sub(first.start) <= REQUEST_BYTES
    });
    1 + beside.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_go_together_up_to_a_bound() {
        let of = |blocks: &[(u64, u64)]| together(blocks.iter().map(|(from, to)| *from..*to));
        let mib = 1 << 20;
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[(0, 100 * mib), (100 * mib, 101 * mib)]), 1);
        assert_eq!(
            of(&[(mib, 3 * mib), (3 * mib, 5 * mib), (5 * mib, 5 * mib + 1)]),
            2
        );
        assert_eq!(
            of(&[(0, 1), (mib / 4 + 1, mib), (mib + mib / 4 + 1, 2 * mib)]),
            2
        );
    }
}
