//! Progress: a bar on a terminal, a line every ten seconds for a log, an event a second for a script, or nothing.
//!
//! The counters are atomic and the clock is asked at most once per count, so workers do not wait for the display.

use crate::error::Error;
use crate::host::Host;
use crate::monitor::{Counter, FileAction, Monitor};
use crate::ui::json::{self, Event};
use crate::ui::{Ui, escape, lock};
use crate::units::{count_to_text, duration_to_text, size_to_text};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A bar that moves.
    Bar,
    /// A line every ten seconds.
    Lines,
    /// Not at all.
    #[default]
    None,
}

/// Redrawn so often, in milliseconds.
const BAR_EVERY: u64 = 100;
const EVENT_EVERY: u64 = 1_000;
const LINE_EVERY: u64 = 10_000;

/// What is going on and how far it is.
pub struct Meter {
    mode: Mode,
    events: bool,
    host: Arc<dyn Host>,
    bar: Option<ProgressBar>,
    phase: Mutex<Option<Phase>>,
    bytes: AtomicU64,
    objects: AtomicU64,
    items: AtomicU64,
    /// When to show something again, in milliseconds of the host's clock.
    next: AtomicU64,
}

#[derive(Clone, Copy)]
struct Phase {
    name: &'static str,
    total: Option<(Counter, u64)>,
    began: Duration,
}

/// One look at a phase.
struct Look {
    phase: Phase,
    bytes: u64,
    items: u64,
    objects: u64,
    elapsed: Duration,
}

impl Look {
    /// The share that is done, where it can be told.
    fn part(&self) -> Option<(u64, u64)> {
        let (what, total) = self.phase.total.filter(|(_, total)| *total > 0)?;
        let done = match what {
            Counter::Bytes => self.bytes,
            Counter::Items => self.items,
            Counter::Objects => self.objects,
        };
        (done <= total).then_some((done, total))
    }

    /// Items where there are any, else objects.
    fn done(&self) -> u64 {
        match self.items {
            0 => self.objects,
            items => items,
        }
    }

    /// The total, if it is one of bytes, and if it is one of anything else.
    fn totals(&self) -> (Option<u64>, Option<u64>) {
        match self.phase.total {
            Some((Counter::Bytes, total)) => (Some(total), None),
            Some((_, total)) => (None, Some(total)),
            None => (None, None),
        }
    }

    fn seconds_left(&self) -> Option<u64> {
        let (done, total) = self.part()?;
        if done == 0 || self.elapsed < Duration::from_secs(1) {
            return None;
        }
        let left = self.elapsed.as_millis() * u128::from(total - done) / u128::from(done) / 1000;
        u64::try_from(left).ok()
    }

    /// Bytes a second, once that can be told.
    fn rate(&self) -> Option<u64> {
        let millis = self.elapsed.as_millis();
        let rate = u64::try_from(u128::from(self.bytes) * 1000 / millis.max(1)).ok()?;
        (millis >= 500).then_some(rate)
    }

    fn words(&self) -> String {
        let mut words = self.phase.name.to_owned();
        if self.done() > 0 {
            words.push_str(&format!("  {}", count_to_text(self.done())));
        }
        if self.bytes > 0 {
            words.push_str(&format!("  {}", size_to_text(self.bytes)));
            if let Some(rate) = self.rate() {
                words.push_str(&format!("  {}/s", size_to_text(rate)));
            }
        }
        if let Some(left) = self.seconds_left() {
            words.push_str(&format!("  {} left", duration_to_text(left as f64)));
        }
        words
    }
}

impl Meter {
    /// A meter that has nothing to show yet; `events` asks for one a second.
    pub fn new(mode: Mode, events: bool, host: Arc<dyn Host>) -> Self {
        Self {
            mode,
            events,
            host,
            bar: (mode == Mode::Bar)
                .then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())),
            phase: Mutex::new(None),
            bytes: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            items: AtomicU64::new(0),
            next: AtomicU64::new(0),
        }
    }

    /// Does something to the screen that a bar must not be in the way of.
    pub fn aside(&self, act: impl FnOnce()) {
        // Between phases nothing is drawn, and a bar that is suspended would be.
        match &self.bar {
            Some(bar) if lock(&self.phase).is_some() => bar.suspend(act),
            _ => act(),
        }
    }

    /// Nothing is going on any more.
    pub fn end(&self) {
        let was_drawn = lock(&self.phase).take().is_some();
        if let Some(bar) = self.bar.as_ref().filter(|_| was_drawn) {
            bar.finish_and_clear();
        }
    }

    fn begin(&self, name: &'static str, total: Option<(Counter, u64)>) {
        let began = self.host.elapsed();
        for counter in [&self.bytes, &self.objects, &self.items] {
            counter.store(0, Ordering::Relaxed);
        }
        *lock(&self.phase) = Some(Phase { name, total, began });
        self.next
            .store(millis(began) + self.every() / 2, Ordering::Relaxed);
        let Some(bar) = &self.bar else { return };
        let template = if total.is_some() {
            "{msg}  [{wide_bar}] {percent:>3}%"
        } else {
            "{spinner} {msg}"
        };
        let style = ProgressStyle::with_template(template).expect("the template is a constant");
        bar.set_style(style.progress_chars("=> "));
        bar.set_length(total.map_or(0, |(_, total)| total));
        bar.set_message(name);
        bar.reset();
    }

    fn add(&self, what: Counter, n: u64) {
        let counter = match what {
            Counter::Bytes => &self.bytes,
            Counter::Items => &self.items,
            Counter::Objects => &self.objects,
        };
        counter.fetch_add(n, Ordering::Relaxed);
    }

    fn every(&self) -> u64 {
        match (self.events, self.mode) {
            (true, _) => EVENT_EVERY,
            (_, Mode::Bar) => BAR_EVERY,
            _ => LINE_EVERY,
        }
    }

    /// A look, if it is time for one; of many threads one gets it.
    fn due(&self) -> Option<Look> {
        if !self.events && self.mode == Mode::None {
            return None;
        }
        let elapsed = self.host.elapsed();
        let (now, next) = (millis(elapsed), self.next.load(Ordering::Relaxed));
        let won = now >= next
            && self
                .next
                .compare_exchange(
                    next,
                    now + self.every(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        let phase = won.then(|| *lock(&self.phase))??;
        Some(Look {
            phase,
            bytes: self.bytes.load(Ordering::Relaxed),
            items: self.items.load(Ordering::Relaxed),
            objects: self.objects.load(Ordering::Relaxed),
            elapsed: elapsed.saturating_sub(phase.began),
        })
    }

    fn show(&self, look: &Look) {
        if let Some(bar) = &self.bar {
            if let Some((done, _)) = look.part() {
                bar.set_position(done);
            }
            bar.set_message(look.words());
            bar.tick();
        } else if self.mode == Mode::Lines {
            let _ = writeln!(std::io::stderr().lock(), "heirloom: {}", look.words());
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Monitor for Ui {
    fn phase(&self, name: &'static str, total: Option<(Counter, u64)>) {
        self.meter.begin(name, total);
    }

    fn count(&self, what: Counter, n: u64) {
        self.meter.add(what, n);
        let Some(look) = self.meter.due() else { return };
        self.meter.show(&look);
        if self.meter.events {
            let (bytes_total, total) = look.totals();
            self.event(&Event::Progress {
                phase: look.phase.name,
                done: look.done(),
                total,
                bytes_done: look.bytes,
                bytes_total,
                seconds_left: look.seconds_left(),
            });
        }
    }

    fn problem(&self, problem: &Error) {
        Self::problem(self, problem);
    }

    fn file(&self, action: FileAction, path: &[u8], bytes: u64) {
        if !self.wants_files() {
            return;
        }
        let action = json::action_name(action);
        self.line(&format!("{action:<10}  {}", escape(path)));
        self.event(&Event::File {
            action,
            path: escape(path),
            path_base64: json::exact(path),
            bytes,
        });
    }

    fn wants_files(&self) -> bool {
        self.style().verbose
    }

    fn interrupted(&self) -> bool {
        self.stopped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FixedHost;

    #[test]
    fn what_is_left_is_told_from_the_rate() {
        let phase = Phase {
            name: "reading",
            total: Some((Counter::Bytes, 400)),
            began: Duration::ZERO,
        };
        let look = Look {
            phase,
            bytes: 100,
            items: 3,
            objects: 0,
            elapsed: Duration::from_secs(10),
        };
        assert_eq!(look.seconds_left(), Some(30));
        assert_eq!(look.words(), "reading  3  100 B  10 B/s  30 s left");
        let beyond = Look {
            phase,
            bytes: 500,
            items: 3,
            objects: 0,
            elapsed: Duration::from_secs(10),
        };
        assert_eq!(beyond.seconds_left(), None);
    }

    #[test]
    fn a_quiet_meter_never_asks_the_clock() {
        let meter = Meter::new(Mode::None, false, Arc::new(FixedHost::new(1)));
        meter.begin("reading", None);
        meter.add(Counter::Bytes, 5);
        assert!(meter.due().is_none());
    }
}
