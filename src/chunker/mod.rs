//! Content-defined cuts: where a chunk ends depends on a secret and on 64 bytes of content, never on buffers, threads
//! or the processor (format.md 8, exact and frozen).
//!
//! `filter` is stage 1, which lets one position in 256 pass, and its plain form; `x86` the same with AVX-512 and GFNI,
//! or with AVX2; `cut` is stage 2, a keyed hash on what passed; `class` says how finely to cut. Other processors take
//! the plain path: a NEON one is left out as long as no machine of that kind runs the tests.
//!
//! Invariants: a chunk is at most `max` long, and at least `min` unless its extent ends; every path cuts alike.

pub mod class;
mod cut;
pub mod filter;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::chunker::class::{Bounds, Class};
use crate::chunker::cut::{Engine, LONELY};
use crate::chunker::filter::{GROUP, LOOK_BACK, STREAM_BYTES, Stage1};
#[cfg(target_arch = "x86_64")]
use crate::chunker::x86::{Avx2, Avx512};
use std::fmt;

/// Instructions that the scan is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// AVX-512 with GFNI.
    Avx512,
    /// AVX2.
    Avx2,
    /// Plain Rust, on every processor.
    Plain,
}

impl Path {
    /// The fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Plain];

    /// The name that `--timings` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Plain => "plain",
        }
    }
}

/// Finds the ends of chunks under one repository's secret. Cheap to share, and safe to.
#[derive(Clone)]
pub struct Chunker {
    stage2: [u8; 16],
    path: Path,
    engine: Engine,
}

impl Chunker {
    /// Takes the start of the stage 1 key stream and the stage 2 key, and the fastest path that this processor has.
    ///
    /// # Panics
    /// As [`Stage1::derive`].
    pub fn new(stage1: &[u8; STREAM_BYTES], stage2: [u8; 16]) -> Self {
        Path::ALL
            .into_iter()
            .find_map(|path| Self::with_path(stage1, stage2, path))
            .expect("the plain path is always there")
    }

    /// Like [`Chunker::new`] with a certain path, `None` where the processor lacks it. For tests and benches.
    pub fn with_path(stage1: &[u8; STREAM_BYTES], stage2: [u8; 16], path: Path) -> Option<Self> {
        let secret = Stage1::derive(stage1);
        let engine = match path {
            Path::Plain => Some(Engine::plain(&secret)),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => Avx2::new(&secret).map(Engine::Avx2),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => Avx512::new(&secret).map(Engine::Avx512),
            #[cfg(not(target_arch = "x86_64"))]
            Path::Avx2 | Path::Avx512 => None,
        }?;
        Some(Self {
            stage2,
            path,
            engine,
        })
    }

    /// `avx512`, `avx2` or `plain`.
    pub fn path_in_use(&self) -> &'static str {
        self.path.name()
    }

    /// The length of the chunk that `chunk` begins with, `None` when more bytes are needed to tell.
    ///
    /// `chunk` starts where the chunk starts and holds what is known of its extent; `at_end` says that the extent ends
    /// with it. `scanned` is 0 at the first call for a chunk and carries what is decided to the next one, with the same
    /// bytes and more; it is 0 again when a length is returned. The answer is the same for every way of coming by the
    /// bytes. A file of [`Class::Small`] that turns out longer than that class allows is cut at its limit.
    pub fn find(
        &self,
        class: Class,
        chunk: &[u8],
        scanned: &mut usize,
        at_end: bool,
    ) -> Option<usize> {
        let Bounds {
            min,
            max,
            threshold,
            ..
        } = class.bounds();
        // Before the end is known the position behind the last byte may be decided as well: if the extent ends there,
        // so does the chunk.
        let known = chunk.len() + usize::from(!at_end);
        let end = known.min(max);
        let start = min.max(*scanned);
        let mut found = None;
        if start < end {
            found = self
                .engine
                .first_cut(&self.stage2, chunk, start..end, threshold);
            *scanned = end;
        }
        if found.is_none() && (at_end || chunk.len() >= max) {
            found = Some(chunk.len().min(max));
        }
        if found.is_some() {
            *scanned = 0;
        }
        found
    }
}

impl fmt::Debug for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunker({})", self.path_in_use())
    }
}

// A scan starts at most one word of hits and the isolation before the earliest cut.
const _: () = assert!(Class::Page.bounds().min > LONELY + GROUP + LOOK_BACK);

#[cfg(test)]
mod tests;
