//! A program run to its end, and what that cost.

use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Processor time is told in these: USER_HZ, which is 100 everywhere.
const TICK: f64 = 0.01;

/// What one run, or several in a row, took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Seconds on the clock.
    pub(crate) wall: f64,
    /// Seconds of processor time, user and system, to a hundredth.
    pub(crate) cpu: f64,
    /// The most memory that the kernel saw it hold, KiB.
    pub(crate) peak: u64,
}

/// Runs it without its output and watches its high-water mark.
pub(crate) fn run(command: &mut Command) -> (ExitStatus, Cost) {
    let (start, before) = (Instant::now(), spent_by_children());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let exit = loop {
        peak = peak.max(high_water(&status).unwrap_or(0));
        if let Some(exit) = child.try_wait().expect("our own child") {
            break exit;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let cost = Cost {
        wall: start.elapsed().as_secs_f64(),
        cpu: spent_by_children() - before,
        peak,
    };
    (exit, cost)
}

fn high_water(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Of those that were waited for: the 16th and 17th field of proc(5)'s stat, of which the second is in parentheses.
fn spent_by_children() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = text.rsplit_once(')').expect("a name in parentheses");
    let fields = fields.split_whitespace().skip(13).take(2);
    let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks * TICK
}
