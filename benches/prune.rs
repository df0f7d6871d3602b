//! The same history given to heirloom and to those of restic and borg that are on PATH; then all but the newest tenth of it
//! is forgotten and its space taken back: `BENCH_SNAPSHOTS=200 cargo bench --bench prune`.
//!
//! 400 files of 256 KiB, of which eight change between two backups: noise, or with BENCH_CONTENT=text what compresses.
//! Repositories go below BENCH_WORK (default: the temporary folder).

#![expect(clippy::print_stdout, reason = "the figures are what a bench is for")]

mod child;

use child::{Cost, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILES: u64 = 400;
const FILE_BYTES: usize = 256 << 10;
const CHANGES: u64 = 8;

/// One after the other.
fn both(one: Cost, other: Cost) -> Cost {
    Cost {
        wall: one.wall + other.wall,
        cpu: one.cpu + other.cpu,
        peak: one.peak.max(other.peak),
    }
}

/// A program that backs up: its lines of arguments, words apart by blanks.
struct Peer {
    name: &'static str,
    program: PathBuf,
    init: String,
    backup: String,
    prune: Vec<String>,
    repository: PathBuf,
}

struct Bench {
    home: PathBuf,
}

impl Bench {
    fn run(&self, peer: &Peer, line: &str) -> Cost {
        let mut command = Command::new(&peer.program);
        command
            .args(line.split_whitespace())
            .env("HOME", &self.home)
            .env("HEIRLOOM_REPO", &peer.repository)
            .env("HEIRLOOM_KEY_FILE", self.home.join("key"))
            .env("RESTIC_REPOSITORY", &peer.repository)
            .env("RESTIC_PASSWORD", "x")
            .env("RESTIC_CACHE_DIR", self.home.join("cache-of-restic"))
            .env("BORG_REPO", &peer.repository)
            .env("BORG_PASSPHRASE", "x")
            .env("BORG_BASE_DIR", &self.home);
        let (exit, cost) = run(&mut command);
        assert!(exit.success(), "{}: {line}: {exit}", peer.name);
        cost
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut all = std::env::split_paths(&path).map(|folder| folder.join(name));
    all.find(|program| program.is_file())
}

/// Those that are there.
fn peers(home: &Path, source: &Path, keep: u64) -> Vec<Peer> {
    let source = source.display();
    let peer =
        |name: &'static str, program: Option<PathBuf>, lines: [&str; 2], prune: &[String]| {
            Some(Peer {
                name,
                program: program?,
                init: lines[0].to_owned(),
                backup: format!("{} {source}", lines[1]),
                prune: prune.to_vec(),
                repository: home.join(name),
            })
        };
    let own = Some(PathBuf::from(env!("CARGO_BIN_EXE_heirloom")));
    let init = format!("init {} --no-kit", home.join("heirloom").display());
    let lines = |lines: &[&str]| -> Vec<String> {
        let keep = keep.to_string();
        lines
            .iter()
            .map(|line| line.replace("KEEP", &keep))
            .collect()
    };
    let all = [
        peer(
            "heirloom",
            own,
            [&init, "backup -q"],
            &lines(&["forget -q --keep-last KEEP", "prune -q"]),
        ),
        peer(
            "restic",
            on_path("restic"),
            ["init -q", "backup -q"],
            &lines(&["forget -q --keep-last KEEP --prune"]),
        ),
        peer(
            "borg",
            on_path("borg"),
            ["init -e repokey-blake2", "create -C zstd,3 ::{now:%s.%f}"],
            &lines(&["prune --keep-last KEEP", "compact"]),
        ),
    ];
    all.into_iter().flatten().collect()
}

/// Bytes of all files below.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("our own folder").flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// File number `file` as it is in version `version`.
fn content(file: u64, version: u64, is_text: bool) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&file.to_le_bytes());
    hasher.update(&version.to_le_bytes());
    let mut bytes = vec![0; FILE_BYTES];
    hasher.finalize_xof().fill(&mut bytes);
    if is_text {
        // Two bits of eight are left: about a quarter once it is compressed.
        bytes.iter_mut().for_each(|byte| *byte = b'a' + (*byte & 3));
    }
    bytes
}

fn main() {
    let number = |name, otherwise| {
        let text = std::env::var(name).ok();
        text.map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (snapshots, is_text) = (
        number("BENCH_SNAPSHOTS", 200),
        std::env::var("BENCH_CONTENT").is_ok_and(|content| content == "text"),
    );
    let work = std::env::var_os("BENCH_WORK").map_or_else(std::env::temp_dir, PathBuf::from);
    let home = work.join(format!("heirloom-prune-{}", std::process::id()));
    let source = home.join("source");
    fs::create_dir_all(&source).expect("a folder for the bench");
    let config = home.join(".config/heirloom");
    fs::create_dir_all(&config).expect("a folder for the bench");
    // Peers have no time in which what was forgotten can come back.
    let text = "[retention]\ngrace = \"0s\"\nmin_good = 1\n";
    fs::write(config.join("heirloom.toml"), text).expect("a file for the bench");
    let write = |file: u64, version: u64| {
        let bytes = content(file, version, is_text);
        fs::write(source.join(format!("{file:03}")), bytes).expect("a file for the bench");
    };
    (0..FILES).for_each(|file| write(file, 0));
    let keep = (snapshots / 10).max(1);
    let (bench, peers) = (Bench { home: home.clone() }, peers(&home, &source, keep));
    for peer in &peers {
        bench.run(peer, &peer.init);
    }
    let mut saved = vec![Cost::default(); peers.len()];
    for version in 1..=snapshots {
        // Far apart and different each time.
        (0..CHANGES).for_each(|n| write((version * 131 + n * 53) % FILES, version));
        for (peer, saved) in peers.iter().zip(&mut saved) {
            *saved = both(*saved, bench.run(peer, &peer.backup));
        }
    }
    println!(
        "{snapshots} snapshots, of which {keep} stay; wall s / CPU s / peak MiB; MB before, MB after"
    );
    for (peer, saved) in peers.iter().zip(saved) {
        let before = size(&peer.repository);
        let lines = peer.prune.iter().map(|line| bench.run(peer, line));
        let cost = lines.fold(Cost::default(), both);
        println!(
            "{:<9} forget and prune {:.2} / {:.2} / {}   {:.0} MB, {:.0} MB   (all backups {:.1} / {:.1} / {})",
            peer.name,
            cost.wall,
            cost.cpu,
            cost.peak >> 10,
            before as f64 / 1e6,
            size(&peer.repository) as f64 / 1e6,
            saved.wall,
            saved.cpu,
            saved.peak >> 10,
        );
    }
    fs::remove_dir_all(&home).expect("our own folder");
}
