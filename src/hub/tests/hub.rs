//! A hub on loopback that misbehaves as told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request: its path, and its headers in lower case.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub path: String,
    headers: Vec<String>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|h| h.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Where the range begins that is asked for.
    pub(super) fn from(&self) -> usize {
        self.header("range")
            .and_then(|r| r.strip_prefix("bytes=")?.split_once('-')?.0.parse().ok())
            .unwrap_or(0)
    }

    /// Whether it is the question for what a file is.
    pub(super) fn is_question(&self) -> bool {
        self.header("range") == Some("bytes=0-0")
    }
}

/// An answer: status line, headers and body as they are sent. The connection ends then.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub head: String,
    pub body: Vec<u8>,
    /// Whether the connection is kept open and silent behind the body.
    pub silent: bool,
}

/// A status, headers and a body.
pub(super) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Answer {
        head: format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n"),
        body: body.to_vec(),
        silent: false,
    }
}

/// What a hub that does everything right answers of a file.
pub(super) fn right(request: &Request, content: &[u8], etag: &str) -> Answer {
    let from = request.from();
    let to = if request.is_question() { content.len().min(1) } else { content.len() };
    let range = format!("bytes {from}-{}/{}", to.max(1) - 1, content.len());
    let body = &content[from..to];
    let length = body.len().to_string();
    let quoted = format!("\"{etag}\"");
    answer(
        "206 Partial Content",
        &[
            ("x-repo-commit", super::COMMIT),
            ("etag", &quoted),
            ("content-range", &range),
            ("content-length", &length),
        ],
        body,
    )
}

/// Answers for as long as the test goes on.
pub(super) struct Hub {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Hub {
    pub(super) fn new(answers: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (requests, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answers));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answers) = (seen.clone(), answers.clone());
                std::thread::spawn(move || serve(stream, &seen, &*answers));
            }
        });
        Hub { address, requests }
    }

    /// What was asked so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("a lock").clone()
    }

    /// Where the ranges began of which bytes were asked.
    pub(super) fn downloads(&self) -> Vec<usize> {
        self.requests().iter().filter(|r| !r.is_question()).map(Request::from).collect()
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, answers: &dyn Fn(&Request) -> Answer) {
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).and_then(|()| stream.set_write_timeout(limit)).expect("a timeout");
    let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_string();
    let request = Request {
        path,
        headers: lines.by_ref().take_while(|l| !l.is_empty()).map(|l| l.to_lowercase()).collect(),
    };
    seen.lock().expect("a lock").push(request.clone());
    let Answer { head, body, silent } = answers(&request);
    // Who asked may have gone by then.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    if silent {
        // Until the other side has had enough.
        let _ = lines.next();
    }
}
