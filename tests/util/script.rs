//! An HTTP server on loopback that answers as a test tells it to: for answers that no real server gives on demand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a client asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// `name: value` lines, names in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn has(&self, header: &str) -> bool {
        self.headers.iter().any(|line| line.starts_with(header))
    }
}

/// What becomes of it.
pub(crate) enum Answer {
    /// A status line without its version, headers, a body.
    Say(&'static str, &'static [&'static str], Vec<u8>),
    /// Bytes as they are; then the connection ends.
    Raw(Vec<u8>),
    /// The connection ends without a word.
    Nothing,
}

pub(crate) fn say(status: &'static str, body: &str) -> Answer {
    Answer::Say(status, &[], body.as_bytes().to_vec())
}

/// The server; it lives as long as the test.
pub(crate) struct Script {
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Script {
    /// Answers each request with what `answer` makes of it and of the number of requests before it.
    pub(crate) fn new(answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (answer, shared) = (Arc::new(answer), log.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, log) = (answer.clone(), shared.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &*answer, &log));
            }
        });
        Self { port, log }
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    answer: &(dyn Fn(&Asked, usize) -> Answer + Send + Sync),
    log: &Mutex<Vec<Asked>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    let Some(asked) = read(&mut reader) else {
        return;
    };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    let bytes = match answer(&asked, number) {
        Answer::Nothing => return,
        Answer::Raw(bytes) => bytes,
        Answer::Say(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
            for header in headers {
                head.push_str(header);
                head.push_str("\r\n");
            }
            let mut bytes = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
            if asked.method != "HEAD" {
                bytes.extend(body);
            }
            bytes
        }
    };
    let _ = writer.write_all(&bytes);
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
    let mut words = line.split_ascii_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut headers, mut len) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        let name = name.to_ascii_lowercase();
        if name == "content-length" {
            len = value.trim().parse().ok()?;
        }
        headers.push(format!("{name}:{value}"));
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body,
    })
}
