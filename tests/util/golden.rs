//! The golden repository of format version 1: how it was made, how it is opened, what must come out of it.
//!
//! `tests/data/golden-1` is a mirror without its text files, which may be renewed, and one manifest for each of its two
//! snapshots. It is never made again unless the format itself changes; a later format gets a golden repository of its
//! own beside it.

use crate::world::{make_fifo, noise, set_mtime};
use heirloom::compress::Level;
use heirloom::crypto::hash;
use heirloom::crypto::passphrase::Argon2Cost;
use heirloom::crypto::secret::{Secret, SecretText};
use heirloom::crypto::words;
use heirloom::format::key_slot::{self, SlotSecret};
use heirloom::host::{FixedHost, Host};
use heirloom::monitor::Collected;
use heirloom::ops::backup;
use heirloom::ops::backup::shrink::Shrink;
use heirloom::repo::author::Author;
use heirloom::repo::create::put_rescue_files;
use heirloom::repo::keyring::NewSlot;
use heirloom::repo::mirrors::Mirrors;
use heirloom::repo::packer::Settings;
use heirloom::repo::unlock::Unlock;
use heirloom::repo::{Repo, Writer};
use heirloom::source::exclude::Rules;
use heirloom::store::Store;
use heirloom::store::folder::FolderStore;
use rustix::fs::XattrFlags;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the source was when the golden repository was made.
pub(crate) const SOURCE: &str = "/tmp/heirloom-golden/source";
/// Its recovery words.
pub(crate) const WORDS: &str =
    "coral maze mimic half fat breeze thought chef depth tiger exhibit lecture";
/// Its passphrase.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";
const KEY_FILE: [u8; 32] = [0x47; 32];

/// The manifests of its snapshots, the older first.
pub(crate) const MANIFESTS: [&str; 2] = [
    include_str!("../data/golden-1/manifest-1.txt"),
    include_str!("../data/golden-1/manifest-2.txt"),
];

/// The text of its key file.
pub(crate) fn key_file() -> String {
    key_slot::write_key_file(&Secret::new(KEY_FILE))
}

/// Each of its secrets.
pub(crate) fn secrets() -> [SlotSecret; 3] {
    [
        SlotSecret::KeyFile(Secret::new(KEY_FILE)),
        SlotSecret::Words(words::from_words(WORDS).unwrap()),
        SlotSecret::Passphrase(SecretText::new(PASSPHRASE.to_owned())),
    ]
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden-1")
}

/// A copy of the golden mirror in `place`, with the texts of today.
pub(crate) fn mirror(place: &Path) -> PathBuf {
    let to = place.join("mirror");
    copy(&data().join("mirror"), &to);
    put_rescue_files(&*store(&to)).unwrap();
    to
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn store(mirror: &Path) -> Arc<dyn Store> {
    Arc::new(FolderStore::open(mirror, "golden").unwrap())
}

/// Opens a mirror with one secret.
pub(crate) fn open(mirror: &Path, secret: SlotSecret, cache: &Path) -> Arc<Repo> {
    let monitor = Collected::default();
    let repo = Repo::open(store(mirror), &Unlock::new(secret), cache, &monitor).unwrap();
    assert_eq!(monitor.problems(), Vec::<String>::new());
    Arc::new(repo)
}

/// Everything below `root` that a restore gives back but for owners, one line for each item: path, type, mode, size,
/// time, then what it holds. A further name of a file is `= FIRST NAME`.
pub(crate) fn manifest(root: &Path) -> String {
    let mut lines = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort_unstable();
        for path in paths {
            let stat = fs::symlink_metadata(&path).unwrap();
            if stat.is_dir() {
                folders.push(path.clone());
            }
            let inside = path.strip_prefix(root).unwrap().as_os_str();
            let shown = inside.as_bytes().escape_ascii().to_string();
            if stat.nlink() > 1 && !stat.is_dir() {
                let inode = (stat.dev(), stat.ino());
                let all: &mut Vec<String> = names.entry(inode).or_default();
                all.push(shown.clone());
            }
            lines.insert(shown, describe(&path, &stat));
        }
    }
    for mut all in names.into_values() {
        all.sort_unstable();
        for other in &all[1..] {
            lines.insert(other.clone(), format!("= {}", all[0]));
        }
    }
    let mut text = String::new();
    for (path, line) in lines {
        writeln!(text, "{path}\t{line}").unwrap();
    }
    text
}

fn describe(path: &Path, stat: &fs::Metadata) -> String {
    let kind = stat.file_type();
    let letter = match () {
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'l',
        () if kind.is_fifo() => 'p',
        () => 'f',
    };
    let size = if kind.is_file() { stat.size() } else { 0 };
    let mode = if kind.is_symlink() {
        0o777
    } else {
        stat.mode() & 0o7777
    };
    let (seconds, nanos) = (stat.mtime(), stat.mtime_nsec());
    let mut line = format!("{letter} {mode:04o} {size} {seconds}.{nanos:09}");
    if kind.is_file() {
        let bytes = fs::read(path).unwrap();
        write!(line, " {}", hash::object_id(&bytes).to_hex()).unwrap();
    }
    if kind.is_symlink() {
        let target = fs::read_link(path).unwrap();
        write!(line, " -> {}", target.as_os_str().as_bytes().escape_ascii()).unwrap();
    }
    let mut value = [0; 256];
    if let Ok(len) = rustix::fs::lgetxattr(path, "user.heirloom", &mut value[..]) {
        write!(line, " user.heirloom={}", value[..len].escape_ascii()).unwrap();
    }
    line
}

/// `manifest` as it must look where the file system takes no attributes.
pub(crate) fn expected(manifest: &str, place: &Path) -> String {
    let probe = place.join("probe");
    fs::write(&probe, b"").unwrap();
    let set = rustix::fs::lsetxattr(&probe, "user.heirloom", b"1", XattrFlags::empty());
    if set.is_ok() {
        return manifest.to_owned();
    }
    let lines = manifest
        .lines()
        .map(|line| line.split(" user.heirloom=").next().unwrap());
    lines.fold(String::new(), |text, line| text + line + "\n")
}

fn fill(source: &Path) {
    fs::create_dir_all(source.join("nested/deep/er")).unwrap();
    fs::create_dir(source.join("nested/nothing")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(source.join(name), bytes).unwrap();
    write("letter.txt", b"Dear reader,\nall of this was saved.\n");
    write("empty", b"");
    write("noise.bin", &noise(7, 5000));
    write("log.txt", log(9000).as_bytes());
    let pages = (0..50_u32).flat_map(|page| [&page.to_le_bytes()[..], &[b'p'; 4092]].concat());
    let pages: Vec<u8> = b"SQLite format 3\0".iter().copied().chain(pages).collect();
    write("app.db", &pages);
    let sparse = File::create(source.join("sparse.img")).unwrap();
    sparse.write_all_at(&[b'A'; 65_536], 0).unwrap();
    sparse.write_all_at(b"the end", 3 << 20).unwrap();
    write("nested/deep/er/file", b"far below\n");
    let strange = OsStr::from_bytes(b"nested/not \xff text\n");
    fs::write(source.join(strange), b"named by bytes").unwrap();
    symlink("letter.txt", source.join("link")).unwrap();
    symlink("/nowhere/\u{e4}", source.join("dangling")).unwrap();
    write("twin", b"one file, two names\n");
    fs::hard_link(source.join("twin"), source.join("nested/twin")).unwrap();
    make_fifo(&source.join("pipe"));
    rustix::fs::lsetxattr(
        source.join("twin"),
        "user.heirloom",
        b"kept",
        XattrFlags::empty(),
    )
    .unwrap();
}

fn log(lines: u32) -> String {
    let line = |n: u32| {
        format!(
            "{:08} something happened on day {}, and it was fine\n",
            n * 7,
            n % 365
        )
    };
    (0..lines).map(line).collect()
}

/// Modes and times that tell items apart.
fn settle(source: &Path, round: i64) {
    let mut folders = vec![source.to_owned()];
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            all.push(entry.path());
        }
    }
    all.sort_unstable_by(|a, b| b.cmp(a));
    for (path, n) in all.iter().zip(0_u8..) {
        let n = i64::from(n);
        let kind = fs::symlink_metadata(path).unwrap().file_type();
        if !kind.is_symlink() {
            let mode = [0o640, 0o600, 0o444, 0o664][usize::try_from(n % 4).unwrap()];
            let mode = if kind.is_dir() { 0o750 } else { mode };
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        set_mtime(path, 1_700_000_000 + 1000 * round + n, 123_456_780 + n);
    }
}

fn change(source: &Path) {
    fs::write(
        source.join("letter.txt"),
        b"Dear reader,\nall of this was saved twice.\n",
    )
    .unwrap();
    fs::remove_file(source.join("noise.bin")).unwrap();
    fs::write(source.join("nested/new"), b"new\n").unwrap();
    fs::remove_file(source.join("log.txt")).unwrap();
    fs::write(source.join("log.txt"), log(9100)).unwrap();
}

fn make(to: &Path) {
    let home = Path::new(SOURCE).parent().unwrap();
    let _ = fs::remove_dir_all(home);
    fs::create_dir_all(SOURCE).unwrap();
    fs::create_dir(home.join("state")).unwrap();
    let host: Arc<dyn Host> = Arc::new(FixedHost::new(20_261_122));
    let slots = secrets().map(|secret| NewSlot {
        label: secret.kind().noun().to_owned(),
        cost: Argon2Cost::default(),
        secret,
    });
    let store: Arc<dyn Store> =
        Arc::new(FolderStore::create(&to.join("mirror"), "golden").unwrap());
    let repo =
        Arc::new(Repo::init(store, &slots, &home.join("cache"), &*host, &mut |_| Ok(())).unwrap());
    for round in 1..=2 {
        if round == 1 {
            fill(Path::new(SOURCE));
        } else {
            change(Path::new(SOURCE));
        }
        settle(Path::new(SOURCE), round);
        let text = manifest(Path::new(SOURCE));
        fs::write(to.join(format!("manifest-{round}.txt")), text).unwrap();
        back_up(&repo, &host, home);
    }
    for text in ["README.txt", "FORMAT.txt", "rescue.py"] {
        fs::remove_file(to.join("mirror").join(text)).unwrap();
    }
    fs::remove_dir_all(home).unwrap();
}

fn back_up(repo: &Arc<Repo>, host: &Arc<dyn Host>, home: &Path) {
    let writer = Writer {
        device: [0xd1; 16],
        started_ns: 1,
    };
    let options = backup::Options {
        source: "home".to_owned(),
        paths: vec![PathBuf::from(SOURCE)],
        rules: Rules::default(),
        excludes: Vec::new(),
        one_file_system: false,
        tags: vec!["golden".to_owned()],
        force: false,
        skip_if_unchanged: false,
        dry_run: false,
        shrink: Shrink::Off,
        settings: Settings {
            level: Level::Auto,
            workers: 1,
            recheck: true,
        },
        state: home.join("state/home"),
        user: "ann".to_owned(),
        patience: std::time::Duration::ZERO,
        zone: 60,
    };
    let monitor = Collected::default();
    let done = backup::run(
        &Mirrors::one("memory", Arc::clone(repo)),
        host,
        &Author::forgetful(writer),
        &options,
        &monitor,
    )
    .unwrap();
    assert!(done.snapshot.is_some());
    assert_eq!(monitor.problems(), Vec::<String>::new());
}

/// Made to be looked at; `UPDATE_GOLDEN=1 cargo test golden_is_made_anew` puts it into the place of the one that is
/// there, which only a change of the format calls for.
#[test]
fn golden_is_made_anew() {
    let place = tempfile::tempdir().unwrap();
    make(place.path());
    let mirror = place.path().join("mirror");
    let size = |folder: &Path| -> u64 {
        let mut sum = 0;
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    sum += entry.metadata().unwrap().len();
                }
            }
        }
        sum
    };
    assert!(size(&mirror) < 300 << 10, "{} bytes", size(&mirror));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let _ = fs::remove_dir_all(data());
        copy(place.path(), &data());
    }
}
