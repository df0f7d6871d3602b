//! Every sub-key of a repository, from its 32-byte root.
//!
//! `subkey(x) = DK(context x, root ‖ repository id ‖ epoch u32)`, where `DK` is BLAKE3 `derive_key` with extendable
//! output. A context is a literal, stands once in [`CONTEXTS`], and never holds data: two uses can never meet.

use crate::crypto::secret::Secret;
use crate::crypto::words;

/// Key, base nonce and commitment of one box.
pub const BOX: &str = "heirloom 2026-11 box";
/// Key, nonce and commitment of one key slot.
pub const SLOT: &str = "heirloom 2026-11 slot";
/// Key and nonce of a slot's label.
pub const SLOT_NOTE: &str = "heirloom 2026-11 slot note";
/// The key-encryption key from recovery words.
pub const RECOVERY_WORDS: &str = "heirloom 2026-11 recovery words";
/// The key-encryption key from a key file.
pub const KEY_FILE: &str = "heirloom 2026-11 key file";

const CHUNK_IDS: &str = "heirloom 2026-11 chunk id key";
const TREE_IDS: &str = "heirloom 2026-11 tree id key";
const LIST_IDS: &str = "heirloom 2026-11 list id key";
const CHUNKER: &str = "heirloom 2026-11 chunker key";
const CHUNKER_STAGE_1: &str = "heirloom 2026-11 chunker stage 1";
const CHUNKER_STAGE_2: &str = "heirloom 2026-11 chunker stage 2";
const TREE_SPLIT: &str = "heirloom 2026-11 tree split";
const SALT_HEDGE: &str = "heirloom 2026-11 salt hedge key";
const CACHE: &str = "heirloom 2026-11 cache key";
const FINGERPRINT: &str = "heirloom 2026-11 fingerprint";
const X_WING_PSK: &str = "heirloom 2026-11 x-wing psk";

/// The sub-key context of each box kind, by its number less one.
const BOX_KINDS: [&str; 9] = [
    "heirloom 2026-11 data pack key",
    "heirloom 2026-11 tree pack key",
    "heirloom 2026-11 index key",
    "heirloom 2026-11 entry key",
    "heirloom 2026-11 intent key",
    "heirloom 2026-11 commit key",
    "heirloom 2026-11 mark key",
    "heirloom 2026-11 ledger key",
    "heirloom 2026-11 mirror key",
];

/// Every context there is; the last is reserved and derives nothing in this version.
pub const CONTEXTS: [&str; 25] = [
    BOX_KINDS[0],
    BOX_KINDS[1],
    BOX_KINDS[2],
    BOX_KINDS[3],
    BOX_KINDS[4],
    BOX_KINDS[5],
    BOX_KINDS[6],
    BOX_KINDS[7],
    BOX_KINDS[8],
    CHUNK_IDS,
    TREE_IDS,
    LIST_IDS,
    CHUNKER,
    CHUNKER_STAGE_1,
    CHUNKER_STAGE_2,
    TREE_SPLIT,
    SALT_HEDGE,
    CACHE,
    FINGERPRINT,
    BOX,
    SLOT,
    SLOT_NOTE,
    RECOVERY_WORDS,
    KEY_FILE,
    X_WING_PSK,
];

/// The only epoch of this version.
const EPOCH: [u8; 4] = [0; 4];

/// BLAKE3 `derive_key` over `material`, joined, filling all of `out`.
pub fn derive(context: &'static str, material: &[&[u8]], out: &mut [u8]) {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in material {
        hasher.update(part);
    }
    hasher.finalize_xof().fill(out);
}

fn derive_secret<const N: usize>(context: &'static str, material: &[&[u8]]) -> Secret<N> {
    Secret::filled(|out| derive(context, material, out))
}

/// What `init` makes once and every slot wraps.
#[derive(Clone, Debug)]
pub struct RootKey(Secret<32>);

impl RootKey {
    /// The root with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// A new root from a source of unpredictable bytes.
    pub fn random(fill: impl FnOnce(&mut [u8])) -> Self {
        Self(Secret::filled(fill))
    }

    /// The 32 bytes, for a slot to wrap.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// All sub-keys of one repository, computed once.
#[derive(Debug)]
pub struct Keys {
    boxes: [Secret<32>; 9],
    chunk_ids: Secret<32>,
    tree_ids: Secret<32>,
    list_ids: Secret<32>,
    chunker: Secret<32>,
    salt_hedge: Secret<32>,
    cache: Secret<32>,
    fingerprint: String,
}

impl Keys {
    /// Derives them all, about thirty short hashes.
    pub fn new(root: &RootKey, repo: &[u8; 16]) -> Self {
        let sub = |context: &'static str| derive_secret(context, &[root.0.expose(), repo, &EPOCH]);
        let mut fingerprint = [0; words::FINGERPRINT_BYTES];
        derive(FINGERPRINT, &[root.0.expose(), repo], &mut fingerprint);
        Self {
            boxes: BOX_KINDS.map(sub),
            chunk_ids: sub(CHUNK_IDS),
            tree_ids: sub(TREE_IDS),
            list_ids: sub(LIST_IDS),
            chunker: sub(CHUNKER),
            salt_hedge: sub(SALT_HEDGE),
            cache: sub(CACHE),
            fingerprint: words::fingerprint(&fingerprint),
        }
    }

    /// Seals boxes of the kind with this number.
    ///
    /// # Panics
    /// If no box of that kind is sealed under the root (key slots are not): an error in the program.
    pub fn box_key(&self, kind: u8) -> &Secret<32> {
        usize::from(kind)
            .checked_sub(1)
            .and_then(|at| self.boxes.get(at))
            .expect("kinds 1 to 9 are sealed")
    }

    /// Names chunks.
    pub fn chunk_ids(&self) -> &Secret<32> {
        &self.chunk_ids
    }

    /// Names trees.
    pub fn tree_ids(&self) -> &Secret<32> {
        &self.tree_ids
    }

    /// Names content lists.
    pub fn list_ids(&self) -> &Secret<32> {
        &self.list_ids
    }

    /// The chunker's secret, from which its two stages come.
    pub fn chunker(&self) -> &Secret<32> {
        &self.chunker
    }

    /// Mixed into every salt, so that a weak random source alone repeats nothing.
    pub fn salt_hedge(&self) -> &Secret<32> {
        &self.salt_hedge
    }

    /// Authenticates local caches and hashes the names in them.
    pub fn cache(&self) -> &Secret<32> {
        &self.cache
    }

    /// The first bytes of the stream that the chunker's first stage is built from.
    pub fn chunker_stage1(&self, out: &mut [u8]) {
        derive(CHUNKER_STAGE_1, &[self.chunker.expose()], out);
    }

    /// The key of the chunker's second stage.
    pub fn chunker_stage2(&self) -> [u8; 16] {
        self.chunker_part(CHUNKER_STAGE_2)
    }

    /// The key by which large folders are split.
    pub fn tree_split(&self) -> [u8; 16] {
        self.chunker_part(TREE_SPLIT)
    }

    /// Six words by which people tell this repository's key from any other.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn chunker_part(&self, context: &'static str) -> [u8; 16] {
        let mut out = [0; 16];
        derive(context, &[self.chunker.expose()], &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::to_hex;
    use std::collections::BTreeSet;

    /// N4: the literals in the source are those of the table, and each stands there once.
    #[test]
    fn n4_contexts_are_unique_and_all_listed() {
        let mut literals = Vec::new();
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        for file in walkdir::WalkDir::new(root) {
            let path = file.unwrap().into_path();
            if path.extension().is_none_or(|end| end != "rs") || path.ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let marked = code.split("\"heirloom 2026-11 ").skip(1);
            literals.extend(marked.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
        let listed =
            CONTEXTS.map(|text| text.strip_prefix("heirloom 2026-11 ").unwrap().to_owned());
        let unique: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(unique.len(), CONTEXTS.len());
        assert_eq!(literals.len(), CONTEXTS.len());
        assert_eq!(literals.into_iter().collect::<BTreeSet<_>>(), unique);
    }

    /// N4: any change of a derivation shows here.
    #[test]
    fn n4_derivations_are_frozen() {
        let root = RootKey::from_bytes([0x11; 32]);
        let keys = Keys::new(&root, &[0x22; 16]);
        let mut all = Vec::new();
        for kind in 1..=9 {
            all.extend(keys.box_key(kind).expose());
        }
        for key in [
            keys.chunk_ids(),
            keys.tree_ids(),
            keys.list_ids(),
            keys.chunker(),
            keys.salt_hedge(),
            keys.cache(),
        ] {
            all.extend(key.expose());
        }
        assert_eq!(all.chunks(32).collect::<BTreeSet<_>>().len(), 15);
        let mut stage1 = [0; 64];
        keys.chunker_stage1(&mut stage1);
        all.extend(stage1);
        all.extend(keys.chunker_stage2());
        all.extend(keys.tree_split());
        all.extend(keys.fingerprint().bytes());
        assert_eq!(
            to_hex(&blake3::hash(&all).as_bytes()[..8]),
            "a3a62fcbfe556a74"
        );
        assert_eq!(
            to_hex(&keys.box_key(1).expose()[..8]),
            to_hex(
                &blake3::derive_key(
                    "heirloom 2026-11 data pack key",
                    &[&[0x11; 32][..], &[0x22; 16], &[0; 4]].concat()
                )[..8]
            )
        );
        let other = Keys::new(&root, &[0x23; 16]);
        assert_ne!(other.fingerprint(), keys.fingerprint());
    }
}
