//! A TCP proxy that can go silent, so that what arrives is neither passed on nor refused, as on a cut line; that ends
//! every connection; or that delays, throttles or damages what it passes on.

#![allow(dead_code, reason = "not every test binary needs all faults of a line")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// A proxy in front of a port of this machine.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    silent: AtomicBool,
    closing: AtomicBool,
    refusing: AtomicBool,
    /// Connections made before this number are cut.
    cut_below: AtomicU64,
    made: AtomicU64,
    /// Milliseconds that each piece waits; 0 passes it on at once.
    delay_ms: AtomicU64,
    /// Bytes a second each way; 0 is as fast as it goes.
    bytes_per_second: AtomicU64,
    /// One bit is flipped in about so many bytes towards the client; 0 flips none.
    flip_every: AtomicU64,
}

impl Proxy {
    /// Passes connections on to `to`.
    pub fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.closing.load(SeqCst) {
                    return;
                }
                if shared.refusing.load(SeqCst) {
                    continue;
                }
                let number = shared.made.fetch_add(1, SeqCst);
                if let Ok(server) = TcpStream::connect(("127.0.0.1", to)) {
                    pump(client.try_clone().unwrap(), server.try_clone().unwrap(), number, false, shared.clone());
                    pump(server, client, number, true, shared.clone());
                }
            }
        });
        Self { port, state }
    }

    /// The URL of what stands behind it.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }

    /// Ends all connections, and each new one at once, from now on, or takes them again: a server that is not there.
    pub fn refuse(&self, on: bool) {
        self.state.refusing.store(on, SeqCst);
    }

    /// Ends the connections that there are, and takes new ones.
    pub fn cut(&self) {
        self.refuse(true);
        // Whoever pumps looks at it at least each 20 ms.
        std::thread::park_timeout(Duration::from_millis(100));
        self.refuse(false);
    }

    /// Holds each piece back for so long, from now on.
    pub fn delay(&self, by: Duration) {
        self.state.delay_ms.store(by.as_millis() as u64, SeqCst);
    }

    /// Passes on so many bytes a second each way, from now on.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.state.bytes_per_second.store(bytes_per_second, SeqCst);
    }

    /// Flips one bit in about so many bytes towards the client, from now on.
    pub fn corrupt(&self, every: u64) {
        self.state.flip_every.store(every, SeqCst);
    }

    /// How many connections were made.
    pub fn made(&self) -> u64 {
        self.state.made.load(SeqCst)
    }

    /// Passes nothing on from now on, in either direction, or does again. With `forget`, connections that were silenced
    /// stay dead, as behind a router that was restarted; else they go on where they were.
    pub fn black_hole(&self, on: bool, forget: bool) {
        if !on && forget {
            self.state.cut_below.store(self.state.made.load(SeqCst), SeqCst);
        }
        self.state.silent.store(on, SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.closing.store(true, SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, number: u64, to_client: bool, state: Arc<State>) {
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0u8; 65536];
        while !state.closing.load(SeqCst) && !state.refusing.load(SeqCst) {
            if state.silent.load(SeqCst) || number < state.cut_below.load(SeqCst) {
                // Nothing is read either, so that the sender's buffer fills as on a real line.
                std::thread::park_timeout(Duration::from_millis(20));
                continue;
            }
            match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(n) => {
                    spoil(&mut bytes[..n], to_client, &state);
                    if to.write_all(&bytes[..n]).is_err() {
                        break;
                    }
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}

/// Damages what is passed on, and takes the time that the line needs for it.
fn spoil(bytes: &mut [u8], to_client: bool, state: &State) {
    let every = state.flip_every.load(SeqCst);
    if every > 0 && to_client {
        for byte in bytes.iter_mut().filter(|_| fastrand::u64(..every) == 0) {
            *byte ^= 1 << fastrand::u8(..8);
        }
    }
    let rate = state.bytes_per_second.load(SeqCst);
    let takes = Duration::from_secs_f64(if rate > 0 { bytes.len() as f64 / rate as f64 } else { 0.0 });
    let wait = Duration::from_millis(state.delay_ms.load(SeqCst)) + takes;
    if !wait.is_zero() {
        std::thread::park_timeout(wait);
    }
}
