//! What can be set about decoding one source.

use std::time::Duration;

use crate::base::child::Program;

/// How the pictures of one source are fetched and decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How RTP travels from an RTSP server. Default TCP, which loses nothing and passes firewalls.
    pub transport: Transport,
    /// How long packets wait for late ones, 0 to 10 s. Default 200 ms.
    pub latency: Duration,
    /// Which decoder to use. Default the first that works.
    pub decoder: DecoderChoice,
    /// Threads of a software decoder, 1 to 16; 0 lets it choose. Default 1, which is the least memory and right when
    /// there are as many cameras as cores. Damaged pictures can only be counted with 1.
    pub threads: u32,
    /// Pictures a second to deliver, above 0; see [`Want`](super::Want). Default none: all.
    pub max_fps: Option<f64>,
    /// Whether the certificate of an `rtsps://` server must be valid. Default true.
    pub verify_tls: bool,
    /// What is started for each stream that is watched, to decode it there if a software decoder does; see
    /// [`isolation`](super::isolation). Default none: it is decoded in this process.
    pub process: Option<Program>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            transport: Transport::Tcp,
            latency: Duration::from_millis(200),
            decoder: DecoderChoice::Auto,
            threads: 1,
            max_fps: None,
            verify_tls: true,
            process: None,
        }
    }
}

/// The subcommand that is a decoder's process; nobody but this program gives it.
pub const PROCESS: &str = "decode-process";

impl Settings {
    /// A decoder's process: the running program, started with a subcommand for it.
    pub fn own_process() -> Program {
        Program::own(&[PROCESS])
    }
}

/// How RTP travels from an RTSP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Inside the RTSP connection.
    Tcp,
    /// In datagrams, unicast or multicast.
    Udp,
    /// In datagrams, and inside the connection when none arrive for two seconds.
    Auto,
}

/// Which decoder to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecoderChoice {
    /// Hardware first, then software; one that does not work is left for the next.
    Auto,
    /// This GStreamer element, such as `avdec_h264`, and no other.
    Named(String),
}
