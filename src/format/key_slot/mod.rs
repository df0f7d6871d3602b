//! A key slot: the root key, sealed under one secret.
//!
//!     0 "HLS1" · 4 type and three zeros · 8 Argon2 memory KiB, passes, lanes u32 · 20 epoch u32 · 24 repository id[16]
//!     40 salt[32] · 72 commitment[32] · 104 wrapped root[32 + tag] · 152 note[created u64, label[40] + tag] · 216 zero[40]
//!     okm  = DK("... slot", KEK ‖ slot[0..72] ‖ slot[152..256])      key 32, nonce 12, commitment 32
//!     note = sealed with DK("... slot note", root ‖ repository id ‖ salt)      key 32, nonce 12
//!
//! The commitment is compared before anything is opened, so one guess of a secret costs one run of Argon2, and a wrong
//! secret is never called damage. An object of kind 10 is a header that carries these 256 bytes; packs carry the
//! recovery slot's.

#[cfg(test)]
mod tests;

use crate::crypto::derive::{self, KEY_FILE, Keys, RECOVERY_WORDS, RootKey, SLOT, SLOT_NOTE};
use crate::crypto::hash;
use crate::crypto::passphrase::{self, Argon2Cost};
use crate::crypto::secret::{Secret, SecretText};
use crate::crypto::stream::{open_once, seal_once};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::header::{BoxHeader, CHUNKER, RepoId, field};
use crate::id::{from_hex, to_hex};
use crate::limits::{PAGE, TAG};
use zeroize::Zeroizing;

/// Bytes of a slot.
pub const SLOT_BYTES: usize = crate::format::header::SLOT_BYTES;
/// The longest label, in bytes.
pub const LABEL_BYTES_MAX: usize = 40;

const MAGIC: [u8; 4] = *b"HLS1";
const KEY_FILE_MARK: &str = "heirloom-key-";
const SALT: usize = 40;
const COMMITMENT: usize = 72;
const WRAPPED: usize = 104;
const NOTE: usize = 152;
const ZEROS: usize = 216;

/// What opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SlotKind {
    /// A passphrase, through Argon2id.
    Passphrase = 1,
    /// A key file, for runs that nobody attends.
    KeyFile = 2,
    /// The twelve recovery words.
    Words = 3,
}

impl SlotKind {
    /// What people call such a secret.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::KeyFile => "key file",
            Self::Words => "recovery words",
        }
    }
}

/// One of those secrets.
#[derive(Clone, Debug)]
pub enum SlotSecret {
    /// As it was typed.
    Passphrase(SecretText),
    /// What the key file holds.
    KeyFile(Secret<32>),
    /// What the words stand for.
    Words(Secret<16>),
}

impl SlotSecret {
    /// Which slots it may open.
    pub fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::KeyFile(_) => SlotKind::KeyFile,
            Self::Words(_) => SlotKind::Words,
        }
    }

    /// The key-encryption key.
    fn stretch(&self, salt: &[u8; 32], cost: Argon2Cost) -> Result<Secret<32>> {
        let derived = |context, secret: &[u8]| {
            Ok(Secret::filled(|out| {
                derive::derive(context, &[secret], out)
            }))
        };
        match self {
            Self::Passphrase(text) => passphrase::stretch(text, salt, cost),
            Self::KeyFile(secret) => derived(KEY_FILE, secret.expose()),
            Self::Words(secret) => derived(RECOVERY_WORDS, secret.expose()),
        }
    }
}

/// A slot whose form was checked; it says nothing yet about who can open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySlot {
    kind: SlotKind,
    bytes: [u8; SLOT_BYTES],
}

impl KeySlot {
    /// A new slot for `root`. `random` are 32 fresh random bytes; the salt made of them also absorbs the root and the
    /// note, so that a dead random source does not seal two notes alike. `cost` counts for passphrases alone.
    pub fn seal(
        secret: &SlotSecret,
        cost: Argon2Cost,
        root: &RootKey,
        repo: RepoId,
        random: [u8; 32],
        created: u64,
        label: &str,
    ) -> Result<Self> {
        if label.len() > LABEL_BYTES_MAX || label.contains('\0') {
            let what = format!("a key's label has at most {LABEL_BYTES_MAX} bytes and no NUL");
            return Err(Error::new(Kind::Usage, what));
        }
        let kind = secret.kind();
        let mut slot = Self {
            kind,
            bytes: [0; SLOT_BYTES],
        };
        slot.write(0, &MAGIC);
        slot.write(4, &[kind as u8]);
        if kind == SlotKind::Passphrase {
            cost.check_new()?;
            let cost = [cost.memory_kib, cost.passes, cost.lanes].map(u32::to_le_bytes);
            slot.write(8, cost.as_flattened());
        }
        slot.write(24, repo.as_bytes());
        let mut note = [0; 8 + LABEL_BYTES_MAX];
        let text = created.to_le_bytes().into_iter().chain(label.bytes());
        note.iter_mut().zip(text).for_each(|(to, from)| *to = from);
        let hedge = Keys::new(root, repo.as_bytes());
        let parts = [&random[..], &field::<SALT>(&slot.bytes, 0), &note];
        let salt = hash::keyed_parts(hedge.salt_hedge(), &parts);
        slot.write(SALT, salt.as_bytes());

        let (key, nonce) = slot.note_keys(root);
        let tag = seal_once(key.expose(), &nonce, &mut note);
        slot.write(NOTE, &note);
        slot.write(ZEROS - TAG, &tag);
        let okm = slot.okm(&secret.stretch(&slot.salt(), slot.cost())?);
        let mut wrapped = Zeroizing::new(*root.expose());
        let tag = seal_once(
            &field(okm.expose(), 0),
            &field(okm.expose(), 32),
            wrapped.as_mut_slice(),
        );
        slot.write(WRAPPED, wrapped.as_slice());
        slot.write(NOTE - TAG, &tag);
        slot.write(COMMITMENT, &field::<32>(okm.expose(), 44));
        Ok(slot)
    }

    /// Checks the form of 256 bytes: `TooNew` for a type or epoch of a later version, else `Damaged`. What a
    /// passphrase slot costs is checked when it is opened.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let Ok(bytes) = <[u8; SLOT_BYTES]>::try_from(bytes) else {
            return Err(damaged("a key slot has 256 bytes"));
        };
        let [number, zeros @ ..] = field::<4>(&bytes, 4);
        if field::<4>(&bytes, 0) != MAGIC || zeros != [0; 3] {
            return Err(damaged("it does not begin like a key slot"));
        }
        let kind = match number {
            1 => SlotKind::Passphrase,
            2 => SlotKind::KeyFile,
            3 => SlotKind::Words,
            0 => return Err(damaged("it has no type")),
            _ => return Err(too_new(format!("the key slot has type {number}"))),
        };
        let epoch = u32::from_le_bytes(field(&bytes, 20));
        if epoch != 0 {
            return Err(too_new(format!("the key slot has epoch {epoch}")));
        }
        let unused = kind == SlotKind::Passphrase || field::<12>(&bytes, 8) == [0; 12];
        let salted = field::<32>(&bytes, SALT) != [0; 32];
        if !unused || !salted || field::<{ SLOT_BYTES - ZEROS }>(&bytes, ZEROS) != [0; 40] {
            return Err(damaged("fields of the key slot are not what they must be"));
        }
        Ok(Self { kind, bytes })
    }

    /// The bytes that packs carry of the recovery slot.
    pub fn as_bytes(&self) -> &[u8; SLOT_BYTES] {
        &self.bytes
    }

    /// What opens it.
    pub fn kind(&self) -> SlotKind {
        self.kind
    }

    /// Whose root it wraps.
    pub fn repo(&self) -> RepoId {
        RepoId::new(field(&self.bytes, 24))
    }

    /// What one guess costs; zeros unless it is a passphrase slot. [`Argon2Cost::check_on`] tells whether this machine
    /// has the memory.
    pub fn cost(&self) -> Argon2Cost {
        let number = |at| u32::from_le_bytes(field(&self.bytes, at));
        Argon2Cost {
            memory_kib: number(8),
            passes: number(12),
            lanes: number(16),
        }
    }

    /// The root, or `None` if this is not the secret; an error if the slot is damaged or asks for too much.
    pub fn open(&self, secret: &SlotSecret) -> Result<Option<RootKey>> {
        if secret.kind() != self.kind {
            return Ok(None);
        }
        let okm = self.okm(&secret.stretch(&self.salt(), self.cost())?);
        if !hash::same(&field(okm.expose(), 44), &field(&self.bytes, COMMITMENT)) {
            return Ok(None);
        }
        let mut root = Zeroizing::new(field::<32>(&self.bytes, WRAPPED));
        let tag = field(&self.bytes, NOTE - TAG);
        let (key, nonce) = (
            Zeroizing::new(field(okm.expose(), 0)),
            field(okm.expose(), 32),
        );
        open_once(&key, &nonce, root.as_mut_slice(), &tag)
            .ok_or_else(|| damaged("the secret is right, but what it opens is damaged"))?;
        Ok(Some(RootKey::from_bytes(*root)))
    }

    /// When the slot was made, in seconds since 1970, and its label; `None` if it is not of this root.
    pub fn note(&self, root: &RootKey) -> Option<(u64, String)> {
        let (key, nonce) = self.note_keys(root);
        let mut note = field::<{ 8 + LABEL_BYTES_MAX }>(&self.bytes, NOTE);
        let tag = field(&self.bytes, ZEROS - TAG);
        open_once(key.expose(), &nonce, &mut note, &tag)?;
        let label = field::<LABEL_BYTES_MAX>(&note, 8);
        let label = String::from_utf8_lossy(&label);
        let label = label.trim_end_matches('\0').to_owned();
        Some((u64::from_le_bytes(field(&note, 0)), label))
    }

    /// The object of kind 10 that stands under `keys/` and `keys2/`.
    pub fn to_object(&self) -> Vec<u8> {
        let header = BoxHeader {
            kind: ObjectKind::KeySlot,
            chunker: CHUNKER,
            body_len: 0,
            repo: self.repo(),
            salt: [0; 32],
            commitment: [0; 32],
            recovery: self.bytes,
        };
        header.encode().to_vec()
    }

    /// Reads such an object. A wrong checksum is damage, and never a wrong secret.
    pub fn from_object(bytes: &[u8]) -> Result<Self> {
        let header = BoxHeader::decode(bytes)?;
        if header.kind != ObjectKind::KeySlot || bytes.len() != PAGE {
            return Err(damaged("a key slot is one page and nothing else"));
        }
        let slot = Self::parse(&header.recovery)?;
        if slot.repo() != header.repo {
            return Err(damaged("the slot and its header name two repositories"));
        }
        Ok(slot)
    }

    fn salt(&self) -> [u8; 32] {
        field(&self.bytes, SALT)
    }

    fn okm(&self, kek: &Secret<32>) -> Secret<76> {
        let before = field::<COMMITMENT>(&self.bytes, 0);
        let after = field::<{ SLOT_BYTES - NOTE }>(&self.bytes, NOTE);
        Secret::filled(|out| derive::derive(SLOT, &[kek.expose(), &before, &after], out))
    }

    fn note_keys(&self, root: &RootKey) -> (Secret<32>, [u8; 12]) {
        let material = [
            &root.expose()[..],
            &field::<16>(&self.bytes, 24),
            &self.salt(),
        ];
        let okm = Secret::<44>::filled(|out| derive::derive(SLOT_NOTE, &material, out));
        (Secret::new(field(okm.expose(), 0)), field(okm.expose(), 32))
    }

    fn write(&mut self, at: usize, part: &[u8]) {
        let place = self.bytes.iter_mut().skip(at);
        place.zip(part).for_each(|(to, from)| *to = *from);
    }
}

/// Reads a key file: one line, `heirloom-key-1:` and 64 hex digits.
pub fn read_key_file(text: &str) -> Result<Secret<32>> {
    let wrong = || Error::new(Kind::Usage, "this is no key file of heirloom");
    let line = text.trim();
    let (version, digits) = line
        .strip_prefix(KEY_FILE_MARK)
        .and_then(|rest| rest.split_once(':'))
        .ok_or_else(wrong)?;
    if version != "1" && !version.is_empty() && version.bytes().all(|c| c.is_ascii_digit()) {
        return Err(too_new(format!("the key file has version {version}")));
    }
    let bytes = Zeroizing::new(from_hex(digits).unwrap_or_default());
    let bytes = <&[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .filter(|_| version == "1");
    bytes.map(|bytes| Secret::new(*bytes)).ok_or_else(wrong)
}

/// The text of a key file.
pub fn write_key_file(secret: &Secret<32>) -> String {
    let digits = Zeroizing::new(to_hex(secret.expose()));
    format!("{KEY_FILE_MARK}1:{}\n", *digits)
}

fn damaged(why: &'static str) -> Error {
    Error::new(Kind::Damaged, "read the key slot").because(why)
}

fn too_new(what: String) -> Error {
    Error::new(Kind::TooNew, what).hint("Update heirloom, then run the command again")
}
