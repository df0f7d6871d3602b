//! A small world for one test: its own home, nothing of the machine's environment, and the real binary.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const NOBODY: u32 = 65_534;

/// A home folder and what has been set in the environment.
pub(crate) struct TestEnv {
    home: TempDir,
    variables: Vec<(String, String)>,
}

/// What a run answered. Shown with what differs from run to run masked.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    home: String,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self {
            home: TempDir::new().unwrap(),
            variables: Vec::new(),
        }
    }

    /// With a repository in the default place that a key file opens without a question.
    pub(crate) fn with_repository() -> Self {
        let env = Self::new();
        env.write("first", b"first\n");
        env.run(["backup", "--init", "--name", "first", &env.text("first")])
            .expect(0);
        env
    }

    /// Sets a variable for all runs after this.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A path below the home folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        fs::canonicalize(self.home.path()).unwrap().join(below)
    }

    /// The same as text.
    pub(crate) fn text(&self, below: &str) -> String {
        self.path(below).to_str().unwrap().to_owned()
    }

    /// The repository in its default place.
    pub(crate) fn repository(&self) -> PathBuf {
        self.path(".local/share/heirloom/repository")
    }

    /// Writes a file below the home folder, with the folders above it.
    pub(crate) fn write(&self, below: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a file that nobody else can read.
    pub(crate) fn write_secret(&self, below: &str, text: &str) -> String {
        let path = self.write(below, text.as_bytes());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The binary with these arguments, not yet started.
    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path(""))
            .env("PATH", "/usr/bin:/bin");
        command
            .env("TZ", "UTC")
            .env("USER", "tester")
            .current_dir(self.path(""));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        self.ran(self.command(arguments).output().unwrap())
    }

    /// Runs it as somebody whom modes bind: root reads everything.
    pub(crate) fn run_bound<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        if !rustix::process::getuid().is_root() {
            return self.run(arguments);
        }
        // The build folder may be root's alone.
        let binary = self.path("heirloom-binary");
        fs::copy(program(), &binary).unwrap();
        for (path, _) in contents(&self.path("")) {
            lchown(self.path("").join(path), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        chown(self.path(""), Some(NOBODY), Some(NOBODY)).unwrap();
        let plain = self.command(arguments);
        let mut command = Command::new(binary);
        command
            .args(plain.get_args())
            .env_clear()
            .current_dir(self.path(""));
        command.envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        self.ran(
            command
                .stdin(Stdio::null())
                .uid(NOBODY)
                .gid(NOBODY)
                .output()
                .unwrap(),
        )
    }

    /// Runs it with something to read on its standard input.
    pub(crate) fn run_typing<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
        typed: &str,
    ) -> Ran {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(typed.as_bytes())
            .unwrap();
        self.ran(child.wait_with_output().unwrap())
    }

    /// What a process that has ended answered.
    pub(crate) fn ran(&self, output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            home: self.text("").trim_end_matches('/').to_owned(),
        }
    }
}

impl Ran {
    /// Itself, if it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Stdout with what differs from run to run masked.
    pub(crate) fn out(&self) -> String {
        masked(&self.stdout, &self.home)
    }

    /// Stderr with the same.
    pub(crate) fn err(&self) -> String {
        masked(&self.stderr, &self.home)
    }

    /// One field of the only JSON event of this kind, as JSON.
    #[track_caller]
    pub(crate) fn field(&self, event: &str, field: &str) -> String {
        let events: Vec<_> = self
            .events()
            .into_iter()
            .filter(|value| value["event"] == event)
            .collect();
        assert_eq!(events.len(), 1, "{event} in {self}");
        events[0][field].to_string()
    }

    /// Every event.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code {}\n{}---\n{}", self.code, self.out(), self.err())
    }
}

/// Home, ids, dates and durations are not the same twice.
fn masked(text: &str, home: &str) -> String {
    let mut text = text.replace(home, "~");
    for (pattern, mask) in [
        ("0000-00-00 00:00", "DATE"),
        ("0000-00-00", "DAY"),
        ("hhhh-hhhh-hhhh-hhhh", "REPOSITORY"),
        ("hhhhhhhh", "ID"),
        ("00.0 s", "TIME"),
        ("0.0 s", "TIME"),
    ] {
        text = mask_all(&text, pattern.as_bytes(), mask);
    }
    text
}

fn mask_all(text: &str, pattern: &[u8], mask: &str) -> String {
    let bytes = text.as_bytes();
    let fits = |at: usize| {
        let edge = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at))
                .is_none_or(|byte| !byte.is_ascii_alphanumeric())
        };
        let same = |(byte, wanted): (&u8, &u8)| match wanted {
            b'0' => byte.is_ascii_digit(),
            b'h' => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
            _ => byte == wanted,
        };
        let found = bytes.get(at..at + pattern.len());
        found.is_some_and(|found| found.iter().zip(pattern).all(same))
            && edge(at.checked_sub(1))
            && edge(Some(at + pattern.len()))
    };
    let mut out = String::new();
    let mut at = 0;
    while at < bytes.len() {
        if fits(at) {
            out.push_str(mask);
            at += pattern.len();
        } else {
            let len = text[at..].chars().next().unwrap().len_utf8();
            out.push_str(&text[at..at + len]);
            at += len;
        }
    }
    out
}

/// Every file below a folder: path, and content or the link's target.
pub(crate) fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let content = if meta.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else if meta.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if meta.is_file() {
                fs::read(&path).unwrap()
            } else {
                continue;
            };
            found.push((path.strip_prefix(folder).unwrap().to_path_buf(), content));
        }
    }
    found.sort();
    found
}

/// The binary under test: the one built with the tests, or another build of it, as in a campaign on the release build.
pub(crate) fn program() -> OsString {
    let other = std::env::var_os("HEIRLOOM_PROGRAM");
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_heirloom").into())
}

/// A line of the story that a test tells where it fails, or where somebody wants to hear it.
#[expect(
    clippy::print_stdout,
    reason = "the runner keeps it back until it is wanted"
)]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
