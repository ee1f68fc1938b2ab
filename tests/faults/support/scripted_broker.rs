//! A broker of MQTT 3.1.1 that acknowledges as it is told: at once, never, or backwards before it hangs up. mosquitto does
//! none of that on demand.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// What is done with messages of QoS 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Each is acknowledged at once.
    Good,
    /// None is; whoever asks for a sign of life gets it.
    Withhold,
    /// So many are gathered, the newest is acknowledged first, and then the connection is cut with half of them open.
    Backwards(usize),
}

/// The broker.
pub struct ScriptedBroker {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    manners: Mutex<Manners>,
    /// Topic and payload of what was published, repetitions included.
    heard: Mutex<Vec<(String, Vec<u8>)>>,
    connections: AtomicU64,
    closing: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl ScriptedBroker {
    /// Listens on a free port.
    pub fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            manners: Mutex::new(manners),
            heard: Mutex::default(),
            connections: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.closing.load(SeqCst) {
                    return;
                }
                shared.connections.fetch_add(1, SeqCst);
                shared.open.lock().unwrap().push(client.try_clone().unwrap());
                let shared = shared.clone();
                // An error is a client that is gone.
                std::thread::spawn(move || drop(serve(client, &shared)));
            }
        });
        Self { port, state }
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Changes its manners, and hangs up on whoever is connected.
    pub fn behave(&self, manners: Manners) {
        *self.state.manners.lock().unwrap() = manners;
        for client in self.state.open.lock().unwrap().drain(..) {
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    }

    /// What was published on topics that contain `part`, in order, repetitions included.
    pub fn heard(&self, part: &str) -> Vec<Vec<u8>> {
        let heard = self.state.heard.lock().unwrap();
        heard.iter().filter(|(topic, _)| topic.contains(part)).map(|(_, payload)| payload.clone()).collect()
    }

    pub fn connections(&self) -> u64 {
        self.state.connections.load(SeqCst)
    }
}

impl Drop for ScriptedBroker {
    fn drop(&mut self) {
        self.state.closing.store(true, SeqCst);
        self.behave(Manners::Good);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(mut client: TcpStream, state: &State) -> std::io::Result<()> {
    let mut gathered = Vec::new();
    loop {
        let (kind, body) = packet(&mut client)?;
        match kind >> 4 {
            // CONNECT, SUBSCRIBE, PINGREQ, DISCONNECT
            1 => client.write_all(&[0x20, 2, 0, 0])?,
            8 => {
                let filters = filters(&body[2..]);
                let mut answer = vec![0x90, 2 + filters as u8, body[0], body[1]];
                answer.resize(4 + filters, 1);
                client.write_all(&answer)?;
            }
            12 => client.write_all(&[0xd0, 0])?,
            14 => return Ok(()),
            3 => {
                let length = usize::from(body[0]) << 8 | usize::from(body[1]);
                let (topic, rest) = body[2..].split_at(length);
                let number = [rest[0], rest[1]];
                let topic = String::from_utf8_lossy(topic).into_owned();
                state.heard.lock().unwrap().push((topic, rest[2..].to_vec()));
                let manners = *state.manners.lock().unwrap();
                match manners {
                    Manners::Good => acknowledge(&mut client, number)?,
                    Manners::Withhold => {}
                    Manners::Backwards(many) => {
                        gathered.push(number);
                        if gathered.len() == many {
                            for number in gathered.drain(many / 2..).rev() {
                                acknowledge(&mut client, number)?;
                            }
                            // Closed with something unread, it would take back what it has just sent.
                            client.shutdown(std::net::Shutdown::Write)?;
                            return std::io::copy(&mut client, &mut std::io::sink()).map(drop);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn acknowledge(client: &mut TcpStream, number: [u8; 2]) -> std::io::Result<()> {
    client.write_all(&[0x40, 2, number[0], number[1]])
}

/// How many filters a SUBSCRIBE names behind its number.
fn filters(mut list: &[u8]) -> usize {
    let mut count = 0;
    while list.len() > 2 {
        let length = usize::from(list[0]) << 8 | usize::from(list[1]);
        list = &list[2 + length + 1..];
        count += 1;
    }
    count
}

fn packet(client: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    client.read_exact(&mut byte)?;
    let kind = byte[0];
    let (mut length, mut shift) = (0, 0);
    loop {
        client.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body)?;
    Ok((kind, body))
}
