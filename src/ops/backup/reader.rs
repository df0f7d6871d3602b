//! One reader: opens, reads, cuts and hashes in one pass, while the bytes are in the cache.

use crate::chunker::class::{self, Class};
use crate::compress::probe::{Group, Probe, is_text};
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::block::blob_id;
use crate::ops::backup::pipeline::{Buffer, Facts, Job, Part, Piece, Shared, Window, windows_of};
use crate::source::metadata::{self, Extent, Opened};
use crate::source::{Item, ItemKind};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// One thread's means.
pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) probe: Probe,
}

impl Reader {
    /// Reads a batch and sends its parts.
    pub(crate) fn run(&mut self, job: Job) {
        if job.large {
            let facts = match job.items.first() {
                Some(item) => self.large(item, &job.parts),
                None => Err(Error::new(
                    Kind::Other,
                    "a batch without items: this is a bug",
                )),
            };
            // Whoever does not listen any more has failed already.
            drop(job.parts.send(Part::End(Box::new(facts))));
            self.shared.window_credits.give(job.credits);
            return;
        }
        let bytes = self.shared.batches.take();
        let mut buffer = Buffer {
            bytes,
            credits: job.credits,
            shared: Arc::clone(&self.shared),
        };
        let mut used = 0;
        let mut results = Vec::with_capacity(job.items.len());
        for item in &job.items {
            results.push(self.small(item, &mut buffer.bytes, &mut used));
        }
        drop(job.parts.send(Part::Small(buffer, results)));
    }

    fn small(
        &mut self,
        item: &Item,
        buffer: &mut [u8],
        used: &mut usize,
    ) -> Result<(Facts, Vec<Piece>)> {
        if item.stat.kind != ItemKind::File {
            return Ok((special(item)?, Vec::new()));
        }
        let opened = metadata::open_file(&item.path)?;
        let start = *used;
        let room = usize::try_from(item.stat.size.min(opened.stat.size))
            .unwrap_or(0)
            .min(buffer.len() - start);
        let mut facts = facts_of(&opened);
        let read = read_full(&opened, 0, &mut buffer[start..start + room]);
        let len = settle(&mut facts, room, read);
        *used = start + len;
        facts.size = len as u64;
        let bytes = &buffer[start..start + len];
        let mut pieces = Vec::new();
        facts.class = class::classify(&bytes[..len.min(4096)], Some(facts.size));
        self.cut(facts.class, bytes, start, true, &mut 0, &mut pieces);
        facts.changed |= has_changed(&opened, facts.size);
        Ok((facts, pieces))
    }

    /// Cuts `bytes`, which begin at `base` of their buffer, as far as that is decided; returns the bytes cut off.
    fn cut(
        &mut self,
        class: Class,
        bytes: &[u8],
        base: usize,
        at_end: bool,
        scanned: &mut usize,
        pieces: &mut Vec<Piece>,
    ) -> usize {
        let mut from = 0;
        while from < bytes.len() {
            let Some(len) = self
                .shared
                .chunker
                .find(class, &bytes[from..], scanned, at_end)
            else {
                break;
            };
            *scanned = 0;
            let piece = &bytes[from..from + len];
            pieces.push(Piece {
                id: blob_id(&self.shared.keys, BlobKind::Chunk, piece),
                range: base + from..base + from + len,
                group: self.group(class, piece),
            });
            from += len;
        }
        from
    }

    fn group(&mut self, class: Class, piece: &[u8]) -> Group {
        if self.probe.incompressible(piece) {
            Group::Raw
        } else if class == Class::Page {
            Group::Page
        } else if is_text(piece) {
            Group::Text
        } else {
            Group::Binary
        }
    }

    fn large(&mut self, item: &Item, parts: &Sender<Part>) -> Result<Facts> {
        let opened = metadata::open_file(&item.path)?;
        let mut facts = facts_of(&opened);
        let size = opened.stat.size;
        let extents = metadata::extents(&opened.file, &opened.stat)?;
        let (give, returned) = bounded(2);
        for _ in 0..windows_of(size) {
            drop(give.send(self.shared.windows.take()));
        }
        let mut head = [0; 4096];
        let known = read_full(&opened, 0, &mut head).unwrap_or(0);
        facts.class = class::classify(&head[..known], Some(size));
        let mut end = 0;
        for extent in &extents {
            if extent.hole {
                facts.holes.push((extent.offset, extent.len));
                end = extent.offset + extent.len;
                continue;
            }
            end = self.extent(&opened, extent, &mut facts, parts, (&give, &returned));
            if end < extent.offset + extent.len {
                break;
            }
        }
        facts.size = end;
        facts.changed |= has_changed(&opened, end);
        for _ in 0..windows_of(size) {
            // Waits until the last piece has been taken up: the credits are for these buffers.
            returned
                .recv()
                .into_iter()
                .for_each(|window| self.shared.windows.give(window));
        }
        Ok(facts)
    }

    /// Reads one extent through the windows; returns where reading ended.
    fn extent(
        &mut self,
        opened: &Opened,
        extent: &Extent,
        facts: &mut Facts,
        parts: &Sender<Part>,
        (give, returned): (&Sender<Vec<u8>>, &Receiver<Vec<u8>>),
    ) -> u64 {
        let (mut offset, end) = (extent.offset, extent.offset + extent.len);
        let mut carried: Vec<u8> = Vec::new();
        let mut scanned = 0;
        loop {
            let Ok(bytes) = returned.recv() else {
                return offset;
            };
            let mut window = Window {
                bytes,
                back: give.clone(),
            };
            let kept = carried.len();
            window.bytes[..kept].copy_from_slice(&carried);
            let left = end - offset;
            let free = window.bytes.len() - kept;
            let room = usize::try_from(left).map_or(free, |left| left.min(free));
            let read = read_full(opened, offset, &mut window.bytes[kept..kept + room]);
            let len = settle(facts, room, read);
            offset += len as u64;
            let at_end = offset == end || len < room;
            let mut pieces = Vec::new();
            let bytes = &window.bytes[..kept + len];
            let cut = self.cut(facts.class, bytes, 0, at_end, &mut scanned, &mut pieces);
            carried.clear();
            carried.extend_from_slice(&bytes[cut..]);
            if parts.send(Part::Window(window, pieces)).is_err() || at_end {
                return offset;
            }
        }
    }
}

fn facts_of(opened: &Opened) -> Facts {
    Facts {
        stat: opened.stat,
        xattrs: opened.attributes.clone(),
        link: Vec::new(),
        class: Class::Small,
        size: 0,
        holes: Vec::new(),
        changed: false,
        torn: None,
    }
}

/// A link, pipe or device: nothing to read but what describes it.
fn special(item: &Item) -> Result<Facts> {
    let link = if item.stat.kind == ItemKind::Symlink {
        metadata::read_link(&item.path)?
    } else {
        Vec::new()
    };
    Ok(Facts {
        stat: item.stat,
        xattrs: metadata::attributes_of_path(&item.path)?,
        link,
        class: Class::Small,
        size: 0,
        holes: Vec::new(),
        changed: false,
        torn: None,
    })
}

/// How many bytes count of a read that should have given `room`.
fn settle(
    facts: &mut Facts,
    room: usize,
    read: std::result::Result<usize, (usize, std::io::Error)>,
) -> usize {
    match read {
        Ok(len) => {
            facts.changed |= len < room;
            len
        }
        Err((len, error)) => {
            facts.torn = Some(Error::io("its end could not be read", error));
            len
        }
    }
}

fn read_full(
    opened: &Opened,
    offset: u64,
    into: &mut [u8],
) -> std::result::Result<usize, (usize, std::io::Error)> {
    let mut len = 0;
    while len < into.len() {
        match opened.file.read_at(&mut into[len..], offset + len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err((len, error)),
        }
    }
    Ok(len)
}

fn has_changed(opened: &Opened, size: u64) -> bool {
    let before = &opened.stat;
    match metadata::stat_of(&opened.file) {
        Ok(now) => now.size != size || now.mtime != before.mtime || now.ctime != before.ctime,
        Err(_) => true,
    }
}
