//! One walk over the source: its threads started, heard and joined.

use crate::crypto::derive::Keys;
use crate::crypto::hash;
use crate::device::state::{StateReader, StateWriter};
use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::monitor::Monitor;
use crate::ops::backup::attempt::Parent;
use crate::ops::backup::changed::Walker;
use crate::ops::backup::pipeline::{Readers, chunker};
use crate::ops::backup::sink::{Packing, Sink};
use crate::ops::backup::teller::Teller;
use crate::ops::backup::trees::{Builder, Built};
use crate::ops::backup::{Options, Report};
use crate::repo::Repo;
use crate::repo::index::Index;
use crate::repo::loader::Loader;
use crate::source::files::Files;
use crate::source::metadata::Names;
use crossbeam_channel::bounded;
use std::sync::Arc;

/// Threads that open and read files: more than there are cores, since most of the time they wait for a disk.
const READERS: usize = 8;
/// Messages of the walk that may wait.
const MESSAGES: usize = 4;

/// What a walk works with.
pub(crate) struct Walk<'a> {
    pub(crate) repo: &'a Arc<Repo>,
    pub(crate) options: &'a Options,
    pub(crate) monitor: &'a dyn Monitor,
    pub(crate) index: &'a Arc<Index>,
    /// The snapshot before, unless everything is to be read.
    pub(crate) parent: Option<&'a Parent>,
    /// Whether there is one at all.
    pub(crate) again: bool,
    /// Whether its blobs may be leant on without asking.
    pub(crate) vouched: bool,
}

/// What it built: the root, the records of this run, and where the blobs went.
pub(crate) struct Walked {
    pub(crate) built: Built,
    pub(crate) state: StateWriter,
    pub(crate) report: Report,
    /// The packs put, and their lengths.
    pub(crate) packs: Vec<(Id, u64)>,
}

/// The check of local files.
pub(crate) fn check(keys: &Arc<Keys>) -> impl Fn(&[u8]) -> [u8; 32] + use<> {
    let keys = Arc::clone(keys);
    move |bytes| *hash::keyed(keys.cache(), bytes).as_bytes()
}

impl Walk<'_> {
    /// Walks, and waits until every new blob is where `packing` puts it; `tick` is called now and then.
    ///
    /// # Errors
    /// Those of the source as a whole, of the store and of the state file; `Interrupted`.
    pub(crate) fn run(
        &self,
        packing: Packing,
        tick: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Walked> {
        let options = self.options;
        let keys = self.repo.keys();
        let name_hash = |name: &[u8]| hash::keyed(keys.cache(), name).prefix();
        let last = StateReader::open(&options.state, &check(keys));
        let last = last.filter(|last| self.parent.is_some_and(|it| it.id == last.snapshot()));
        let loader = Loader::new(self.repo, self.index);
        let sink = Sink::new(Arc::clone(self.index), packing, Arc::clone(keys));
        let state = StateWriter::create(&options.state)?;
        let mut source = Files::new(
            options.paths.clone(),
            options.rules.clone(),
            options.one_file_system,
        );
        let names = Names::load();
        let users = |number| names.user(number).map(<[u8]>::to_vec);
        let groups = |number| names.group(number).map(<[u8]>::to_vec);
        let names: (&dyn Fn(u32) -> _, &dyn Fn(u32) -> _) = (&users, &groups);
        let readers = Readers::start(chunker(keys), Arc::clone(keys), READERS);
        self.monitor.phase("backing up", None);
        let (messages, heard) = bounded(MESSAGES);
        let mut teller = Teller {
            monitor: self.monitor,
            report: Report {
                reread: self.again && last.is_none(),
                ..Report::default()
            },
            builder: Builder::new(sink, state, &loader, &name_hash, names, self.vouched),
            readers: &readers,
        };
        std::thread::scope(|scope| {
            let walker = Walker {
                source: &mut source,
                state: last.as_ref(),
                again: self.again,
                hash: &name_hash,
                readers: &readers,
                messages,
                monitor: self.monitor,
            };
            let walking = scope.spawn(move || walker.run());
            let heard = teller.listen(heard, tick);
            let walked = walking.join().unwrap_or_else(|_| {
                let what = "the thread that walks the source panicked: this is a bug";
                Err(Error::new(Kind::Other, what))
            });
            heard.and(walked)
        })?;
        if self.monitor.interrupted() {
            return Err(Error::new(Kind::Interrupted, "interrupted")
                .hint("run the same command again: every finished pack is kept and used"));
        }
        let Teller {
            builder,
            mut report,
            ..
        } = teller;
        let (built, sink, state) = builder.finish()?;
        self.monitor.phase("finishing packs", None);
        let stored = sink.packing.finish()?;
        report.bytes_added = stored.raw;
        report.bytes_stored = stored.stored;
        Ok(Walked {
            built,
            state,
            report,
            packs: stored.packs,
        })
    }
}
