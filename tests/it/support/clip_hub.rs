//! A hub that takes clips in pieces and nothing else, and can be told to behave badly.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

/// What becomes of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is taken.
    Taken,
    /// Half of it is, and then the connection is cut.
    Cut,
    /// It is taken, and then the connection is cut before that is said.
    Unsaid,
    /// Nothing is: the hub has forgotten half of what it had, as after a crash.
    Forgotten,
    /// One byte of it is damaged on the way.
    Damaged,
    /// It is refused with this status.
    Refused(u16),
}

/// What the hub has and was asked for.
#[derive(Default)]
pub struct Book {
    pub bytes: Vec<u8>,
    pub complete: bool,
    /// The query of each piece that had one.
    pub queries: Vec<String>,
    /// The offset of each piece that came.
    pub offsets: Vec<u64>,
    pub paths: Vec<String>,
    pub tokens: Vec<String>,
    fates: VecDeque<Fate>,
    sha256: String,
    total: u64,
}

/// The hub.
pub struct ClipHub {
    pub port: u16,
    book: Arc<Mutex<Book>>,
}

impl ClipHub {
    /// A hub in which the next pieces have these fates, and all others are taken.
    pub fn start(fates: &[Fate]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let book = Arc::new(Mutex::new(Book { fates: fates.iter().copied().collect(), ..Book::default() }));
        let shared = book.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let book = shared.clone();
                std::thread::spawn(move || serve(&stream, &book));
            }
        });
        Self { port, book }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn look<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book.lock().unwrap())
    }
}

/// A request; nothing once the other side has gone.
struct Request {
    method: String,
    target: String,
    offset: u64,
    token: String,
    length: usize,
}

fn read_head(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, target, offset: 0, token: String::new(), length: 0 };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { return Some(request) };
        match name.to_ascii_lowercase().as_str() {
            "upload-offset" => request.offset = value.trim().parse().unwrap(),
            "authorization" => request.token = value.trim().to_owned(),
            "content-length" => request.length = value.trim().parse().unwrap(),
            _ => {}
        }
    }
}

fn serve(stream: &TcpStream, book: &Mutex<Book>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read_head(&mut reader) {
        let answer = match request.method.as_str() {
            "HEAD" => book.lock().unwrap().has(&request),
            "PATCH" => {
                let mut piece = vec![0; request.length];
                if reader.read_exact(&mut piece).is_err() {
                    return;
                }
                book.lock().unwrap().take(&request, piece)
            }
            // It has no packages, and notes who asked for one.
            "GET" => {
                book.lock().unwrap().tokens.push(request.token.clone());
                Some(said(404, ""))
            }
            other => panic!("nobody asked for {other}"),
        };
        let Some(answer) = answer else {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        };
        let mut stream = stream;
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

impl Book {
    fn has(&mut self, request: &Request) -> Option<String> {
        self.tokens.push(request.token.clone());
        let complete = if self.complete { "Upload-Complete: ?1\r\n" } else { "" };
        Some(match self.bytes.len() {
            0 => said(404, ""),
            length => said(200, &format!("Upload-Offset: {length}\r\n{complete}")),
        })
    }

    /// What is said; nothing where the connection is cut.
    fn take(&mut self, request: &Request, mut piece: Vec<u8>) -> Option<String> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        self.paths.push(path.to_owned());
        self.tokens.push(request.token.clone());
        self.offsets.push(request.offset);
        if !query.is_empty() {
            self.queries.push(query.to_owned());
            path.rsplit('/').next().unwrap().clone_into(&mut self.sha256);
            let total = query.split('&').find_map(|pair| pair.strip_prefix("bytes=")).unwrap();
            self.total = total.parse().unwrap();
        }
        assert!(piece.len() <= 1 << 20, "a piece of {} bytes", piece.len());
        let has = |book: &Self| format!("Upload-Offset: {}\r\n", book.bytes.len());
        if request.offset != self.bytes.len() as u64 {
            return Some(said(409, &has(self)));
        }
        match self.fates.pop_front().unwrap_or(Fate::Taken) {
            Fate::Refused(status) => return Some(said(status, "")),
            Fate::Forgotten => {
                self.bytes.truncate(self.bytes.len() / 2);
                return Some(said(409, &has(self)));
            }
            Fate::Cut => {
                self.bytes.extend_from_slice(&piece[..piece.len() / 2]);
                return None;
            }
            Fate::Unsaid => {
                self.bytes.append(&mut piece);
                return None;
            }
            Fate::Damaged => piece[0] ^= 1,
            Fate::Taken => {}
        }
        self.bytes.append(&mut piece);
        if self.bytes.len() as u64 == self.total {
            let digest: String = Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            if digest != self.sha256 {
                self.bytes.clear();
                return Some(said(422, ""));
            }
            self.complete = true;
        }
        Some(said(204, &has(self)))
    }
}

fn said(status: u16, headers: &str) -> String {
    let length = if status == 204 { "" } else { "Content-Length: 0\r\n" };
    format!("HTTP/1.1 {status} Said\r\n{headers}{length}\r\n")
}
