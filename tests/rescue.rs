//! What is saved comes back without this program: `rescue.py` from the mirror, with Python and its standard library.
//!
//! zstd comes from the program of that name, or from Python where it brings it.

use crate::client::TestHost;
use crate::golden::{self, MANIFESTS, SOURCE};
use crate::several;
use crate::world::{World, assert_same, make_fifo, noise, set_mtime};
use heirloom::crypto::hash;
use heirloom::repo::create::put_rescue_files;
use heirloom::rescue;
use heirloom::store::memory::MemoryStore;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Ends the test where there is no Python, and does not pass it.
fn python(arguments: &[&OsStr], typed: &str) -> (i32, String) {
    let mut child = Command::new("python3")
        .args(["-I", "-B"])
        .args(arguments)
        .env_remove("LANG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3, which .ci/run installs");
    let mut stdin = child.stdin.take().unwrap();
    // What ends without asking for a secret closes this early.
    let _ = stdin.write_all(typed.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text += &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("Traceback"), "{text}");
    (output.status.code().expect("not killed"), text)
}

/// The golden mirror, and a place to restore into.
struct Golden {
    place: tempfile::TempDir,
    mirror: PathBuf,
    key_file: PathBuf,
    target: PathBuf,
}

impl Golden {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let mirror = golden::mirror(place.path());
        let key_file = place.path().join("key");
        fs::write(&key_file, golden::key_file()).unwrap();
        let target = place.path().join("target");
        Self {
            place,
            mirror,
            key_file,
            target,
        }
    }

    /// Runs the script that lies on the mirror; the recovery words are typed.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        self.run_typing(golden::WORDS, arguments)
    }

    fn run_typing(&self, typed: &str, arguments: &[&str]) -> (i32, String) {
        let script = self.mirror.join("rescue.py");
        let mut all = vec![script.as_os_str(), self.mirror.as_os_str()];
        all.extend(arguments.iter().map(OsStr::new));
        python(&all, &format!("{typed}\n"))
    }

    /// Runs it to bring things back; what it says.
    fn restore(&self, code: i32, arguments: &[&str]) -> String {
        let _ = fs::remove_dir_all(&self.target);
        let all = [&["--to", self.target.to_str().unwrap()], arguments].concat();
        let (answer, text) = self.run(&all);
        assert_eq!(answer, code, "{text}");
        text
    }

    fn restored(&self) -> PathBuf {
        self.target.join(SOURCE.trim_start_matches('/'))
    }

    fn assert_is(&self, manifest: &str) {
        let expected = golden::expected(manifest, self.place.path());
        assert_eq!(golden::manifest(&self.restored()), expected);
    }

    /// The ids as `--list` shows them, oldest first.
    fn listed(&self) -> Vec<String> {
        let (code, text) = self.run(&["--list"]);
        assert_eq!(code, 0, "{text}");
        let lines = text.lines().filter(|line| line.contains("  home  fixed  "));
        lines.map(|line| line[..8].to_owned()).collect()
    }

    /// The packs, the largest first.
    fn packs(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.mirror.join("packs")).unwrap();
        let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
        let mut packs: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        packs.sort_by_key(|path| std::cmp::Reverse(path.metadata().unwrap().len()));
        packs
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_golden_repository_comes_back_as_it_was() {
    let golden = Golden::new();
    let ids = golden.listed();
    assert_eq!(ids.len(), 2);
    golden.restore(0, &[]);
    golden.assert_is(MANIFESTS[1]);
    let key_file = ["--key-file", golden.key_file.to_str().unwrap()];
    for (id, manifest) in ids.iter().zip(MANIFESTS) {
        golden.restore(0, &[&key_file[..], &["--check", "--snapshot", id]].concat());
        golden.assert_is(manifest);
    }
}

#[test]
fn a_part_comes_back_alone() {
    let golden = Golden::new();
    golden.restore(0, &["--path", &format!("{SOURCE}/nested/deep")]);
    let found = golden::manifest(&golden.restored());
    let paths: Vec<_> = found
        .lines()
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "nested",
            "nested/deep",
            "nested/deep/er",
            "nested/deep/er/file"
        ]
    );
    golden.restore(1, &["--path", "no/such/thing"]);
}

/// No libcrypto and no module: every byte goes through Python.
#[test]
fn pure_python_is_slow_and_right() {
    let golden = Golden::new();
    let program = "import sys\n\
        sys.path.insert(0, sys.argv[1])\n\
        import rescue as r\n\
        r.aead_open, r.LIBCRYPTO, r.FAST_BLAKE3 = r.aead_open_pure, None, False\n\
        r.H, r.KH, r.DK = r.H_pure, r.KH_pure, r.DK_pure\n\
        sys.exit(r.main(sys.argv[1:]))";
    let mut arguments = vec![
        OsStr::new("-c"),
        OsStr::new(program),
        golden.mirror.as_os_str(),
    ];
    arguments.extend([
        OsStr::new("--check"),
        OsStr::new("--to"),
        golden.target.as_os_str(),
    ]);
    let (code, text) = python(&arguments, golden::WORDS);
    assert_eq!(code, 0, "{text}");
    golden.assert_is(MANIFESTS[1]);
}

#[test]
fn secrets_are_told_apart_from_damage() {
    let golden = Golden::new();
    let zoo = "zoo ".repeat(11) + "wrong";
    let (code, text) = golden.run_typing(&zoo, &["--list"]);
    assert!(
        code == 12 && text.contains("does not fit any key slot"),
        "{text}"
    );
    let (code, text) = golden.run_typing("coral maze", &["--list"]);
    assert!(code == 12 && text.contains("twelve"), "{text}");
    let other = golden::key_file().replace("4747", "4748");
    fs::write(&golden.key_file, other).unwrap();
    let (code, _) = golden.run(&["--list", "--key-file", golden.key_file.to_str().unwrap()]);
    assert_eq!(code, 12);
    // Argon2id needs OpenSSL 3.2 or a module; where neither is, the other secrets are named.
    let (code, text) = golden.run_typing(golden::PASSPHRASE, &["--list", "--passphrase"]);
    assert!(
        code == 0 || (code == 1 && text.contains("OpenSSL 3.2")),
        "{text}"
    );
    // Of all slots only the copies in packs are left.
    fs::remove_dir_all(golden.mirror.join("keys")).unwrap();
    fs::remove_dir_all(golden.mirror.join("keys2")).unwrap();
    golden.restore(0, &[]);
    golden.assert_is(MANIFESTS[1]);
}

#[test]
fn where_there_is_nothing_to_do_it_says_so() {
    let golden = Golden::new();
    let mirror = golden.mirror.to_str().unwrap();
    let (code, text) = golden.run(&["--to", mirror]);
    assert!(code == 2 && text.contains("must not be changed"), "{text}");
    assert_eq!(golden.run(&["--list", "--to", "x"]).0, 2);
    let empty = golden.place.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let script = golden.mirror.join("rescue.py");
    let arguments = [script.as_os_str(), empty.as_os_str(), OsStr::new("--list")];
    assert_eq!(python(&arguments, golden::WORDS).0, 10);
}

#[test]
fn damage_costs_its_own_file_and_is_listed() {
    let golden = Golden::new();
    let pack = golden.packs().remove(0);
    // The front header: the tail copy is the same.
    flip(&pack, 100);
    let text = golden.restore(0, &[]);
    golden.assert_is(MANIFESTS[1]);
    assert!(!text.contains("LOST"), "{text}");
    flip(&pack, 100);
    // The first segment of the largest pack: blocks lie there.
    flip(&pack, 5000);
    let text = golden.restore(5, &[]);
    assert!(
        text.contains("LOST") && text.contains("segment 0 is damaged"),
        "{text}"
    );
    let found = golden::manifest(&golden.restored());
    let expected = golden::expected(MANIFESTS[1], golden.place.path());
    let lost: Vec<_> = expected
        .lines()
        .filter(|line| !found.contains(line))
        .collect();
    assert!(!lost.is_empty() && lost.len() < 8, "{lost:?}");
    let names = lost.iter().map(|line| line.split('\t').next().unwrap());
    for name in names.filter(|name| !name.contains('\\')) {
        let incomplete = golden.restored().join(format!("{name}.incomplete"));
        assert!(incomplete.exists() && text.contains(name), "{name}: {text}");
        assert!(!golden.restored().join(name).exists());
    }
    fs::remove_file(&pack).unwrap();
    let text = golden.restore(5, &[]);
    assert!(text.contains("log.txt: incomplete, zeros at 0-"), "{text}");
    assert!(
        golden
            .restored()
            .join("dangling")
            .symlink_metadata()
            .is_ok()
    );
}

#[test]
fn a_missing_entry_is_damage_and_an_unlisted_one_is_offered() {
    let golden = Golden::new();
    let ids = golden.listed();
    for commit in fs::read_dir(golden.mirror.join("commits")).unwrap() {
        let commit = commit.unwrap().path();
        fs::rename(&commit, golden.place.path().join("commit")).unwrap();
        let (code, text) = golden.run(&["--list"]);
        assert!(code == 0 && text.contains("NEVER FINISHED"), "{text}");
        fs::rename(golden.place.path().join("commit"), commit).unwrap();
    }
    let entries = fs::read_dir(golden.mirror.join("entries")).unwrap();
    let entry = entries.map(|entry| entry.unwrap().path());
    let newest = entry.into_iter().find(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&ids[1])
    });
    fs::remove_file(newest.unwrap()).unwrap();
    let text = golden.restore(5, &[]);
    assert!(text.contains("listed as done, but missing"), "{text}");
    golden.assert_is(MANIFESTS[0]);
}

/// Many files, long files, names of all kinds, from a repository that was just made.
#[test]
fn a_fresh_repository_comes_back() {
    let world = World::new();
    for n in 0..1500 {
        world.write(&format!("many/{n:05}"), format!("file {n}\n").as_bytes());
    }
    world.write("long", &noise(3, 40 << 20));
    world.write("text", &b"all happy families are alike; ".repeat(40_000));
    world.write(
        "again/text",
        &b"all happy families are alike; ".repeat(40_000),
    );
    let strange = OsStr::from_bytes(b"\xff\xfe line\nbreak \x1b[31m");
    fs::write(world.source("").join(strange), b"named by bytes").unwrap();
    symlink("text", world.source("link")).unwrap();
    make_fifo(&world.source("pipe"));
    fs::hard_link(world.source("text"), world.source("z-text")).unwrap();
    set_mtime(&world.source("text"), -5, 987_654_321);
    set_mtime(&world.source("link"), 3, 3);
    world.backup();
    let mirror = world.outside("mirror");
    let key_file = lay_out(&world.store, &mirror);
    assert_eq!(
        fs::read(mirror.join("rescue.py")).unwrap(),
        rescue::SCRIPT.as_bytes()
    );
    let target = world.outside("rescued");
    let arguments = [
        mirror.join("rescue.py").into_os_string(),
        mirror.clone().into_os_string(),
        "--to".into(),
        target.clone().into_os_string(),
        "--key-file".into(),
        key_file.into_os_string(),
    ];
    let arguments: Vec<&OsStr> = arguments.iter().map(|argument| &**argument).collect();
    let (code, text) = python(&arguments, "");
    assert_eq!(code, 0, "{text}");
    let source = world.source("");
    assert_same(&source, &target.join(source.strip_prefix("/").unwrap()));
}

/// A clock that was ten years ahead makes no snapshot the newest: neither of one device, nor of two of the same name.
#[test]
fn what_is_dated_in_the_future_is_not_the_newest() {
    for is_one_device in [true, false] {
        let mut world = several::World::new();
        let ahead = TestHost::new(5, "host");
        ahead.set_ahead(10 * 365 * 86_400);
        let mut wrong = match is_one_device {
            true => world.client.clone(),
            false => world.device(),
        };
        wrong.host = ahead;
        world.change(1);
        world.backup_by(&wrong, &[0]);
        world.change(2);
        world.backup(&[0]);
        let place = tempfile::tempdir().unwrap();
        let mirror = place.path().join("mirror");
        let key_file = lay_out(&world.stores[0], &mirror);
        let script = place.path().join("rescue.py");
        fs::write(&script, rescue::SCRIPT).unwrap();
        let target = place.path().join("target");
        let arguments = [&script, &mirror, Path::new("--to"), &target];
        let arguments = arguments
            .into_iter()
            .chain([Path::new("--key-file"), &key_file]);
        let arguments: Vec<&OsStr> = arguments.map(Path::as_os_str).collect();
        let (code, text) = python(&arguments, "");
        assert_eq!(code, 0, "{text}");
        assert_eq!(text.contains("from the future"), !is_one_device, "{text}");
        let source = &world.job.path;
        assert_same(source, &target.join(source.strip_prefix("/").unwrap()));
    }
}

/// Writes what the mirror holds to this folder, and the key file of it beside.
fn lay_out(store: &MemoryStore, mirror: &Path) -> PathBuf {
    for (name, bytes) in store.contents() {
        let path = mirror.join(name.path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &bytes).unwrap();
    }
    let key_file = mirror.with_extension("key");
    fs::write(&key_file, format!("heirloom-key-1:{}\n", "03".repeat(32))).unwrap();
    key_file
}

/// Section 17 of FORMAT.txt, as the script computes it.
const NUMBERS: &str = include_str!("data/numbers.py");

#[test]
fn python_finds_the_numbers_of_the_text() {
    let golden = Golden::new();
    let arguments = [
        OsStr::new("-c"),
        OsStr::new(NUMBERS),
        golden.mirror.as_os_str(),
    ];
    let (code, text) = python(&arguments, "");
    assert_eq!(code, 0, "{text}");
}

#[test]
fn every_mirror_carries_the_three_texts() {
    let world = World::new();
    put_rescue_files(&world.store).unwrap();
    for (leaf, text) in rescue::FILES {
        let stored = world.store.contents();
        let (_, bytes) = stored
            .into_iter()
            .find(|(name, _)| name.leaf() == leaf)
            .unwrap();
        assert_eq!(hash::object_id(&bytes), hash::object_id(text.as_bytes()));
        assert!(
            text.is_ascii() && text.lines().all(|line| line.len() <= 120),
            "{leaf}"
        );
    }
}
