//! First backup, unchanged run, verify and restore of a real folder with the real program, and the walk alone:
//! `BENCH_SOURCE=/usr/share cargo bench --bench verbs`.
//!
//! Each line gives wall time, files and bytes a second, and the peak memory of the child as the kernel tells it. Beside
//! them stand limits of this machine for the same folder: a walk that stats everything, and reading everything.
//! Repositories go below BENCH_WORK (default: the temporary folder).

#![expect(clippy::print_stdout, reason = "the figures are what a bench is for")]

mod child;

use child::Cost;
use heirloom::source::exclude::Rules;
use heirloom::source::files::Files;
use heirloom::source::{ItemKind, Source, Step};
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

fn from_environment(name: &str, otherwise: PathBuf) -> PathBuf {
    std::env::var_os(name).map_or(otherwise, PathBuf::from)
}

/// Walks as a backup does; every regular file's path and size.
fn walk(source: &Path) -> Vec<(Vec<u8>, u64)> {
    let mut files = Files::new(vec![source.to_owned()], Rules::default(), false);
    let mut found = Vec::new();
    while let Some(step) = files.next().expect("a readable source") {
        if let Step::Item(item) = step
            && item.stat.kind == ItemKind::File
        {
            found.push((item.path, item.stat.size));
        }
    }
    found
}

struct Bench {
    home: PathBuf,
    repo: PathBuf,
    files: usize,
    bytes: u64,
}

impl Bench {
    fn say(&self, what: &str, seconds: f64, child: Option<&Cost>, bound: &str) {
        let cpu = child.map_or_else(String::new, |cost| format!("{:.2} CPU s", cost.cpu));
        let memory = child.map_or_else(String::new, |cost| {
            format!("{:>6.1} MiB", cost.peak as f64 / 1024.0)
        });
        println!(
            "{what:<16} {seconds:>8.2} s {cpu:>12} {:>10.0} files/s {:>8.1} MB/s {memory:>11}   {bound}",
            self.files as f64 / seconds,
            self.bytes as f64 / seconds / 1e6
        );
    }

    /// Runs the program and watches its high-water mark.
    fn run(&self, what: &str, args: &[&OsStr], bound: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
        command
            .args(args)
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .env("XDG_CACHE_HOME", self.home.join("cache"))
            .env("XDG_STATE_HOME", self.home.join("state"))
            .env("XDG_DATA_HOME", self.home.join("data"))
            .env("HEIRLOOM_REPO", &self.repo)
            .env("HEIRLOOM_KEY_FILE", self.home.join("key"));
        let (exit, cost) = child::run(&mut command);
        assert!(
            exit.code().is_some_and(|code| code == 0 || code == 3),
            "{what}: {exit}"
        );
        self.say(what, cost.wall, Some(&cost), bound);
    }
}

fn verbs(bench: &mut Bench, source: &Path) {
    let text = OsStr::new;
    let target = bench.home.join("restored");
    bench.run(
        "init",
        &[text("init"), bench.repo.as_os_str(), text("--no-kit")],
        "syncs",
    );
    bench.run(
        "first backup",
        &[text("backup"), text("-q"), source.as_os_str()],
        "zstd, or cipher and disk",
    );
    bench.run(
        "unchanged",
        &[text("backup"), text("-q"), source.as_os_str()],
        "the walk",
    );
    bench.run(
        "verify",
        &[text("verify"), text("-q")],
        "expanding, or cipher and disk",
    );
    let args = [
        text("restore"),
        text("latest"),
        text("-q"),
        text("-t"),
        target.as_os_str(),
    ];
    bench.run("restore", &args, "creating files, or expanding");
    bench.files = 1;
    bench.bytes = 0;
    bench.run("snapshots", &[text("snapshots")], "start-up");
}

fn main() {
    let source = from_environment("BENCH_SOURCE", PathBuf::from("/usr/share"));
    let work = from_environment("BENCH_WORK", std::env::temp_dir())
        .join(format!("heirloom-verbs-{}", std::process::id()));
    std::fs::create_dir_all(&work).expect("a folder for the bench");
    let found = walk(&source);
    let mut bench = Bench {
        home: work.clone(),
        repo: work.join("repo"),
        files: found.len(),
        bytes: found.iter().map(|(_, size)| size).sum(),
    };
    println!(
        "{}: {} files, {} bytes",
        source.display(),
        bench.files,
        bench.bytes
    );
    let start = Instant::now();
    walk(&source);
    bench.say(
        "walk",
        start.elapsed().as_secs_f64(),
        None,
        "a limit: list and stat, one thread",
    );
    let start = Instant::now();
    let mut buffer = vec![0; 1 << 20];
    for (path, _) in &found {
        let path = <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path);
        if let Ok(mut file) = std::fs::File::open(path) {
            while file.read(&mut buffer).is_ok_and(|read| read > 0) {}
        }
    }
    bench.say(
        "read",
        start.elapsed().as_secs_f64(),
        None,
        "a limit: open and read, one thread",
    );
    verbs(&mut bench, &source);
    std::fs::remove_dir_all(&work).expect("our own folder");
}
