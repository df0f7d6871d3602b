//! One child rclone and HTTP/2 on its pipes. Several calls share it at once.

use crate::error::{Error, Kind};
use crate::store::Payload;
use crate::store::access::Access;
use crate::store::child::{Child, End, last_lines};
use crate::store::retry::Trouble;
use crate::store::throttle::FRAME;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::ffi::OsString;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// rclone has limits of its own towards its cloud and tries again by itself; this one is for an rclone that hangs.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// What `rclone version` may take.
const START: Duration = Duration::from_secs(60);
/// 1.61.0 ignored `--stdio` and listened on a port.
const OLDEST: [u32; 3] = [1, 61, 1];
/// Its list format with names and sizes.
const LIST_FORMAT: &str = "application/vnd.x.restic.rest.v2";

type Sent = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

/// What came of a call.
pub(super) type Outcome<T> = Result<T, Fault>;

/// Why a call failed.
pub(super) enum Fault {
    /// Nothing stands there.
    Absent,
    /// No space or no quota is left, in rclone's words.
    Full(String),
    /// rclone answered, and says why it could not do it.
    Said(String),
    /// There is no child any more, or no answer.
    Lost(String),
    /// What a person has to mend: why, and the hint.
    Refused(String, String),
    /// What came is not what should have come.
    Wrong(String),
}

impl Fault {
    /// Whether the child has to be started anew.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Refused(..))
    }

    pub(super) fn told(self, what: String) -> Error {
        let unreachable = |trouble: Trouble, why: String| {
            Error::new(Kind::Unreachable, what.clone()).because(trouble.told(why))
        };
        match self {
            Self::Absent => Error::new(Kind::NotFound, what),
            Self::Full(why) => Error::new(Kind::Full, what)
                .because(why)
                .hint("make room there and run the same command again: what is complete is not sent twice"),
            Self::Said(why) | Self::Lost(why) => unreachable(Trouble::AGAIN, why),
            Self::Refused(why, hint) => unreachable(Trouble::FINAL, why).hint(hint),
            Self::Wrong(why) => Error::new(Kind::Damaged, what).because(why),
        }
    }

    fn silent() -> Self {
        Self::Lost(format!("no answer for {} minutes", PATIENCE.as_secs() / 60))
    }
}

/// A child and the way to talk to it.
pub(super) struct Session {
    send: SendRequest<Sent>,
    connection: JoinHandle<()>,
    child: Child,
}

impl Drop for Session {
    fn drop(&mut self) {
        // With it go the pipes, and the child ends.
        self.connection.abort();
    }
}

/// What to ask for.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Below the root.
    pub(super) path: &'a str,
    /// `bytes=0-99`
    pub(super) range: Option<String>,
    pub(super) payload: Option<&'a Payload>,
}

impl Session {
    /// Starts the child; to be called inside the runtime.
    pub(super) async fn open(remote: &str, access: &Access) -> Outcome<Self> {
        let mut command = access.rclone.clone();
        let arguments = [
            "serve",
            "restic",
            "--stdio",
            "--cache-objects=false",
            remote,
        ];
        command.extend(arguments.map(OsString::from));
        let (child, pipes) =
            Child::start(&command, true).map_err(|error| missing(access, &error))?;
        let shaken = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(2 << 20)
            .handshake(TokioIo::new(pipes))
            .await;
        let (send, connection) = shaken.map_err(|error| Fault::Lost(error.to_string()))?;
        let connection = tokio::spawn(async move {
            // How it ended is told to each call that was under way.
            let _ = connection.await;
        });
        Ok(Self {
            send,
            connection,
            child,
        })
    }

    pub(super) fn end(&self) -> End {
        self.child.end()
    }

    /// Sends a request. An answer that is not a success becomes a fault.
    pub(super) async fn ask(&self, ask: Ask<'_>, access: &Access) -> Outcome<Response<Incoming>> {
        let before = self.child.said_so_far();
        let length = ask.payload.map_or(0, |payload| payload.len());
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("http://localhost/{}", ask.path))
            .header(header::ACCEPT, LIST_FORMAT)
            .header(header::CONTENT_LENGTH, length);
        if let Some(range) = ask.range {
            request = request.header(header::RANGE, range);
        }
        let body = sent(ask.payload.cloned(), access.clone());
        let request = request
            .body(body)
            .map_err(|error| Fault::Wrong(error.to_string()))?;
        let answer = timeout(PATIENCE, self.send.clone().send_request(request)).await;
        let answer = match answer {
            Err(_) => return Err(Fault::silent()),
            Ok(Err(error)) => return Err(self.lost(&error.to_string()).await),
            Ok(Ok(answer)) => answer,
        };
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(Fault::Absent),
            status => {
                // Its words take another pipe than its answer.
                sleep(Duration::from_millis(50)).await;
                let words = last_lines(&self.child.said_since(before));
                let why = format!("rclone answered {status}: {words}");
                let word = words.to_lowercase();
                let full = [
                    "no space left",
                    "disk space",
                    "quota",
                    "insufficient",
                    "storage limit",
                ];
                if full.iter().any(|known| word.contains(known)) {
                    return Err(Fault::Full(why));
                }
                Err(Fault::Said(why))
            }
        }
    }

    /// All of an answer: the whole announced length, and no more than `max`.
    pub(super) async fn read(
        &self,
        answer: Response<Incoming>,
        max: u64,
        into: &mut Vec<u8>,
        access: &Access,
    ) -> Outcome<()> {
        let announced = length(answer.headers());
        let too_long =
            |len: u64| Fault::Wrong(format!("it has {len} bytes where {max} are allowed"));
        if let Some(len) = announced.filter(|len| *len > max) {
            return Err(too_long(len));
        }
        into.clear();
        let room = usize::try_from(announced.unwrap_or(0)).unwrap_or(usize::MAX);
        if into.try_reserve_exact(room).is_err() {
            return Err(Fault::Wrong(format!("no memory for {room} bytes")));
        }
        let mut body = answer.into_body();
        loop {
            let frame = match timeout(PATIENCE, body.frame()).await {
                Err(_) => return Err(Fault::silent()),
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(self.lost(&error.to_string()).await),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            if (into.len() + bytes.len()) as u64 > max {
                return Err(too_long((into.len() + bytes.len()) as u64));
            }
            into.extend_from_slice(&bytes);
            sleep(access.pace.download(bytes.len())).await;
        }
        if announced.is_some_and(|len| len != into.len() as u64) {
            return Err(Fault::Lost("the answer broke off".to_owned()));
        }
        Ok(())
    }

    async fn lost(&self, why: &str) -> Fault {
        let status = self.child.ended(Duration::from_secs(1)).await;
        let said = self.child.said_since(0);
        let words = last_lines(&said);
        let why = match status {
            Some(status) => format!("rclone ended ({status}): {words}"),
            None => format!("{why}: {words}"),
        };
        if said.contains("didn't find section in config file") {
            let hint =
                "`rclone config` makes a remote, and `rclone listremotes` shows those there are";
            return Fault::Refused(why, hint.to_owned());
        }
        Fault::Lost(why)
    }
}

/// What an answer announces.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// Makes sure that the program is there and knows what we need.
pub(super) async fn check(access: &Access) -> Outcome<()> {
    let mut command = access.rclone.clone();
    command.push("version".into());
    let (child, pipes) = Child::start(&command, true).map_err(|error| missing(access, &error))?;
    let mut printed = Vec::new();
    let mut pipes = pipes.take(4096);
    match timeout(START, pipes.read_to_end(&mut printed)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(Fault::Lost(error.to_string())),
        Err(_) => return Err(Fault::Lost("`rclone version` does not end".to_owned())),
    }
    let printed = String::from_utf8_lossy(&printed);
    let Some(version) = version(&printed) else {
        let status = child
            .ended(Duration::from_secs(1))
            .await
            .unwrap_or_default();
        let why = format!(
            "`rclone version` said {} ({status})",
            last_lines(&format!("{printed}\n{}", child.said_since(0)))
        );
        return Err(Fault::Refused(why, INSTALL.to_owned()));
    };
    if version < OLDEST {
        let [major, minor, patch] = version;
        let why = format!("this rclone is {major}.{minor}.{patch}");
        return Err(Fault::Refused(why, INSTALL.to_owned()));
    }
    Ok(())
}

const INSTALL: &str =
    "rclone 1.61.1 or newer is needed: https://rclone.org/install, then `rclone version`";

fn missing(access: &Access, error: &std::io::Error) -> Fault {
    let program = access.rclone.first().cloned().unwrap_or_default();
    Fault::Refused(
        format!("start {}: {error}", program.to_string_lossy()),
        INSTALL.to_owned(),
    )
}

/// `rclone v1.75.2`, `rclone v1.60.1-DEV`.
fn version(printed: &str) -> Option<[u32; 3]> {
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix("rclone v"))?;
    let digits = |c: char| !(c.is_ascii_digit() || c == '.');
    let mut parts = line.split(digits).next()?.split('.').map(str::parse);
    let mut part = || parts.next().unwrap_or(Ok(0)).ok();
    Some([part()?, part()?, part()?])
}

/// The bytes in frames, each at its time.
fn sent(payload: Option<Payload>, access: Access) -> Sent {
    let bytes = payload.map_or_else(Bytes::new, |payload| Bytes::from_owner(Shared(payload)));
    let frames = stream::unfold((bytes, access), |(mut bytes, access)| async move {
        if bytes.is_empty() {
            return None;
        }
        let frame = bytes.split_to(bytes.len().min(FRAME));
        sleep(access.pace.upload(frame.len())).await;
        Some((Ok(Frame::data(frame)), (bytes, access)))
    });
    StreamBody::new(Box::pin(frames))
}

struct Shared(Payload);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Whether an answer carries nothing.
pub(super) fn is_empty(answer: &Response<Incoming>) -> bool {
    answer.body().is_end_stream()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        assert_eq!(
            version("rclone v1.75.2\n- os/version: x\n"),
            Some([1, 75, 2])
        );
        assert_eq!(version("rclone v1.60.1-DEV\n"), Some([1, 60, 1]));
        assert_eq!(version("rclone v1.62\n"), Some([1, 62, 0]));
        assert_eq!(version("rclone vNext\n"), None);
        assert_eq!(version("command not found"), None);
        assert!([1, 61, 0] < OLDEST && [1, 61, 1] >= OLDEST && [2, 0, 0] > OLDEST);
    }
}
