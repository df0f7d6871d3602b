//! What a store needs beyond its address. The command line makes it: nothing below reads the environment, asks a
//! clock or starts a password program on its own.

use crate::error::Result;
use crate::host::Host;
use crate::name::{Folder, Name};
use crate::store::throttle::Pace;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

/// Runs a credentials or password command and returns the lines it printed. May be slow and may ask the user.
pub type Secret = Arc<dyn Fn() -> Result<Vec<String>> + Send + Sync>;

/// What the stores of one run share. Clones share the bandwidth.
#[derive(Clone)]
pub struct Access {
    /// Clock, waiting and randomness.
    pub host: Arc<dyn Host>,
    /// How the names of this device's temporary objects begin: eight hex digits.
    pub tag: String,
    /// `AWS_*`, `GOOGLE_*` and `AZURE_*`, as found in the environment and in profile files.
    pub variables: BTreeMap<String, String>,
    /// What `credentials_command` or `password_command` prints.
    pub secret: Option<Secret>,
    /// Who logs in, where the address does not say.
    pub user: Option<String>,
    /// Further certificates to trust: the PEM text of `ca_file`.
    pub roots: Option<Vec<u8>>,
    /// Somebody is there to answer what ssh asks.
    pub terminal: bool,
    /// How long a call is tried again before it fails.
    pub patience: Duration,
    /// How long from now on a bucket of S3 keeps each object that is put, whatever anybody asks; nothing for others.
    pub retention: Option<Duration>,
    /// The ssh program and its leading arguments.
    pub ssh: Vec<OsString>,
    /// The rclone program and its leading arguments.
    pub rclone: Vec<OsString>,
    /// The bandwidth asked for; `pace` keeps to it.
    pub limits: Limits,
    /// Asked by the transports before each frame.
    pub pace: Pace,
}

impl Access {
    /// How long one object is tried again by default.
    pub const PATIENCE: Duration = Duration::from_secs(15 * 60);

    /// Nothing but a host, a tag and the bandwidth; the rest is for the caller to fill.
    pub fn new(host: Arc<dyn Host>, tag: impl Into<String>, limits: Limits) -> Self {
        Self {
            pace: Pace::new(limits, host.clone()),
            host,
            tag: tag.into(),
            variables: BTreeMap::new(),
            secret: None,
            user: None,
            roots: None,
            terminal: false,
            patience: Self::PATIENCE,
            retention: None,
            ssh: vec!["ssh".into()],
            rclone: vec!["rclone".into()],
            limits,
        }
    }

    /// A new name for a temporary object: the tag and 16 random hex digits.
    pub fn temporary(&self) -> String {
        let mut random = [0; 8];
        self.host.random(&mut random);
        format!("{}-{:016x}", self.tag, u64::from_le_bytes(random))
    }

    /// Whether an object has such a name, of this device or another: it may be half-written and is not listed.
    pub fn is_temporary(name: &Name) -> bool {
        let hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
        };
        name.folder() == Folder::Tmp
            && name
                .leaf()
                .split_once('-')
                .is_some_and(|(tag, random)| hex(tag, 8) && hex(random, 16))
    }
}

/// Bandwidth of all stores of one run together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes sent a second.
    pub upload: Option<u64>,
    /// Bytes received a second.
    pub download: Option<u64>,
}
