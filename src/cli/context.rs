//! What every verb needs to know: flags, then `HEIRLOOM_` variables, then defaults. The environment is read here.

use crate::cli::configuration;
use crate::cli::environment;
use crate::cli::flags::{Globals, duration};
use crate::cli::host::{self, RealHost};
use crate::cli::paths::quoted;
use crate::cli::places;
use crate::cli::style;
use crate::cli::zone::Zone;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::ui::Ui;
use crate::units;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const MIB: u64 = 1 << 20;
/// What a backup with one worker takes.
const MEMORY_MIN: u64 = 147 * MIB;
const MEMORY_DEFAULT: u64 = 160 * MIB;

/// What every verb needs to know.
pub struct Context {
    globals: Globals,
    variables: BTreeMap<&'static str, OsString>,
    ui: Arc<Ui>,
    host: Arc<dyn Host>,
    zone: Zone,
    memory: u64,
    wait: Duration,
    cache: OnceCell<PathBuf>,
    scratch: OnceCell<PathBuf>,
    config: Config,
}

impl Context {
    /// Reads the environment and checks the flags.
    ///
    /// # Errors
    /// `Usage`.
    pub fn new(globals: Globals, command: &str) -> Result<Self> {
        let variables = environment::read(std::env::vars_os())?;
        let host: Arc<dyn Host> = Arc::new(RealHost::new());
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let style = style::chosen(&globals, &variables, plain)?;
        let ui = Arc::new(Ui::new(
            style,
            command,
            Arc::clone(&host),
            host::stop_flag()?,
        ));
        let memory = match units::size_from_text(&globals.memory) {
            Some(bytes) if bytes >= MEMORY_MIN => bytes,
            Some(_) => {
                return Err(Error::new(
                    Kind::Usage,
                    format!("--memory {}: 147MiB is the least", globals.memory),
                )
                .hint("leave it out for 160MiB"));
            }
            None => {
                return Err(bad_value(
                    "--memory",
                    &globals.memory,
                    "a size such as 256MiB",
                ));
            }
        };
        let wait = match &globals.wait {
            None => Duration::ZERO,
            Some(text) => duration(text)
                .ok_or_else(|| bad_value("--wait", text, "a duration such as 90s, 15m or 2h"))?,
        };
        let zone = Zone::of_system(std::env::var_os("TZ").as_deref());
        let (cache, scratch) = (OnceCell::new(), OnceCell::new());
        let mut context = Self {
            globals,
            variables,
            ui,
            host,
            zone,
            memory,
            wait,
            cache,
            scratch,
            config: Config::default(),
        };
        context.config = configuration::read(&context)?;
        Ok(context)
    }

    /// The common flags.
    pub fn globals(&self) -> &Globals {
        &self.globals
    }

    /// Speaks to people and scripts, and hears what the library does.
    pub fn ui(&self) -> &Arc<Ui> {
        &self.ui
    }

    /// The clock and the randomness.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// A `HEIRLOOM_` variable that is set.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).cloned()
    }

    /// The same, which must be text.
    ///
    /// # Errors
    /// `Usage`.
    pub fn variable_text(&self, name: &str) -> Result<Option<String>> {
        text_of(&self.variables, name)
    }

    /// Whether another program's variable is set.
    pub fn foreign_is_set(&self, name: &str) -> bool {
        std::env::var_os(name).is_some()
    }

    /// Who runs this.
    pub fn user(&self) -> String {
        let named = ["USER", "LOGNAME"].into_iter().find_map(std::env::var_os);
        match named.map(|name| name.to_string_lossy().into_owned()) {
            Some(name) if !name.is_empty() => name,
            _ => rustix::process::getuid().as_raw().to_string(),
        }
    }

    /// Bytes of memory to keep within.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Processors.
    pub fn cores(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Threads for reading verbs: two within the default memory, one more for each ten MiB above it.
    pub fn readers(&self) -> usize {
        let more = self.memory.saturating_sub(MEMORY_DEFAULT) / (10 * MIB);
        self.cores()
            .min(2 + usize::try_from(more).unwrap_or(0))
            .max(1)
    }

    /// How long to wait for another heirloom of this device.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Minutes east of UTC at that moment.
    pub fn zone_minutes(&self, seconds: i64) -> i32 {
        self.zone.minutes(seconds)
    }

    /// A moment as a clock here shows it.
    pub fn local(&self, seconds: i64) -> String {
        units::moment_to_text(seconds, self.zone_minutes(seconds))
    }

    /// What heirloom.toml says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where heirloom.toml is, and whether somebody said so.
    ///
    /// # Errors
    /// `Usage` when the home folder is not known.
    pub fn config_path(&self) -> Result<(PathBuf, bool)> {
        let named = self.globals.config.clone();
        match named.or_else(|| self.variable("HEIRLOOM_CONFIG").map(PathBuf::from)) {
            Some(path) => Ok((path, true)),
            None => {
                let folder = self.base("XDG_CONFIG_HOME", ".config")?;
                Ok((folder.join("heirloom.toml"), false))
            }
        }
    }

    /// The variables of other programs that begin like this, where they are text.
    pub fn foreign(&self, beginnings: &[&str]) -> BTreeMap<String, String> {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let ours = |(name, _): &(String, String)| beginnings.iter().any(|it| name.starts_with(it));
        std::env::vars_os().filter_map(text).filter(ours).collect()
    }

    /// Where the repository is when nobody says.
    ///
    /// # Errors
    /// `Usage` when the home folder is not known.
    pub fn default_repository(&self) -> Result<PathBuf> {
        Ok(self
            .base("XDG_DATA_HOME", ".local/share")?
            .join("repository"))
    }

    /// The one folder of the repository, for making one there; and whether somebody said so.
    ///
    /// # Errors
    /// `Usage` for several locations, or one that is no folder's path.
    pub fn location(&self) -> Result<(PathBuf, bool)> {
        let (places, chosen) = places::all(self)?;
        match &places[..] {
            [one] => match one.folder() {
                Some(folder) => Ok((folder.clone(), chosen)),
                None => Err(
                    Error::new(Kind::Usage, format!("{} is no folder", one.name)).hint(
                        "make the repository in a folder, then: heirloom mirror add NAME LOCATION",
                    ),
                ),
            },
            _ => Err(Error::new(Kind::Usage, "several locations were given")
                .hint("make the repository in one, then: heirloom mirror add NAME LOCATION")),
        }
    }

    /// A folder's path, absolute.
    ///
    /// # Errors
    /// `Usage` for the address of anything but a folder.
    pub fn folder(&self, location: &OsString) -> Result<PathBuf> {
        let text = location.to_string_lossy();
        if text.is_empty() {
            return Err(Error::new(
                Kind::Usage,
                "the location of the repository is empty",
            ));
        }
        if text.contains("://") || text.starts_with("rclone:") {
            let what = format!("{text} is no folder");
            return Err(Error::new(Kind::Usage, what).hint("give the path of a folder"));
        }
        match text.strip_prefix("~/") {
            Some(rest) => Ok(self.home()?.join(rest)),
            None => std::path::absolute(location)
                .map_err(|error| Error::io("find the current folder", error)),
        }
    }

    /// The home folder.
    ///
    /// # Errors
    /// `Usage` when nobody says where it is.
    pub fn home(&self) -> Result<PathBuf> {
        let home = std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute());
        home.ok_or_else(|| {
            Error::new(Kind::Usage, "the home folder is not known")
                .hint("set HOME, or name every place: --repo, --cache-dir, HEIRLOOM_STATE_DIR")
        })
    }

    fn base(&self, variable: &str, below_home: &str) -> Result<PathBuf> {
        let base = std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|base| base.is_absolute());
        Ok(base
            .map_or_else(|| self.home().map(|home| home.join(below_home)), Ok)?
            .join("heirloom"))
    }

    /// Where a key file is looked for when nothing names a secret.
    ///
    /// # Errors
    /// `Usage` when the home folder is not known.
    pub fn default_key_file(&self) -> Result<PathBuf> {
        Ok(self.base("XDG_CONFIG_HOME", ".config")?.join("key"))
    }

    /// What this device keeps and must not lose.
    ///
    /// # Errors
    /// `Usage` when the home folder is not known.
    pub fn state_dir(&self) -> Result<PathBuf> {
        match self.variable("HEIRLOOM_STATE_DIR") {
            Some(dir) => Ok(PathBuf::from(dir)),
            None => self.base("XDG_STATE_HOME", ".local/state"),
        }
    }

    /// What can be made again; a folder of this run alone with `--no-cache`, or where no other can be made.
    ///
    /// # Errors
    /// When not even that can be made.
    pub fn cache_dir(&self) -> Result<PathBuf> {
        if let Some(made) = self.cache.get() {
            return Ok(made.clone());
        }
        let chosen = match (&self.globals.cache_dir, self.variable("HEIRLOOM_CACHE_DIR")) {
            _ if self.globals.no_cache => None,
            (Some(dir), _) => Some(dir.clone()),
            (None, Some(dir)) => Some(PathBuf::from(dir)),
            (None, None) => self.base("XDG_CACHE_HOME", ".cache").ok(),
        };
        let made = match chosen.map(|dir| make_private(&dir).map(|()| dir)) {
            Some(Ok(dir)) => dir,
            Some(Err(error)) if self.globals.cache_dir.is_some() => {
                return Err(Error::io("make the cache folder", error));
            }
            _ => self.scratch_dir()?,
        };
        Ok(self.cache.get_or_init(|| made).clone())
    }

    fn scratch_dir(&self) -> Result<PathBuf> {
        let mut name = [0; 8];
        self.host.random(&mut name);
        let dir = std::env::temp_dir().join(format!("heirloom-{}", crate::id::to_hex(&name)));
        make_private(&dir)
            .map_err(|error| Error::io(format!("make the folder {}", dir.display()), error))?;
        Ok(self.scratch.get_or_init(|| dir).clone())
    }

    /// What a suggested command needs so that it speaks of the same repository.
    pub fn same_repository(&self) -> String {
        let words = if self.globals.words { " --words" } else { "" };
        let mut text = String::new();
        if !self.globals.repo.is_empty()
            && let Ok((places, true)) = places::all(self)
        {
            for place in places {
                text.push_str(" -r ");
                text.push_str(&quoted(Path::new(&place.name)));
            }
        }
        for name in &self.globals.mirror {
            text.push_str(&format!(" -M {name}"));
        }
        text + words
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(dir) = self.scratch.get() {
            let _ = fs::remove_dir_all(dir);
        }
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

/// That a value is not what is expected there.
pub fn bad_value(name: &str, value: &str, expected: &str) -> Error {
    Error::new(Kind::Usage, format!("{name}: {value:?} is not {expected}"))
}

/// A variable that must be text.
///
/// # Errors
/// `Usage`.
pub fn text_of(variables: &BTreeMap<&'static str, OsString>, name: &str) -> Result<Option<String>> {
    let Some(value) = variables.get(name) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok_or_else(|| Error::new(Kind::Usage, format!("{name} is not UTF-8")))?;
    Ok(Some(text.to_owned()))
}
