//! zstd, one frame at a time, into a bounded output.
//!
//! A frame has no dictionary, no checksum and no content size: the directory gives the length and the ids check every
//! byte. Contexts are kept, because making one for each small block costs a third of the time.
//!
//! The one-shot decoder of libzstd would follow any number of frames, skip what calls itself skippable, and accept any
//! window. The frame header is therefore read here first (RFC 8878, 3.1.1.1), and the output has exactly the room that
//! the caller allows: a bomb costs no memory and no time beyond that.

pub mod probe;

use crate::limits::BLOCK_BYTES_MAX;
use zstd::zstd_safe::{self, CParameter};

const WINDOW_LOG: u32 = 21;
const WINDOW_MAX: u64 = 4 << 20;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Level {
    /// Everything is stored.
    Off,
    /// zstd 1.
    Fast,
    /// zstd 3.
    #[default]
    Auto,
    /// zstd 9.
    Max,
}

impl Level {
    /// The level in zstd's own count; `None` when nothing is compressed.
    pub fn number(self) -> Option<i32> {
        match self {
            Self::Off => None,
            Self::Fast => Some(1),
            Self::Auto => Some(3),
            Self::Max => Some(9),
        }
    }
}

/// Makes frames, with one context for its whole life.
pub struct Compressor {
    context: Option<zstd::bulk::Compressor<'static>>,
}

impl Compressor {
    /// A compressor of `level`.
    pub fn new(level: Level) -> Self {
        Self {
            context: level.number().map(context),
        }
    }

    /// Replaces `out` by one frame of `raw` and answers `true`, or answers `false` if that would not be smaller.
    pub fn compress(&mut self, raw: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        let Some(context) = &mut self.context else {
            return false;
        };
        out.reserve(zstd_safe::compress_bound(raw.len()));
        let made = context.compress_to_buffer(raw, out).is_ok();
        made && out.len() < raw.len()
    }
}

fn context(level: i32) -> zstd::bulk::Compressor<'static> {
    let settings = [
        CParameter::WindowLog(WINDOW_LOG),
        CParameter::ContentSizeFlag(false),
        CParameter::ChecksumFlag(false),
    ];
    let mut context = zstd::bulk::Compressor::new(level).expect("memory for a compression context");
    for setting in settings {
        context
            .set_parameter(setting)
            .expect("settings that every libzstd 1.4 and later knows");
    }
    context
}

/// Expands frames, with one context for its whole life.
pub struct Expander {
    context: zstd::bulk::Decompressor<'static>,
}

impl Expander {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "it allocates a context")]
    pub fn new() -> Self {
        Self {
            context: zstd::bulk::Decompressor::new().expect("memory for a decompression context"),
        }
    }

    /// Replaces `out` by what `stored` expands to.
    ///
    /// `None`, with unspecified bytes in `out`, unless `stored` is exactly one frame as a [`Compressor`] makes it that
    /// expands to exactly `raw_len` bytes.
    pub fn expand(&mut self, stored: &[u8], raw_len: usize, out: &mut Vec<u8>) -> Option<()> {
        if raw_len > BLOCK_BYTES_MAX || !is_plain_frame(stored) {
            return None;
        }
        if zstd_safe::find_frame_compressed_size(stored).ok()? != stored.len() {
            return None;
        }
        // A slice, not the vector's capacity, which may be larger: one byte too many must be an error.
        // What stood there need not be cleared: all of it is written, or the answer is `None`.
        out.reserve_exact(raw_len.saturating_sub(out.len()));
        out.resize(raw_len, 0);
        let made = self
            .context
            .decompress_to_buffer(stored, out.as_mut_slice())
            .ok()?;
        (made == raw_len).then_some(())
    }
}

/// Whether `frame` begins like a zstd frame without dictionary and checksum whose window is at most 4 MiB.
fn is_plain_frame(frame: &[u8]) -> bool {
    let Some(rest) = frame.strip_prefix(&MAGIC) else {
        return false;
    };
    let Some((descriptor, rest)) = rest.split_first() else {
        return false;
    };
    // Content size 2 bits, single segment, unused, reserved, checksum, dictionary 2 bits.
    if descriptor & 0b0000_1111 != 0 {
        return false;
    }
    let single = descriptor & 0b0010_0000 != 0;
    let size_bytes = match (descriptor >> 6, single) {
        (0, false) => 0,
        (0, true) => 1,
        (power, _) => 1 << power,
    };
    if !single {
        let Some(window) = rest.first() else {
            return false;
        };
        let base = 1_u64 << (10 + (window >> 3));
        return base + base / 8 * u64::from(window & 7) <= WINDOW_MAX;
    }
    // The window is the content: as large as it says, and 256 more in the two-byte form.
    rest.get(..size_bytes).is_some_and(|digits| {
        let size = digits
            .iter()
            .rev()
            .fold(0_u64, |size, digit| size << 8 | u64::from(*digit));
        size <= WINDOW_MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> Vec<u8> {
        b"all happy families are alike; ".repeat(4000)
    }

    fn frame(raw: &[u8], settings: &[CParameter]) -> Vec<u8> {
        let mut context = zstd::bulk::Compressor::new(3).unwrap();
        for setting in settings {
            context.set_parameter(*setting).unwrap();
        }
        context.compress(raw).unwrap()
    }

    #[test]
    fn every_level_comes_back_with_one_context() {
        let raw = text();
        let (mut out, mut back) = (Vec::new(), Vec::new());
        let mut expander = Expander::new();
        for level in [Level::Fast, Level::Auto, Level::Max] {
            let mut compressor = Compressor::new(level);
            for len in [raw.len(), 100, raw.len() - 1] {
                assert!(
                    compressor.compress(&raw[..len], &mut out),
                    "{level:?} {len}"
                );
                assert!(expander.expand(&out, len, &mut back).is_some());
                assert_eq!(back, raw[..len]);
            }
        }
        assert!(!Compressor::new(Level::Off).compress(&raw, &mut out));
    }

    #[test]
    fn what_does_not_shrink_is_refused_by_the_compressor() {
        let mut out = Vec::new();
        for raw in [&b""[..], b"a", b"0123456789"] {
            assert!(!Compressor::new(Level::Max).compress(raw, &mut out));
        }
    }

    #[test]
    fn only_exactly_the_length_is_accepted() {
        let (raw, mut out) = (text(), Vec::new());
        assert!(Compressor::new(Level::Auto).compress(&raw, &mut out));
        let mut back = Vec::with_capacity(2 * raw.len());
        let mut expander = Expander::new();
        for wrong in [
            0,
            1,
            raw.len() - 1,
            raw.len() + 1,
            BLOCK_BYTES_MAX,
            usize::MAX,
        ] {
            assert!(expander.expand(&out, wrong, &mut back).is_none(), "{wrong}");
            assert!(back.capacity() <= BLOCK_BYTES_MAX);
        }
        assert!(expander.expand(&out, raw.len(), &mut back).is_some());
    }

    #[test]
    fn two_frames_skippable_frames_and_trailing_bytes_are_refused() {
        let (raw, mut out, mut back) = (text(), Vec::new(), Vec::new());
        assert!(Compressor::new(Level::Auto).compress(&raw, &mut out));
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
        let empty = frame(&[], &[CParameter::ContentSizeFlag(false)]);
        let mut expander = Expander::new();
        for (bytes, len) in [
            ([&out[..], &out].concat(), 2 * raw.len()),
            ([&out[..], &empty].concat(), raw.len()),
            ([&skippable[..], &out].concat(), raw.len()),
            ([&out[..], &skippable].concat(), raw.len()),
            ([&out[..], b"\0"].concat(), raw.len()),
            (out[..out.len() - 1].to_vec(), raw.len()),
            (skippable, 0),
            (Vec::new(), 0),
        ] {
            assert!(expander.expand(&bytes, len, &mut back).is_none());
        }
    }

    #[test]
    fn windows_checksums_and_dictionaries_are_refused() {
        let raw = vec![7; BLOCK_BYTES_MAX];
        let mut back = Vec::new();
        let mut expander = Expander::new();
        let large = frame(&vec![7; 5 << 20], &[]);
        let checked = frame(&raw, &[CParameter::ChecksumFlag(true)]);
        let plain = frame(&raw, &[CParameter::ContentSizeFlag(false)]);
        assert!(
            expander
                .expand(&large, BLOCK_BYTES_MAX, &mut back)
                .is_none()
        );
        assert!(expander.expand(&checked, raw.len(), &mut back).is_none());
        assert!(expander.expand(&plain, raw.len(), &mut back).is_some());
        for (at, to) in [
            (5, ((22 - 10) << 3) | 1),
            (5, 0xff),
            (4, 1),
            (4, 2),
            (4, 3),
            (4, 8),
        ] {
            let mut changed = plain.clone();
            changed[at] = to;
            assert!(
                expander.expand(&changed, raw.len(), &mut back).is_none(),
                "{at} {to}"
            );
        }
    }

    #[test]
    fn a_bomb_ends_at_the_length_that_was_allowed() {
        let bomb = frame(
            &vec![0; 64 << 20],
            &[
                CParameter::ContentSizeFlag(false),
                CParameter::WindowLog(20),
            ],
        );
        let mut back = Vec::new();
        assert!(Expander::new().expand(&bomb, 1024, &mut back).is_none());
        assert!(back.capacity() <= 4096);
    }

    proptest! {
        #[test]
        fn changed_frames_never_panic_and_never_grow(at in 0usize..1000, to in any::<u8>()) {
            let (raw, mut out, mut back) = (text(), Vec::new(), Vec::new());
            prop_assert!(Compressor::new(Level::Auto).compress(&raw, &mut out));
            let at = at % out.len();
            out[at] = to;
            let _ = Expander::new().expand(&out, raw.len(), &mut back);
            prop_assert!(back.len() <= raw.len());
        }
    }
}
