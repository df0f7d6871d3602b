//! One connection: a child ssh and the protocol on its pipes. Several calls share it at once.

use crate::store::access::Access;
use crate::store::address::SftpAddress;
use crate::store::child::{Child, End};
use crate::store::sftp::fault::{Fault, Outcome};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error as Sftp;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode};
use std::collections::HashMap;
use std::ffi::OsString;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// No answer for this long is a lost connection; a sync on a slow NAS takes its time.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// The same for making a connection, where nobody is asked for a password.
const START: Duration = Duration::from_secs(45);
/// What every server takes and gives in one piece.
pub(super) const FRAME: usize = 32 << 10;
/// As much as OpenSSH allows in one piece, where a server says what it allows.
const FRAME_MAX: usize = 255 << 10;

/// A connection, and what the server at its end can do beyond the protocol.
pub(super) struct Session {
    pub(super) raw: RawSftpSession,
    child: Child,
    pub(super) fsync: bool,
    pub(super) posix_rename: bool,
    pub(super) hardlink: bool,
    statvfs: bool,
    syncs_folders: AtomicBool,
    pub(super) read_frame: usize,
    pub(super) write_frame: usize,
}

/// The command of the child.
pub(super) fn command(address: &SftpAddress, access: &Access) -> Vec<OsString> {
    let mut command = access.ssh.clone();
    if !access.terminal {
        command.push("-oBatchMode=yes".into());
    }
    let options = [
        "-oConnectTimeout=15",
        "-oServerAliveInterval=15",
        "-oServerAliveCountMax=3",
        "-oControlMaster=no",
        "-oClearAllForwardings=yes",
        "-oForwardAgent=no",
        "-oForwardX11=no",
        "-oPermitLocalCommand=no",
        "-oRequestTTY=no",
    ];
    command.extend(options.map(OsString::from));
    if let Some(port) = address.port {
        command.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(user) = address.user.as_ref().or(access.user.as_ref()) {
        command.extend(["-l".into(), user.into()]);
    }
    command.extend(["-s", "--", &address.host, "sftp"].map(OsString::from));
    command
}

impl Session {
    /// Connects; to be called inside the runtime.
    pub(super) async fn open(address: &SftpAddress, access: &Access) -> Outcome<Self> {
        let command = command(address, access);
        let (child, pipes) = Child::start(&command, !access.terminal)
            .map_err(|error| Fault::not_started(&command, &error))?;
        let raw = RawSftpSession::new(pipes);
        // Its own limit counts from the moment a request joins the queue, which is wrong for a slow line.
        raw.set_timeout(24 * 3600);
        let patience = if access.terminal { PATIENCE } else { START };
        let version = match timeout(patience, raw.init()).await {
            Ok(Ok(version)) => version,
            Ok(Err(_)) => {
                let status = child.ended(Duration::from_secs(5)).await;
                return Err(Fault::refused(status, &child.said_since(0)));
            }
            Err(_) => return Err(Fault::silent(patience)),
        };
        let mut session = Self {
            raw,
            child,
            fsync: offers(&version.extensions, "fsync@openssh.com", "1"),
            posix_rename: offers(&version.extensions, "posix-rename@openssh.com", "1"),
            hardlink: offers(&version.extensions, "hardlink@openssh.com", "1"),
            statvfs: offers(&version.extensions, "statvfs@openssh.com", "2"),
            syncs_folders: AtomicBool::new(true),
            read_frame: FRAME,
            write_frame: FRAME,
        };
        if offers(&version.extensions, "limits@openssh.com", "1") {
            let limits = session.call(session.raw.limits()).await?;
            let frame = |limit: u64| {
                usize::try_from(limit).map_or(FRAME, |limit| limit.clamp(FRAME, FRAME_MAX))
            };
            session.read_frame = frame(limits.max_read_len);
            session.write_frame = frame(limits.max_write_len);
        }
        Ok(session)
    }

    /// Why it was lost, in the words of ssh.
    pub(super) async fn last_words(&self) -> String {
        let status = self.child.ended(Duration::from_secs(1)).await;
        Fault::words(status, &self.child.said_since(0))
    }

    pub(super) fn end(&self) -> End {
        self.child.end()
    }

    /// One request and its answer.
    pub(super) async fn call<T>(&self, call: impl Future<Output = Result<T, Sftp>>) -> Outcome<T> {
        let answer = tokio::select! {
            answer = timeout(PATIENCE, call) => answer,
            () = self.gone() => return Err(Fault::gone()),
        };
        match answer {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Fault::silent(PATIENCE)),
        }
    }

    /// Waits for the end of ssh, and a moment for what it left in its pipe. A request that was sent just then is never
    /// answered, and nobody else would tell.
    pub(super) async fn gone(&self) {
        let day = Duration::from_secs(24 * 3600);
        while self.child.ended(day).await.is_none() {}
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    /// What stands at `path`; a link is not followed.
    pub(super) async fn look(&self, path: &str) -> Outcome<FileAttributes> {
        Ok(self.call(self.raw.lstat(path)).await?.attrs)
    }

    /// Whether something stands at `path`.
    pub(super) async fn exists(&self, path: &str) -> Outcome<bool> {
        match self.look(path).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.is(StatusCode::NoSuchFile) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn is_folder(&self, path: &str) -> Outcome<bool> {
        match self.call(self.raw.stat(path)).await {
            Ok(found) => Ok(found.attrs.permissions.is_none() || found.attrs.is_dir()),
            Err(fault) if fault.is(StatusCode::NoSuchFile) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn make_folder(&self, path: &str) -> Outcome<()> {
        let attributes = FileAttributes::empty();
        self.call(self.raw.mkdir(path, attributes)).await?;
        Ok(())
    }

    pub(super) async fn remove(&self, path: &str) -> Outcome<()> {
        self.call(self.raw.remove(path)).await?;
        Ok(())
    }

    /// Fails where something stands at `to`.
    pub(super) async fn link(&self, from: &str, to: &str) -> Outcome<()> {
        self.call(self.raw.hardlink(from, to)).await?;
        Ok(())
    }

    /// Replaces what stands at `to` in one step, where the server can do that at all.
    pub(super) async fn rename(&self, from: &str, to: &str) -> Outcome<()> {
        if !self.posix_rename {
            let Err(fault) = self.call(self.raw.rename(from, to)).await else {
                return Ok(());
            };
            if !fault.is(StatusCode::Failure) || !self.exists(to).await? {
                return Err(fault);
            }
            // Version 3 of the protocol has no better way to replace.
            self.remove(to).await?;
            self.call(self.raw.rename(from, to)).await?;
            return Ok(());
        }
        let mut data = Vec::new();
        for path in [from, to] {
            let len = u32::try_from(path.len()).unwrap_or(u32::MAX);
            data.extend(len.to_be_bytes());
            data.extend(path.as_bytes());
        }
        let call = self.raw.extended("posix-rename@openssh.com", data);
        match self.call(call).await? {
            Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
            Packet::Status(status) => Err(Sftp::Status(status).into()),
            _ => Err(Sftp::UnexpectedPacket.into()),
        }
    }

    /// Makes what happened in a folder durable. OpenSSH syncs a folder as it does a file; a server that does not is not
    /// asked again.
    pub(super) async fn sync_folder(&self, path: &str) -> Outcome<()> {
        if !self.fsync || !self.syncs_folders.load(Ordering::Relaxed) {
            return Ok(());
        }
        let open = self
            .raw
            .open(path, OpenFlags::READ, FileAttributes::empty());
        let synced = match self.call(open).await {
            Ok(folder) => {
                let synced = self.call(self.raw.fsync(folder.handle.clone())).await;
                self.call(self.raw.close(folder.handle)).await?;
                synced.map(drop)
            }
            Err(fault) => Err(fault),
        };
        match synced {
            Err(fault) if fault.is_lost() => Err(fault),
            Err(_) => {
                self.syncs_folders.store(false, Ordering::Relaxed);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whether the file system at `path` has no room for `len` bytes; `false` where the server does not tell.
    pub(super) async fn is_full(&self, path: &str, len: u64) -> bool {
        if !self.statvfs {
            return false;
        }
        let Ok(found) = self.call(self.raw.statvfs(path)).await else {
            return false;
        };
        let free = found.blocks_avail.saturating_mul(found.fragment_size);
        free < len.saturating_add(FRAME_MAX as u64) || (found.inodes > 0 && found.inodes_avail == 0)
    }

    /// All that lies in a folder but the folder itself and the one above it.
    pub(super) async fn names(&self, path: &str) -> Outcome<Vec<(String, FileAttributes)>> {
        let folder = self.call(self.raw.opendir(path)).await?.handle;
        let mut found = Vec::new();
        let ended = loop {
            match self.call(self.raw.readdir(folder.clone())).await {
                Ok(some) => {
                    let files = some.files.into_iter();
                    found.extend(files.map(|file| (file.filename, file.attrs)));
                }
                Err(fault) if fault.is(StatusCode::Eof) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        let closed = self.call(self.raw.close(folder)).await;
        ended?;
        closed?;
        found.retain(|(name, _)| name != "." && name != "..");
        Ok(found)
    }
}

fn offers(extensions: &HashMap<String, String>, name: &str, version: &str) -> bool {
    extensions.get(name).is_some_and(|found| found == version)
}
