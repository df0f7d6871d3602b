//! One budget for every verb at every size: the real program's peak in a repository of many chunks, over a folder of
//! many names and a file of a terabyte that is nearly all holes.
//!
//! The everyday sizes are small enough for a minute; `HEIRLOOM_MEMORY=1` takes those that the promise names.

use crate::client::{Client, TestHost};
use crate::util::TestEnv;
use crate::world::noise;
use heirloom::compress::Level;
use heirloom::compress::probe::Group;
use heirloom::crypto::passphrase::Argon2Cost;
use heirloom::crypto::secret::{Secret, SecretText};
use heirloom::format::BlobKind;
use heirloom::format::block::blob_id;
use heirloom::format::key_slot::{SlotSecret, write_key_file};
use heirloom::host::Host;
use heirloom::monitor::Collected;
use heirloom::repo::Writer;
use heirloom::repo::blocks::Shelf;
use heirloom::repo::index::Index;
use heirloom::repo::keyring::{self, NewSlot};
use heirloom::repo::packer::{Packer, Settings, Sharing};
use heirloom::repo::publish::Session;
use heirloom::store::folder::FolderStore;
use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// 160 MiB.
const PEAK_KIB_MAX: u64 = 163_840;
const TERABYTE: u64 = 1 << 40;

struct Sizes {
    chunks: u64,
    names: usize,
}

fn sizes() -> Sizes {
    match std::env::var_os("HEIRLOOM_MEMORY") {
        Some(_) => Sizes {
            chunks: 2_000_000,
            names: 200_000,
        },
        None => Sizes {
            chunks: 300_000,
            names: 50_000,
        },
    }
}

/// A repository whose packs hold so many chunks of 16 bytes.
fn make_repository(env: &TestEnv, chunks: u64) {
    let store = Arc::new(FolderStore::create(&env.path("repository"), "test").unwrap());
    let host: Arc<dyn Host> = TestHost::new(1, "host");
    let client = Client::new(&env.path(""), 0, store, Arc::clone(&host));
    client.init().unwrap();
    let repo = client.open().unwrap();
    let writer = Writer {
        device: [1; 16],
        started_ns: 1,
    };
    let monitor = Collected::default();
    let session = Session::begin(&repo, &host, writer, "test").unwrap();
    let publish = &mut |_: &_| Ok(Vec::new());
    let index = Index::open(&repo, session.presence(), &monitor, publish).unwrap();
    let settings = Settings {
        level: Level::Off,
        workers: 1,
        recheck: false,
    };
    let index = Arc::new(index);
    let mut packer = Packer::start(
        &repo,
        &host,
        session.sealer(),
        &index,
        settings,
        Sharing::none(),
    );
    for number in 0..chunks {
        let mut bytes = [0x5a; 16];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        let id = blob_id(repo.keys(), BlobKind::Chunk, &bytes);
        packer.push(Shelf::Chunks(Group::Raw), id, &bytes).unwrap();
    }
    packer.finish().unwrap();
    session.end(&monitor);
    assert_eq!(monitor.problems(), Vec::<String>::new());
    let passphrase = NewSlot {
        secret: SlotSecret::Passphrase(SecretText::new("correct horse".to_owned())),
        cost: Argon2Cost::default(),
        label: "passphrase".to_owned(),
    };
    let slot = passphrase.seal(repo.root(), repo.id(), &*host).unwrap();
    keyring::put_slot(&**repo.store(), &slot).unwrap();
    env.write_secret("passphrase", "correct horse\n");
    env.write_secret("key", &write_key_file(&Secret::new([3; 32])));
}

fn make_source(env: &TestEnv, names: usize) {
    let folder = env.path("d/names");
    fs::create_dir_all(&folder).unwrap();
    for number in 0..names {
        fs::File::create(folder.join(format!("name number {number:09} of a large folder")))
            .unwrap();
    }
    let sparse = fs::File::create(env.path("d/sparse")).unwrap();
    sparse.set_len(TERABYTE).unwrap();
    for n in 0..64 {
        sparse
            .write_all_at(&noise(n, 70_000), n * (TERABYTE / 64))
            .unwrap();
    }
    env.write("d/more", &noise(99, 60 << 20));
}

/// Runs a verb that must work; its peak in KiB. A peak of the last moments may be missed, none that lasts.
fn peak(env: &TestEnv, arguments: &[&str]) -> u64 {
    let mut command = env.command(arguments.iter().copied());
    command.env("HEIRLOOM_REPO", env.path("repository"));
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        peak = kib.map_or(peak, |kib| kib.parse().unwrap());
        std::thread::sleep(Duration::from_millis(1));
    }
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {said}");
    assert!(peak > 0, "{arguments:?}");
    peak
}

#[test]
fn every_verb_keeps_within_its_budget() {
    let sizes = sizes();
    let env = TestEnv::new();
    make_repository(&env, sizes.chunks);
    make_source(&env, sizes.names);
    let part = format!("latest:{}", env.text("d"));
    let (key, passphrase) = ("--key-file=key", "--passphrase-file=passphrase");
    let verbs: [&[&str]; 8] = [
        // With nothing in the cache, then as every day, then all over again.
        &["backup", "d", key],
        &["backup", "d", key],
        &["backup", "--force", "d", passphrase],
        &["ls", "-R", "latest", key],
        &["ls", "-R", "latest", "--no-cache", key],
        &["verify", passphrase],
        &["verify", "--no-cache", key],
        &["restore", &part, "-t", "back", "--no-cache", key],
    ];
    let mut over = Vec::new();
    for arguments in verbs {
        let began = std::time::Instant::now();
        let kib = peak(&env, arguments);
        let seconds = began.elapsed().as_secs_f32();
        println!("{kib:>8} KiB {seconds:5.1} s  {}", arguments.join(" "));
        if kib > PEAK_KIB_MAX {
            over.push(format!("{arguments:?}: {kib} KiB"));
        }
    }
    let back = fs::metadata(env.path("back/sparse")).unwrap();
    assert_eq!(back.len(), TERABYTE);
    assert!(over.is_empty(), "{over:?}");
}
