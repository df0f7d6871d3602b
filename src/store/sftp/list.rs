//! What lies in a folder of an SSH server.

use crate::name::{Folder, Name};
use crate::store::Listed;
use crate::store::access::Access;
use crate::store::sftp::SftpStore;
use crate::store::sftp::fault::{Fault, Outcome};
use crate::store::sftp::session::Session;
use futures_util::stream::{self, StreamExt};
use russh_sftp::protocol::{FileAttributes, StatusCode};
use std::sync::atomic::Ordering;

/// Subfolders that are listed at once.
const LISTS: usize = 8;

impl SftpStore {
    /// The objects of a folder, and how many strangers lie between them.
    pub(super) async fn list_all(
        &self,
        session: &Session,
        folder: Folder,
    ) -> Outcome<(Vec<Listed>, u64)> {
        let top = match folder.path() {
            "" => self.address.path.clone(),
            path => self.at(path),
        };
        let entries = match session.names(&top).await {
            // A copying program left it out because it was empty; but a root that is gone is no empty folder.
            Err(fault) if fault.is(StatusCode::NoSuchFile) && folder != Folder::Top => {
                if session.is_folder(&self.address.path).await? {
                    return Ok((Vec::new(), 0));
                }
                return Err(fault);
            }
            answer => answer?,
        };
        self.root_seen.store(true, Ordering::Relaxed);
        let mut found = Found::new(folder);
        if !folder.is_split() {
            for entry in entries {
                found.take(None, entry)?;
            }
            return Ok((found.listed, found.strangers));
        }
        let is_ours = |(name, attributes): &(String, FileAttributes)| {
            let digit = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
            name.len() == 2 && name.bytes().all(digit) && attributes.file_type().is_dir()
        };
        let (ours, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_ours);
        found.strangers += others.len() as u64;
        let lists = ours.into_iter().map(|(name, _)| {
            let path = format!("{top}/{name}");
            async move { (session.names(&path).await, name) }
        });
        let mut lists = stream::iter(lists).buffer_unordered(LISTS);
        while let Some((entries, subfolder)) = lists.next().await {
            match entries {
                Err(fault) if fault.is(StatusCode::NoSuchFile) => {}
                entries => {
                    for entry in entries? {
                        found.take(Some(&subfolder), entry)?;
                    }
                }
            }
        }
        Ok((found.listed, found.strangers))
    }
}

/// A listing as it grows.
struct Found {
    folder: Folder,
    listed: Vec<Listed>,
    strangers: u64,
}

impl Found {
    fn new(folder: Folder) -> Self {
        Self {
            folder,
            listed: Vec::new(),
            strangers: 0,
        }
    }

    fn take(
        &mut self,
        subfolder: Option<&str>,
        (leaf, attributes): (String, FileAttributes),
    ) -> Outcome<()> {
        if attributes.file_type().is_dir() {
            let ours = self.folder == Folder::Top
                && Folder::ALL
                    .into_iter()
                    .chain([Folder::Tmp])
                    .any(|folder| folder.path() == leaf);
            self.strangers += u64::from(!ours);
            return Ok(());
        }
        let is_file = attributes.permissions.is_none() || attributes.file_type().is_file();
        let lies_right = subfolder.is_none_or(|subfolder| leaf.starts_with(subfolder));
        let name = Name::new(self.folder, &leaf).filter(|_| is_file && lies_right);
        let Some(name) = name else {
            self.strangers += 1;
            return Ok(());
        };
        if Access::is_temporary(&name) {
            return Ok(());
        }
        let Some(len) = attributes.size else {
            return Err(Fault::Wrong(format!(
                "the server does not tell the size of {name}"
            )));
        };
        self.listed.push(Listed { name, len });
        Ok(())
    }
}
