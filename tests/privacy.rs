//! Nothing in clear: neither on a mirror nor in what a device keeps, neither in bytes nor in names (C1); nothing in
//! common between two repositories (C2); lengths say no more than a step of their padding (C6).

use crate::client::{Client, Job, TestHost, next_tick};
use crate::world::noise;
use heirloom::compress::Level;
use heirloom::format::header::BoxHeader;
use heirloom::id::to_hex;
use heirloom::limits::PAGE;
use heirloom::name::Folder;
use heirloom::store::memory::MemoryStore;
use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every name and path that a stranger must not find, all at least eight bytes long.
const NAMES: [&str; 6] = [
    "zebra-diary",
    "quokka-letters.txt",
    "wombat-photo.jpeg",
    "kingfisher-host",
    "marguerite-user",
    "attic-source-name",
];

struct World {
    home: PathBuf,
    _keep: tempfile::TempDir,
    store: MemoryStore,
    client: Client,
    job: Job,
    contents: Vec<Vec<u8>>,
}

/// Words that no other text has, as often as one likes: they compress well.
fn words(seed: u64, len: usize) -> Vec<u8> {
    let lines = (0..16).map(|n| {
        format!(
            "{} vexed jukebox wizards; ",
            to_hex(&noise(seed * 16 + n, 12))
        )
    });
    let text: String = lines.collect();
    text.bytes().cycle().take(len).collect()
}

impl World {
    fn new(seed: u64, level: Level) -> Self {
        let keep = tempfile::tempdir().unwrap();
        let home = keep.path().canonicalize().unwrap();
        let store = MemoryStore::new("memory");
        let host = TestHost::new(seed, "kingfisher-host");
        host.set_ahead(10);
        let mut client = Client::new(&home, 0, Arc::new(store.clone()), host);
        client.user = "marguerite-user".to_owned();
        client.level = level;
        client.init().unwrap();
        let job = Job {
            source: "attic-source-name".to_owned(),
            path: home.join("zebra-diary"),
            force: false,
        };
        let contents = vec![
            words(1, 200),
            words(2, 300_000),
            noise(3, 70_000),
            // Kept in a node, in a chunk of its own, and as an attribute.
            words(4, 60),
            words(5, 9_000),
            words(6, 40),
        ];
        fs::create_dir(&job.path).unwrap();
        fs::write(job.path.join("quokka-letters.txt"), &contents[0]).unwrap();
        fs::write(job.path.join("big"), &contents[1]).unwrap();
        fs::write(job.path.join("wombat-photo.jpeg"), &contents[2]).unwrap();
        let link = std::ffi::OsStr::from_bytes(&contents[3]);
        std::os::unix::fs::symlink(link, job.path.join("link")).unwrap();
        fs::write(job.path.join("more"), &contents[4]).unwrap();
        let empty = rustix::fs::XattrFlags::empty();
        // Not every file system has attributes.
        let _ = rustix::fs::setxattr(job.path.join("more"), "user.note", &contents[5], empty);
        Self {
            home,
            _keep: keep,
            store,
            client,
            job,
            contents,
        }
    }

    /// Backups, an index in the cache, a state file: everything that a device and a mirror come to hold.
    fn live(&self) {
        self.client.backup_well(&self.job);
        next_tick(&self.home);
        fs::write(self.job.path.join("more"), words(7, 500)).unwrap();
        let snapshot = self.client.backup_well(&self.job);
        let root = self.client.root_of(snapshot);
        let target = self.home.join("target");
        self.client
            .restore(&self.client.loader(), root, &self.job.path, &target);
        self.client.assert_clean();
    }

    /// Name and bytes of all that is kept anywhere.
    fn kept(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let contents = self.store.contents().into_iter();
        let mut all: Vec<_> = contents
            .map(|(name, bytes)| (name.path().into_bytes(), bytes))
            .collect();
        assert!(all.len() > 10);
        let mirror = all.len();
        for folder in [self.client.cache(), self.client.state()] {
            files(&folder, &folder, &mut all);
        }
        assert!(all.len() > mirror + 6, "cache and state hold something");
        all
    }
}

fn files(root: &Path, folder: &Path, all: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
        if path.is_dir() {
            all.push((name.to_vec(), Vec::new()));
            files(root, &path, all);
        } else {
            all.push((name.to_vec(), fs::read(&path).unwrap()));
        }
    }
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// A name as programs like to write names.
fn spellings(name: &str) -> Vec<Vec<u8>> {
    let bytes = name.as_bytes();
    let percent = |upper: bool| {
        let digit = |byte: &u8| match upper {
            true => format!("%{byte:02X}"),
            false => format!("%{byte:02x}"),
        };
        bytes.iter().map(digit).collect::<String>().into_bytes()
    };
    let hex = to_hex(bytes);
    let wide = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
    let backwards = bytes.iter().rev().copied().collect();
    vec![
        bytes.to_vec(),
        name.to_uppercase().into_bytes(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        percent(true),
        percent(false),
        name.replace('-', "%2D").into_bytes(),
        name.replace('-', "\\x2d").into_bytes(),
        wide,
        backwards,
    ]
}

#[test]
fn nothing_is_kept_in_clear() {
    for level in [Level::Off, Level::Fast] {
        let world = World::new(1, level);
        world.live();
        let mut wanted: Vec<Vec<u8>> = NAMES.iter().flat_map(|name| spellings(name)).collect();
        let path = world.job.path.to_str().unwrap();
        wanted.extend(spellings(path));
        wanted.extend(spellings(world.home.to_str().unwrap()));
        let windows: HashSet<&[u8]> = world
            .contents
            .iter()
            .flat_map(|content| content.windows(8))
            .collect();
        for (name, bytes) in world.kept() {
            let shown = name.escape_ascii();
            for text in &wanted {
                let said = text.escape_ascii();
                assert!(!holds(&bytes, text), "{said} stands in {shown}");
                assert!(!holds(&name, text), "{said} is in the name {shown}");
            }
            let found = bytes.windows(8).find(|window| windows.contains(window));
            let found = found.map(|window| window.escape_ascii().to_string());
            assert_eq!(found, None, "content stands in {shown}");
        }
    }
}

#[test]
fn what_is_sought_would_be_found() {
    let world = World::new(1, Level::Off);
    let folder = world.client.cache();
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("leak"),
        [b"..", &world.contents[1][5..13], b".."].concat(),
    )
    .unwrap();
    let mut all = Vec::new();
    files(&folder, &folder, &mut all);
    assert!(
        all.iter()
            .any(|(_, bytes)| holds(bytes, &world.contents[1][5..13]))
    );
}

#[test]
fn two_repositories_have_nothing_in_common() {
    let (one, two) = (World::new(1, Level::Off), World::new(2, Level::Off));
    for world in [&one, &two] {
        world.client.backup_well(&world.job);
    }
    let rescue =
        |name: &heirloom::name::Name| name.folder() == Folder::Top && name.leaf() != "mirror";
    let blocks = |world: &World| -> HashSet<Vec<u8>> {
        let all = world.store.contents().into_iter();
        let boxes = all.filter(|(name, bytes)| !rescue(name) && bytes.len() > PAGE);
        let mut found = HashSet::new();
        for (name, bytes) in boxes {
            let header = BoxHeader::decode(&bytes[..PAGE]).unwrap();
            let end = PAGE + usize::try_from(header.body_len).unwrap();
            // Magic, kind and lengths stand in every header; all else there is drawn or derived for this box.
            let parts = [&bytes[PAGE..end], &header.salt, &header.commitment];
            for block in parts.into_iter().flat_map(|part| part.chunks(16)) {
                assert!(found.insert(block.to_vec()), "{name} holds a block twice");
            }
        }
        found
    };
    let (first, second) = (blocks(&one), blocks(&two));
    let both: Vec<_> = first
        .intersection(&second)
        .map(|part| to_hex(part))
        .collect();
    assert_eq!(both, Vec::<String>::new());
    let names = |world: &World| -> HashSet<String> {
        let all = world.store.contents().into_keys();
        all.filter(|name| name.folder() != Folder::Top)
            .map(|name| name.leaf().to_owned())
            .collect()
    };
    let (first, second) = (names(&one), names(&two));
    assert!(first.len() > 5 && first.is_disjoint(&second));
}

/// The smallest PADME length that holds `len`.
fn padme(len: u64) -> u64 {
    let exponent = len.ilog2();
    let step = 1 << (exponent - (exponent.ilog2() + 1));
    len.div_ceil(step) * step
}

#[test]
fn lengths_are_padded() {
    let world = World::new(1, Level::Fast);
    world.live();
    for (name, bytes) in world.store.contents() {
        let len = bytes.len() as u64;
        if name.folder() == Folder::Top && name.leaf() != "mirror" {
            continue;
        }
        assert_eq!(len % PAGE as u64, 0, "{name}");
        if !matches!(name.folder(), Folder::Keys | Folder::Keys2) {
            assert!(len >= 2 * PAGE as u64, "{name}");
            let padded = padme(len).next_multiple_of(PAGE as u64);
            assert_eq!(len, padded, "{name}");
        }
    }
}

#[test]
fn a_guess_that_is_right_does_not_show_in_the_lengths() {
    // A right guess deduplicates or compresses away; what a stranger sees is the step of the padding.
    let lens: Vec<_> = [false, true]
        .into_iter()
        .map(|right| {
            let world = World::new(1, Level::Fast);
            let guess = if right { 5 } else { 8 };
            fs::write(world.job.path.join("guess"), words(guess, 400)).unwrap();
            world.client.backup_well(&world.job);
            let all = world.store.contents().into_iter();
            let mut lens: Vec<_> = all
                .map(|(name, bytes)| (name.folder(), bytes.len()))
                .collect();
            lens.sort_unstable();
            lens
        })
        .collect();
    assert_eq!(lens[0], lens[1]);
}
