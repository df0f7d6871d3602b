//! Where the mirrors are: named by flags, else by the environment, else by heirloom.toml, else the default folder.

use crate::cli::context::Context;
use crate::cli::flags::{duration, percent};
use crate::cli::paths::quoted;
use crate::cli::{open, secret};
use crate::config::{self, Config, Mirror};
use crate::error::{Error, Kind, Result};
use crate::mirror::parity::PERCENT;
use crate::store::Store;
use crate::store::access::{Access, Limits};
use crate::store::address::{self, Address, Provider, Settings};
use crate::store::append_only::AppendOnly;
use crate::store::place::place_at;
use crate::ui::json::Event;
use crate::units::size_from_text;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a removable mirror may be away where nobody says.
const MAX_AGE: Duration = Duration::from_secs(3 * 86_400);
/// Within what time everything is to be read back where nobody says.
const VERIFY_EVERY: Duration = Duration::from_secs(30 * 86_400);
/// Variables of other programs that say how to log in where.
const FOREIGN: [&str; 4] = ["AWS_", "GOOGLE_", "AZURE_", "CLOUDSDK_"];

/// One place that is meant.
#[derive(Clone, Debug)]
pub struct Place {
    /// What messages call it: the name in heirloom.toml, else the address.
    pub name: String,
    /// Where it is; a folder's path is absolute.
    pub address: Address,
    /// What stands behind the address or in the table.
    pub settings: Settings,
    /// What heirloom.toml says of it; nothing of its own where it was named by a flag.
    pub table: Mirror,
    /// Whether heirloom.toml names it.
    pub configured: bool,
}

impl Place {
    /// A place named by its address.
    ///
    /// # Errors
    /// `Usage`.
    pub fn of(context: &Context, text: &OsString) -> Result<Self> {
        let table = Mirror {
            location: text.to_string_lossy().into_owned(),
            ..Mirror::default()
        };
        let mut place = Self::from_table(context, None, table, Some(text))?;
        // What must not be deleted is safe under its address too.
        for (name, table) in &context.config().mirror {
            let same = Self::configured(context, name, table.clone());
            if same.is_ok_and(|same| same.address == place.address) {
                place.table.append_only |= table.append_only;
                place.table.object_lock = place.table.object_lock.or(table.object_lock.clone());
            }
        }
        Ok(place)
    }

    /// The same with a name for it, as `usb=/media/usb/heirloom`.
    ///
    /// # Errors
    /// `Usage`.
    pub fn maybe_named(context: &Context, text: &OsString) -> Result<(Self, bool)> {
        let split = text.to_str().and_then(|text| text.split_once('='));
        match split.filter(|(name, _)| config::check_name(name).is_ok()) {
            Some((name, location)) => {
                let mut place = Self::of(context, &location.into())?;
                place.name = name.to_owned();
                Ok((place, true))
            }
            None => Ok((Self::of(context, text)?, false)),
        }
    }

    /// What it shares with another, if anything: a disk, a host, a bucket.
    pub fn shared(&self, other: &Self) -> Option<String> {
        let of = |place: &Self| place_at(&place.address, place.settings.endpoint.as_deref());
        of(self).shared(&of(other))
    }

    /// Where it is, as people write it.
    pub fn shown(&self) -> String {
        match &self.address {
            Address::Folder(path) => path.display().to_string(),
            _ => self.table.location.clone(),
        }
    }

    /// The same for a command line.
    pub fn quoted(&self) -> String {
        match &self.address {
            Address::Folder(path) => quoted(path),
            _ => quoted(Path::new(&self.table.location)),
        }
    }

    /// A place as heirloom.toml names it.
    ///
    /// # Errors
    /// `Usage`.
    pub fn configured(context: &Context, name: &str, table: Mirror) -> Result<Self> {
        Self::from_table(context, Some(name), table, None)
    }

    fn from_table(
        context: &Context,
        name: Option<&str>,
        table: Mirror,
        exact: Option<&OsString>,
    ) -> Result<Self> {
        let (address, mut settings) = address::parse(&table.location)?;
        let address = match address {
            // A path need not be text.
            Address::Folder(path) => Address::Folder(match exact {
                Some(text) if !table.location.starts_with("file://") => context.folder(text)?,
                _ => context.folder(&path.into_os_string())?,
            }),
            other => other,
        };
        settings.endpoint = settings.endpoint.or(table.endpoint.clone());
        settings.region = settings.region.or(table.region.clone());
        settings.path_style = settings.path_style.or(table.path_style);
        settings.ca_file = settings.ca_file.or(table.ca_file.clone());
        settings.allow_http |= table.allow_http;
        let place = Self {
            name: name.map_or_else(|| address.to_string(), str::to_owned),
            address,
            settings,
            table,
            configured: name.is_some(),
        };
        place.retention()?;
        Ok(place)
    }

    /// Its folder, if it is one.
    pub fn folder(&self) -> Option<&PathBuf> {
        match &self.address {
            Address::Folder(path) => Some(path),
            _ => None,
        }
    }

    /// How long it may be away without a word; nothing for a mirror that is always there.
    ///
    /// # Errors
    /// `Usage`.
    pub fn may_be_away(&self) -> Result<Option<Duration>> {
        let age = match &self.table.max_age {
            None => MAX_AGE,
            Some(text) => self.duration("max_age", text, "14d")?,
        };
        Ok(self.table.removable.then_some(age))
    }

    /// How many percent of parity it shall have; nothing where nobody says and it is no folder, lest a copy of a folder lose
    /// what it has.
    ///
    /// # Errors
    /// `Usage`.
    pub fn parity(&self) -> Result<Option<u8>> {
        match &self.table.parity {
            None => Ok(self.folder().map(|_| PERCENT)),
            Some(text) => percent(text).map(Some).ok_or_else(|| {
                let what = format!(
                    "[mirror.{}] parity: {text:?} is not like 5% or 0",
                    self.name
                );
                Error::new(Kind::Usage, what).hint("0 to 50 percent")
            }),
        }
    }

    /// How long the place keeps each object that is put; nothing where nobody says so.
    ///
    /// # Errors
    /// `Usage`, also where the place has no such lock.
    pub fn retention(&self) -> Result<Option<Duration>> {
        let Some(text) = &self.table.object_lock else {
            return Ok(None);
        };
        let wrong = |why: &str| {
            let what = format!("[mirror.{}] object_lock: {why}", self.name);
            Err(Error::new(Kind::Usage, what)
                .hint("only s3:// buckets that were made with Object Lock keep objects for a time"))
        };
        match &self.address {
            Address::Bucket(bucket) if bucket.provider == Provider::S3 => {}
            other => return wrong(&format!("{other} cannot lock objects")),
        }
        match self.duration("object_lock", text, "30d")? {
            Duration::ZERO => wrong("no time at all is no lock"),
            time => Ok(Some(time)),
        }
    }

    fn duration(&self, key: &str, text: &str, like: &str) -> Result<Duration> {
        duration(text).ok_or_else(|| {
            let what = format!("[mirror.{}] {key}: {text:?} is not like {like}", self.name);
            Error::new(Kind::Usage, what)
        })
    }

    /// The store there.
    ///
    /// # Errors
    /// `Usage`, and a folder's own.
    pub fn store(&self, context: &Context) -> Result<Arc<dyn Store>> {
        let store =
            crate::store::open::open(&self.address, &self.settings, &self.access(context)?)?;
        Ok(match self.table.append_only {
            true => Arc::new(AppendOnly::new(store)),
            false => store,
        })
    }

    /// What its store needs.
    ///
    /// # Errors
    /// `Usage`; those of reading the file of certificates.
    pub fn access(&self, context: &Context) -> Result<Access> {
        let host = Arc::clone(context.host());
        let mut access = Access::new(host, open::tag(context), limits(context)?);
        access.variables = context.foreign(&FOREIGN);
        access.user = self.table.user.clone();
        access.terminal = crate::cli::terminal::is_there();
        access.retention = self.retention()?;
        let command = self.table.credentials_command.as_ref();
        if let Some(command) = command.or(self.table.password_command.as_ref()) {
            let command = command.clone();
            access.secret = Some(Arc::new(move || secret::lines_of(&command)));
        }
        if let Some(command) = &self.table.rclone_command {
            access.rclone = command.iter().map(OsString::from).collect();
        }
        if let Some(command) = &self.table.ssh_command {
            access.ssh = command.iter().map(OsString::from).collect();
        }
        if let Some(text) = &self.table.patience {
            access.patience = self.duration("patience", text, "15m")?;
        }
        if let Some(path) = &self.settings.ca_file {
            let what = format!("read {}", path.display());
            access.roots = Some(fs::read(path).map_err(|error| Error::io(what, error))?);
        }
        Ok(access)
    }
}

fn limits(context: &Context) -> Result<Limits> {
    let read = |flag: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => size_from_text(text)
            .filter(|bytes| *bytes > 0)
            .map(Some)
            .ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    format!("{flag}: {text:?} is not a size such as 2MiB"),
                )
            }),
    };
    let globals = context.globals();
    Ok(Limits {
        upload: read("--limit-upload", &globals.limit_upload)?,
        download: read("--limit-download", &globals.limit_download)?,
    })
}

/// Every place that is meant, and whether somebody said so.
///
/// # Errors
/// `Usage`.
pub fn all(context: &Context) -> Result<(Vec<Place>, bool)> {
    let configured = &context.config().mirror;
    let named: Vec<OsString> = match (
        &context.globals().repo[..],
        context.variable("HEIRLOOM_REPO"),
    ) {
        ([], _) if !context.globals().mirror.is_empty() => {
            return Ok((chosen(context, configured)?, true));
        }
        ([], None) if configured.is_empty() => {
            let default = context.default_repository()?.into_os_string();
            return Ok((vec![Place::of(context, &default)?], false));
        }
        ([], None) => {
            let each = configured.iter();
            let each = each.map(|(name, table)| Place::configured(context, name, table.clone()));
            return Ok((each.collect::<Result<_>>()?, true));
        }
        ([], Some(listed)) => split(&listed),
        (flags, _) => flags.to_vec(),
    };
    let places = named.iter().map(|text| Place::of(context, text));
    Ok((places.collect::<Result<_>>()?, true))
}

fn chosen(context: &Context, configured: &BTreeMap<String, Mirror>) -> Result<Vec<Place>> {
    let place = |name: &String| match configured.get(name) {
        Some(table) => Place::configured(context, name, table.clone()),
        None => Err(unknown(name, context.config())),
    };
    context.globals().mirror.iter().map(place).collect()
}

/// Calls out what each two of these places share.
pub fn tell_shared(context: &Context, places: &[Place]) {
    for (at, one) in places.iter().enumerate() {
        for other in &places[at + 1..] {
            if let Some(what) = one.shared(other) {
                tell_finding(context, [&one.name, &other.name], &what);
            }
        }
    }
}

/// Says what two mirrors share.
pub fn tell_finding(context: &Context, mirrors: [&str; 2], what: &str) {
    let [one, other] = mirrors;
    context.ui().line(&format!("! {one} and {other}: {what}"));
    context.ui().event(&Event::Finding {
        rule: "independence",
        mirrors,
        what,
    });
}

/// That no mirror has this name.
pub fn unknown(name: &str, config: &Config) -> Error {
    let names: Vec<_> = config.mirror.keys().map(String::as_str).collect();
    let hint = match names.is_empty() {
        true => "heirloom.toml names none; heirloom mirror add NAME LOCATION adds one".to_owned(),
        false => format!("there are {}", names.join(", ")),
    };
    Error::new(Kind::Usage, format!("no mirror is called {name}")).hint(hint)
}

/// Several locations, with commas between them.
fn split(listed: &OsString) -> Vec<OsString> {
    match listed.to_str() {
        Some(text) if text.contains(',') => text
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(OsString::from)
            .collect(),
        _ => vec![listed.clone()],
    }
}

/// Within what time everything on the mirror of this name is to be read back.
///
/// # Errors
/// `Usage`.
pub fn verify_every(context: &Context, name: &str) -> Result<Duration> {
    let config = context.config();
    let own = config
        .mirror
        .get(name)
        .and_then(|table| table.verify_every.as_ref());
    let (key, text) = match (own, &config.verify.every) {
        (Some(own), _) => (format!("[mirror.{name}] verify_every"), own),
        (None, Some(every)) => ("[verify] every".to_owned(), every),
        (None, None) => return Ok(VERIFY_EVERY),
    };
    duration(text)
        .ok_or_else(|| Error::new(Kind::Usage, format!("{key}: {text:?} is not like 30d")))
}
