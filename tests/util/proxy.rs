//! A proxy that does harm on purpose, in front of a real server. One thread a connection, std only.
//!
//! *HTTP mode* knows where a request and an answer end, and does to chosen ones what networks, servers and hotel
//! gateways do. The `Host` header passes unchanged, so signatures hold. *Byte mode* knows nothing and serves for SFTP.
//!
//! A reset needs no special call: a socket that is closed while a byte waits in it unread is reset by the kernel, so the
//! last byte of each request is looked at and left there until its answer is on its way.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What happens to a request or to its answer.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// The request never arrives.
    DropBefore,
    /// The server has acted, and its answer is lost.
    DropAfter,
    /// The server is not asked; this is answered, with the word as an S3 error code.
    Status(u16, &'static str),
    /// The answer comes late.
    Delay(Duration),
    /// The server is not asked, and nothing is answered.
    Stall,
    /// Half the answer, then the end.
    Cut,
    /// Half the answer, then a reset.
    Reset,
    /// One bit of the answer's body is wrong.
    Flip,
    /// A login page, and success.
    Html,
    /// Another place is named.
    Redirect,
}

#[derive(Debug)]
struct Rule {
    method: &'static str,
    part: String,
    times: u32,
    action: Action,
}

/// What byte mode does to each connection; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bytes {
    /// Bytes a second each way.
    pub(crate) rate: Option<u64>,
    /// After so many bytes from the server nothing comes any more.
    pub(crate) stop_after: Option<u64>,
    /// After so many bytes from the server the connection breaks.
    pub(crate) break_after: Option<u64>,
    /// Connections are closed at once.
    pub(crate) refuse: bool,
}

struct State {
    target: SocketAddr,
    http: bool,
    rules: Mutex<Vec<Rule>>,
    bytes: Mutex<Bytes>,
    asked: Mutex<Vec<String>>,
    hits: AtomicU64,
    down: AtomicBool,
    over: AtomicBool,
    /// Second handles on all that is open, by number: a socket closes with its last one.
    open: Mutex<BTreeMap<u64, TcpStream>>,
}

/// A running proxy; dropped, it ends its connections.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of an HTTP server on this machine.
    pub(crate) fn http(port: u16) -> Self {
        Self::start(port, true)
    }

    /// In front of anything on this machine.
    pub(crate) fn bytes(port: u16) -> Self {
        Self::start(port, false)
    }

    fn start(target: u16, http: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target)),
            http,
            rules: Mutex::default(),
            bytes: Mutex::default(),
            asked: Mutex::default(),
            hits: AtomicU64::new(0),
            down: AtomicBool::new(false),
            over: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let shared = state.clone();
        let listening = thread::spawn(move || listen(&shared, listener, port));
        Self {
            port,
            state,
            listening: Some(listening),
        }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on the first `times` requests of this method, `*` for any, with `part` in their path meet this.
    pub(crate) fn rule(&self, method: &'static str, part: &str, times: u32, action: Action) {
        self.state.rules.lock().unwrap().push(Rule {
            method,
            part: part.to_owned(),
            times,
            action,
        });
    }

    /// No rules any more, and what is stalled goes on nowhere.
    pub(crate) fn clear(&self) {
        self.state.rules.lock().unwrap().clear();
        self.state.hits.store(0, Ordering::Relaxed);
        self.cut_all();
    }

    /// How often a rule was met since the last `clear`.
    pub(crate) fn hits(&self) -> u64 {
        self.state.hits.load(Ordering::Relaxed)
    }

    /// All requests so far, as `METHOD path`; the log begins anew.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.asked.lock().unwrap())
    }

    /// What byte mode does to connections from now on.
    pub(crate) fn do_to_bytes(&self, bytes: Bytes) {
        *self.state.bytes.lock().unwrap() = bytes;
    }

    /// The server vanishes: connections end and new ones are refused.
    pub(crate) fn down(&self) {
        self.state.down.store(true, Ordering::Relaxed);
        self.cut_all();
        // Until its listener is gone.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// It is back, at the same port.
    pub(crate) fn up(&self) {
        self.state.down.store(false, Ordering::Relaxed);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn cut_all(&self) {
        for stream in self.state.open.lock().unwrap().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        self.cut_all();
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn listen(state: &Arc<State>, listener: TcpListener, port: u16) {
    let mut listener = Some(listener);
    while !state.over.load(Ordering::Relaxed) {
        if state.down.load(Ordering::Relaxed) {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
        }
        let Some(listener) = &listener else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        listener.set_nonblocking(true).unwrap();
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        client.set_nonblocking(false).unwrap();
        let _ = client.set_nodelay(true);
        let state = state.clone();
        thread::spawn(move || {
            let number = state.note(&client);
            // How a connection ends is for the one at its other end to notice.
            let _ = if state.http {
                serve_http(&state, client)
            } else {
                serve_bytes(&state, client)
            };
            state.open.lock().unwrap().remove(&number);
        });
    }
}

/// A request or an answer.
struct Message {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Message {
    fn first_line(&self) -> String {
        let line = self.head.split(|c| *c == b'\r').next().unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    }

    fn all(&self) -> Vec<u8> {
        [&self.head[..], &self.body].concat()
    }
}

fn header(head: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head).to_lowercase();
    let line = text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(':')
            .map(str::to_owned)
    });
    line.map(|value| value.trim().to_owned())
}

fn serve_http(state: &State, mut client: TcpStream) -> io::Result<()> {
    let mut server: Option<TcpStream> = None;
    while let Some(request) = read_request(&mut client)? {
        let line = request.first_line();
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        state.asked.lock().unwrap().push(format!("{method} {path}"));
        let action = state.action(method, path);
        match instead(&mut client, action.as_ref())? {
            Next::Ask => {}
            Next::Answered => continue,
            Next::End => return Ok(()),
        }
        let upstream = match &mut server {
            Some(server) => server,
            None => server.insert(TcpStream::connect(state.target)?),
        };
        upstream.write_all(&request.all())?;
        let mut got = read_answer(upstream, method == "HEAD")?;
        let half = got.head.len() + got.body.len() / 2;
        let half = if got.body.is_empty() { half / 2 } else { half };
        match action {
            Some(Action::DropAfter) => {
                client.read_exact(&mut [0])?;
                return Ok(());
            }
            Some(Action::Cut) => {
                client.read_exact(&mut [0])?;
                client.write_all(&got.all()[..half])?;
                return client.shutdown(Shutdown::Both);
            }
            Some(Action::Reset) => {
                client.write_all(&got.all()[..half])?;
                // Its half arrives before the reset.
                thread::sleep(Duration::from_millis(20));
                return Ok(());
            }
            Some(Action::Flip) => {
                let middle = got.body.len() / 2;
                if let Some(byte) = got.body.get_mut(middle) {
                    *byte ^= 1;
                }
            }
            _ => {}
        }
        client.read_exact(&mut [0])?;
        client.write_all(&got.all())?;
        let closes = |head: &[u8]| header(head, "connection").is_some_and(|value| value == "close");
        if closes(&got.head) || closes(&request.head) {
            return Ok(());
        }
    }
    Ok(())
}

/// What follows when a rule has had its say before the server is asked.
enum Next {
    Ask,
    Answered,
    End,
}

fn instead(client: &mut TcpStream, action: Option<&Action>) -> io::Result<Next> {
    match action {
        Some(Action::DropBefore) => {
            // The last byte is read, so this is an end and no reset.
            client.read_exact(&mut [0])?;
            return Ok(Next::End);
        }
        Some(Action::Stall) => {
            client.read_exact(&mut [0])?;
            let _ = client.read(&mut [0])?;
            return Ok(Next::End);
        }
        Some(Action::Status(code, word)) => {
            let body = format!("<?xml version=\"1.0\"?><Error><Code>{word}</Code></Error>");
            let status = format!("{code} {word}");
            answer(client, &status, "Content-Type: application/xml", &body)?;
        }
        Some(Action::Html) => {
            let body = "<!DOCTYPE html><html><title>Welcome to the hotel</title></html>";
            answer(client, "200 OK", "Content-Type: text/html", body)?;
        }
        Some(Action::Redirect) => {
            answer(
                client,
                "302 Found",
                "Location: http://127.0.0.1:9/elsewhere",
                "",
            )?;
        }
        other => {
            if let Some(Action::Delay(time)) = other {
                thread::sleep(*time);
            }
            return Ok(Next::Ask);
        }
    }
    Ok(Next::Answered)
}

impl State {
    fn note(&self, stream: &TcpStream) -> u64 {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock().unwrap();
        open.extend(stream.try_clone().ok().map(|stream| (number, stream)));
        number
    }

    fn action(&self, method: &str, path: &str) -> Option<Action> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| {
            rule.times > 0
                && (rule.method == "*" || rule.method == method)
                && path.contains(&rule.part)
        })?;
        rule.times = rule.times.saturating_sub(u32::from(rule.times != u32::MAX));
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(rule.action.clone())
    }
}

fn answer(client: &mut TcpStream, status: &str, header: &str, body: &str) -> io::Result<()> {
    client.read_exact(&mut [0])?;
    let len = body.len();
    write!(
        client,
        "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {len}\r\n\r\n{body}"
    )
}

/// All of a request; its last byte stays in the socket. `None` at the end of the connection.
fn read_request(client: &mut TcpStream) -> io::Result<Option<Message>> {
    let mut seen = vec![0; 64 << 10];
    let head_len = loop {
        let got = client.peek(&mut seen)?;
        if got == 0 {
            return Ok(None);
        }
        if let Some(at) = end_of_head(&seen[..got]) {
            break at;
        }
        thread::sleep(Duration::from_millis(1));
    };
    let head = seen[..head_len].to_vec();
    assert!(
        header(&head, "transfer-encoding").is_none(),
        "a request in chunks"
    );
    let body_len = header(&head, "content-length").map_or(0, |len| len.parse().unwrap());
    let mut all = vec![0; head_len + body_len];
    let last = all.len() - 1;
    if header(&head, "expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    client.read_exact(&mut all[..last])?;
    if client.peek(&mut all[last..])? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let body = all.split_off(head_len);
    Ok(Some(Message { head: all, body }))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(at + 4)
}

fn read_answer(server: &mut TcpStream, is_head: bool) -> io::Result<Message> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            server.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let status: u16 = String::from_utf8_lossy(&head[9..12]).parse().unwrap_or(0);
        if (100..200).contains(&status) {
            continue;
        }
        let mut body = Vec::new();
        if is_head || matches!(status, 204 | 304) {
        } else if let Some(len) = header(&head, "content-length") {
            body.resize(len.parse().unwrap(), 0);
            server.read_exact(&mut body)?;
        } else if header(&head, "transfer-encoding").is_some() {
            while !body.ends_with(b"\r\n0\r\n\r\n") && body != b"0\r\n\r\n" {
                let mut buffer = [0; 4096];
                let got = server.read(&mut buffer)?;
                if got == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                body.extend_from_slice(&buffer[..got]);
            }
        } else {
            server.read_to_end(&mut body)?;
        }
        return Ok(Message { head, body });
    }
}

fn serve_bytes(state: &Arc<State>, client: TcpStream) -> io::Result<()> {
    if state.bytes.lock().unwrap().refuse {
        return client.shutdown(Shutdown::Both);
    }
    let server = TcpStream::connect(state.target)?;
    let number = state.note(&server);
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let shared = state.clone();
    let up = thread::spawn(move || copy(&shared, from_client, to_server, false));
    let down = copy(state, server, client, true);
    let _ = up.join();
    state.open.lock().unwrap().remove(&number);
    down
}

fn copy(state: &State, mut from: TcpStream, mut to: TcpStream, is_answer: bool) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    let mut passed = 0;
    loop {
        let got = from.read(&mut buffer)?;
        let bytes = *state.bytes.lock().unwrap();
        passed += got as u64;
        let reached = |limit: Option<u64>| is_answer && limit.is_some_and(|limit| passed > limit);
        if got == 0 || reached(bytes.break_after) {
            let _ = from.shutdown(Shutdown::Both);
            return to.shutdown(Shutdown::Both);
        }
        if reached(bytes.stop_after) {
            state.hits.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if let Some(rate) = bytes.rate {
            thread::sleep(Duration::from_secs_f64(got as f64 / rate as f64));
        }
        to.write_all(&buffer[..got])?;
    }
}
