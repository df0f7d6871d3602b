//! How finely a file is cut: its class, from its size and first bytes, and each class's bounds (format.md 8.2, 8.4).
//!
//! Databases and disk images change page by page, so they are cut small; media and archives do not change at all, so
//! they are cut large. The table is part of the frozen chunker 1: another table would cut known files anew.

use crate::limits::{KIB, MIB};

/// Bytes at the start of a file that [`classify`] looks at.
pub const HEAD_BYTES: usize = 4 * KIB;
/// A file up to this size is one chunk.
pub const SMALL_BYTES: usize = 64 * KIB;

/// How finely a file is cut. The number is what its node stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Up to [`SMALL_BYTES`]: one chunk.
    Small = 0,
    /// Everything else.
    General = 1,
    /// Databases, disk images.
    Page = 2,
    /// Pictures, sound, films, archives.
    Media = 3,
}

/// Limits of a chunk's length in bytes, and what the keyed hash of an isolated hit must stay below to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// No cut comes earlier, except the end of the extent.
    pub min: usize,
    /// The nominal mean.
    pub mean: usize,
    /// A chunk that reaches this ends.
    pub max: usize,
    /// `floor(2^64 · 256 · (256/255)^32 / (mean - min))`: one in 256 positions hits, isolation thins hits.
    pub threshold: u64,
}

impl Class {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Small, Self::General, Self::Page, Self::Media];

    /// The class with this number in a node.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The number in a node.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The limits of this class.
    pub const fn bounds(self) -> Bounds {
        let (min, mean, max, threshold) = match self {
            Self::Small => (SMALL_BYTES, SMALL_BYTES, SMALL_BYTES, 0),
            Self::General => (64 * KIB, 128 * KIB, 512 * KIB, 81_671_940_286_020_919),
            Self::Page => (32 * KIB, 64 * KIB, 256 * KIB, 163_343_880_572_041_838),
            Self::Media => (512 * KIB, MIB, 4 * MIB, 10_208_992_535_752_614),
        };
        Bounds {
            min,
            mean,
            max,
            threshold,
        }
    }
}

const PAGE_MARKS: [(usize, &[u8]); 12] = [
    (0, b"SQLite format 3\0"),
    (0, b"QFI\xfb"),
    (0, b"KDMV"),
    (0, b"vhdxfile"),
    (0, b"conectix"),
    (0, b"LUKS\xba\xbe"),
    (0, b"XFSB"),
    (3, b"NTFS    "),
    (16, b"\xde\xc0\xef\xbe"),
    (64, b"\x7f\x10\xda\xbe"),
    (512, b"EFI PART"),
    (1080, b"\x53\xef"),
];

const MEDIA_MARKS: [(usize, &[u8]); 16] = [
    (0, b"\xff\xd8\xff"),
    (0, b"\x89PNG"),
    (0, b"\x1a\x45\xdf\xa3"),
    (0, b"OggS"),
    (0, b"fLaC"),
    (0, b"ID3"),
    (0, b"PK\x03\x04"),
    (0, b"\x1f\x8b"),
    (0, b"BZh"),
    (0, b"\xfd7zXZ\0"),
    (0, b"\x28\xb5\x2f\xfd"),
    (0, b"\x04\x22\x4d\x18"),
    (0, b"7z\xbc\xaf\x27\x1c"),
    (0, b"Rar!\x1a\x07"),
    (0, b"\0\0\x01\xba"),
    (4, b"ftyp"),
];

/// The class of a file that begins with `head`; bytes past [`HEAD_BYTES`] are ignored.
///
/// `size` is `None` for a stream that goes on past [`SMALL_BYTES`]; one that ends before has a known size.
pub fn classify(head: &[u8], size: Option<u64>) -> Class {
    if size.is_some_and(|size| size <= SMALL_BYTES as u64) {
        return Class::Small;
    }
    let head = &head[..head.len().min(HEAD_BYTES)];
    let has = |at: usize, mark: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(mark));
    let whole_sectors = size.is_some_and(|size| size.is_multiple_of(512) && size >= MIB as u64);
    if PAGE_MARKS.iter().any(|(at, mark)| has(*at, mark)) || whole_sectors && has(510, b"\x55\xaa")
    {
        return Class::Page;
    }
    let riff = has(0, b"RIFF") && (has(8, b"AVI ") || has(8, b"WEBP"));
    if riff || MEDIA_MARKS.iter().any(|(at, mark)| has(*at, mark)) {
        return Class::Media;
    }
    Class::General
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: Option<u64> = Some(3 << 20);

    fn head(marks: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![b'x'; HEAD_BYTES];
        for (at, mark) in marks {
            head[*at..at + mark.len()].copy_from_slice(mark);
        }
        head
    }

    #[test]
    fn every_mark_decides_at_its_place_only() {
        for (class, marks) in [
            (Class::Page, &PAGE_MARKS[..]),
            (Class::Media, &MEDIA_MARKS[..]),
        ] {
            for (at, mark) in marks {
                assert_eq!(classify(&head(&[(*at, mark)]), LARGE), class, "{mark:?}");
                assert_eq!(classify(&head(&[(*at, mark)]), None), class, "{mark:?}");
                let elsewhere = head(&[(at + 1, mark)]);
                assert_eq!(classify(&elsewhere, LARGE), Class::General, "{mark:?}");
                let cut_short = &head(&[(*at, mark)])[..at + mark.len() - 1];
                assert_eq!(classify(cut_short, LARGE), Class::General, "{mark:?}");
            }
        }
    }

    #[test]
    fn size_and_order_decide_too() {
        let sqlite = head(&[(0, b"SQLite format 3\0")]);
        assert_eq!(classify(&sqlite, Some(65_536)), Class::Small);
        assert_eq!(classify(&sqlite, Some(65_537)), Class::Page);
        assert_eq!(classify(&[], Some(0)), Class::Small);
        assert_eq!(classify(&[], None), Class::General);
        let both = head(&[(0, b"PK\x03\x04"), (512, b"EFI PART")]);
        assert_eq!(
            classify(&both, LARGE),
            Class::Page,
            "the page row comes first"
        );

        let boot = head(&[(510, b"\x55\xaa")]);
        assert_eq!(classify(&boot, LARGE), Class::Page);
        assert_eq!(classify(&boot, Some(1 << 20)), Class::Page);
        for size in [None, Some((1 << 20) - 512), Some((3 << 20) + 1)] {
            assert_eq!(classify(&boot, size), Class::General, "{size:?}");
        }

        assert_eq!(classify(&head(&[(0, b"RIFF")]), LARGE), Class::General);
        for kind in [b"AVI ", b"WEBP"] {
            let riff = head(&[(0, b"RIFF"), (8, kind)]);
            assert_eq!(classify(&riff, LARGE), Class::Media);
        }
        assert_eq!(classify(&head(&[(8, b"WEBP")]), LARGE), Class::General);
    }

    #[test]
    fn numbers_and_thresholds_are_those_of_the_format() {
        for (number, class) in (0..).zip(Class::ALL) {
            assert_eq!(class.number(), number);
            assert_eq!(Class::from_number(number), Some(class));
        }
        assert_eq!(Class::from_number(4), None);
        for class in [Class::General, Class::Page, Class::Media] {
            let bounds = class.bounds();
            let span = (bounds.mean - bounds.min) as f64;
            let exact = 2f64.powi(64) * 256.0 * (256.0 / 255.0f64).powi(32) / span;
            assert!((bounds.threshold as f64 / exact - 1.0).abs() < 1e-12);
            assert!(bounds.max == 4 * bounds.mean && bounds.mean == 2 * bounds.min);
        }
    }
}
