//! How an object gets to its place: by a temporary file that is renamed or linked there.

use crate::name::Name;
use crate::store::sftp::SftpStore;
use crate::store::sftp::fault::{Fault, Outcome};
use crate::store::sftp::session::Session;
use crate::store::{Payload, Placed};
use russh_sftp::protocol::StatusCode;
use std::sync::atomic::Ordering;

impl SftpStore {
    /// Makes the folders above `path` that are missing, the root included if it has never been there.
    async fn make_parents(&self, session: &Session, path: &str) -> Outcome<()> {
        let mut missing = Vec::new();
        let mut folder = path;
        while let Some((parent, _)) = folder.rsplit_once('/') {
            if parent.is_empty() || session.is_folder(parent).await? {
                break;
            }
            missing.push(parent);
            folder = parent;
        }
        let root = self.address.path.trim_end_matches('/');
        if self.root_seen.load(Ordering::Relaxed) && missing.contains(&root) {
            return Err(Fault::Said(StatusCode::NoSuchFile, String::new()));
        }
        for folder in missing.into_iter().rev() {
            match session.make_folder(folder).await {
                // Somebody else was faster.
                Err(fault) if !fault.is_lost() && session.is_folder(folder).await? => {}
                answer => answer?,
            }
            session.sync_folder(parent(folder)).await?;
        }
        Ok(())
    }

    /// Writes a temporary file and gives its path to `place`; it is removed unless `place` took it away.
    async fn by_temporary<T>(
        &self,
        session: &Session,
        payload: &Payload,
        place: impl AsyncFnOnce(&str) -> Outcome<(T, Taken)>,
    ) -> Outcome<T> {
        let path = self.at(&format!("tmp/{}", self.access.temporary()));
        let mut written = session.write(&path, payload, &self.access).await;
        if matches!(&written, Err(fault) if fault.is(StatusCode::NoSuchFile)) {
            self.make_parents(session, &path).await?;
            written = session.write(&path, payload, &self.access).await;
        }
        let placed = match written {
            Ok(()) => place(&path).await,
            Err(fault) => Err(fault),
        };
        match placed {
            Ok((answer, Taken::Yes)) => Ok(answer),
            Ok((answer, Taken::No)) => {
                session.remove(&path).await?;
                Ok(answer)
            }
            Err(fault) => {
                if !fault.is_lost() {
                    // The error that brought us here is the one to tell; a leftover is swept at the next start.
                    let _ = session.remove(&path).await;
                }
                Err(fault)
            }
        }
    }

    /// Puts an object, over another if there is one.
    pub(super) async fn replace(
        &self,
        session: &Session,
        name: &Name,
        payload: &Payload,
    ) -> Outcome<()> {
        let target = self.at(&name.path());
        self.by_temporary(session, payload, async |from: &str| {
            let mut renamed = session.rename(from, &target).await;
            if matches!(&renamed, Err(fault) if fault.is(StatusCode::NoSuchFile)) {
                self.make_parents(session, &target).await?;
                renamed = session.rename(from, &target).await;
            }
            renamed?;
            self.root_seen.store(true, Ordering::Relaxed);
            session.sync_folder(parent(&target)).await?;
            Ok(((), Taken::Yes))
        })
        .await
    }

    /// Puts an object where there is none.
    pub(super) async fn create(
        &self,
        session: &Session,
        name: &Name,
        payload: &Payload,
    ) -> Outcome<Placed> {
        let target = self.at(&name.path());
        self.by_temporary(session, payload, async |from: &str| {
            let placed = self.link(session, from, &target, payload).await?;
            Ok((placed, Taken::No))
        })
        .await
    }

    async fn link(
        &self,
        session: &Session,
        from: &str,
        target: &str,
        payload: &Payload,
    ) -> Outcome<Placed> {
        for _ in 0..4 {
            let linked = session.link(from, target).await;
            match linked {
                Err(fault) if fault.is(StatusCode::NoSuchFile) => {
                    self.make_parents(session, target).await?;
                    continue;
                }
                Err(fault) if fault.is_lost() => return Err(fault),
                Err(fault) if !session.exists(target).await? => {
                    if fault.is(StatusCode::PermissionDenied)
                        || session.is_full(&self.address.path, 0).await
                    {
                        return Err(fault);
                    }
                    // Unless it was deleted in this very moment, links do not work there.
                    if session.link(from, target).await.is_err() && !session.exists(target).await? {
                        self.cannot.store(true, Ordering::Relaxed);
                        return Ok(Placed::Cannot);
                    }
                }
                _ => {}
            }
            // Also our own link is looked at: what a server says and what it does are two things.
            match self.stands(session, target, payload).await? {
                Some(true) => {
                    session.sync_folder(parent(target)).await?;
                    return Ok(Placed::Mine);
                }
                Some(false) => return Ok(Placed::Taken),
                None => {}
            }
        }
        Err(Fault::Lost(
            "what was linked there is gone each time".into(),
        ))
    }

    /// Whether just these bytes stand at `path`; `None` if nothing does.
    async fn stands(
        &self,
        session: &Session,
        path: &str,
        payload: &Payload,
    ) -> Outcome<Option<bool>> {
        let found = match session.look(path).await {
            Ok(found) => found,
            Err(fault) if fault.is(StatusCode::NoSuchFile) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        if found.size != Some(payload.len() as u64) {
            return Ok(Some(false));
        }
        let mut bytes = Vec::new();
        let range = 0..payload.len() as u64;
        match session.read(path, range, &mut bytes, &self.access).await {
            Ok(()) => Ok(Some(bytes[..] == payload[..])),
            Err(fault) if fault.is(StatusCode::NoSuchFile) => Ok(None),
            Err(Fault::Wrong(_)) => Ok(Some(false)),
            Err(fault) => Err(fault),
        }
    }
}

/// Whether a temporary file has left its place.
enum Taken {
    Yes,
    No,
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((parent, _)) => parent,
        None => ".",
    }
}
