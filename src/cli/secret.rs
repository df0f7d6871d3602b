//! Where the secret comes from: a flag, else the environment, else the default key file, else a prompt.
//!
//! Two sources at one level are an error, since one of them would be silently ignored. A file that others can read is
//! refused. Nothing here ever shows a secret.

use crate::cli::context::Context;
use crate::cli::terminal;
use crate::config::Config;
use crate::crypto::secret::{Secret, SecretText};
use crate::crypto::words::{self, WordsError};
use crate::error::{Error, Kind, Result};
use crate::format::key_slot::{self, SlotSecret};
use crate::host::Host;
use crate::ui::prompt;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// More than any passphrase.
const SECRET_BYTES_MAX: u64 = 1 << 16;
const READABLE_BY_OTHERS: u32 = 0o044;

/// Where a secret is.
#[derive(Clone, Debug)]
pub enum Source {
    /// The first line of a file.
    File(PathBuf),
    /// The first line a shell command prints.
    Command(OsString),
    /// The first line a program prints: the program and its arguments.
    Program(Vec<String>),
    /// The first line that an open descriptor gives.
    Descriptor(u32),
    /// The value of `HEIRLOOM_PASSPHRASE`.
    Value(SecretText),
    /// A key file.
    KeyFile(PathBuf),
    /// The twelve words, asked for.
    Words,
    /// A passphrase, asked for.
    Prompt,
}

/// The first level that names a source; `None` where a person would have to be asked.
///
/// # Errors
/// `Usage` for two sources at one level.
pub fn named(context: &Context) -> Result<Option<Source>> {
    let flags = context.globals();
    let given = [
        (
            "--passphrase-file",
            flags.passphrase_file.clone().map(Source::File),
        ),
        (
            "--passphrase-command",
            flags.passphrase_command.clone().map(Source::Command),
        ),
        (
            "--passphrase-fd",
            flags.passphrase_fd.map(Source::Descriptor),
        ),
        ("--key-file", flags.key_file.clone().map(Source::KeyFile)),
        ("--words", flags.words.then_some(Source::Words)),
    ];
    if let Some(source) = only_one(given)? {
        return Ok(Some(source));
    }
    if let Some(source) = only_one(from_environment(context)?)? {
        return Ok(Some(source));
    }
    if let Some(source) = only_one(from_config(context.config()))? {
        return Ok(Some(source));
    }
    // Without a home folder there is no default, and that is no error.
    let default = context.default_key_file().ok();
    Ok(default.filter(|path| path.exists()).map(Source::KeyFile))
}

fn from_environment(context: &Context) -> Result<[(&'static str, Option<Source>); 5]> {
    let path = |name| context.variable(name).map(PathBuf::from);
    let descriptor = match context.variable_text("HEIRLOOM_PASSPHRASE_FD")? {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Error::new(
                Kind::Usage,
                format!("HEIRLOOM_PASSPHRASE_FD: {text:?} is not the number of a descriptor"),
            )
        })?),
    };
    let value = context.variable_text("HEIRLOOM_PASSPHRASE")?;
    Ok([
        (
            "HEIRLOOM_KEY_FILE",
            path("HEIRLOOM_KEY_FILE").map(Source::KeyFile),
        ),
        ("HEIRLOOM_PASSPHRASE_FD", descriptor.map(Source::Descriptor)),
        (
            "HEIRLOOM_PASSPHRASE_COMMAND",
            context
                .variable("HEIRLOOM_PASSPHRASE_COMMAND")
                .map(Source::Command),
        ),
        (
            "HEIRLOOM_PASSPHRASE_FILE",
            path("HEIRLOOM_PASSPHRASE_FILE").map(Source::File),
        ),
        (
            "HEIRLOOM_PASSPHRASE",
            value.map(|text| Source::Value(SecretText::new(text))),
        ),
    ])
}

fn from_config(config: &Config) -> [(&'static str, Option<Source>); 3] {
    let command = config.passphrase_command.clone();
    [
        ("key_file", config.key_file.clone().map(Source::KeyFile)),
        (
            "passphrase_file",
            config.passphrase_file.clone().map(Source::File),
        ),
        ("passphrase_command", command.map(Source::Program)),
    ]
}

/// The lines that a program prints. What it says on stderr goes where ours goes.
///
/// # Errors
/// When it cannot be started or fails.
pub fn lines_of(command: &[String]) -> Result<Vec<String>> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| Error::new(Kind::Usage, "a command is empty"))?;
    let what = || format!("run {program}");
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::io(what(), error).with_kind(Kind::Usage))?;
    if !output.status.success() {
        return Err(Error::new(Kind::Usage, what()).because(output.status.to_string()));
    }
    let text = Zeroizing::new(output.stdout);
    let text = std::str::from_utf8(&text)
        .map_err(|_| Error::new(Kind::Usage, what()).because("it printed what is no text"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn only_one<const N: usize>(sources: [(&str, Option<Source>); N]) -> Result<Option<Source>> {
    let mut found: Option<(&str, Source)> = None;
    for (name, source) in sources {
        match (&found, source) {
            (Some((first, _)), Some(_)) => {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{first} and {name} both name a secret"),
                )
                .hint("give one of them"));
            }
            (None, Some(source)) => found = Some((name, source)),
            (_, None) => {}
        }
    }
    Ok(found.map(|(_, source)| source))
}

/// The secret that opens a repository: what is named, else what a person types.
///
/// # Errors
/// `Usage` when nothing is named and nobody can be asked; those of reading.
pub fn to_open(context: &Context) -> Result<(Source, SlotSecret)> {
    let source = match named(context)? {
        Some(source) => source,
        None if terminal::is_there() => Source::Prompt,
        None => return Err(no_secret(context)),
    };
    let secret = read(&source)?;
    Ok((source, secret))
}

/// What to say when nothing names a secret and nobody can be asked.
pub fn no_secret(context: &Context) -> Error {
    let mut hint = "name a secret with --key-file, --passphrase-file or --passphrase-command; heirloom help lists all ways".to_owned();
    for theirs in ["RESTIC_PASSWORD", "BORG_PASSPHRASE"] {
        if context.foreign_is_set(theirs) {
            hint = format!(
                "{theirs} is not used by heirloom; to pass it on: export HEIRLOOM_PASSPHRASE=\"${theirs}\""
            );
        }
    }
    Error::new(
        Kind::Usage,
        "no secret was given, and there is no terminal to ask on",
    )
    .hint(hint)
}

/// Reads a secret that exists.
///
/// # Errors
/// `Refused` for a file that others can read, `Usage` for an empty passphrase or wrong words.
pub fn read(source: &Source) -> Result<SlotSecret> {
    match source {
        Source::File(path) => file(path).map(SlotSecret::Passphrase),
        Source::Command(command) => command_output(command).map(SlotSecret::Passphrase),
        Source::Program(command) => {
            let lines = lines_of(command)?;
            let first = lines.into_iter().next().filter(|line| !line.is_empty());
            let text = first.ok_or_else(|| empty("passphrase_command"))?;
            Ok(SlotSecret::Passphrase(SecretText::new(text)))
        }
        Source::Descriptor(number) => {
            let what = format!("read the passphrase from descriptor {number}");
            let opened = File::open(format!("/dev/fd/{number}"));
            let text = opened
                .and_then(read_all)
                .map_err(|error| Error::io(what.clone(), error))?;
            first_line(&text, &what).map(SlotSecret::Passphrase)
        }
        Source::Value(text) if text.expose().is_empty() => Err(empty("HEIRLOOM_PASSPHRASE")),
        Source::Value(text) => Ok(SlotSecret::Passphrase(text.clone())),
        Source::KeyFile(path) => key_file(path).map(SlotSecret::KeyFile),
        Source::Words if terminal::is_there() => {
            prompt::words(&mut terminal::ask, &read_words).map(SlotSecret::Words)
        }
        Source::Words => {
            let what = "read the twelve words from standard input";
            let text = read_all(io::stdin()).map_err(|error| Error::io(what, error))?;
            read_words(first_line(&text, what)?.expose()).map(SlotSecret::Words)
        }
        Source::Prompt => prompt::passphrase(&mut terminal::ask).map(SlotSecret::Passphrase),
    }
}

/// A passphrase from the first line of a file that nobody else can read.
///
/// # Errors
/// As [`read`].
pub fn file(path: &Path) -> Result<SecretText> {
    let what = format!("read the passphrase file {}", path.display());
    let text = read_private(path, &what)?;
    first_line(&text, &what)
}

fn key_file(path: &Path) -> Result<Secret<32>> {
    let what = format!("read the key file {}", path.display());
    let bytes = read_private(path, &what)?;
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| {
        Error::new(Kind::Usage, what.clone()).because("it is not a key file of heirloom")
    })?;
    key_slot::read_key_file(text).map_err(|error| error.with_kind(Kind::Usage).during(what))
}

fn read_private(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |error| Error::io(what.to_owned(), error);
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_file() && meta.mode() & READABLE_BY_OTHERS != 0 {
        return Err(Error::new(
            Kind::Refused,
            format!("{} can be read by other users", path.display()),
        )
        .hint(format!("chmod 600 {}", path.display())));
    }
    read_all(file).map_err(failed)
}

fn read_all(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    // Never grown, so that no copy stays behind.
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(SECRET_BYTES_MAX).unwrap_or(0)]);
    let mut from = from.take(SECRET_BYTES_MAX);
    let mut len = 0;
    loop {
        match from.read(&mut bytes[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

fn first_line(bytes: &[u8], what: &str) -> Result<SecretText> {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok("") => Err(empty(what)),
        Ok(text) => Ok(SecretText::new(text.to_owned())),
        Err(_) => {
            Err(Error::new(Kind::Usage, what.to_owned()).because("its first line is not UTF-8"))
        }
    }
}

fn empty(what: &str) -> Error {
    Error::new(Kind::Usage, what.to_owned()).because("an empty passphrase protects nothing")
}

fn command_output(command: &OsString) -> Result<SecretText> {
    let what = "run the passphrase command";
    let child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stderr(Stdio::inherit())
        .stdin(Stdio::inherit())
        .output();
    let output = child.map_err(|error| Error::io(what, error))?;
    let stdout = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(
            Error::new(Kind::Other, what).because(format!("it ended with {}", output.status))
        );
    }
    first_line(&stdout, what)
}

fn read_words(text: &str) -> Result<Secret<16>> {
    words::from_words(text).map_err(|error| {
        let what = match &error {
            WordsError::Unknown {
                position,
                word,
                nearest,
            } => {
                format!("word {position} {word:?} is not in the list; did you mean {nearest:?}?")
            }
            WordsError::Count(_) | WordsError::Checksum => error.to_string(),
        };
        Error::new(Kind::NoKey, what)
            .hint("the twelve words stand on the recovery kit after \"words:\"")
    })
}

/// Writes a new key file that nobody else can read; never over another file.
///
/// # Errors
/// `Refused` where something stands already.
pub fn make_key_file(path: &Path, host: &dyn Host) -> Result<Secret<32>> {
    let key = Secret::filled(|bytes| host.random(bytes));
    let text = Zeroizing::new(key_slot::write_key_file(&key));
    write_private(path, text.as_bytes())?;
    Ok(key)
}

/// Writes a new file that nobody else can read, durably; never over another one.
///
/// # Errors
/// `Refused` where something stands already.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let what = || format!("write {}", path.display());
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .inspect_err(|_| {
                let _ = fs::remove_file(path);
            })?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::new(Kind::Refused, what())
            .because("something stands there already, and nothing is ever overwritten")
            .hint("name another file, or move that one away"),
        _ => Error::io(what(), error),
    })
}
