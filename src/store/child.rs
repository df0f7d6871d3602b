//! A program that a store talks to over its pipes: ssh, rclone.
//!
//! What must hold:
//! - It is ended by closing its stdin, then by TERM, then by KILL; by its number, and only while it has not been waited
//!   for, so that the number cannot belong to another program by then.
//! - What it says on stderr is always read, or it would stand still; the end of that goes into our errors.

use crate::store::runtime::wait;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, Join};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

/// How long each way of ending it is given before the next, harsher one.
const GRACE: Duration = Duration::from_secs(2);
/// As much of its stderr is kept.
const SAID_MAX: usize = 8 << 10;

/// Its stdout to read from and its stdin to write to.
pub(super) type Pipes = Join<ChildStdout, ChildStdin>;

/// A running program. Dropping this asks it to end, for which its pipes have to be dropped as well.
pub(super) struct Child {
    said: Arc<Mutex<Said>>,
    ended: watch::Receiver<Option<String>>,
    _asked_to_end: oneshot::Sender<()>,
}

/// The end of what it said on stderr.
#[derive(Default)]
struct Said {
    bytes: VecDeque<u8>,
    total: usize,
}

impl Child {
    /// Starts `command`, program and arguments; to be called inside the runtime.
    ///
    /// With `apart` it does not hear the interrupt key of our terminal, and cannot ask anything there.
    pub(super) fn start(command: &[OsString], apart: bool) -> io::Result<(Self, Pipes)> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if apart {
            command.process_group(0);
        }
        let mut child = command.spawn()?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let output = child.stdout.take().ok_or_else(missing)?;
        let input = child.stdin.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        let said = Arc::<Mutex<Said>>::default();
        let (asked_to_end, asked) = oneshot::channel();
        let (tell, ended) = watch::channel(None);
        let listening = tokio::spawn(listen(errors, said.clone()));
        tokio::spawn(async move {
            let status = run(&mut child, asked).await;
            // Its last words, unless a child of its own keeps the pipe open.
            let _ = timeout(GRACE, listening).await;
            tell.send_replace(Some(match status {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            }));
        });
        let child = Self {
            said,
            ended,
            _asked_to_end: asked_to_end,
        };
        Ok((child, tokio::io::join(output, input)))
    }

    /// How it ended, if it does so within `limit`; all it said is known by then.
    pub(super) async fn ended(&self, limit: Duration) -> Option<String> {
        let mut ended = self.ended.clone();
        let ended = timeout(limit, ended.wait_for(Option::is_some)).await;
        ended.ok()?.ok()?.clone()
    }

    /// A handle on its end that outlives this one.
    pub(super) fn end(&self) -> End {
        End(self.ended.clone())
    }

    /// How much it has said so far, for [`Child::said_since`].
    pub(super) fn said_so_far(&self) -> usize {
        self.said().total
    }

    /// What it said after that moment, as far as it was kept.
    pub(super) fn said_since(&self, moment: usize) -> String {
        let said = self.said();
        let fresh = said.total.saturating_sub(moment).min(said.bytes.len());
        let bytes: Vec<u8> = said
            .bytes
            .iter()
            .skip(said.bytes.len() - fresh)
            .copied()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells when a program has ended.
pub(super) struct End(watch::Receiver<Option<String>>);

impl End {
    /// Blocks until it has ended, which takes a few seconds at the most once it was asked to.
    pub(super) fn wait(mut self) {
        let ended = async { drop(timeout(4 * GRACE, self.0.wait_for(Option::is_some)).await) };
        wait(ended);
    }
}

/// The last lines of `said` that hold anything, for an error: joined by semicolons, without control characters.
pub(super) fn last_lines(said: &str) -> String {
    let lines: Vec<String> = said
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

async fn listen(mut errors: ChildStderr, said: Arc<Mutex<Said>>) {
    let mut buffer = [0; 1024];
    while let Ok(got @ 1..) = errors.read(&mut buffer).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.bytes.extend(&buffer[..got]);
        said.total += got;
        let excess = said.bytes.len().saturating_sub(SAID_MAX);
        said.bytes.drain(..excess);
    }
}

/// Until it ends by itself, or is made to once `asked` is gone.
async fn run(
    child: &mut tokio::process::Child,
    asked: oneshot::Receiver<()>,
) -> io::Result<ExitStatus> {
    let asked = async {
        // Nothing is ever sent: that the other side is gone is the message.
        let _ = asked.await;
        sleep(GRACE).await;
    };
    tokio::select! {
        status = child.wait() => return status,
        () = asked => {}
    }
    let number = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(number) = number.and_then(Pid::from_raw) {
        let _ = kill_process(number, Signal::TERM);
    }
    if let Ok(status) = timeout(GRACE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    const LONG: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Vec<OsString> {
        ["sh", "-c", script].map(OsString::from).to_vec()
    }

    #[test]
    fn bytes_go_through_and_the_end_is_told() {
        wait(async {
            let (child, mut pipes) =
                Child::start(&shell("cat; echo so long >&2; exit 3"), true).unwrap();
            pipes.write_all(b"hello").await.unwrap();
            let mut back = [0; 5];
            pipes.read_exact(&mut back).await.unwrap();
            assert_eq!(&back, b"hello");
            assert_eq!(child.ended(Duration::from_millis(50)).await, None);
            drop(pipes);
            assert_eq!(child.ended(LONG).await.unwrap(), "exit status: 3");
            assert_eq!(last_lines(&child.said_since(0)), "so long");
            assert_eq!(child.said_since(child.said_so_far()), "");
        });
    }

    #[test]
    fn who_does_not_listen_is_ended_all_the_same() {
        for script in ["exec sleep 1000", "trap '' TERM; while :; do sleep 1; done"] {
            let (child, pipes) = wait(async { Child::start(&shell(script), true).unwrap() });
            let (end, ended) = (child.end(), child.end().0);
            drop((child, pipes));
            end.wait();
            assert!(ended.borrow().is_some(), "{script}: still there");
        }
    }

    #[test]
    fn only_the_end_of_a_long_talk_is_kept() {
        wait(async {
            let talk = "seq 100000 >&2; printf 'last\\033[1m words\\n\\n' >&2";
            let (child, _pipes) = Child::start(&shell(talk), true).unwrap();
            child.ended(LONG).await.unwrap();
            let said = child.said_since(0);
            assert!(said.len() <= SAID_MAX);
            assert_eq!(last_lines(&said), "99999; 100000; last[1m words");
        });
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let missing = [OsString::from("/nonexistent/program")];
        wait(async {
            let error = Child::start(&missing, true).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(Child::start(&[], true).is_err());
        });
    }
}
