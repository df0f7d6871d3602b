//! What the walk and the readers found, taken up in the order of the walk: chunks to the sink, nodes to the builder, counts
//! to the report.

use crate::error::{Error, Kind, Result};
use crate::format::tree::content::ContentWriter;
use crate::monitor::{Counter, FileAction, Monitor};
use crate::ops::backup::Report;
use crate::ops::backup::changed::{Event, Message};
use crate::ops::backup::pipeline::{self, Facts, Part, Piece, Readers, is_large};
use crate::ops::backup::trees::Builder;
use crate::source::{Item, ItemKind};
use crossbeam_channel::Receiver;

/// Takes up the walk's events in their order and tells the builder and the report.
pub(crate) struct Teller<'a> {
    pub(crate) monitor: &'a dyn Monitor,
    pub(crate) report: Report,
    pub(crate) builder: Builder<'a>,
    pub(crate) readers: &'a Readers,
}

impl Teller<'_> {
    /// Takes up everything, until the walk has ended; `tick` is called now and then.
    pub(crate) fn listen(
        &mut self,
        heard: Receiver<Message>,
        tick: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        while let Ok(message) = heard.recv() {
            tick()?;
            let mut parts = Parts {
                source: message.parts,
                small: None,
            };
            for event in message.events {
                self.event(event, &mut parts)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event, parts: &mut Parts) -> Result<()> {
        match event {
            Event::Enter(item, old, same) => self.builder.enter(item, old, same),
            Event::Leave => {
                self.builder.leave()?;
                self.report.counts.folders += 1;
            }
            Event::Skipped(path, error) => self.skipped(&path, error),
            Event::Same(item) => {
                if self.builder.same(&item)? {
                    self.count(&item, item.stat.size, FileAction::Unchanged);
                } else {
                    let mut parts = Parts {
                        source: Some(self.readers.read_now(item.clone())),
                        small: None,
                    };
                    self.read(item, true, &mut parts)?;
                }
            }
            Event::Read(item, known) => self.read(item, known, parts)?,
        }
        Ok(())
    }

    fn skipped(&mut self, path: &[u8], error: Error) {
        // A file that went away between listing and reading is not worth a word.
        if error.kind() == Kind::NotFound {
            return;
        }
        self.report.counts.skipped += 1;
        self.monitor.problem(&error);
        self.monitor.file(FileAction::Skipped, path, 0);
    }

    fn read(&mut self, item: Item, known: bool, parts: &mut Parts) -> Result<()> {
        let mut content = ContentWriter::new();
        let facts = match parts.take(&item, &mut |pieces, buffer| {
            self.pieces(pieces, buffer, &mut content)
        })? {
            Ok(facts) => facts,
            Err(error) => {
                self.skipped(&item.path, error);
                return Ok(());
            }
        };
        if let Some(error) = &facts.torn {
            let what = format!(
                "{}: stored as far as it could be read",
                String::from_utf8_lossy(&item.path)
            );
            self.monitor
                .problem(&Error::new(Kind::Other, what).because(error.chain()));
            self.report.counts.skipped += 1;
        } else if facts.changed {
            let what = format!(
                "{}: changed while it was being read; stored as it was read",
                String::from_utf8_lossy(&item.path)
            );
            self.monitor.problem(&Error::new(Kind::Other, what));
            self.report.torn += 1;
        }
        let action = match known {
            true => FileAction::Changed,
            false => FileAction::New,
        };
        self.count(&item, facts.size, action);
        self.builder.read(&item, facts, content)
    }

    fn pieces(
        &mut self,
        pieces: &[Piece],
        buffer: &[u8],
        content: &mut ContentWriter,
    ) -> Result<()> {
        let sink = &mut self.builder.sink;
        for piece in pieces {
            sink.chunk(piece, buffer)?;
            let len = u32::try_from(piece.range.len()).expect("a chunk is at most 4 MiB");
            content.push(piece.id, len, &mut |kind, bytes| sink.blob(kind, bytes))?;
            self.monitor.count(Counter::Bytes, u64::from(len));
            self.report.bytes_read += u64::from(len);
        }
        Ok(())
    }

    fn count(&mut self, item: &Item, size: u64, action: FileAction) {
        let counts = &mut self.report.counts;
        if item.stat.kind == ItemKind::File {
            counts.files += 1;
            counts.bytes += size;
        }
        match action {
            FileAction::New => self.report.new += 1,
            FileAction::Changed => self.report.changed += 1,
            _ => self.report.unchanged += 1,
        }
        self.monitor.count(Counter::Items, 1);
        if self.monitor.wants_files() {
            self.monitor.file(action, &item.path, size);
        }
    }
}

/// Hears the pieces of a file and the buffer they lie in.
type EachPiece<'a> = &'a mut dyn FnMut(&[Piece], &[u8]) -> Result<()>;

type SmallFiles = std::vec::IntoIter<Result<(Facts, Vec<Piece>)>>;

/// The parts of one message's batch, taken in order.
struct Parts {
    source: Option<Receiver<Part>>,
    small: Option<(pipeline::Buffer, SmallFiles)>,
}

impl Parts {
    /// The facts of the next item; its pieces go to `each` with the buffer they lie in.
    fn take(&mut self, item: &Item, each: EachPiece<'_>) -> Result<Result<Facts>> {
        loop {
            if let Some((buffer, files)) = &mut self.small {
                let next = files.next().ok_or_else(ended)?;
                return match next {
                    Ok((facts, pieces)) => each(&pieces, &buffer.bytes).map(|()| Ok(facts)),
                    Err(error) => Ok(Err(error)),
                };
            }
            debug_assert!(is_large(&item.stat) || self.source.is_some());
            let part = self
                .source
                .as_ref()
                .ok_or_else(ended)?
                .recv()
                .map_err(|_| ended())?;
            match part {
                Part::Small(buffer, files) => self.small = Some((buffer, files.into_iter())),
                Part::Window(window, pieces) => each(&pieces, &window.bytes)?,
                Part::End(facts) => return Ok(*facts),
            }
        }
    }
}

fn ended() -> Error {
    Error::new(
        Kind::Other,
        "a thread that reads files ended early: this is a bug",
    )
}
