//! A camera's RTSP server that answers what a script says, and counts what it was sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Gives the answer to a request: its method and its number.
type Script = dyn Fn(&str, &str, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// The server.
pub struct ScriptedCamera {
    pub port: u16,
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connections: AtomicU64,
    bytes: AtomicU64,
    requests: Mutex<Vec<String>>,
    closing: AtomicBool,
}

impl ScriptedCamera {
    /// Listens at `address` on a free port. `script` is called for each request with its method and its `CSeq`.
    pub fn start(
        address: &str,
        script: impl Fn(&str, &str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let (shared, script): (_, Arc<Script>) = (state.clone(), Arc::new(script));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.closing.load(SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, SeqCst);
                let (shared, script) = (shared.clone(), script.clone());
                // An error is a client that is gone.
                std::thread::spawn(move || drop(serve(client, &shared, &*script)));
            }
        });
        Self { port, address: address.to_owned(), state }
    }

    pub fn url(&self) -> String {
        format!("rtsp://{}:{}/live", self.address, self.port)
    }

    pub fn connections(&self) -> u64 {
        self.state.connections.load(SeqCst)
    }

    /// How many bytes it was sent.
    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(SeqCst)
    }

    /// The first lines of what it was asked.
    pub fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }
}

impl Drop for ScriptedCamera {
    fn drop(&mut self) {
        self.state.closing.store(true, SeqCst);
        let _ = TcpStream::connect((&*self.address, self.port));
    }
}

fn serve(mut client: TcpStream, state: &State, script: &Script) -> std::io::Result<()> {
    let mut text = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        while !text.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = client.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            state.bytes.fetch_add(read as u64, SeqCst);
            text.extend_from_slice(&bytes[..read]);
        }
        let request = String::from_utf8_lossy(&text).into_owned();
        text.clear();
        let first = request.lines().next().unwrap_or_default().to_owned();
        let number = request.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0").to_owned();
        state.requests.lock().unwrap().push(first.clone());
        script(first.split(' ').next().unwrap_or_default(), &number, &mut client)?;
    }
}

/// Answers as a server that is fine would, but for DESCRIBE.
pub fn options(number: &str, client: &mut TcpStream) -> std::io::Result<()> {
    let answer =
        format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n");
    client.write_all(answer.as_bytes())
}

/// Serves a stream in H.264 of which every picture is these units, over the connection itself, 15 times a second.
pub fn h264(units: &[Vec<u8>], method: &str, number: &str, client: &mut TcpStream) -> std::io::Result<()> {
    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n\
        a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n";
    let more = match method {
        "OPTIONS" => return options(number, client),
        "DESCRIBE" => format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len()),
        "SETUP" => "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n".to_owned(),
        _ => "Session: 1\r\n\r\n".to_owned(),
    };
    client.write_all(format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{more}").as_bytes())?;
    if method == "PLAY" {
        let (mut line, units) = (client.try_clone()?, units.to_vec());
        std::thread::spawn(move || {
            for picture in 0..u16::MAX {
                if units.iter().enumerate().any(|(at, unit)| send(&mut line, picture, at, units.len(), unit).is_err()) {
                    return;
                }
                std::thread::park_timeout(std::time::Duration::from_millis(66));
            }
        });
    }
    Ok(())
}

/// Sends one unit of a picture as an RTP packet.
fn send(line: &mut TcpStream, picture: u16, at: usize, units: usize, unit: &[u8]) -> std::io::Result<()> {
    let marker = if at + 1 == units { 0x80 } else { 0 };
    let mut packet = vec![0x80, 96 | marker];
    packet.extend(picture.wrapping_mul(units as u16).wrapping_add(at as u16).to_be_bytes());
    packet.extend((u32::from(picture) * 6000).to_be_bytes());
    packet.extend(7u32.to_be_bytes());
    packet.extend(unit);
    line.write_all(&[&[b'$', 0][..], &(packet.len() as u16).to_be_bytes(), &packet].concat())
}
