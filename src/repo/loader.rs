//! Id to bytes: fetched, decrypted, expanded, and the id recomputed, every time.

use crate::compress::Expander;
use crate::error::{During, Error, Kind, Result};
use crate::format::block::blob_id;
use crate::format::directory::Codec;
use crate::format::{BlobKind, ObjectKind};
use crate::id::Id;
use crate::name::{Folder, Name};
use crate::repo::Repo;
use crate::repo::index::Index;
use crate::repo::index::row::Place;
use crate::repo::opened::{Giver, Opened};
use crate::repo::recent::Recent;
use crate::repo::renewal::Renewal;
use crate::store::Store;
use std::sync::{Arc, Mutex, PoisonError};

/// Expanded blocks kept, in bytes.
const CACHED_BYTES: usize = 16 << 20;
/// Opened pack headers kept, in bytes, with what was read beside them.
const CACHED_HEADERS: usize = 4 << 20;

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
        match places.is_empty() && self.is_found_again(&newest, kind, id)? {
            true => self.renewal.newest().places(id, kind),
            false => Ok(places),
        }
    }

    /// Whether a newer look than this one shows a pack that has the blob.
    fn is_found_again(&self, seen: &Arc<Index>, kind: BlobKind, id: &Id) -> Result<bool> {
        let has = |index: &Index| Ok(!index.places(id, kind)?.is_empty());
        self.renewal.look(&self.repo, seen, &has)
    }

    /// Whether a pack has gone and a newer look does not miss it: a prune has written what is needed of it elsewhere.
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
                    // What one place refuses may be whole there.
                    Err(error) if failed.as_ref().is_some_and(is_refusal) => drop(error),
                    Err(error) => failed = Some(error),
                }
            }
            let error = failed.unwrap_or_else(|| missing(kind, id));
            if !matches!(error.kind(), Kind::Damaged | Kind::NotFound) {
                return Err(error);
            }
            let renewed = match places.is_empty() {
                true => self.is_found_again(&newest, kind, id)?,
                false => self.have_moved(&newest, &places)?,
            };
            // One bad reading is not believed.
            if !renewed && (places.is_empty() || read_again) {
                return Err(error);
            }
            read_again = true;
        }
    }

    /// Whether there is a newer look than the one that led to these places, none of which has the blob.
    fn have_moved(&self, seen: &Arc<Index>, places: &[Place]) -> Result<bool> {
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
        if let Some(block) = cached
            && let Ok(bytes) = self.blob_in(&block, kind, id, place)
        {
            return Ok(bytes);
        }
        let mut raw = Vec::new();
        self.read_block(place, &mut Expander::new(), &mut raw)?;
        let bytes = self.blob_in(&raw, kind, id, place)?;
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.put(key, raw.len(), Arc::new(raw));
        Ok(bytes)
    }

    fn blob_in(&self, block: &[u8], kind: BlobKind, id: &Id, place: &Place) -> Result<Vec<u8>> {
        let bytes = place
            .slice(block)
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
        let first = self.read_plain_from(Giver::Any(&**store), place, offset, len, plain);
        if !matches!(&first, Err(error) if error.costs_one_object()) {
            return first;
        }
        for copy in store.copies() {
            if let Ok(from) = self.read_plain_from(Giver::This(&*copy), place, offset, len, plain) {
                return Ok(from);
            }
        }
        first
    }

    fn read_plain_from(
        &self,
        giver: Giver<'_>,
        place: &Place,
        offset: u64,
        len: u64,
        plain: &mut Vec<u8>,
    ) -> Result<usize> {
        let name = Name::hashed(Folder::Packs, &place.pack.to_hex());
        let at = || giver.store().location().reading(&name);
        let pack = self.header(giver.store(), place, &name).during(at)?;
        let read = pack.plain((giver, &name), (offset, len), plain);
        read.during(at)?
            .ok_or_else(|| damaged_pack(place, "it is shorter than the index says"))
    }

    fn header(&self, store: &dyn Store, place: &Place, name: &Name) -> Result<Arc<Opened>> {
        let headers = || self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pack) = headers().get(&place.pack) {
            return Ok(pack);
        }
        let pack = Opened::open(&self.repo, store, place, name)?;
        headers().put(place.pack, pack.weight(), Arc::clone(&pack));
        Ok(pack)
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

fn is_refusal(error: &Error) -> bool {
    !error.is_about_the_object()
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
