//! Id to bytes: fetched, decrypted, expanded, and the id recomputed, every time.

use crate::compress::Expander;
use crate::error::{During, Error, Kind, Result};
use crate::format::block::blob_id;
use crate::format::boxes::BoxReader;
use crate::format::directory::Codec;
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::limits::{PAGE, SEGMENT};
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::index::Index;
use crate::repo::index::row::Place;
use crate::repo::recent::Recent;
use crate::repo::renewal::Renewal;
use crate::store::Store;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Expanded blocks kept, in bytes.
const CACHED_BYTES: usize = 16 << 20;
/// Opened pack headers kept, in bytes, with what was read beside them.
const CACHED_HEADERS: usize = 4 << 20;
/// The least that is asked of a far store at once: what lies beside is often wanted next, and a request that is never
/// shorter tells whoever watches less.
const FAR_READ_MIN: u64 = 256 << 10;

/// A pack and where a block begins in it.
type BlockKey = (Id, u32);

/// Reads blobs of one repository. Shared by threads.
pub struct Loader {
    repo: Arc<Repo>,
    index: Arc<Index>,
    renewal: Renewal,
    blocks: Mutex<Recent<BlockKey, Arc<Vec<u8>>>>,
    headers: Mutex<Recent<Id, Arc<Opened>>>,
}

/// A pack with its header open.
struct Opened {
    reader: BoxReader,
    /// What was read last from a far store, as it is stored, and where that begins.
    window: Mutex<(u64, Vec<u8>)>,
}

impl Loader {
    /// A loader over what `index` knows.
    pub fn new(repo: &Arc<Repo>, index: &Arc<Index>) -> Self {
        Self {
            repo: Arc::clone(repo),
            index: Arc::clone(index),
            renewal: Renewal::of(index),
            blocks: Mutex::new(Recent::new(CACHED_BYTES)),
            headers: Mutex::new(Recent::new(CACHED_HEADERS)),
        }
    }

    /// What a session leans on: it is never renewed.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Where a blob can be read, as far as the newest look knows.
    ///
    /// # Errors
    /// Those of the cache folder.
    pub fn places(&self, id: &Id, kind: BlobKind) -> Result<Vec<Place>> {
        let newest = self.renewal.newest();
        let places = newest.places(id, kind)?;
        match places.is_empty() && self.renewal.look(&self.repo, &newest)? {
            true => self.renewal.newest().places(id, kind),
            false => Ok(places),
        }
    }

    /// Whether a pack has gone and a newer look says that it was let go: a prune has written what is needed of it elsewhere.
    ///
    /// # Errors
    /// Those of the store and of the cache folder.
    pub fn has_moved(&self, pack: &Id) -> Result<bool> {
        let name = Name::hashed(Folder::Packs, &pack.to_hex());
        match self.repo.store().get_range(&name, 0..1) {
            Err(error) if error.kind() == Kind::NotFound => {
                self.renewal.look_without(&self.repo, pack)
            }
            _ => Ok(false),
        }
    }

    /// The repository it reads.
    pub fn repo(&self) -> &Arc<Repo> {
        &self.repo
    }

    /// The blob with this id, tried at every place that has it.
    ///
    /// # Errors
    /// `Damaged` when no index or directory names it or every place failed, `TooNew`, and those of the store.
    pub fn load(&self, kind: BlobKind, id: &Id) -> Result<Vec<u8>> {
        let mut read_again = false;
        loop {
            let newest = self.renewal.newest();
            let places = newest.places(id, kind)?;
            let mut failed = None;
            for place in &places {
                match self.load_at(kind, id, place) {
                    Ok(bytes) => return Ok(bytes),
                    Err(error) => failed = Some(error),
                }
            }
            let error = failed.unwrap_or_else(|| missing(kind, id));
            if !error.is_about_the_object() {
                return Err(error);
            }
            let renewed = self.is_renewed(&newest, &places)?;
            // One bad reading is not believed.
            if !renewed && (places.is_empty() || read_again) {
                return Err(error);
            }
            read_again = true;
        }
    }

    /// Whether there is a newer look than the one that led to these places, none of which has the blob.
    fn is_renewed(&self, seen: &Arc<Index>, places: &[Place]) -> Result<bool> {
        if places.is_empty() {
            return self.renewal.look(&self.repo, seen);
        }
        for place in places {
            if self.has_moved(&place.pack)? {
                return Ok(!Arc::ptr_eq(seen, &self.renewal.newest()));
            }
        }
        Ok(false)
    }

    fn load_at(&self, kind: BlobKind, id: &Id, place: &Place) -> Result<Vec<u8>> {
        let key = (place.pack, place.block_offset);
        let cached = self
            .blocks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key);
        let block = match cached {
            Some(block) => block,
            None => {
                let mut raw = Vec::new();
                self.read_block(place, &mut Expander::new(), &mut raw)?;
                let block = Arc::new(raw);
                let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
                blocks.put(key, block.len(), Arc::clone(&block));
                block
            }
        };
        let bytes = place
            .slice(&block)
            .ok_or_else(|| damaged_pack(place, "a block is shorter than the index says"))?;
        if blob_id(self.repo.keys(), kind, bytes) != *id {
            return Err(damaged_pack(place, "a blob does not hash to its id"));
        }
        Ok(bytes.to_vec())
    }

    /// The expanded block that holds `place`, into `raw`. Ids are left to the caller, who knows which ones it wants.
    ///
    /// # Errors
    /// `Damaged`, `TooNew`, and those of the store.
    pub fn read_block(
        &self,
        place: &Place,
        expander: &mut Expander,
        raw: &mut Vec<u8>,
    ) -> Result<()> {
        let mut stored = Vec::new();
        self.read_stored(place, &mut stored)?;
        expand_block(place, &stored, expander, raw)
    }

    /// The stored bytes of the block that holds `place`, decrypted, into `stored`.
    ///
    /// # Errors
    /// As [`Loader::read_block`].
    pub fn read_stored(&self, place: &Place, stored: &mut Vec<u8>) -> Result<()> {
        let len = u64::from(place.stored_len);
        let from = self.read_plain(place, u64::from(place.block_offset), len, stored)?;
        let end = from + place.stored_len as usize;
        stored.truncate(end);
        stored.drain(..from);
        Ok(())
    }

    /// Plaintext of whole segments of the pack of `place` that cover `len` bytes from `offset`; returns where in `plain`
    /// those begin. Several blocks that lie side by side can so be had in one request.
    ///
    /// # Errors
    /// As [`Loader::read_block`].
    pub fn read_plain(
        &self,
        place: &Place,
        offset: u64,
        len: u64,
        plain: &mut Vec<u8>,
    ) -> Result<usize> {
        let store = self.repo.store();
        let first = self.read_plain_from(&**store, place, offset, len, plain);
        if !matches!(&first, Err(error) if error.is_about_the_object()) {
            return first;
        }
        for copy in store.copies() {
            if let Ok(from) = self.read_plain_from(&*copy, place, offset, len, plain) {
                return Ok(from);
            }
        }
        first
    }

    fn read_plain_from(
        &self,
        store: &dyn Store,
        place: &Place,
        offset: u64,
        len: u64,
        plain: &mut Vec<u8>,
    ) -> Result<usize> {
        let name = Name::hashed(Folder::Packs, &place.pack.to_hex());
        let at = || store.location().reading(&name);
        let pack = self.header(store, place, &name).during(at)?;
        let range = pack.reader.range_of(offset, len);
        *plain = pack.read(store, &name, range.clone()).during(at)?;
        pack.reader.open_range(range.start, plain).during(at)?;
        let from = offset - pack.reader.plain_offset(range.start);
        usize::try_from(from)
            .ok()
            .filter(|from| from + usize::try_from(len).unwrap_or(usize::MAX) <= plain.len())
            .ok_or_else(|| damaged_pack(place, "it is shorter than the index says"))
    }

    fn header(&self, store: &dyn Store, place: &Place, name: &Name) -> Result<Arc<Opened>> {
        let cached = self
            .headers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&place.pack);
        if let Some(pack) = cached {
            return Ok(pack);
        }
        let open = |range: Range<u64>| {
            let bytes = store.get_range(name, range);
            let bytes = bytes.map_err(gone_is_damage)?;
            let header = bytes.get(..PAGE).unwrap_or(&bytes);
            let opener = self.repo.opener();
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
        let weight = window.len() + PAGE;
        let window = Mutex::new((0, window));
        let pack = Arc::new(Opened { reader, window });
        let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        headers.put(place.pack, weight, Arc::clone(&pack));
        Ok(pack)
    }
}

impl Opened {
    /// The bytes of this range as they are stored.
    fn read(&self, store: &dyn Store, name: &Name, range: Range<u64>) -> Result<Vec<u8>> {
        let get = |range| store.get_range(name, range).map_err(gone_is_damage);
        if is_near(store) {
            return get(range);
        }
        let cut = |(start, bytes): &(u64, Vec<u8>)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            bytes.get(from..to).map(<[u8]>::to_vec)
        };
        let held = cut(&self.window.lock().unwrap_or_else(PoisonError::into_inner));
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
            *self.window.lock().unwrap_or_else(PoisonError::into_inner) = window;
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

impl Place {
    /// The blob's bytes within its expanded block.
    pub fn slice<'a>(&self, block: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.offset as usize;
        block.get(start..start + self.len as usize)
    }
}

/// Expands the stored bytes of a block.
///
/// # Errors
/// `Damaged`.
pub fn expand_block(
    place: &Place,
    stored: &[u8],
    expander: &mut Expander,
    raw: &mut Vec<u8>,
) -> Result<()> {
    match place.codec {
        Codec::Stored => {
            raw.clear();
            raw.extend_from_slice(stored);
            Ok(())
        }
        Codec::Zstd => expander
            .expand(stored, place.raw_len as usize, raw)
            .ok_or_else(|| damaged_pack(place, "a block does not expand to its length")),
    }
}

/// A pack that was listed a while ago and is gone, or that its place refuses, is as good as damaged: another copy may serve,
/// and nothing ends.
fn gone_is_damage(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound | Kind::Other | Kind::Refused => error.with_kind(Kind::Damaged),
        _ => error,
    }
}

fn damaged_pack(place: &Place, why: &'static str) -> Error {
    let name = Name::hashed(Folder::Packs, &place.pack.to_hex());
    Error::new(Kind::Damaged, format!("{name}: {why}"))
}

/// That no pack known holds this blob.
pub fn missing(kind: BlobKind, id: &Id) -> Error {
    let noun = match kind {
        BlobKind::Chunk => "chunk",
        BlobKind::Tree => "tree",
        BlobKind::List => "content list",
    };
    Error::new(
        Kind::Damaged,
        format!("{noun} {id} is in no pack of this mirror"),
    )
}

/// Whether a pack of this kind holds such blobs.
pub fn pack_kind_of(kind: BlobKind) -> ObjectKind {
    if kind == BlobKind::Chunk {
        ObjectKind::DataPack
    } else {
        ObjectKind::TreePack
    }
}
