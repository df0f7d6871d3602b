//! All paths against the text of the format, on every input and every way of handing it over.

use super::*;
use crate::siphash::sip24;
use proptest::prelude::*;
use std::sync::OnceLock;

const STAGE2: [u8; 16] = *b"stage two secret";

/// SplitMix64 (Steele, Lea, Flood 2014).
fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn stream(seed: u64) -> [u8; STREAM_BYTES] {
    random(seed, STREAM_BYTES).try_into().unwrap()
}

/// Every path that this processor has, under the secret of `seed`.
fn chunkers(seed: u64) -> Vec<Chunker> {
    Path::ALL
        .into_iter()
        .filter_map(|path| Chunker::with_path(&stream(seed), STAGE2, path))
        .collect()
}

fn usual() -> &'static [Chunker] {
    static CHUNKERS: OnceLock<Vec<Chunker>> = OnceLock::new();
    CHUNKERS.get_or_init(|| chunkers(1))
}

/// Ends of all chunks of an extent that is known whole.
fn cuts(chunker: &Chunker, class: Class, bytes: &[u8]) -> Vec<usize> {
    let (mut start, mut ends) = (0, Vec::new());
    while start < bytes.len() {
        let len = chunker.find(class, &bytes[start..], &mut 0, true);
        start += len.expect("the end is known");
        ends.push(start);
    }
    ends
}

/// The same from a reader that brings pieces of the lengths that `piece` names.
fn cuts_in_pieces(
    chunker: &Chunker,
    class: Class,
    bytes: &[u8],
    mut piece: impl FnMut() -> usize,
) -> Vec<usize> {
    let (mut start, mut known, mut scanned, mut ends) = (0, 0, 0, Vec::new());
    while start < bytes.len() {
        // A reader learns of the end one empty read later.
        let at_end = known == bytes.len() && piece() != 0;
        match chunker.find(class, &bytes[start..known], &mut scanned, at_end) {
            Some(len) => {
                assert!(start + len <= known && scanned == 0);
                start += len;
                ends.push(start);
            }
            None => known = (known + piece()).min(bytes.len()),
        }
    }
    ends
}

/// Section 8.4 word for word, nothing shared with the code under test but the powers of the matrix and SipHash.
fn cuts_by_the_text(seed: u64, class: Class, bytes: &[u8]) -> Vec<usize> {
    let stage1 = Stage1::derive(&stream(seed));
    let tables: Vec<Vec<u8>> = (0..16)
        .map(|j| {
            let power = stage1.power(j);
            (0..=255).map(|byte| filter::apply(&power, byte)).collect()
        })
        .collect();
    let hit: Vec<bool> = (0..=bytes.len())
        .map(|c| {
            let terms = (0..16).map(|j| tables[j][usize::from(bytes[c - 1 - j])]);
            c >= 16 && terms.fold(0, |sum, term| sum ^ term) == stage1.target()
        })
        .collect();
    let Bounds {
        min,
        max,
        threshold,
        ..
    } = class.bounds();
    let is_cut = |c: usize| {
        hit[c] && !hit[c - 32..c].contains(&true) && sip24(&STAGE2, &bytes[c - 64..c]) < threshold
    };
    let (mut s, e, mut ends) = (0, bytes.len(), Vec::new());
    while s < e {
        s = if e - s <= min {
            e
        } else {
            let limit = (s + max).min(e);
            (s + min..limit).find(|c| is_cut(*c)).unwrap_or(limit)
        };
        ends.push(s);
    }
    ends
}

fn check_bounds(class: Class, ends: &[usize], len: usize) {
    let bounds = class.bounds();
    let mut start = 0;
    for end in ends {
        let chunk = end - start;
        assert!(chunk <= bounds.max && (chunk >= bounds.min || *end == len));
        start = *end;
    }
    assert_eq!(start, len, "the chunks are the input");
}

/// All paths agree on `bytes`, within bounds; returns the ends.
fn agreed(chunkers: &[Chunker], class: Class, bytes: &[u8]) -> Vec<usize> {
    let ends = cuts(&chunkers[0], class, bytes);
    check_bounds(class, &ends, bytes.len());
    for other in &chunkers[1..] {
        assert_eq!(cuts(other, class, bytes), ends, "{other:?} {class:?}");
    }
    ends
}

#[test]
fn paths_follow_the_text() {
    for seed in 1..=4 {
        let chunkers = chunkers(seed);
        let mut letters = random(seed, 900_000);
        letters.iter_mut().for_each(|byte| *byte = b'a' + *byte % 3);
        for bytes in [random(seed + 10, 1_500_000), letters] {
            for class in Class::ALL {
                let expected = cuts_by_the_text(seed, class, &bytes);
                assert_eq!(agreed(&chunkers, class, &bytes), expected, "{class:?}");
            }
        }
    }
}

#[test]
fn hits_are_the_same_at_every_offset_and_length() {
    let bytes = random(5, 40_000);
    for chunker in usual() {
        // A threshold of all ones makes every isolated hit a cut, so nothing hides behind stage 2.
        let first = |range: std::ops::Range<usize>, bytes: &[u8]| {
            chunker.engine.first_cut(&STAGE2, bytes, range, u64::MAX)
        };
        let mut hits = Vec::new();
        let mut from = 1000;
        while let Some(hit) = first(from..bytes.len() + 1, &bytes) {
            hits.push(hit);
            from = hit + 1;
        }
        assert!((100..180).contains(&hits.len()), "{} hits", hits.len());
        for from in 1000..1400 {
            for end in from + 1..from + 300 {
                let expected = hits.iter().copied().find(|hit| *hit >= from && *hit < end);
                // Nothing behind the last position is there to be looked at.
                assert_eq!(
                    first(from..end, &bytes[..end - 1]),
                    expected,
                    "{from}..{end}"
                );
            }
        }
    }
    let all: Vec<_> = usual()
        .iter()
        .map(|chunker| {
            chunker
                .engine
                .first_cut(&STAGE2, &bytes, 200..40_001, 1 << 56)
        })
        .collect();
    assert!(all.iter().all(|cut| *cut == all[0]));
}

#[test]
fn no_split_of_the_buffer_moves_a_cut() {
    let bytes = random(6, 700_000);
    for class in [Class::General, Class::Page] {
        let expected = agreed(usual(), class, &bytes);
        for chunker in usual() {
            for size in [1usize, 63, 64, 65, 4095, 4096, 65_536, 262_144, 1 << 20] {
                // Single bytes only over the first cut, or the test is all calls.
                let reach = if size == 1 {
                    expected[0] + 40
                } else {
                    bytes.len()
                };
                let ends = cuts_in_pieces(chunker, class, &bytes[..reach], || size);
                assert_eq!(ends, cuts(chunker, class, &bytes[..reach]), "{size}");
            }
        }
    }
}

#[test]
fn every_end_of_the_extent_near_a_cut_is_told_alike() {
    let bytes = random(7, 600_000);
    let chunker = &usual()[0];
    let Bounds { min, max, .. } = Class::Page.bounds();
    let cut = cuts(chunker, Class::Page, &bytes)[0];
    assert!(min < cut && cut < max);
    for around in [min, cut, max] {
        for len in around - 70..around + 70 {
            let whole = cuts_by_near(chunker, &bytes[..len], cut);
            for split in len.saturating_sub(70)..=len {
                let mut scanned = 0;
                let early = chunker.find(Class::Page, &bytes[..split], &mut scanned, false);
                let told =
                    early.or_else(|| chunker.find(Class::Page, &bytes[..len], &mut scanned, true));
                assert_eq!(told, Some(whole), "{len} split at {split}");
                // Told as soon as it is certain.
                assert_eq!(early.is_some(), split >= whole && whole >= cut.min(max));
            }
        }
    }
}

/// What the first chunk's length must be when the first cut of the endless data is at `cut`.
fn cuts_by_near(chunker: &Chunker, bytes: &[u8], cut: usize) -> usize {
    let expected = bytes.len().min(cut);
    assert_eq!(cuts(chunker, Class::Page, bytes)[0], expected);
    expected
}

#[test]
fn pathological_input_keeps_its_bounds() {
    let mut inputs: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte; 600_000]).collect();
    for period in 2..=255 {
        let unit = random(period as u64, period);
        inputs.push(unit.into_iter().cycle().take(600_000).collect());
    }
    for letters in 2..=8u8 {
        let noise = random(u64::from(letters), 600_000);
        inputs.push(noise.iter().map(|byte| byte % letters).collect());
    }
    for (letters, order) in [(2, 18), (4, 9), (16, 4), (255, 2)] {
        inputs.push(de_bruijn(letters, order));
    }
    for bytes in &inputs {
        for class in [Class::General, Class::Page] {
            agreed(usual(), class, bytes);
        }
    }
}

#[test]
fn zeros_spaces_and_ones_never_reach_stage_2() {
    for seed in 0..20 {
        for chunker in chunkers(seed) {
            for byte in [0x00, 0x20, 0xff] {
                let run = vec![byte; 10_000];
                let hit = chunker
                    .engine
                    .first_cut(&STAGE2, &run, 200..10_001, u64::MAX);
                assert_eq!(hit, None, "{byte:02x}");
            }
        }
    }
}

/// Every word of `order` letters once: Fredricksen, Kessler and Maiorana's walk over Lyndon words.
fn de_bruijn(letters: u8, order: usize) -> Vec<u8> {
    let (mut out, mut word) = (Vec::new(), vec![0u8]);
    loop {
        if order.is_multiple_of(word.len()) {
            out.extend_from_slice(&word);
        }
        let len = word.len();
        word = (0..order).map(|i| word[i % len]).collect();
        while word.last() == Some(&(letters - 1)) {
            word.pop();
        }
        match word.last_mut() {
            Some(last) => *last += 1,
            None => return out,
        }
    }
}

#[test]
fn a_de_bruijn_sequence_has_every_word() {
    let sequence = de_bruijn(4, 5);
    assert_eq!(sequence.len(), 1024);
    let around: Vec<u8> = sequence.iter().chain(&sequence[..4]).copied().collect();
    let words: std::collections::BTreeSet<&[u8]> = around.windows(5).collect();
    assert_eq!(words.len(), 1024);
}

#[test]
fn the_mean_is_what_the_class_says() {
    let bytes = random(8, 64 << 20);
    for (class, tolerance) in [
        (Class::Page, 0.05),
        (Class::General, 0.07),
        (Class::Media, 0.2),
    ] {
        let ends = cuts(&usual()[0], class, &bytes);
        check_bounds(class, &ends, bytes.len());
        let mean = bytes.len() as f64 / ends.len() as f64;
        let off = mean / class.bounds().mean as f64 - 1.0;
        assert!(
            off.abs() < tolerance,
            "{class:?}: mean {mean:.0}, {off:+.3}"
        );
    }
}

#[test]
fn an_insertion_moves_few_cuts() {
    let bytes = random(9, 8 << 20);
    let before = agreed(usual(), Class::Page, &bytes);
    let mut edited = bytes.clone();
    edited.splice(1_000_000..1_000_000, *b"a few more bytes");
    let after = agreed(usual(), Class::Page, &edited);
    let kept = after
        .iter()
        .filter(|end| before.contains(&end.wrapping_sub(16)));
    assert!(kept.count() * 10 > before.len() * 8);
}

#[test]
fn small_files_are_one_chunk_and_grown_ones_are_bounded() {
    let chunker = &usual()[0];
    let bytes = random(10, 70_000);
    assert_eq!(chunker.find(Class::Small, &[], &mut 0, true), Some(0));
    assert_eq!(chunker.find(Class::Small, &bytes[..9], &mut 0, false), None);
    assert_eq!(
        chunker.find(Class::Small, &bytes[..9], &mut 0, true),
        Some(9)
    );
    assert_eq!(cuts(chunker, Class::Small, &bytes), [65_536, 70_000]);
}

#[test]
fn the_secret_decides() {
    let bytes = random(11, 2 << 20);
    let cut = |chunker: &Chunker| cuts(chunker, Class::General, &bytes);
    let base = cut(&usual()[0]);
    assert_ne!(cut(&Chunker::new(&stream(2), STAGE2)), base);
    assert_ne!(cut(&Chunker::new(&stream(1), [0; 16])), base);
    assert!(
        format!("{:?}", usual()[0]).len() < 20,
        "no secret is printed"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn paths_and_splits_agree(
        secret in any::<u64>(),
        seed in any::<u64>(),
        len in 0usize..900_000,
        skew in 0usize..70,
        letters in prop_oneof![Just(256u16), 2u16..20],
        number in 0u8..4,
        pieces in prop::collection::vec(0usize..200_000, 1..12),
    ) {
        let class = Class::from_number(number).unwrap();
        let mut bytes = random(seed, len + skew);
        for byte in &mut bytes {
            *byte = u8::try_from(u16::from(*byte) % letters).unwrap();
        }
        let bytes = &bytes[skew..];
        let chunkers = chunkers(secret);
        let expected = agreed(&chunkers, class, bytes);
        for chunker in &chunkers {
            let mut sizes = pieces.iter().chain([&1]).cycle();
            let ends = cuts_in_pieces(chunker, class, bytes, || *sizes.next().unwrap());
            prop_assert_eq!(&ends, &expected);
        }
    }
}
