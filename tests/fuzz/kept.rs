//! Inputs that are kept: one packed file for each family in `tests/data/fuzz`, and a folder of files in a campaign.

use crate::fuzz::engine::Chance;
use heirloom::crypto::hash::object_id;
use std::fs;
use std::path::{Path, PathBuf};

/// The packed file of one family is no longer.
const PACKED_MAX: usize = 64 << 10;

/// What a family is called in the names of files.
pub(crate) fn slug(name: &str) -> String {
    name.replace(' ', "-")
}

fn packed(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{}.zst", slug(name)))
}

/// The inputs of `tests/data/fuzz`.
pub(crate) fn committed(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz");
    let packed = fs::read(packed(&folder, name));
    packed.map_or_else(|_| Vec::new(), |packed| unpack(&packed))
}

fn unpack(packed: &[u8]) -> Vec<Vec<u8>> {
    let plain = zstd::stream::decode_all(packed).unwrap();
    let (mut rest, mut inputs) = (&plain[..], Vec::new());
    while let Some((len, after)) = rest.split_first_chunk() {
        let (input, after) = after.split_at(u32::from_le_bytes(*len) as usize);
        inputs.push(input.to_vec());
        rest = after;
    }
    assert!(rest.is_empty(), "a packed file ends in the middle");
    inputs
}

/// One after the other, the length of each before it, as one zstd frame.
fn pack(inputs: &[Vec<u8>]) -> Vec<u8> {
    let one = |input: &Vec<u8>| {
        let len = u32::try_from(input.len()).unwrap().to_le_bytes();
        [&len[..], input].concat()
    };
    let plain: Vec<u8> = inputs.iter().flat_map(one).collect();
    zstd::stream::encode_all(&plain[..], 19).unwrap()
}

/// Writes the packed file of a family: as many of the inputs, the first ones first, as it has room for. How many, and
/// how long it is.
pub(crate) fn commit(folder: &Path, name: &str, inputs: &[Vec<u8>]) -> (usize, usize) {
    let fits = |count: usize| pack(&inputs[..count]).len() <= PACKED_MAX;
    let (mut count, mut too_many) = (0, inputs.len() + 1);
    while count + 1 < too_many {
        let middle = usize::midpoint(count, too_many);
        match fits(middle) {
            true => count = middle,
            false => too_many = middle,
        }
    }
    let bytes = pack(&inputs[..count]);
    fs::create_dir_all(folder).unwrap();
    fs::write(packed(folder, name), &bytes).unwrap();
    (count, bytes.len())
}

/// Where a campaign keeps the inputs of a family, and what they show.
pub(crate) struct Shelf {
    folder: PathBuf,
    name: &'static str,
}

impl Shelf {
    /// The folder that `HEIRLOOM_FUZZ_CORPUS` names, or one beside what is built.
    pub(crate) fn new(name: &'static str) -> Self {
        let folder = std::env::var_os("HEIRLOOM_FUZZ_CORPUS").map(PathBuf::from);
        let beside = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        let folder = folder.unwrap_or_else(beside);
        Self { folder, name }
    }

    fn mine(&self) -> PathBuf {
        self.folder.join(slug(self.name))
    }

    /// Everything in it, smallest first.
    pub(crate) fn read(&self) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.mine()) else {
            return Vec::new();
        };
        let mut inputs: Vec<_> = entries
            .map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect();
        inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        inputs
    }

    fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Under the first half of its hash.
    pub(crate) fn keep(&self, input: &[u8]) {
        Self::write(&self.mine(), &object_id(input).to_hex()[..32], input);
    }

    /// Apart from the others: they are run again each time.
    pub(crate) fn keep_finding(&self, input: &[u8]) -> PathBuf {
        let hash = object_id(input).to_hex();
        let name = format!("{}-{}", slug(self.name), &hash[..16]);
        Self::write(&self.folder.join("findings"), &name, input)
    }

    /// A file that holds the input of the moment, for executions that nobody returns from.
    pub(crate) fn moment(&self) -> Moment {
        let folder = self.folder.join("moment");
        fs::create_dir_all(&folder).unwrap();
        Moment(fs::File::create(folder.join(slug(self.name))).unwrap())
    }

    /// Writes where each edge lies and whether it was reached.
    pub(crate) fn write_edges(&self, lines: impl Iterator<Item = (usize, bool)>) {
        let text: String = lines
            .map(|(address, reached)| format!("{address:#x} {}\n", u8::from(reached)))
            .collect();
        let folder = self.folder.join("edges");
        Self::write(&folder, &slug(self.name), text.as_bytes());
    }
}

/// The input of the moment: its length in eight bytes, little-endian, and what it is.
pub(crate) struct Moment(fs::File);

impl Moment {
    pub(crate) fn set(&self, input: &[u8]) {
        use std::os::unix::fs::FileExt as _;
        let bytes = [&(input.len() as u64).to_le_bytes()[..], input].concat();
        self.0.write_all_at(&bytes, 0).unwrap();
    }
}

#[test]
fn what_is_packed_comes_back_as_far_as_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut inputs = vec![Vec::new(), b"a".to_vec()];
    inputs.extend((0..4).map(|seed| Chance::new(seed).bytes(20 << 10)));
    let (count, len) = commit(folder.path(), "a name", &inputs);
    assert_eq!(count, 5);
    let packed = fs::read(folder.path().join("a-name.zst")).unwrap();
    assert!(packed.len() == len && len <= PACKED_MAX);
    assert!(unpack(&packed) == inputs[..5]);
}
