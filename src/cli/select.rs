//! Choosing snapshots: the filters that `snapshots`, `ls` and `restore` share.

use crate::repo::snapshots::Filter;
use clap::Args;
use std::ffi::OsString;

/// Which snapshots count.
#[derive(Args, Clone, Debug, Default)]
pub struct FilterArgs {
    /// Of this source alone
    #[arg(short, long, value_name = "NAME")]
    pub source: Option<String>,
    /// Made by this machine alone
    #[arg(long, value_name = "MACHINE")]
    pub device: Option<String>,
    /// With this tag; several must all be there
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Of this path; one of several is enough
    #[arg(long, value_name = "PATH")]
    pub path: Vec<OsString>,
}

impl FilterArgs {
    /// As the repository understands it.
    pub fn filter(&self) -> Filter {
        Filter {
            source: self.source.clone(),
            host: self.device.clone(),
            tags: self.tag.clone(),
            paths: self
                .path
                .iter()
                .map(|path| path.as_encoded_bytes().to_vec())
                .collect(),
        }
    }
}
