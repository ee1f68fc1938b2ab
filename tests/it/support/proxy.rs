//! A TCP proxy that can go silent, so that what arrives is neither passed on nor refused, as on a cut line; or that ends
//! every connection.

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
                    pump(client.try_clone().unwrap(), server.try_clone().unwrap(), number, shared.clone());
                    pump(server, client, number, shared.clone());
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

fn pump(mut from: TcpStream, mut to: TcpStream, number: u64, state: Arc<State>) {
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
