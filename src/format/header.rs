//! The 4 KiB header of every box, and the arithmetic of a box's lengths.
//!
//!     0 magic[8] · 8 version u16 · 10 kind · 11 mode · 12 chunker · 13 log2 of the segment size · 14 zero[2]
//!     16 features u32 · 20 key epoch u32 · 24 body_len u64 · 32 repository id[16] · 48 salt[32] · 80 commitment[32]
//!     112 zero[16] · 128 key slot[256] · 384 zero[3680] · 4064 BLAKE3 of bytes 0..4064
//!
//! What must hold:
//! - Magic, version and checksum keep their places for ever, so "damaged" and "too new" can always be told apart.
//! - Bytes that must be zero are checked, and are part of the key derivation.
//! - The checksum finds damage without a key and authenticates nothing; the commitment does that.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::format::{ObjectKind, VERSION};
use crate::id::to_hex;
use crate::limits::{PAGE, SEGMENT, SEGMENT_PLAIN, TAG, TRAILER};
use std::fmt;

/// Bytes of one key slot inside a header.
pub const SLOT_BYTES: usize = 256;
/// The chunker that this version cuts with.
pub const CHUNKER: u8 = 1;

const MAGIC: [u8; 8] = *b"\x89HLM\r\n\x1a\n";
const MODE_SYMMETRIC: u8 = 1;
const SEGMENT_LOG2: u8 = 16;
const CHECKED: usize = PAGE - 32;
const _: () = assert!(1 << SEGMENT_LOG2 == SEGMENT);

/// Which repository: 16 random bytes, in every header and every key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoId([u8; 16]);

impl RepoId {
    /// The repository with these bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// All 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The first half in four groups, as people see it: `7f3a-91c2-0be4-d815`.
    pub fn to_text(self) -> String {
        let groups: Vec<String> = self.0.chunks(2).take(4).map(to_hex).collect();
        groups.join("-")
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Debug for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// A header, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxHeader {
    /// What kind of box.
    pub kind: ObjectKind,
    /// Which chunker the repository cuts with; one that is unknown hinders nothing but a backup.
    pub chunker: u8,
    /// Bytes of all segments.
    pub body_len: u64,
    /// Whose it is.
    pub repo: RepoId,
    /// Makes the key of this box its own.
    pub salt: [u8; 32],
    /// Which key it is, without giving it away.
    pub commitment: [u8; 32],
    /// Packs: the recovery slot, or zeros. Key slots: the slot itself. Others: zeros.
    pub recovery: [u8; SLOT_BYTES],
}

impl BoxHeader {
    /// The header's bytes, with their checksum.
    pub fn encode(&self) -> [u8; PAGE] {
        let mut bytes = [0; PAGE];
        let mut write = |at: usize, field: &[u8]| {
            let place = bytes.iter_mut().skip(at);
            place.zip(field).for_each(|(byte, with)| *byte = *with);
        };
        write(0, &MAGIC);
        write(8, &VERSION.to_le_bytes());
        write(10, &[self.kind as u8, MODE_SYMMETRIC]);
        write(12, &[self.chunker, SEGMENT_LOG2]);
        write(24, &self.body_len.to_le_bytes());
        write(32, self.repo.as_bytes());
        write(48, &self.salt);
        write(80, &self.commitment);
        write(128, &self.recovery);
        set_checksum(&mut bytes);
        bytes
    }

    /// Takes the first 4 KiB of `bytes` apart, as far as that needs no key: length and magic, version, checksum, what
    /// only a newer version would write, and what must be zero.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let Some(header) = bytes.first_chunk::<PAGE>() else {
            return Err(damaged("the box is shorter than its header"));
        };
        if field::<8>(header, 0) != MAGIC {
            return Err(damaged("the box does not begin like a box of heirloom"));
        }
        let version = u16::from_le_bytes(field(header, 8));
        // The checksum keeps its place in every version, so a damaged version number is damage and not news.
        let checksum = field::<32>(header, CHECKED);
        if hash::object_id(header.get(..CHECKED).unwrap_or_default()).as_bytes() != &checksum {
            return Err(damaged("the header's checksum is wrong"));
        }
        if version > VERSION {
            let what =
                format!("the box has format version {version}, this program reads up to {VERSION}");
            return Err(too_new(what));
        }
        if version == 0 {
            return Err(damaged("the box has format version 0, which never was"));
        }
        let kind = check_known(header)?;
        let parsed = Self {
            kind,
            chunker: field::<1>(header, 12)[0],
            body_len: u64::from_le_bytes(field(header, 24)),
            repo: RepoId(field(header, 32)),
            salt: field(header, 48),
            commitment: field(header, 80),
            recovery: field(header, 128),
        };
        let zero = |at: usize, end: usize| {
            let bytes = header.get(at..end).unwrap_or_default();
            bytes.iter().all(|byte| *byte == 0)
        };
        let free = zero(14, 16) && zero(112, 128) && zero(384, CHECKED);
        let slot = kind.has_tail() || kind == ObjectKind::KeySlot || zero(128, 384);
        let sealed = kind != ObjectKind::KeySlot || zero(48, 112);
        if !(free && slot && sealed) {
            return Err(damaged("reserved bytes of the header are not zero"));
        }
        parsed.check_body_len()?;
        Ok(parsed)
    }

    /// Whether this box may lie where one of `expected` is looked for, in a file of `file_len` bytes, in `repo`.
    pub fn check_place(&self, expected: ObjectKind, file_len: u64, repo: RepoId) -> Result<()> {
        if self.kind != expected {
            let what = format!(
                "a box of kind {:?} lies where {expected:?} should be",
                self.kind
            );
            return Err(Error::new(Kind::Damaged, what));
        }
        if file_len != self.file_len() {
            let what = format!(
                "the box has {file_len} bytes instead of {}",
                self.file_len()
            );
            return Err(Error::new(Kind::Damaged, what));
        }
        self.check_repo(repo)
    }

    /// Whether it belongs to `repo`.
    pub fn check_repo(&self, repo: RepoId) -> Result<()> {
        if self.repo == repo {
            return Ok(());
        }
        let what = format!("the box belongs to repository {}, not to {repo}", self.repo);
        Err(Error::new(Kind::Damaged, what))
    }

    /// The length of the whole file, headers included.
    pub fn file_len(&self) -> u64 {
        file_len(self.kind, self.body_len)
    }

    fn check_body_len(&self) -> Result<()> {
        let slot = self.kind == ObjectKind::KeySlot;
        let least = if slot { 0 } else { PAGE as u64 };
        let most = self.kind.bytes_max().saturating_sub(frame(self.kind));
        let pages = self.body_len.is_multiple_of(PAGE as u64);
        if !pages || !(least..=most).contains(&self.body_len) {
            return Err(damaged(
                "the header gives a length that no box of this kind has",
            ));
        }
        let unsealed = self.salt == [0; 32] && self.commitment == [0; 32];
        if slot && !unsealed {
            return Err(damaged(
                "the header of a key slot has fields that must be zero",
            ));
        }
        Ok(())
    }
}

/// What only a newer version would write is "too new", never "damaged".
fn check_known(header: &[u8; PAGE]) -> Result<ObjectKind> {
    let [kind, mode, _, segment] = field::<4>(header, 10);
    let features = u32::from_le_bytes(field(header, 16));
    let epoch = u32::from_le_bytes(field(header, 20));
    let name = |what: &str, value: u32| {
        Err(too_new(format!(
            "the box has {what} {value}, unknown to this program"
        )))
    };
    if mode != MODE_SYMMETRIC {
        return name("mode", u32::from(mode));
    }
    if segment != SEGMENT_LOG2 {
        return name("segment size", u32::from(segment));
    }
    if features != 0 {
        return name("features", features);
    }
    if epoch != 0 {
        return name("key epoch", epoch);
    }
    match ObjectKind::from_number(kind) {
        Some(kind) => Ok(kind),
        None => name("kind", u32::from(kind)),
    }
}

/// Writes the checksum of a header whose other bytes are final.
pub fn set_checksum(header: &mut [u8; PAGE]) {
    if let Some((checked, place)) = header.split_last_chunk_mut::<32>() {
        *place = *hash::object_id(checked).as_bytes();
    }
}

/// The bytes at `at`; zeros beyond the end, which no caller reaches.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let tail = bytes.get(at..).unwrap_or_default();
    tail.first_chunk::<N>().copied().unwrap_or([0; N])
}

/// Headers around the body.
fn frame(kind: ObjectKind) -> u64 {
    let headers = if kind.has_tail() { 2 } else { 1 };
    (PAGE as u64).saturating_mul(headers)
}

/// The length of a file whose segments have `body_len` bytes.
pub fn file_len(kind: ObjectKind, body_len: u64) -> u64 {
    body_len.saturating_add(frame(kind))
}

/// The segments of a body.
pub fn segments(body_len: u64) -> u64 {
    body_len.div_ceil(SEGMENT as u64)
}

/// The plaintext that a body holds.
pub fn capacity(body_len: u64) -> u64 {
    body_len.saturating_sub(segments(body_len).saturating_mul(TAG as u64))
}

/// The body for `content` bytes of area and record together: room for the trailer, then padded so that the file's
/// length is a multiple of 4 KiB and a PADME length (Nikitin et al. 2019), which tells little about what is inside.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "content is bounded far below the ends of u64, and PAGE, SEGMENT and SEGMENT_PLAIN are not zero"
)]
pub fn body_len_of(kind: ObjectKind, content: u64) -> u64 {
    let plain = content.min(1 << 40) + TRAILER as u64;
    let whole = plain / SEGMENT_PLAIN as u64 * SEGMENT as u64;
    let rest = plain % SEGMENT_PLAIN as u64;
    let least = match rest {
        0 => whole,
        _ => whole + (rest + TAG as u64).next_multiple_of(PAGE as u64),
    };
    let padded = padme(least + frame(kind)).next_multiple_of(PAGE as u64);
    padded - frame(kind)
}

/// `len` rounded up so that only its first few bits can be other than zero.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "len is between two pages and 2^41, so both logarithms exist and nothing overflows"
)]
fn padme(len: u64) -> u64 {
    let exponent = len.ilog2();
    let kept = exponent.ilog2() + 1;
    len.next_multiple_of(1 << (exponent - kept))
}

fn damaged(what: &'static str) -> Error {
    Error::new(Kind::Damaged, what)
}

fn too_new(what: String) -> Error {
    Error::new(Kind::TooNew, what).hint("Update heirloom, then run the command again")
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    reason = "a panic in a test is a failed test"
)]
mod tests {
    use super::*;

    fn sample(kind: ObjectKind) -> BoxHeader {
        let slot = kind == ObjectKind::KeySlot;
        let fill = |byte: u8| if slot { [0; 32] } else { [byte; 32] };
        BoxHeader {
            kind,
            chunker: CHUNKER,
            body_len: if slot { 0 } else { 4096 },
            repo: RepoId::new([3; 16]),
            salt: fill(4),
            commitment: fill(5),
            recovery: [if kind.has_tail() || slot { 6 } else { 0 }; 256],
        }
    }

    #[test]
    fn headers_go_both_ways() {
        for kind in ObjectKind::ALL {
            let header = sample(kind);
            let bytes = header.encode();
            assert_eq!(BoxHeader::decode(&bytes).unwrap(), header);
            let len = header.file_len();
            assert!(header.check_place(kind, len, header.repo).is_ok());
            let kinds = ObjectKind::ALL.into_iter().filter(|other| *other != kind);
            for other in kinds {
                let error = header.check_place(other, len, header.repo).unwrap_err();
                assert_eq!(error.kind(), Kind::Damaged);
            }
            let error = header
                .check_place(kind, len + 4096, header.repo)
                .unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
            let error = header
                .check_place(kind, len, RepoId::new([9; 16]))
                .unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
            assert!(
                error
                    .what()
                    .contains("belongs to repository 0303-0303-0303-0303")
            );
        }
        assert!(BoxHeader::decode(&sample(ObjectKind::Mark).encode()[..4095]).is_err());
        assert!(BoxHeader::decode(&[]).is_err());
    }

    /// A4: every header byte changed is noticed; with a corrected checksum each field answers for itself.
    #[test]
    fn a4_each_byte_has_its_answer() {
        for kind in ObjectKind::ALL {
            let good = sample(kind).encode();
            for at in 0..PAGE {
                let mut bytes = good;
                bytes[at] ^= 0x40;
                let error = BoxHeader::decode(&bytes).unwrap_err();
                assert_eq!(error.kind(), Kind::Damaged, "byte {at} without a checksum");
                if at >= CHECKED {
                    continue;
                }
                set_checksum(&mut bytes);
                let answer = BoxHeader::decode(&bytes).map_err(|error| error.kind());
                let sealed = kind != ObjectKind::KeySlot;
                match at {
                    8..=11 | 13 | 16..=23 => assert_eq!(answer, Err(Kind::TooNew), "byte {at}"),
                    12 | 32..=47 => assert!(answer.is_ok(), "byte {at}"),
                    48..=111 if sealed => assert!(answer.is_ok(), "byte {at}"),
                    128..=383 if kind.has_tail() || !sealed => assert!(answer.is_ok()),
                    // Some lengths could be another box's; the file's own length and the commitment tell.
                    25..=27 if sealed && answer.is_ok() => {
                        assert_ne!(answer.unwrap().body_len, 4096);
                    }
                    _ => assert_eq!(answer, Err(Kind::Damaged), "byte {at}"),
                }
            }
        }
    }

    /// B3, and the largest file of each kind.
    #[test]
    fn b3_lengths_are_bounded_before_arithmetic() {
        for kind in ObjectKind::ALL {
            for body_len in [u64::MAX, u64::MAX - 4095, 1 << 63, kind.bytes_max(), 4097] {
                let header = BoxHeader {
                    body_len,
                    ..sample(kind)
                };
                let error = BoxHeader::decode(&header.encode()).unwrap_err();
                assert_eq!(error.kind(), Kind::Damaged);
            }
            let body_len = kind.bytes_max() - frame(kind);
            let header = BoxHeader {
                body_len,
                ..sample(kind)
            };
            assert!(BoxHeader::decode(&header.encode()).is_ok());
        }
    }

    /// The table of format.md 4.4.
    #[test]
    fn lengths_follow_the_table() {
        let files = |plain: u64| {
            let content = plain - 16;
            let len = |kind| file_len(kind, body_len_of(kind, content));
            (len(ObjectKind::Mark), len(ObjectKind::DataPack))
        };
        assert_eq!(files(16), (8192, 12_288));
        assert_eq!(files(4080), (8192, 12_288));
        assert_eq!(files(4081), (12_288, 16_384));
        assert_eq!(files(65_521), (73_728, 77_824));
        assert_eq!(files(33_538_048).1, 33_554_432);
        let body = body_len_of(ObjectKind::DataPack, 33_538_048 - 16);
        assert_eq!(body, 33_546_240);
        assert_eq!(segments(body), 512);
        assert_eq!(body - 511 * 65_536, 57_344);
        assert_eq!(capacity(body), 33_538_048);
        assert_eq!(padme(64 << 20), 64 << 20);
    }

    #[test]
    fn padding_is_enough_and_never_much() {
        let mut content = 0;
        while content < 70 << 20 {
            for kind in [ObjectKind::Entry, ObjectKind::TreePack] {
                let body = body_len_of(kind, content);
                assert!(body.is_multiple_of(4096) && body >= 4096);
                assert!(capacity(body) >= content + 16);
                let file = file_len(kind, body);
                if file <= 256 << 10 {
                    assert!(
                        capacity(body - 4096) < content + 16,
                        "nothing is added below 256 KiB"
                    );
                }
                assert!(file <= (content + 16) * 1033 / 1000 + content / 4095 + 3 * 4096);
            }
            content += 1 + content / 997;
        }
    }
}
