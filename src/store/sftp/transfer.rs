//! Bytes to a file and from it, many pieces under way at once.
//!
//! 32 MiB at 50 ms a round trip took 53.8 s with one piece of 32 KiB at a time, and 1.1 s with 64 of them.

use crate::store::access::Access;
use crate::store::sftp::fault::{Fault, Outcome};
use crate::store::sftp::session::{FRAME, PATIENCE, Session};
use futures_util::stream::{self, StreamExt};
use russh_sftp::client::error::Error as Sftp;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};

impl Session {
    /// Writes and syncs a file that does not exist yet.
    pub(super) async fn write(&self, path: &str, bytes: &[u8], access: &Access) -> Outcome<()> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        let file = self.raw.open(path, flags, FileAttributes::empty());
        let file = self.call(file).await?.handle;
        let written = self.write_all(&file, bytes, access).await;
        let closed = self.call(self.raw.close(file)).await;
        written?;
        closed?;
        Ok(())
    }

    async fn write_all(&self, file: &str, bytes: &[u8], access: &Access) -> Outcome<()> {
        let clock = Clock::new(access);
        let pieces = bytes.chunks(self.write_frame).enumerate();
        let writes = pieces.map(|(number, piece)| {
            let wait = clock.pause(access.pace.upload(piece.len()));
            async move {
                sleep(wait).await;
                let at = (number * self.write_frame) as u64;
                self.raw.write(file, at, piece.to_vec()).await
            }
        });
        let mut writes = stream::iter(writes).buffer_unordered(window(self.write_frame));
        while let Some(written) = clock.next(&mut writes, self).await? {
            written?;
        }
        if self.fsync {
            self.call(self.raw.fsync(file)).await?;
        }
        Ok(())
    }

    /// Appends exactly `range` of a file.
    pub(super) async fn read(
        &self,
        path: &str,
        range: Range<u64>,
        into: &mut Vec<u8>,
        access: &Access,
    ) -> Outcome<()> {
        let file = self
            .raw
            .open(path, OpenFlags::READ, FileAttributes::empty());
        let file = self.call(file).await?.handle;
        let read = self.read_all(&file, range, into, access).await;
        let closed = self.call(self.raw.close(file)).await;
        read?;
        closed?;
        Ok(())
    }

    async fn read_all(
        &self,
        file: &str,
        range: Range<u64>,
        into: &mut Vec<u8>,
        access: &Access,
    ) -> Outcome<()> {
        let clock = &Clock::new(access);
        let starts = range.clone().step_by(self.read_frame);
        let reads = starts.map(|start| {
            let end = range.end.min(start + self.read_frame as u64);
            async move {
                let piece = self.read_piece(file, start..end).await?;
                sleep(clock.pause(access.pace.download(piece.len()))).await;
                Ok::<_, Fault>(piece)
            }
        });
        let mut reads = stream::iter(reads).buffered(window(self.read_frame));
        while let Some(piece) = clock.next(&mut reads, self).await? {
            into.extend_from_slice(&piece?);
        }
        Ok(())
    }

    /// A server may answer with less than was asked for.
    async fn read_piece(&self, file: &str, range: Range<u64>) -> Outcome<Vec<u8>> {
        let mut piece = Vec::new();
        loop {
            let at = range.start + piece.len() as u64;
            let left = u32::try_from(range.end - at).unwrap_or(u32::MAX);
            if left == 0 {
                return Ok(piece);
            }
            let mut data = match self.raw.read(file, at, left).await {
                Ok(answer) => answer.data,
                Err(Sftp::Status(status)) if status.status_code == StatusCode::Eof => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            if data.is_empty() || data.len() > left as usize {
                return Err(Fault::Wrong("it became shorter while it was read".into()));
            }
            if piece.is_empty() {
                piece = data;
            } else {
                piece.append(&mut data);
            }
        }
    }
}

/// Pieces under way at once: 2 MiB in small ones, or 16 large ones.
fn window(frame: usize) -> usize {
    if frame > FRAME { 16 } else { 64 }
}

/// Tells a transfer that stands still from one that keeps to its bandwidth.
struct Clock<'a> {
    access: &'a Access,
    busy_until: Mutex<Duration>,
}

impl<'a> Clock<'a> {
    fn new(access: &'a Access) -> Self {
        Self {
            access,
            busy_until: Mutex::default(),
        }
    }

    /// Notes that nothing is to be expected for so long.
    fn pause(&self, wait: Duration) -> Duration {
        if !wait.is_zero() {
            let until = self.access.host.elapsed() + wait;
            let mut busy = self
                .busy_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *busy = until.max(*busy);
        }
        wait
    }

    async fn next<T>(
        &self,
        pieces: &mut (impl stream::Stream<Item = T> + Unpin),
        session: &Session,
    ) -> Outcome<Option<T>> {
        loop {
            let piece = tokio::select! {
                piece = timeout(PATIENCE, pieces.next()) => piece,
                () = session.gone() => return Err(Fault::gone()),
            };
            if let Ok(piece) = piece {
                return Ok(piece);
            }
            let busy = *self
                .busy_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if self.access.host.elapsed() >= busy + PATIENCE {
                return Err(Fault::silent(PATIENCE));
            }
        }
    }
}
