//! A pack that is read in parts: its header open, and what lay beside what was asked for last.

use crate::error::{Error, Kind, Result};
use crate::format::boxes::BoxReader;
use crate::limits::{PAGE, SEGMENT};
use crate::name::Name;
use crate::repo::Repo;
use crate::repo::index::row::Place;
use crate::store::Store;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The least that is asked of a far store at once: what lies beside is often wanted next, and a request that is never
/// shorter tells whoever watches less.
const FAR_READ_MIN: u64 = 256 << 10;

/// Which copy of a pack is read.
#[derive(Clone, Copy)]
pub(super) enum Giver<'a> {
    /// Whichever the store gives; what lies beside is kept for the next that asks.
    Any(&'a dyn Store),
    /// This one itself, since what was kept or given did not open.
    This(&'a dyn Store),
}

impl<'a> Giver<'a> {
    /// Where it is asked for.
    pub(super) fn store(self) -> &'a dyn Store {
        match self {
            Self::Any(store) | Self::This(store) => store,
        }
    }
}

/// A pack with its header open.
pub(super) struct Opened {
    reader: BoxReader,
    /// What was read last from a far store, as it is stored, and where that begins.
    window: Mutex<(u64, Vec<u8>)>,
}

impl Opened {
    /// Opens the header of the pack of `place`, whose name is `name`.
    ///
    /// # Errors
    /// `Damaged`, `TooNew`, and those of the store.
    pub(super) fn open(
        repo: &Repo,
        store: &dyn Store,
        place: &Place,
        name: &Name,
    ) -> Result<Arc<Self>> {
        let open = |range: Range<u64>| {
            let bytes = store.get_range(name, range);
            let bytes = bytes.map_err(gone_is_damage)?;
            let header = bytes.get(..PAGE).unwrap_or(&bytes);
            let opener = repo.opener();
            let reader = opener.reader(place.pack_kind, header, place.pack_len)?;
            Ok::<_, Error>((reader, bytes))
        };
        let page = PAGE as u64;
        let front = match is_near(store) {
            true => page,
            false => place.pack_len.min(page + FAR_READ_MIN),
        };
        // The same header stands at both ends: one bad sector does not lock the pack.
        let (reader, window) = match open(0..front) {
            Ok(opened) => opened,
            Err(error) if error.kind() == Kind::Damaged => {
                let tail = place.pack_len.saturating_sub(page)..place.pack_len;
                let (reader, _) = open(tail).map_err(|_| error)?;
                (reader, Vec::new())
            }
            Err(error) => return Err(error),
        };
        let window = Mutex::new((0, window));
        Ok(Arc::new(Self { reader, window }))
    }

    /// How many bytes it holds, about.
    pub(super) fn weight(&self) -> usize {
        self.window().1.len() + PAGE
    }

    /// Plaintext of whole segments that cover `len` bytes from `offset`; returns where in `plain` those begin, if that many
    /// are there.
    ///
    /// # Errors
    /// As [`Opened::open`].
    pub(super) fn plain(
        &self,
        (giver, name): (Giver<'_>, &Name),
        (offset, len): (u64, u64),
        plain: &mut Vec<u8>,
    ) -> Result<Option<usize>> {
        let range = self.reader.range_of(offset, len);
        *plain = self.read(giver, name, range.clone())?;
        let opened = self.reader.open_range(range.start, plain);
        if opened.is_err() {
            // Whoever asks next asks the store.
            self.window().1.clear();
        }
        opened?;
        let from = usize::try_from(offset - self.reader.plain_offset(range.start)).ok();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(from.filter(|from| from.saturating_add(len) <= plain.len()))
    }

    fn window(&self) -> MutexGuard<'_, (u64, Vec<u8>)> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of this range as they are stored.
    fn read(&self, giver: Giver<'_>, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let get = |range| {
            let bytes = giver.store().get_range(name, range);
            bytes.map_err(gone_is_damage)
        };
        if is_near(giver.store()) || matches!(giver, Giver::This(_)) {
            return get(range);
        }
        let cut = |(start, bytes): &(u64, Vec<u8>)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            bytes.get(from..to).map(<[u8]>::to_vec)
        };
        let held = cut(&self.window());
        if let Some(bytes) = held {
            return Ok(bytes);
        }
        let wide = self.widened(&range);
        let window = match get(wide.clone()) {
            Ok(bytes) => (wide.start, bytes),
            // What lies beside may be gone.
            Err(error) if error.kind() == Kind::Damaged && wide != range => {
                return get(range.clone());
            }
            Err(error) => return Err(error),
        };
        let found = cut(&window).ok_or_else(|| Error::new(Kind::Damaged, "it is cut short"))?;
        if window.1.len() as u64 <= FAR_READ_MIN {
            *self.window() = window;
        }
        Ok(found)
    }

    /// As many whole segments around `range` as make the least that is asked of a far store.
    fn widened(&self, range: &Range<u64>) -> Range<u64> {
        let last = self.reader.segments().saturating_sub(1);
        let body_end = self.reader.segment_range(last).end;
        let end = range.end.max(range.start + FAR_READ_MIN).min(body_end);
        // Towards the end of a pack it is what lies before.
        let start = range.start.min(end.saturating_sub(FAR_READ_MIN));
        let first = self.reader.segment_range(0).start;
        let segment = start.saturating_sub(first) / SEGMENT as u64;
        first + segment * SEGMENT as u64..end
    }
}

/// Whether reading from there costs no request: what is asked first decides.
fn is_near(store: &dyn Store) -> bool {
    match store.copies().first() {
        Some(first) => first.location().is_near(),
        None => store.location().is_near(),
    }
}

/// A pack that was listed a while ago and is gone is as good as damaged: another copy may serve, and nothing ends.
fn gone_is_damage(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound => error.with_kind(Kind::Damaged),
        _ => error,
    }
}
